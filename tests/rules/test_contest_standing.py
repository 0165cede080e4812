"""The standing over the rounds: sums, the shorter time in all, the earlier last submission."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from contest.rules.contest_standing import rank_totals, total
from contest.rules.ranking import Result

NOON = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


def result(attempt, points=10, minutes=5, hours=0, **facts):
    return Result(
        attempt=attempt,
        points=points * 840,
        duration_ms=minutes * 60_000,
        submitted_at=NOON + timedelta(hours=hours),
        registered_at=NOON,
        **facts,
    )


def test_points_and_durations_are_summed_and_the_last_submission_stands():
    one = total([result("b", 10, 5, hours=2, prediction_error=3), result("a", 7, 6, hours=1)])
    assert (one.points, one.duration_ms, one.submitted_at) == (
        17 * 840,
        11 * 60_000,
        NOON + timedelta(hours=2),
    )
    assert (one.attempt, one.prediction_error) == ("b", None)


def test_more_points_then_less_time_then_the_earlier_last_submission():
    people = {
        "points": total([result("p1", 10), result("p2", 10)]),
        "quick": total([result("q1", 19, 1)]),
        "slow": total([result("s1", 10, 1, hours=1), result("s2", 9, 1)]),
        "slow and late": total([result("l1", 10, 1), result("l2", 9, 1, hours=9)]),
    }
    names = {one.attempt: name for name, one in people.items()}
    ranked = rank_totals(people.values())
    assert [names[row.result.attempt] for row in ranked] == ["points", "quick", "slow", "slow and late"]
    assert [row.separated_by for row in ranked] == ["points", "duration_ms", "submitted_at", ""]


def test_equals_share_a_rank_in_the_order_of_their_last_attempts():
    ranked = rank_totals(
        [total([result("b"), result("z", hours=-1)]), total([result("a"), result("y", hours=-1)])]
    )
    assert [(row.result.attempt, row.rank) for row in ranked] == [("a", 1), ("b", 1)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 9)), min_size=1, max_size=5), st.randoms())
def test_the_order_of_the_rounds_does_not_matter(rounds, random):
    taken = [result(str(n), points, minutes, hours=n) for n, (points, minutes) in enumerate(rounds)]
    assert total(random.sample(taken, len(taken))) == total(taken)
