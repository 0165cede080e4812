"""What people asked and were told, and whether the database may look as it does after that."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from itertools import pairwise

Responses = Mapping[str, Sequence[str]]


class Told(Enum):
    """What the answer to a request means."""

    ACKED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # no answer: it may have been done


@dataclass(frozen=True)
class Entry:
    """One request and its answer; moments are of the monotonic clock."""

    op: str
    attempt: str
    seq: int
    sheet: Responses
    told: Told
    began: float
    ended: float
    status: int | None = None
    retry_after: str | None = None

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True)
class Kept:
    """An attempt as the database has it."""

    seq: int
    sheet: Responses
    is_submitted: bool


@dataclass
class Ledger:
    """All entries of a crowd; any thread may add one."""

    entries: list[Entry] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, entry: Entry) -> None:
        with self._lock:
            self.entries.append(entry)

    def acked(self, op: str = "") -> list[Entry]:
        """Return what was acknowledged, of one operation or of all."""
        return [one for one in self.entries if one.told is Told.ACKED and op in ("", one.op)]

    def longest(self) -> float:
        """Return the longest wait for an answer."""
        return max((one.seconds for one in self.entries), default=0.0)

    def longest_outage(self) -> float:
        """Return the longest time in which nothing was acknowledged, between two acknowledgements."""
        moments = sorted(one.ended for one in self.acked())
        return max((b - a for a, b in pairwise(moments)), default=0.0)

    def statuses(self) -> Counter[str]:
        return Counter(str(one.status or "none") for one in self.entries)


def lost(entries: Sequence[Entry], kept: Mapping[str, Kept]) -> Iterator[str]:
    """Yield in which way the database contradicts what people were told (I1)."""
    by_attempt: dict[str, list[Entry]] = {}
    for entry in entries:
        by_attempt.setdefault(entry.attempt, []).append(entry)
    for attempt, own in by_attempt.items():
        acked = [one for one in own if one.told is Told.ACKED]
        stored = kept.get(attempt)
        if stored is None:
            if acked:
                yield f"{attempt}: acknowledged, and there is no such attempt"
            continue
        furthest = max((one.seq for one in acked), default=0)
        if stored.seq < furthest:
            yield f"{attempt}: sheet {furthest} was acknowledged, and {stored.seq} is stored"
        sent = [one.sheet for one in own if one.seq == stored.seq and one.seq]
        if stored.seq and sent and stored.sheet not in sent:
            yield f"{attempt}: sheet {stored.seq} is not the one that was sent"
        if stored.seq and not sent:
            yield f"{attempt}: sheet {stored.seq} is stored, and nobody sent it"
        if any(one.op == "submit" for one in acked) and not stored.is_submitted:
            yield f"{attempt}: handing in was acknowledged, and it is open"


def dishonest(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield which answers are none of 2xx, 3xx, 4xx, or 503 with its Retry-After (I7)."""
    bad = Counter(
        f"{one.op}: {one.status}" + ("" if one.retry_after else " without Retry-After")
        for one in entries
        if one.status is not None
        and one.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        and not (one.status == HTTPStatus.SERVICE_UNAVAILABLE and one.retry_after)
    )
    for what, count in bad.items():
        yield f"{what}, {count} times"
