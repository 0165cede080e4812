"""The one way to Redis from a request: quick to give up, and not asked at all while it is away.

Redis is a convenience here; SQL is the truth. So nothing waits for it: a quarter of a second to
connect or answer, no retry, and after some failures in a row a few seconds without trying.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

T = TypeVar("T")

PATIENCE = 0.25
FAILURES_TO_OPEN = 3
REST = 5.0


def quick_redis(url: str) -> Redis:
    """Return a client that gives up after PATIENCE seconds and never retries."""
    return Redis.from_url(
        url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
    )


class Breaker:
    """Lets calls to Redis through until too many fail in a row, then rests before it tries again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._resting_until = 0.0

    def call(self, work: Callable[[], T]) -> T | None:
        """Return what the work returns, or None if Redis failed or is being given a rest."""
        with self._lock:
            if time.monotonic() < self._resting_until:
                return None
        try:
            result = work()
        except RedisError:
            with self._lock:
                self._failures += 1
                if self._failures >= FAILURES_TO_OPEN:
                    self._resting_until = time.monotonic() + REST
            return None
        with self._lock:
            self._failures = 0
        return result
