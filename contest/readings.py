"""Readings that are costly and the same for everybody: a process makes one at a time and keeps it a while."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import current_app

T = TypeVar("T")

# A reading is kept so many times as long as it took to make: reading costs 5 % of the time at most,
# however many look, and a small contest's figures are always new.
KEPT_FOR = 20
# Keys may come from addresses; beyond so many the oldest are forgotten.
MOST_KEPT = 500


@dataclass
class _Kept:
    """One reading, whoever made it, until it is too old."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    until: float = 0


def shared(key: Hashable, read: Callable[[], T]) -> T:
    """Return the reading of a key; of many who ask at once, one makes it and the others wait for it."""
    readings: dict[Hashable, _Kept] = current_app.extensions.setdefault("readings", {})
    kept = readings.setdefault(key, _Kept())
    if len(readings) > MOST_KEPT:
        readings.pop(list(readings)[0], None)  # noqa: RUF015  (another thread may add one meanwhile)
    with kept.lock:
        began = time.monotonic()
        if began >= kept.until:
            kept.value = read()
            ended = time.monotonic()
            kept.until = ended + (ended - began) * KEPT_FOR
        value: T = kept.value
        return value
