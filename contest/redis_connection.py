"""The one way to Redis: quick to give up, and not asked at all while it is away.

Redis is a convenience here; SQL is the truth. So no request waits for it: a quarter of a second to
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


def waiting_redis(url: str) -> Redis:
    """Return a client for a worker, which waits for its queue: no request may ever use it."""
    return Redis.from_url(url)


class Breaker:
    """Lets calls to Redis through until too many fail in a row, then rests before one tries again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._resting_until = 0.0
        self._is_on_trial = False

    @property
    def is_open(self) -> bool:
        """Whether Redis is taken as away."""
        return self._failures >= FAILURES_TO_OPEN

    def call(self, work: Callable[[], T]) -> T | None:
        """Return what the work returns, or None if Redis failed or is being given a rest."""
        is_trial = self._admit()
        if is_trial is None:
            return None
        is_well = True
        try:
            return work()
        except RedisError:
            is_well = False
            return None
        finally:
            self._note(is_well=is_well, is_trial=is_trial)

    def _admit(self) -> bool | None:
        """Tell whether a call is the trial after a rest, alone until its answer is known; None: no call."""
        with self._lock:
            if not self.is_open:
                return False
            if self._is_on_trial or time.monotonic() < self._resting_until:
                return None
            self._is_on_trial = True
            return True

    def _note(self, *, is_well: bool, is_trial: bool) -> None:
        with self._lock:
            if is_trial:
                self._is_on_trial = False
            if is_well:
                self._failures = 0
                return
            self._failures += 1
            if self.is_open:
                self._resting_until = time.monotonic() + REST


class QuickRedis:
    """A process's Redis: one client and one breaker, so that what one use finds out spares the others."""

    def __init__(self, url: str) -> None:
        self.client = quick_redis(url)
        self.breaker = Breaker()
