"""The ranking of people: an ordered chain of criteria, shared ranks, and why a row stands above the next."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf

DEFAULT_CHAIN = ("points", "prediction_error", "duration_ms", "submitted_at")
TIE = "tie"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one person is ranked by: the facts of their counted attempt."""

    attempt: str  # public id
    points: int  # in units of 1/840
    prediction_error: int | None = None  # None: no prediction, last among equals
    duration_ms: int
    submitted_at: datetime
    attempts_used: int = 1
    registered_at: datetime


@dataclass(frozen=True)
class Ranked:
    """A result with its place: `position` counts rows from 1, full ties share the `rank`."""

    result: Result
    position: int
    rank: int
    # The first criterion that separates it from the next row; "tie", or "" in the last row.
    separated_by: str


def _nearest(result: Result) -> float:
    return inf if result.prediction_error is None else result.prediction_error


# Smaller is better.
CRITERIA: dict[str, Callable[[Result], object]] = {
    "points": lambda result: -result.points,
    "prediction_error": _nearest,
    "duration_ms": lambda result: result.duration_ms,
    "submitted_at": lambda result: result.submitted_at,
    "attempts_used": lambda result: result.attempts_used,
    "registered_at": lambda result: result.registered_at,
}


def chain_without_prediction(chain: Sequence[str]) -> tuple[str, ...]:
    """Return the chain as it holds before the truth is known, or where nobody is to be counted."""
    return tuple(name for name in chain if name != "prediction_error")


def rank_results(results: Iterable[Result], chain: Sequence[str]) -> list[Ranked]:
    """Order results by the chain; full ties share a rank (1, 2, 2, 4) in the order of public ids.

    Independent of the order given, and of everything that the chain does not name.
    """
    keys = [CRITERIA[name] for name in chain]
    rows = sorted(
        ((tuple(key(result) for key in keys), result) for result in results),
        key=lambda row: (row[0], row[1].attempt),
    )
    ranked: list[Ranked] = []
    rank = 0
    for place, (values, result) in enumerate(rows):
        if place == 0 or values != rows[place - 1][0]:
            rank = place + 1
        below = rows[place + 1][0] if place + 1 < len(rows) else None
        ranked.append(Ranked(result, place + 1, rank, _separation(values, below, chain)))
    return ranked


def _separation(values: tuple[object, ...], below: tuple[object, ...] | None, chain: Sequence[str]) -> str:
    if below is None:
        return ""
    for place, name in enumerate(chain):
        if values[place] != below[place]:
            return name
    return TIE


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One valid attempt of a person, to choose the counted one from."""

    number: int
    result: Result


def counted(candidates: Sequence[Candidate], counts: str, chain: Sequence[str]) -> Candidate:
    """Return the attempt that counts: the first, the last, or the best of at least one.

    The best is judged by the chain without prediction_error; of equals the earlier.
    """
    if counts == "first":
        return min(candidates, key=lambda one: one.number)
    if counts == "last":
        return max(candidates, key=lambda one: one.number)
    keys = [CRITERIA[name] for name in chain_without_prediction(chain)]
    return min(candidates, key=lambda one: (*(key(one.result) for key in keys), one.number))
