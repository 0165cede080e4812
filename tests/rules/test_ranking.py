"""The ranking of people: the chain, shared ranks, the counted attempt, and the sentence beside a row."""

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contest.rules.explaining import explain
from contest.rules.ranking import (
    CRITERIA,
    DEFAULT_CHAIN,
    Candidate,
    Result,
    chain_without_prediction,
    counted,
    rank_results,
)
from contest.rules.scoring import POINT

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=7)))


def result(attempt, points=15, error=None, minutes=7.0, after=0.0, **facts):
    """A person's counted attempt, `after` seconds past noon."""
    return Result(
        attempt=attempt,
        points=int(points * POINT),
        prediction_error=error,
        duration_ms=round(minutes * 60_000),
        submitted_at=NOON + timedelta(seconds=after),
        registered_at=facts.pop("registered_at", NOON - timedelta(days=1)),
        **facts,
    )


def ranks(*results, chain=DEFAULT_CHAIN):
    return {row.result.attempt: row.rank for row in rank_results(results, chain)}


def order(*results, chain=DEFAULT_CHAIN):
    return "".join(row.result.attempt for row in rank_results(results, chain))


# --- the chain -------------------------------------------------------------------------------------


def test_more_points_stand_first_whatever_the_rest():
    assert order(result("a", 14, error=0, minutes=1), result("b", 15, error=99, minutes=15)) == "ba"


def test_among_equal_points_the_nearer_prediction():
    assert order(result("a", error=5, minutes=1), result("b", error=4, minutes=15)) == "ba"


def test_who_did_not_predict_stands_last_among_equals_only():
    assert order(result("a", minutes=1), result("b", error=2**31), result("c", 14, error=0)) == "bac"


def test_among_equal_predictions_the_shorter_duration():
    assert (
        order(result("a", error=0, minutes=7.001, after=1), result("b", error=0, minutes=7, after=2)) == "ba"
    )


def test_among_equal_durations_the_earlier_submission_to_the_microsecond():
    assert order(result("a", after=0.000_002), result("b", after=0.000_001)) == "ba"


def test_fewer_attempts_and_earlier_registration_where_the_chain_names_them():
    chain = ("points", "attempts_used", "registered_at")
    early, late = NOON - timedelta(days=2), NOON - timedelta(days=1)
    people = (
        result("a", attempts_used=2, registered_at=early),
        result("b", attempts_used=1, registered_at=late),
        result("c", attempts_used=1, registered_at=early),
    )
    assert order(*people, chain=chain) == "cba"


def test_what_the_chain_does_not_name_changes_nothing():
    assert ranks(result("a", minutes=1, after=1), result("b", minutes=9, after=9), chain=("points",)) == {
        "a": 1,
        "b": 1,
    }


def test_another_chain_gives_another_order():
    slow_but_near, quick_but_far = result("a", error=1, minutes=9), result("b", error=9, minutes=1)
    assert order(slow_but_near, quick_but_far) == "ab"
    assert order(slow_but_near, quick_but_far, chain=("points", "duration_ms", "prediction_error")) == "ba"


def test_before_the_truth_is_known_predictions_are_left_out():
    assert chain_without_prediction(DEFAULT_CHAIN) == ("points", "duration_ms", "submitted_at")


def test_full_ties_share_a_rank_and_the_next_one_is_skipped():
    tied = [result("b", 14), result("c", 14)]
    assert ranks(result("a"), *tied, result("d", 13)) == {"a": 1, "b": 2, "c": 2, "d": 4}


def test_full_ties_are_shown_in_the_order_of_public_ids():
    assert order(result("b"), result("_"), result("Z"), result("a")) == "Z_ab"


def test_each_row_names_what_separates_it_from_the_next():
    rows = rank_results(
        [
            result("a", 15, error=1),
            result("b", 14, error=1),
            result("c", 14, error=2, minutes=1),
            result("d", 14, error=2, minutes=2, after=1),
            result("e", 14, error=2, minutes=2, after=2),
            result("f", 14, error=2, minutes=2, after=2),
        ],
        DEFAULT_CHAIN,
    )
    assert [row.separated_by for row in rows] == [
        "points",
        "prediction_error",
        "duration_ms",
        "submitted_at",
        "tie",
        "",
    ]
    assert [row.position for row in rows] == [1, 2, 3, 4, 5, 6]


def test_nobody_gives_no_rows():
    assert rank_results([], DEFAULT_CHAIN) == []


# Few values, so that ties are frequent.
people = st.lists(
    st.builds(
        result,
        st.uuids().map(str),
        st.sampled_from([13, 14, 15]),
        error=st.sampled_from([None, 0, 3]),
        minutes=st.sampled_from([6, 7]),
        after=st.sampled_from([0, 1]),
        attempts_used=st.sampled_from([1, 2]),
    ),
    max_size=12,
    unique_by=lambda one: one.attempt,
)
chains = st.permutations(list(CRITERIA)).flatmap(
    lambda names: st.integers(1, 6).map(lambda length: names[:length])
)


def merit(one, chain):
    """What the rules compare, written once more: smaller is better."""
    values = {
        "points": -one.points,
        "prediction_error": float("inf") if one.prediction_error is None else one.prediction_error,
        "duration_ms": one.duration_ms,
        "submitted_at": one.submitted_at,
        "attempts_used": one.attempts_used,
        "registered_at": one.registered_at,
    }
    return [values[name] for name in chain]


@settings(max_examples=100, deadline=None)
@given(people, chains)
def test_the_rank_counts_who_is_better(results, chain):
    for one in results:
        better = sum(merit(other, chain) < merit(one, chain) for other in results)
        assert ranks(*results, chain=chain)[one.attempt] == better + 1


@settings(max_examples=100, deadline=None)
@given(people.filter(lambda some: len(some) > 1), chains, st.data())
def test_who_of_two_stands_above_does_not_depend_on_the_others(results, chain, data):
    """So the order is a total preorder: any two compare, and three never go round in a circle."""
    one, other = data.draw(st.sampled_from(results)), data.draw(st.sampled_from(results))
    among_all = ranks(*results, chain=chain)
    alone = ranks(*{one, other}, chain=chain)
    assert (alone[one.attempt] < alone[other.attempt]) is (among_all[one.attempt] < among_all[other.attempt])
    assert (alone[one.attempt] == alone[other.attempt]) is (
        among_all[one.attempt] == among_all[other.attempt]
    )


@settings(max_examples=100, deadline=None)
@given(people, chains, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(results, chain, random):
    assert rank_results(random.sample(results, len(results)), chain) == rank_results(results, chain)


@settings(max_examples=100, deadline=None)
@given(people.filter(len), chains, st.data())
def test_striking_somebody_out_never_lowers_anybody_else(results, chain, data):
    struck = data.draw(st.sampled_from(results))
    before, after = ranks(*results, chain=chain), ranks(*(set(results) - {struck}), chain=chain)
    assert all(rank <= before[attempt] for attempt, rank in after.items())
    assert all(before[attempt] - rank <= 1 for attempt, rank in after.items())


@settings(max_examples=100, deadline=None)
@given(people, chains)
def test_a_row_is_separated_by_the_first_criterion_that_differs(results, chain):
    for above, below in pairwise(rank_results(results, chain)):
        mine, theirs = merit(above.result, chain), merit(below.result, chain)
        differing = [name for name, one, other in zip(chain, mine, theirs, strict=True) if one != other]
        assert above.separated_by == (differing[0] if differing else "tie")
        assert (above.rank == below.rank) is (not differing)


# --- which attempt counts --------------------------------------------------------------------------


def counted_number(*results, counts="best", chain=DEFAULT_CHAIN):
    candidates = [Candidate(number=number, result=one) for number, one in enumerate(results, start=1)]
    return {counted(order, counts, chain).number for order in (candidates, candidates[::-1])}


def test_the_first_or_the_last_counts_whatever_its_points():
    sittings = (result("a", 10), result("b", 15), result("c", 12))
    assert counted_number(*sittings, counts="first") == {1}
    assert counted_number(*sittings, counts="last") == {3}


def test_the_best_counts():
    assert counted_number(result("a", 10), result("b", 15), result("c", 12)) == {2}


def test_the_best_is_chosen_without_looking_at_predictions():
    assert counted_number(result("a", error=100, minutes=5), result("b", error=0, minutes=6)) == {1}


def test_the_best_follows_the_chain():
    quick, early = result("a", minutes=5, after=9), result("b", minutes=6, after=1)
    assert counted_number(quick, early) == {1}
    assert counted_number(quick, early, chain=("points", "submitted_at")) == {2}


def test_of_equally_good_attempts_the_earlier_counts():
    assert counted_number(result("z"), result("a"), result("b")) == {1}


def test_the_only_attempt_counts_in_every_way():
    assert [counted_number(result("a"), counts=counts) for counts in ("best", "first", "last")] == [{1}] * 3


# --- the sentence beside a row ---------------------------------------------------------------------


def sentence(above, below, chain=DEFAULT_CHAIN, **facts):
    first, second = rank_results([above, below], chain)
    return explain(first.separated_by, first.result, second.result, **facts)


def test_points_have_as_many_digits_as_tell_them_apart():
    assert sentence(result("a", 15), result("b", 14)) == "Hơn dòng dưới về điểm: 15 so với 14."
    # 14 2/3 and 14 3/5 are cut off, never rounded.
    close = sentence(result("a", 14 + 560 / 840), result("b", 14 + 504 / 840))
    assert close == "Hơn dòng dưới về điểm: 14,66 so với 14,60."


def test_predictions_name_the_distance():
    assert sentence(result("a", error=3), result("b", error=1250)).endswith("lệch 3 so với lệch 1.250.")
    assert sentence(result("a", error=3), result("b")).endswith("lệch 3 so với không dự đoán.")


def test_percentages_have_digits_after_the_comma():
    near, far = result("a", error=104_999), result("b", error=105_000)
    assert sentence(near, far, is_percentage=True).endswith("lệch 1,04 điểm % so với lệch 1,05 điểm %.")


@pytest.mark.parametrize(
    "above, below, words",
    [
        (7.2, 7.25, "07:12 so với 07:15"),
        (7.205, 7.2066, "07:12,30 so với 07:12,39"),
        (7.205, 7.20502, "07:12,300 so với 07:12,301"),
        (0.99999, 61, "00:59 so với 61:00"),
    ],
)
def test_durations_are_stopwatch_readings(above, below, words):
    assert (
        sentence(result("a", minutes=above), result("b", minutes=below))
        == f"Hơn dòng dưới về thời gian: {words}."
    )


def test_moments_have_the_day_only_where_it_differs():
    same_day = sentence(result("a", after=1.25), result("b", after=1.27))
    assert same_day == "Hơn dòng dưới vì nộp sớm hơn: 12:00:01,25 so với 12:00:01,27."
    next_day = sentence(result("a"), result("b", after=86_400))
    assert next_day.endswith("12:00:00 ngày 23/11/2026 so với 12:00:00 ngày 24/11/2026.")
    microsecond = sentence(result("a", after=0.000_001), result("b", after=0.000_002))
    assert microsecond.endswith("12:00:00,000001 so với 12:00:00,000002.")


def test_the_rarer_criteria_have_sentences_too():
    chain = ("attempts_used", "registered_at")
    fewer = sentence(result("a"), result("b", attempts_used=3), chain)
    assert fewer == "Hơn dòng dưới vì dùng ít lượt thi hơn: 1 lượt so với 3 lượt."
    assert sentence(result("a"), result("b", registered_at=NOON), chain).startswith(
        "Hơn dòng dưới vì đăng ký sớm"
    )


def test_a_full_tie_says_so_and_the_last_row_says_nothing():
    assert sentence(result("a"), result("b")) == "Bằng dòng dưới ở mọi tiêu chí nên đồng hạng."
    assert explain("", result("a"), None) == ""


@settings(max_examples=150, deadline=None)
@given(people.filter(lambda some: len(some) > 1), chains, st.booleans())
def test_the_two_values_of_a_sentence_always_differ(results, chain, is_percentage):
    for above, below in pairwise(rank_results(results, chain)):
        if above.separated_by != "tie":
            text = explain(above.separated_by, above.result, below.result, is_percentage=is_percentage)
            mine, theirs = text.removesuffix(".").partition(": ")[2].split(" so với ")
            assert mine != theirs
