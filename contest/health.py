"""What this web process measures of itself: how long saves take, how busy its threads are.

It also keeps threads free for the people who sit: pages, sign-ins and starts together may take all
but a few, so that however slow or many they are, a save finds a thread.
"""

import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence

from flask import Flask, Response, g, render_template, request
from flask.typing import ResponseReturnValue

from contest.policies import POLICIES
from contest.rules.admission import Measures

# The measures are of so many seconds; with fewer requests there is nothing to tell.
WINDOW = 5.0
FEWEST = 10
MOST_KEPT = 4000
KEPT_SHARE = 4  # one thread of so many is kept for people sitting
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0)
SAVES = frozenset({"attempts.save", "attempts.save_form", "attempts.submit"})
START = "attempts.start"


class Gauge:
    """Counts and times of one process's requests. All its methods may be called by any thread."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        # With very few threads, keeping one would starve the others.
        self.most_others = threads - max(1, threads // KEPT_SHARE) if threads >= 3 else threads
        self._lock = threading.Lock()
        self._running = 0
        self._others = 0
        self._busy_seconds = 0.0
        self._changed_at = self._read_at = time.monotonic()
        self._times: dict[str, deque[tuple[float, float]]] = {
            "save": deque(maxlen=MOST_KEPT),
            "start": deque(maxlen=MOST_KEPT),
        }
        self._pool_timeouts: deque[float] = deque(maxlen=MOST_KEPT)
        self.requests: Counter[str] = Counter()
        self.save_buckets = [0] * (len(BUCKETS) + 1)
        self.save_seconds = 0.0
        self.turned_away = 0

    def enter(self, *, is_first: bool) -> bool:
        """Note that a request begins; False: its threads are taken, and it must not."""
        with self._lock:
            if not is_first:
                if self._others >= self.most_others:
                    self.turned_away += 1
                    return False
                self._others += 1
            self._pass_time()
            self._running += 1
            return True

    def leave(self, began: float, route: str, status: int, *, is_first: bool) -> None:
        """Note that a request that was let in has ended."""
        now = time.monotonic()
        seconds = now - began
        with self._lock:
            self._pass_time()
            self._running -= 1
            self._others -= not is_first
            self.requests[f"{route} {status}"] += 1
            if route in SAVES:
                self._times["save"].append((now, seconds))
                self.save_seconds += seconds
                place = next((place for place, top in enumerate(BUCKETS) if seconds <= top), len(BUCKETS))
                self.save_buckets[place] += 1
            elif route == START:
                self._times["start"].append((now, seconds))

    def note_pool_timeout(self) -> None:
        """Note that a request found no connection to the database in time."""
        self._pool_timeouts.append(time.monotonic())

    def read(self, *, lag: float = 0.0) -> Measures:
        """Return the measures of the last seconds; busy is since the last reading."""
        with self._lock:
            self._pass_time()
            now = self._changed_at
            busy = self._busy_seconds / max(1e-6, (now - self._read_at) * self.threads)
            self._busy_seconds, self._read_at = 0.0, now
            save, start = (
                [seconds for at, seconds in times if now - at <= WINDOW] for times in self._times.values()
            )
            timeouts = sum(now - at <= WINDOW for at in self._pool_timeouts)
        return Measures(_p95_ms(save), _p95_ms(start), min(1.0, busy), lag * 1000, timeouts)

    def counts(self) -> str:
        """Return the counts since the process began, as JSON."""
        with self._lock:
            return json.dumps(
                {
                    "requests": self.requests,
                    "save_buckets": self.save_buckets,
                    "save_seconds": round(self.save_seconds, 6),
                    "turned_away": self.turned_away,
                }
            )

    def _pass_time(self) -> None:
        now = time.monotonic()
        self._busy_seconds += self._running * (now - self._changed_at)
        self._changed_at = now


def _p95_ms(seconds: Sequence[float]) -> float | None:
    if len(seconds) < FEWEST:
        return None
    return sorted(seconds)[len(seconds) * 95 // 100] * 1000


def init_app(app: Flask) -> None:
    """Measure every request, first of all that is done for it and last of all."""
    gauge = app.extensions["gauge"] = Gauge(app.config["CONTEST"].web_threads)

    @app.before_request
    def enter() -> ResponseReturnValue | None:
        endpoint = request.endpoint or ""
        policy = POLICIES.get(endpoint)
        is_first = policy is not None and policy.is_first
        g.began = None
        if not gauge.enter(is_first=is_first):
            return _turned_away()
        g.began, g.is_first, g.status = time.monotonic(), is_first, 500
        return None

    @app.after_request
    def note_status(response: Response) -> Response:
        g.status = response.status_code
        return response

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        began = g.pop("began", None)
        if began is not None:
            gauge.leave(began, request.endpoint or "none", g.status, is_first=g.is_first)


def _turned_away() -> ResponseReturnValue:
    """Answer at once and without the database: there are too many for now."""
    seconds = random.randint(3, 9)
    headers = {"Retry-After": str(seconds)}
    if request.method == "PUT" or request.accept_mimetypes.best == "application/json":
        return {"code": "busy"}, 503, headers
    if request.method == "GET":
        headers["Refresh"] = str(seconds)
    return render_template("errors/busy.html", seconds=seconds, is_read=request.method == "GET"), 503, headers
