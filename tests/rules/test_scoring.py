"""Points: one an item, exact, never negative; partial credit; corrections."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contest.rules.scoring import POINT, chosen_indices, item_points, score
from question_bank.draw import PaperItem

# Two items with their options shown in another order than in the bank's.
PAPER = [PaperItem("T1-001", (2, 0, 3, 1)), PaperItem("T2-005", (1, 0))]
KEYS = {"T1-001": (2,), "T2-005": (0,)}
RIGHT = {"1": ["a"], "2": ["b"]}


def points(responses, keys=KEYS, **rule):
    return score(PAPER, responses, keys, **rule).by_position


def test_a_label_means_the_option_at_its_place_on_the_paper():
    assert chosen_indices(["a", "d"], (2, 0, 3, 1)) == {2, 1}


def test_each_right_answer_is_a_point():
    assert score(PAPER, RIGHT, KEYS).points == 2 * POINT
    assert points({"1": ["a"], "2": ["a"]}) == (POINT, 0)


@pytest.mark.parametrize("responses", [{}, {"1": [], "2": []}, {"1": None}, {"1": ["b"], "2": ["a"]}])
def test_wrong_and_empty_answers_are_nothing(responses):
    assert points(responses) == (0, 0)


def test_without_partial_credit_only_the_whole_key_counts():
    key = {0, 2}
    assert item_points({0, 2}, key) == POINT
    assert [item_points(chosen, key) for chosen in ({0}, {0, 1}, {0, 1, 2}, set())] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "chosen, share",
    [
        ({0, 1, 2}, Fraction(1)),
        ({0, 1}, Fraction(2, 3)),
        ({0}, Fraction(1, 3)),
        ({0, 1, 3}, Fraction(1, 3)),
        ({0, 3}, Fraction(0)),
        ({0, 1, 2, 3}, Fraction(2, 3)),
        ({3, 4}, Fraction(0)),  # two wrong choices take nothing from other items
        (set(), Fraction(0)),
    ],
)
def test_partial_credit_is_right_less_wrong_choices_over_the_key(chosen, share):
    assert item_points(chosen, {0, 1, 2}, partial=True) == share * POINT


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7), min_size=1))
def test_partial_credit_is_exact_for_every_key_of_up_to_eight(chosen, key):
    share = max(Fraction(0), Fraction(len(chosen & key) - len(chosen - key), len(key)))
    assert Fraction(item_points(chosen, key, partial=True), POINT) == share


def test_a_voided_item_is_a_full_point_to_everyone_who_had_it():
    for responses in (RIGHT, {"1": ["b"]}, {}):
        assert points(responses, corrections={"T1-001": None})[0] == POINT


def test_another_key_replaces_the_first():
    assert points(RIGHT, corrections={"T1-001": [(3,)]}) == (0, POINT)
    assert points({"1": ["c"]}, corrections={"T1-001": [(3,)]}) == (POINT, 0)


def test_any_of_several_accepted_keys_is_right():
    accepted = {"T1-001": [(2,), (3,)]}
    assert points({"1": ["a"]}, corrections=accepted)[0] == POINT
    assert points({"1": ["c"]}, corrections=accepted)[0] == POINT
    assert points({"1": ["b"]}, corrections=accepted)[0] == 0


def test_with_partial_credit_the_accepted_key_that_pays_most_counts():
    accepted = {"T1-001": [(2, 0), (2, 0, 3, 1)]}
    # One of two is a half, one of four a quarter.
    assert points({"1": ["a"]}, partial=True, corrections=accepted)[0] == POINT // 2


def test_a_correction_of_an_item_that_is_not_on_the_paper_changes_nothing():
    assert points(RIGHT, corrections={"T9-009": None}) == (POINT, POINT)


def test_the_paper_is_the_sum_of_its_items():
    scored = score(PAPER, {"1": ["a"], "2": ["b"]}, {"T1-001": (0, 2), "T2-005": (0,)}, partial=True)
    assert scored.by_position == (POINT // 2, POINT)
    assert scored.points == sum(scored.by_position)
