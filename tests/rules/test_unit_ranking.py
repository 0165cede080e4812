"""The ranking of units: people over headcount, mean score, formulas, thresholds, parents."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contest.rules.unit_ranking import UnitFacts, UnitRule, rank_units

RATE = UnitRule(formula="rate")
RATE_MEAN = UnitRule(formula="rate_mean")
POINTS = UnitRule(formula="points")


def unit(name, people=5, headcount=10, points=50, **facts):
    """A unit whose people got so many points of 15 each, in all."""
    return UnitFacts(
        unit=name,
        group=facts.pop("group", "communes"),
        people=people,
        headcount=headcount,
        points=points * 840,
        full_points=people * 15 * 840,
        **facts,
    )


def ranks(*units, rule=RATE):
    return {row.unit: row.rank for row in rank_units(units, rule)}


def row_of(one, *others, rule=RATE):
    [row] = [row for row in rank_units([one, *others], rule) if row.unit == one.unit]
    return row


# --- rate, mean, value -----------------------------------------------------------------------------


def test_rate_and_mean_are_exact_fractions():
    row = row_of(unit("a", people=3, headcount=7, points=37))
    assert (row.rate, row.mean) == (Fraction(3, 7), Fraction(37, 45))


def test_the_three_formulas():
    one = unit("a", people=3, headcount=7, points=37, prize_points=18)
    assert row_of(one, rule=RATE).value == Fraction(3, 7)
    assert row_of(one, rule=RATE_MEAN).value == Fraction(3, 7) * Fraction(37, 45)
    assert row_of(one, rule=POINTS).value == Fraction(300, 7) + 18


@pytest.mark.parametrize("rule, value", [(RATE, 1), (RATE_MEAN, Fraction(50, 180)), (POINTS, 104)])
def test_a_rate_above_one_is_shown_as_such_and_counts_as_one(rule, value):
    row = row_of(unit("a", people=12, headcount=10, prize_points=4), rule=rule)
    assert (row.rate, row.value) == (Fraction(6, 5), value)


def test_the_excluded_are_taken_off_the_headcount():
    assert row_of(unit("a", people=5, headcount=10, excluded=2)).rate == Fraction(5, 8)


# --- order -----------------------------------------------------------------------------------------


def test_the_higher_value_stands_first():
    assert ranks(unit("a", people=4), unit("b", people=5)) == {"b": 1, "a": 2}


def test_ties_go_to_the_higher_mean_then_to_more_people_then_are_shared():
    by_mean = ranks(unit("a", 5, 10, points=60), unit("b", 5, 10, points=61))
    assert by_mean == {"b": 1, "a": 2}
    by_people = ranks(unit("a", 5, 10, points=50), unit("b", 10, 20, points=100))
    assert by_people == {"b": 1, "a": 2}
    shared = ranks(unit("a"), unit("b"), unit("c", people=4, points=40))
    assert shared == {"a": 1, "b": 1, "c": 3}


def test_units_above_a_full_rate_are_told_apart_by_their_mean():
    assert ranks(unit("a", 30, 10, points=300), unit("b", 11, 10, points=120)) == {"b": 1, "a": 2}


def test_prizes_decide_between_equal_rates():
    with_prize, without = unit("a", prize_points=10), unit("b", points=70)
    assert ranks(with_prize, without, rule=POINTS) == {"a": 1, "b": 2}
    assert ranks(with_prize, without, rule=RATE) == {"b": 1, "a": 2}


def test_each_group_is_ranked_by_itself():
    assert ranks(unit("a", people=9, group="wards"), unit("b"), unit("c", people=4)) == {
        "a": 1,
        "b": 1,
        "c": 2,
    }


# --- without rank ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        {"headcount": 0},
        {"headcount": None},
        {"headcount": None, "excluded": 3},
        {"headcount": 3, "excluded": 3},
        {"headcount": 3, "excluded": 4},
        {"people": 0, "points": 0},
    ],
)
def test_without_headcount_or_people_a_unit_has_no_rank_and_stands_below(facts):
    rows = rank_units([unit("a", **facts), unit("b", people=1, points=0)], RATE)
    assert [(row.unit, row.rank) for row in rows] == [("b", 1), ("a", None)]


def test_the_threshold_is_reached_by_equality():
    half = UnitRule(formula="rate", threshold=Fraction(1, 2))
    assert ranks(unit("a", 5, 10), unit("b", 49, 100), rule=half) == {"a": 1, "b": None}


def test_threshold_and_minimum_are_judged_after_the_excluded_are_taken_off():
    half = UnitRule(formula="rate", threshold=Fraction(1, 2))
    assert ranks(unit("a", 5, 11, excluded=1), rule=half) == {"a": 1}
    ten = UnitRule(formula="rate", minimum_headcount=10)
    assert ranks(unit("a", 5, 10), unit("b", 5, 10, excluded=1), unit("c", 5, 9), rule=ten) == {
        "a": 1,
        "b": None,
        "c": None,
    }


def test_below_the_threshold_rate_and_mean_are_still_told():
    row = row_of(unit("a", 4, 10), rule=UnitRule(formula="rate", threshold=Fraction(1, 2)))
    assert (row.rank, row.value, row.rate, row.mean) == (None, None, Fraction(2, 5), Fraction(5, 6))


# --- parents ---------------------------------------------------------------------------------------


def test_a_parent_counts_its_own_people_and_its_childrens_over_its_own_headcount():
    department = unit("d", people=2, headcount=40, points=20, group="departments")
    schools = [unit(name, people=9, headcount=10, points=90, group="schools", parent="d") for name in "st"]
    row = row_of(department, *schools)
    assert (row.people, row.rate, row.mean) == (20, Fraction(20, 40), Fraction(200, 300))
    assert row_of(schools[0], department).people == 9


def test_a_parent_takes_off_its_childrens_excluded_and_gets_their_prizes():
    department = unit("d", people=2, headcount=40, excluded=1, prize_points=5, group="departments")
    school = unit("s", people=3, excluded=4, prize_points=10, group="schools", parent="d")
    row = row_of(department, school, rule=POINTS)
    assert (row.rate, row.value) == (Fraction(5, 35), Fraction(500, 35) + 15)


def test_grandchildren_do_not_count():
    top = unit("t", people=1, headcount=10, group="top")
    middle = unit("m", people=2, group="middle", parent="t")
    bottom = unit("b", people=4, group="bottom", parent="m")
    assert row_of(top, middle, bottom).people == 3
    assert row_of(middle, top, bottom).people == 6


# --- always ----------------------------------------------------------------------------------------

units = st.lists(
    st.builds(
        unit,
        st.uuids().map(str),
        people=st.integers(0, 4),
        headcount=st.none() | st.integers(0, 6),
        points=st.just(0),
        excluded=st.integers(0, 1),
        prize_points=st.sampled_from([0, 10]),
        group=st.sampled_from(["wards", "communes"]),
    ),
    max_size=10,
    unique_by=lambda one: one.unit,
)
rules = st.builds(
    UnitRule,
    formula=st.sampled_from(["rate", "rate_mean", "points"]),
    threshold=st.sampled_from([Fraction(0), Fraction(1, 2)]),
    minimum_headcount=st.integers(0, 3),
)


@settings(max_examples=100, deadline=None)
@given(units, rules, st.randoms(use_true_random=False))
def test_the_order_of_units_does_not_matter(facts, rule, random):
    assert rank_units(random.sample(facts, len(facts)), rule) == rank_units(facts, rule)


@settings(max_examples=100, deadline=None)
@given(units, rules)
def test_the_rank_counts_the_better_units_of_the_group(facts, rule):
    rows = rank_units(facts, rule)
    assert sorted(row.unit for row in rows) == sorted(one.unit for one in facts)
    for row in rows:
        ranked = [other for other in rows if other.group == row.group and other.value is not None]
        if row.value is None:
            assert row.rank is None
        else:
            mine = (row.value, row.mean, row.people)
            assert row.rank == 1 + sum((other.value, other.mean, other.people) > mine for other in ranked)


@settings(max_examples=100, deadline=None)
@given(units.filter(len), rules, st.data())
def test_striking_a_unit_out_never_lowers_another(facts, rule, data):
    struck = data.draw(st.sampled_from(facts))
    before, after = ranks(*facts, rule=rule), ranks(*(one for one in facts if one != struck), rule=rule)
    for name, rank in after.items():
        assert (rank is None) is (before[name] is None)
        assert rank is None or before[name] - 1 <= rank <= before[name]


@settings(max_examples=100, deadline=None)
@given(units.filter(len), rules, st.data())
def test_which_of_two_units_stands_above_does_not_depend_on_the_others(facts, rule, data):
    one, other = data.draw(st.sampled_from(facts)), data.draw(st.sampled_from(facts))
    among_all, alone = ranks(*facts, rule=rule), ranks(*{one, other}, rule=rule)
    if one.group == other.group and alone[one.unit] and alone[other.unit]:
        assert (alone[one.unit] < alone[other.unit]) is (among_all[one.unit] < among_all[other.unit])
        assert (alone[one.unit] == alone[other.unit]) is (among_all[one.unit] == among_all[other.unit])
