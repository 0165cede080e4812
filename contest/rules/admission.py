"""How many people may start in a second: more while the web is well, fewer while it is not.

The rate grows by a little and falls by a share (as TCP's does), so that it settles near what the
machines can carry, comes back after an outage, and never stands still at nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, IntEnum

# Also what a fresh system begins with, and what it comes back to while nobody waits.
FIRST_RATE = 30.0
LOWEST_RATE = 1.0
# A second of good health adds so many starts a second, or this share of the rate if it is more.
GROWTH, GROWTH_SHARE = 0.25, 0.05
FALL = 0.7
# What was lowered shows in the measures only after a while; until then it is not lowered again.
REACTION_SECONDS = 4.0
# After an outage the line moves on from where it stood.
LONGEST_STEP = 2.0
# How quickly the pace, which the promised times follow, takes up a new rate.
PACE_SHARE = 0.2
# In the order of Measures; a save above 300 ms and a start above 1 s miss the design's goals.
STRAINED_ABOVE = (200.0, 700.0, 0.75, 250.0)
BAD_ABOVE = (300.0, 1000.0, 0.9, 500.0)
# The page of somebody who waits asks again after a tenth of the time that is left, within these.
SOONEST_LOOK, LATEST_LOOK = 4.0, 30.0


class Mode(Enum):
    """How the line is moved."""

    AUTO = "auto"  # by measured health
    FIXED = "fixed"  # at the rate that an organizer has set
    OPEN = "open"  # nobody waits


class Verdict(IntEnum):
    """How a web process, or all of them, fare."""

    GOOD = 0
    STRAINED = 1
    BAD = 2


@dataclass(frozen=True)
class Measures:
    """What one web process has measured over the last seconds; None: too little to tell."""

    save_ms: float | None = None  # 95 of 100 were quicker
    start_ms: float | None = None
    busy: float = 0.0  # share of its threads
    lag_ms: float = 0.0  # by so much a thread that wants to run comes late
    pool_timeouts: int = 0


@dataclass(frozen=True)
class Line:
    """The waiting room: numbers are given in the order of arrival, and called up to `called`."""

    mode: Mode = Mode.AUTO
    fixed_rate: float | None = None
    taken: int = 0
    called: float = 0.0
    rate: float = FIRST_RATE
    pace: float = FIRST_RATE
    seconds_since_lowered: float = REACTION_SECONDS

    @property
    def waiting(self) -> int:
        """How many numbers are not called yet."""
        return max(0, self.taken - int(self.called))


def verdict(measures: Iterable[Measures]) -> Verdict:
    """Return how the web fares: as its worst process does."""
    return max((_of_one(one) for one in measures), default=Verdict.GOOD)


def _of_one(one: Measures) -> Verdict:
    values = (one.save_ms, one.start_ms, one.busy, one.lag_ms)
    if one.pool_timeouts or _is_above(values, BAD_ABOVE):
        return Verdict.BAD
    return Verdict.STRAINED if _is_above(values, STRAINED_ABOVE) else Verdict.GOOD


def _is_above(values: Sequence[float | None], limits: Sequence[float]) -> bool:
    return any(value is not None and value > limit for value, limit in zip(values, limits, strict=True))


def moved(line: Line, health: Verdict, *, seconds: float, cap: float, is_startable: bool = True) -> Line:
    """Return the line after some seconds: its rate follows the health, and it has moved by the rate.

    It stands still while no round can be started, as during a pause.
    """
    seconds = min(max(seconds, 0.0), LONGEST_STEP)
    line = replace(line, seconds_since_lowered=line.seconds_since_lowered + seconds)
    line = _with_rate(line, health, seconds, cap)
    if line.mode is Mode.OPEN:
        return replace(line, called=max(line.called, line.taken), pace=line.rate)
    steps = line.rate * seconds if is_startable else 0.0
    return replace(
        line,
        called=max(line.called, min(line.taken, line.called + steps)),
        pace=line.pace + (line.rate - line.pace) * min(1.0, PACE_SHARE * seconds),
    )


def _with_rate(line: Line, health: Verdict, seconds: float, cap: float) -> Line:
    if line.mode is Mode.FIXED and line.fixed_rate is not None:
        return replace(line, rate=min(cap, line.fixed_rate))
    if health is Verdict.BAD and line.seconds_since_lowered >= REACTION_SECONDS:
        return replace(line, rate=max(LOWEST_RATE, line.rate * FALL), seconds_since_lowered=0.0)
    # While nobody waits, nothing shows that more than the first rate could be carried.
    highest = cap if line.waiting else min(cap, max(FIRST_RATE, line.rate))
    if health is Verdict.GOOD:
        grown = line.rate + max(GROWTH, GROWTH_SHARE * line.rate) * seconds
        return replace(line, rate=min(highest, grown))
    return replace(line, rate=min(cap, line.rate))


def seconds_to_turn(ahead: int, pace: float) -> float:
    """Return how long somebody with so many people ahead has still to wait."""
    return (ahead + 1) / max(pace, LOWEST_RATE)


def seconds_to_look(seconds: float, share: float) -> float:
    """Return when a page asks again: the sooner the nearer the turn; `share` (0 to 1) spreads them."""
    return min(LATEST_LOOK, max(SOONEST_LOOK, seconds / 10)) * (0.75 + 0.5 * share)
