"""Item analysis: figures worked out by hand, bounds and invariances, and the words for organizers."""

from collections import Counter
from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from question_bank.item_analysis import (
    ADVICE,
    Answer,
    ItemKey,
    OptionCounts,
    Reliability,
    Tally,
    correlation,
    facility,
    group_edges,
    item_rest_correlation,
    meaning,
    spearman_brown,
)

KEY = ItemKey(4, frozenset({0}))


def papers_of(*papers):
    """Papers as texts, an item per letter: "aB-" is item 0 right (a), item 1 as B, item 2 left out."""
    return [
        [
            Answer(
                str(place),
                frozenset() if said == "-" else frozenset({ord(said.lower()) - 97}),
                said == "a",
            )
            for place, said in enumerate(paper)
        ]
        for paper in papers
    ]


def tally_of(papers):
    tally = Tally()
    for paper in papers:
        tally.add(paper)
    return tally


def analyse(papers, keys):
    return tally_of(papers).items(keys)


def reliability(papers):
    """Of papers that are lists of scores."""
    return tally_of(
        [Answer(str(place), frozenset(), score) for place, score in enumerate(paper)] for paper in papers
    ).reliability()


# --- figures by hand -------------------------------------------------------------------------------


def test_facility_is_the_mean_share_of_the_points():
    assert facility(Counter([1, 0, 0.5, 0.5])) == 0.5


def test_the_item_rest_correlation_by_hand():
    # x = 1 1 0 0, y = 3 2 2 1: Σdxdy = 1·… = (.5·1 + .5·0 + .5·0 + .5·1) = 1; √(1 · 2) = 1.41421
    assert item_rest_correlation({(1, 3): 1, (1, 2): 1, (0, 2): 1, (0, 1): 1}) == pytest.approx(1 / sqrt(2))


def test_the_item_is_left_out_of_the_rest():
    # Rests of item 0 (means of items 1, 2): 1, .5, .5, 0; its scores 1, 1, 0, 0.
    first, *_ = analyse(papers_of("aaa", "aab", "bab", "bbb"), {"0": KEY})
    assert first.discrimination == pytest.approx(1 / sqrt(2))
    assert (first.facility, first.shown, first.exposure, first.left_out) == (0.5, 4, 1.0, 0)


def test_exposure_options_and_answers_left_out():
    one, two, three = papers_of("a", "b", "-")
    both = Answer("other", frozenset({1, 2}), 0.5)
    papers = [[*one, Answer("other", frozenset({1}), 0)], two, three, [both]]
    first, other = analyse(papers, {"0": KEY, "other": KEY, "never": KEY})
    assert (first.shown, first.exposure, first.left_out) == (3, 0.75, 1)
    assert [counts.total for counts in first.options] == [1, 1, 0, 0]
    assert [counts.total for counts in other.options] == [0, 2, 1, 0]
    assert (other.facility, other.discrimination) == (0.25, None)


def test_groups_are_27_percent_and_ties_stay_together():
    # 27 % of 11 is 2.97: three from each end; of 13 it is 3.51, four.
    assert group_edges(Counter(range(11))) == (2, 8)
    assert group_edges(Counter([*range(11), 8, 2])) == (2, 8)
    assert group_edges({1.0: 20}) is group_edges({0.0: 15, 1.0: 1}) is group_edges({}) is None


def test_counts_by_group_and_the_group_index():
    papers = ["aaaa"] * 3 + ["bbaa"] * 5 + ["cbbb"] * 3  # with the rests 1, 2/3 and 0
    first, *_ = analyse(papers_of(*papers), {"0": KEY})
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
    result = reliability(papers)
    r = 0.5 / sqrt(0.5 * 0.6875)
    assert result.half_correlation == pytest.approx(r)
    assert result.coefficient == pytest.approx(2 * r / (1 + r))
    variance = ((1 - 0.4375) ** 2 + (0.25 - 0.4375) ** 2 + 0.4375**2 + (0.5 - 0.4375) ** 2) / 3
    assert result.standard_error == pytest.approx(sqrt(variance * (1 - result.coefficient)))


@pytest.mark.parametrize("papers, counted", [([], 0), ([[1], [0]], 0), ([[1, 1]], 1), ([[1, 1], [1, 1]], 2)])
def test_a_reliability_that_cannot_be_told(papers, counted):
    assert reliability(papers) == Reliability(counted, None, None, None)


@pytest.mark.parametrize(
    "coefficient, word", [(0.85, "Cao"), (0.8, "Cao"), (0.7, "Vừa phải"), (0.59, "Thấp"), (None, "Chưa đủ")]
)
def test_what_a_reliability_means(coefficient, word):
    error = None if coefficient is None else 0.096
    words = meaning(Reliability(100, coefficient, coefficient, error))
    assert words.startswith(word)
    assert ("10% số điểm" in words) is (coefficient is not None)


# --- flags -----------------------------------------------------------------------------------------


def flags(*papers):
    first, *_ = analyse(papers_of(*papers), {"0": KEY})
    assert {flag.kind for flag in first.flags} <= set(ADVICE)
    return [flag.text for flag in first.flags]


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
        == []
    )


def test_few_papers_say_nothing():
    assert flags(*["aaa"] * 29) == []


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


@settings(max_examples=200, deadline=None)
@given(rounds, st.randoms())
def test_figures_keep_their_bounds_and_no_order_matters(papers, chance):
    papers = [
        [Answer(str(place), frozenset(chosen), score) for place, (score, chosen) in enumerate(paper)]
        for paper in papers
    ]
    keys = {str(place): KEY for place in range(5)}
    found = analyse(papers, keys)
    for item in found:
        assert 0 <= item.facility <= 1
        assert 0 < item.exposure <= 1
        assert item.discrimination is None or -1 <= item.discrimination <= 1
        assert item.group_index is None or -1 <= item.group_index <= 1
        assert all(0 <= counts.upper + counts.lower <= counts.total <= item.shown for counts in item.options)
    shuffled = [chance.sample(paper, len(paper)) for paper in papers]
    chance.shuffle(shuffled)
    for before, after in zip(found, analyse(shuffled, keys), strict=True):
        same = {"facility": pytest.approx(before.facility), "discrimination": None, "group_index": None}
        assert replace(after, discrimination=None, group_index=None) == replace(before, **same)
        assert after.discrimination == (before.discrimination and pytest.approx(before.discrimination))


numbers = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=20)


@settings(max_examples=200, deadline=None)
@given(numbers, st.integers(1, 9), st.integers(-9, 9))
def test_correlation_is_symmetric_and_blind_to_scale_and_place(pairs, scale, place):
    r = correlation(Counter(pairs))
    assert correlation(Counter((y, x) for x, y in pairs)) == (r and pytest.approx(r, abs=1e-9))
    if r is None:
        assert len({x for x, _ in pairs}) == 1 or len({y for _, y in pairs}) == 1
    else:
        moved = Counter((scale * x + place, y) for x, y in pairs)
        assert correlation(moved) == pytest.approx(r, abs=1e-9)
        assert correlation(Counter((-x, y) for x, y in pairs)) == pytest.approx(-r, abs=1e-9)
        assert correlation({pair: 3 * n for pair, n in Counter(pairs).items()}) == pytest.approx(r, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(scores, min_size=1, max_size=6), max_size=15))
def test_reliability_keeps_its_bounds_and_halves_may_change_places(papers):
    result = reliability(papers)
    assert result.coefficient is None or 0 <= result.coefficient <= 1
    assert result.standard_error is None or 0 <= result.standard_error <= 1
    even = [paper[: len(paper) // 2 * 2] for paper in papers]
    swapped = [[one for pair in zip(paper[1::2], paper[::2], strict=True) for one in pair] for paper in even]
    expected = reliability(even).half_correlation
    assert reliability(swapped).half_correlation == (expected and pytest.approx(expected))
