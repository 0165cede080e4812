"""When people could not save, and what each attempt lost by it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

# A process beats this often; a longer silence than the second means that it was away.
BEAT_EVERY = timedelta(seconds=3)
LONGEST_SILENCE = timedelta(seconds=15)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, order=True)
class Interval:
    """A time from its first moment up to, and without, its last."""

    from_at: datetime
    until_at: datetime

    def __post_init__(self) -> None:
        if self.from_at >= self.until_at:
            raise ValueError("an interval ends after it begins")


def gap(last: datetime, beat: datetime, *, longest: timedelta = LONGEST_SILENCE) -> Interval | None:
    """Return the silence between two beats if it was too long, or None."""
    return Interval(last, beat) if beat - last > longest else None


def without(interval: Interval, known: Iterable[Interval]) -> list[Interval]:
    """Return what is left of an interval beside those known already, in order."""
    pieces, begins = [], interval.from_at
    for one in sorted(known):
        if one.from_at >= interval.until_at:
            break
        if one.from_at > begins:
            pieces.append(Interval(begins, one.from_at))
        begins = max(begins, one.until_at)
    if begins < interval.until_at:
        pieces.append(Interval(begins, interval.until_at))
    return pieces


def lost_ms(
    outage: Interval, started_at: datetime, deadline_at: datetime, submitted_at: datetime | None
) -> int:
    """Return how much of an attempt's time an outage took, in whole milliseconds, floored.

    Of a submitted attempt it is what lies between its start and its end. An open attempt gets a later
    deadline by as much, so that whoever had time left when the outage began loses the whole rest of it.
    """
    ended_at = deadline_at if submitted_at is None else min(submitted_at, deadline_at)
    if ended_at <= outage.from_at:
        return 0
    until = outage.until_at if submitted_at is None else min(outage.until_at, ended_at)
    return max(0, (until - max(outage.from_at, started_at)) // MILLISECOND)
