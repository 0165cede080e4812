"""The standing over the rounds of a contest: sums of what counted in each round."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from contest.rules.ranking import Ranked, Result, rank_results

CHAIN = ("points", "duration_ms", "submitted_at")


def total(results: Sequence[Result]) -> Result:
    """Return what a person is ranked by over the rounds they took; a round not taken gives nothing.

    Points and durations are summed; the last submission stands for the moment and for the name that
    equals are shown by.
    """
    last = max(results, key=lambda one: (one.submitted_at, one.attempt))
    return replace(
        last,
        points=sum(one.points for one in results),
        duration_ms=sum(one.duration_ms for one in results),
        prediction_error=None,
    )


def rank_totals(totals: Iterable[Result]) -> list[Ranked]:
    """Rank people by more points, then the shorter time in all, then the earlier last submission."""
    return rank_results(totals, CHAIN)
