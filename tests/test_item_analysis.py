"""Item analysis: figures worked out by hand, bounds and invariances, and the words for organizers."""

from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from question_bank.item_analysis import (
    Answer,
    ItemKey,
    OptionCounts,
    Reliability,
    Window,
    analyse,
    correlation,
    drift,
    facility,
    holm,
    item_rest_correlation,
    score_groups,
    spearman_brown,
    split_half_reliability,
    two_proportion_z,
    two_sided_p,
    windows_of,
)

KEY = ItemKey(4, frozenset({0}))


def answers_of(*papers):
    """Papers as texts, an item per letter: "aB-" is item 0 right (a), item 1 as B, item 2 left out."""
    return [
        Answer(
            str(number),
            str(place),
            frozenset() if said == "-" else frozenset({ord(said.lower()) - 97}),
            said == "a",
        )
        for number, paper in enumerate(papers)
        for place, said in enumerate(paper)
    ]


# --- figures by hand -------------------------------------------------------------------------------


def test_facility_is_the_mean_share_of_the_points():
    assert facility([1, 0, 0.5, 0.5]) == 0.5


def test_the_item_rest_correlation_by_hand():
    # x = 1 1 0 0, y = 3 2 2 1: Σdxdy = 1·… = (.5·1 + .5·0 + .5·0 + .5·1) = 1; √(1 · 2) = 1.41421
    assert item_rest_correlation([1, 1, 0, 0], [3, 2, 2, 1]) == pytest.approx(1 / sqrt(2))


def test_the_item_is_left_out_of_the_rest():
    # Rests of item 0 (means of items 1, 2): 1, .5, .5, 0; its scores 1, 1, 0, 0.
    first, *_ = analyse(answers_of("aaa", "aab", "bab", "bbb"), {"0": KEY})
    assert first.discrimination == pytest.approx(1 / sqrt(2))
    assert (first.facility, first.shown, first.exposure, first.left_out) == (0.5, 4, 1.0, 0)


def test_exposure_options_and_answers_left_out():
    answers = [
        *answers_of("a", "b", "-"),
        Answer("x", "other", frozenset({1, 2}), 0.5),
        Answer("0", "other", frozenset({1}), 0),
    ]
    first, other = analyse(answers, {"0": KEY, "other": KEY, "never": KEY})
    assert (first.shown, first.exposure, first.left_out) == (3, 0.75, 1)
    assert [counts.total for counts in first.options] == [1, 1, 0, 0]
    assert [counts.total for counts in other.options] == [0, 2, 1, 0]
    assert (other.facility, other.discrimination) == (0.25, None)


def test_groups_are_27_percent_and_ties_stay_together():
    ranked = [(place, float(place)) for place in range(11)]  # 27 % of 11 is 2.97
    assert score_groups(ranked) == ([8, 9, 10], [0, 1, 2])
    tied = [*ranked, ("also", 8.0), ("too", 2.0)]  # 3.51: four of 13
    upper, lower = score_groups(tied)
    assert (set(upper), set(lower)) == ({8, 9, 10, "also"}, {0, 1, 2, "too"})
    assert score_groups([(place, 1.0) for place in range(20)]) == score_groups([]) == ([], [])


def test_counts_by_group_and_the_group_index():
    papers = ["aaaa"] * 3 + ["bbaa"] * 5 + ["cbbb"] * 3  # with the rests 1, 2/3 and 0
    first, *_ = analyse(answers_of(*papers), {"0": KEY})
    assert first.group_sizes == (3, 3)
    assert first.options == (
        OptionCounts(3, 3, 0),
        OptionCounts(5, 0, 0),
        OptionCounts(3, 0, 3),
        OptionCounts(0, 0, 0),
    )
    assert first.group_index == 1


def test_spearman_brown_by_hand():
    assert spearman_brown(0.6) == pytest.approx(0.75)
    assert spearman_brown(0.5, 3) == pytest.approx(0.75)
    assert spearman_brown(-0.5) == spearman_brown(0) == 0


def test_split_halves_by_hand():
    # Odd places: 1, .5, 0, .5; even places: 1, 0, 0, .5. r = .5 / √(.5 · .6875); means of papers .75, …
    papers = [[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]]
    result = split_half_reliability(papers)
    r = 0.5 / sqrt(0.5 * 0.6875)
    assert result.half_correlation == pytest.approx(r)
    assert result.coefficient == pytest.approx(2 * r / (1 + r))
    variance = ((1 - 0.4375) ** 2 + (0.25 - 0.4375) ** 2 + 0.4375**2 + (0.5 - 0.4375) ** 2) / 3
    assert result.standard_error == pytest.approx(sqrt(variance * (1 - result.coefficient)))


@pytest.mark.parametrize("papers, counted", [([], 0), ([[1], [0]], 0), ([[1, 1]], 1), ([[1, 1], [1, 1]], 2)])
def test_a_reliability_that_cannot_be_told(papers, counted):
    assert split_half_reliability(papers) == Reliability(counted, None, None, None)


def test_two_proportions_by_hand():
    # 40/100 against 60/100: p = .5, error = √(.25 · .02) = .0707, z = .2 / .0707
    assert two_proportion_z(Window(40, 100), Window(60, 100)) == pytest.approx(2.8284, abs=1e-4)
    assert two_sided_p(2.8284) == pytest.approx(0.00468, abs=1e-5)
    assert two_sided_p(1.959964) == pytest.approx(0.05, abs=1e-6)
    assert two_proportion_z(Window(4, 5), Window(60, 100)) is None
    assert two_proportion_z(Window(0, 0), Window(60, 100)) is None
    assert two_proportion_z(Window(100, 100), Window(100, 100)) is None


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_an_item_that_suddenly_gets_easy():
    items = {"steady": [Window(50, 100)] * 3, "known": [Window(50, 100), Window(48, 100), Window(90, 100)]}
    first, *others = drift(items)
    assert (first.item, first.window, first.before, first.now) == ("known", 2, 0.49, 0.9)
    assert first.flag == "Câu hỏi bỗng dễ hơn (từ 49% đến 90% trả lời đúng): có thể đã bị lộ."
    assert first.adjusted_p == pytest.approx(4 * first.p_value)
    assert len(others) == 3
    assert not any(one.flag for one in others)


def test_an_item_that_suddenly_gets_hard_and_one_without_counts():
    (only,) = drift({"broken": [Window(90, 100), Window(40, 100)], "new": [Window(1, 2), Window(2, 2)]})
    assert only.flag is not None
    assert "bỗng khó hơn" in only.flag


def test_windows_between_edges():
    answers = [(0.0, True), (9.9, False), (10.0, True), (25.0, True), (30.0, False)]
    assert windows_of(answers, [10, 20]) == [Window(1, 2), Window(1, 1), Window(1, 2)]


# --- flags -----------------------------------------------------------------------------------------


def flags(*papers):
    first, *_ = analyse(answers_of(*papers), {"0": KEY})
    return first.flags


def test_a_good_item_has_no_flags():
    assert (
        flags(
            *["aaaa"] * 15,
            *["baab"] * 3,
            *["caab"] * 3,
            *["daab"] * 3,
            *["babb"] * 4,
            *["cbbb"] * 4,
            *["dbbb"] * 4,
        )
        == ()
    )


def test_few_papers_say_nothing():
    assert flags(*["aaa"] * 29) == ()


@pytest.mark.parametrize(
    "papers, words",
    [
        (["aaa"] * 30 + ["abb"] * 9 + ["bbb"], "Quá dễ: trung bình đạt 98% số điểm"),
        (["aaa"] * 4 + ["baa"] * 16 + ["bbb"] * 20, "Quá khó: trung bình chỉ đạt 10% số điểm"),
        (["baa"] * 20 + ["abb"] * 20, "Phân biệt ngược (r = -1,00)"),
        (["aaa"] * 10 + ["baa"] * 9 + ["abb"] * 9 + ["bbb"] * 10, "Phân biệt kém (r = 0,05)"),
        (["baa"] * 20 + ["abb"] * 20, "Phương án B (sai) được nhóm điểm cao chọn nhiều hơn đáp án (100%)"),
        (
            ["aaa"] * 15 + ["baa"] * 5 + ["cbb"] * 20,
            "Phương án B (sai) thu hút nhóm điểm cao (25%) hơn nhóm điểm thấp (0%)",
        ),
        (["aaa"] * 20 + ["bbb"] * 10 + ["cbb"] * 10, "Không ai chọn phương án D"),
    ],
)
def test_flags_in_words(papers, words):
    assert any(words in flag for flag in flags(*papers)), flags(*papers)


# --- bounds and invariances ------------------------------------------------------------------------

scores = st.sampled_from([0, 1, 1 / 3, 0.5])
rounds = st.lists(
    st.lists(st.tuples(scores, st.sets(st.integers(0, 3))), min_size=1, max_size=5), min_size=1, max_size=12
)


def as_answers(papers):
    return [
        Answer(str(number), str(place), frozenset(chosen), score)
        for number, paper in enumerate(papers)
        for place, (score, chosen) in enumerate(paper)
    ]


@settings(max_examples=200, deadline=None)
@given(rounds, st.randoms())
def test_figures_keep_their_bounds_and_no_order_matters(papers, chance):
    answers = as_answers(papers)
    keys = {str(place): KEY for place in range(5)}
    found = analyse(answers, keys)
    for item in found:
        assert 0 <= item.facility <= 1
        assert 0 < item.exposure <= 1
        assert item.discrimination is None or -1 <= item.discrimination <= 1
        assert item.group_index is None or -1 <= item.group_index <= 1
        assert all(0 <= counts.upper + counts.lower <= counts.total <= item.shown for counts in item.options)
    shuffled = list(answers)
    chance.shuffle(shuffled)
    for before, after in zip(found, analyse(shuffled, keys), strict=True):
        same = {"facility": pytest.approx(before.facility), "discrimination": None, "group_index": None}
        assert replace(after, discrimination=None, group_index=None) == replace(before, **same)
        assert after.discrimination == (before.discrimination and pytest.approx(before.discrimination))


numbers = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=20)


@settings(max_examples=200, deadline=None)
@given(numbers, st.integers(1, 9), st.integers(-9, 9))
def test_correlation_is_symmetric_and_blind_to_scale_and_place(pairs, scale, place):
    first, second = [x for x, _ in pairs], [y for _, y in pairs]
    r = correlation(first, second)
    assert r == correlation(second, first)
    if r is None:
        assert len(set(first)) == 1 or len(set(second)) == 1
    else:
        assert correlation([scale * x + place for x in first], second) == pytest.approx(r, abs=1e-9)
        assert correlation([-x for x in first], second) == pytest.approx(-r, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(scores, min_size=1, max_size=6), max_size=15))
def test_reliability_keeps_its_bounds_and_halves_may_change_places(papers):
    result = split_half_reliability(papers)
    assert result.coefficient is None or 0 <= result.coefficient <= 1
    assert result.standard_error is None or 0 <= result.standard_error <= 1
    even = [paper[: len(paper) // 2 * 2] for paper in papers]
    swapped = [[one for pair in zip(paper[1::2], paper[::2], strict=True) for one in pair] for paper in even]
    expected = split_half_reliability(even).half_correlation
    assert split_half_reliability(swapped).half_correlation == (expected and pytest.approx(expected))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    in_order = [after for _, after in sorted(zip(p_values, adjusted, strict=True))]
    assert in_order == sorted(in_order)
    assert sorted(holm(p_values[::-1])) == sorted(adjusted)


counts = st.integers(0, 200).flatmap(lambda shown: st.builds(Window, st.integers(0, shown), st.just(shown)))


@settings(max_examples=200, deadline=None)
@given(counts, counts)
def test_z_changes_its_sign_with_the_order_and_with_right_and_wrong(first, second):
    z = two_proportion_z(first, second)
    back = two_proportion_z(second, first)
    wrong = two_proportion_z(*(Window(one.shown - one.right, one.shown) for one in (first, second)))
    if z is None:
        assert back is wrong is None
    else:
        assert (back, wrong) == (pytest.approx(-z), pytest.approx(-z))
        assert 0 <= two_sided_p(z) <= 1
