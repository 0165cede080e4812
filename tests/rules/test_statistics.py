"""Statistics show nobody: ages are bands, and no cell of few people can be seen or worked out."""

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contest.rules.statistics import FEWEST, age_band, hidden_cells, hidden_in_groups, score_ranges


@pytest.mark.parametrize(
    "birth_date, band",
    [
        (date(2008, 11, 26), "under_18"),
        (date(2008, 11, 25), "18_24"),
        (date(2001, 11, 26), "18_24"),
        (date(2001, 11, 25), "25_34"),
        (date(1981, 11, 26), "35_44"),
        (date(1971, 11, 26), "45_54"),
        (date(1961, 11, 26), "55_64"),
        (date(1961, 11, 25), "65_up"),
        (date(1900, 1, 1), "65_up"),
        (None, "unknown"),
    ],
)
def test_ages_are_told_in_bands(birth_date, band):
    assert age_band(birth_date, date(2026, 11, 25)) == band


@pytest.mark.parametrize(
    "people, hidden",
    [
        ({}, ""),
        ({"a": 0, "b": 30}, ""),
        ({"a": 10, "b": 30}, ""),
        # A single hidden cell is the total less the others: the next smallest goes with it.
        ({"a": 9, "b": 30, "c": 20}, "ac"),
        # Nine people of two cells are still too few.
        ({"a": 5, "b": 4, "c": 20, "d": 40}, "abc"),
        ({"a": 5, "b": 6, "c": 20}, "ab"),
        # Nobody is no secret, and protects nobody.
        ({"a": 9, "b": 0, "c": 20}, "ac"),
        # Not enough in all: the total goes too.
        ({"a": 3, "b": 2}, "ab"),
        ({"a": 3}, "a"),
    ],
)
def test_what_is_hidden_cannot_be_worked_out_from_the_total(people, hidden):
    assert hidden_cells(people) == frozenset(hidden)


def test_a_hidden_group_is_not_given_away_by_its_cells():
    # The wards are hidden with the communes; were the communes' one cell shown, 17 - 12 would be 5.
    people, group_of = {"a": 5, "b": 12}, {"a": "ward", "b": "commune"}
    assert hidden_in_groups(people, group_of) == ({"a", "b"}, {"ward", "commune"})


def test_groups_are_lines_of_their_own():
    people = {"a": 3, "b": 11, "c": 40, "d": 50, "e": 60}
    group_of = {"a": "ward", "b": "ward", "c": "ward", "d": "commune", "e": "commune"}
    assert hidden_in_groups(people, group_of) == ({"a", "b"}, frozenset())


counts = st.dictionaries(st.integers(0, 30), st.integers(0, 40), max_size=20)


def is_safe(line, hidden):
    """Whether what is hidden of a line with a known total says nothing of few people."""
    people = [line[key] for key in hidden if key in line]
    return not people or (len(people) >= 2 and sum(people) >= FEWEST)


@given(counts)
def test_hidden_cells_are_two_and_enough_or_all(people):
    hidden = hidden_cells(people)
    shown = {key: count for key, count in people.items() if key not in hidden}
    assert all(count == 0 or count >= FEWEST for count in shown.values())
    assert is_safe(people, hidden) or sum(shown.values()) == 0
    assert not hidden or any(0 < people[key] < FEWEST for key in hidden)


@given(counts, st.randoms())
def test_which_cells_are_hidden_depends_on_the_counts_alone(people, chance):
    keys = list(people)
    chance.shuffle(keys)
    again = hidden_cells({key: people[key] for key in keys})
    assert Counter(people[key] for key in again) == Counter(people[key] for key in hidden_cells(people))


@given(counts, st.integers(1, 4))
def test_no_known_sum_gives_a_cell_or_a_group_away(people, groups):
    group_of = {key: key % groups for key in people}
    cells, hidden_groups = hidden_in_groups(people, group_of)
    total = sum(people.values())
    if total < FEWEST:
        return  # the total is hidden too, so no sum is known
    for group in set(group_of.values()) - hidden_groups:
        line = {key: count for key, count in people.items() if group_of[key] == group}
        assert is_safe(line, cells), group
    together = {key: count for key, count in people.items() if group_of[key] in hidden_groups}
    assert is_safe(together, cells)
    # And so no hidden group's total follows from its cells.
    assert all(any(group_of[key] == group for key in cells) for group in hidden_groups)


@pytest.mark.parametrize(
    "people, ranges",
    [
        ([20, 30, 40], [(0, 0, 20), (1, 1, 30), (2, 2, 40)]),
        ([1, 2, 9, 30, 60], [(0, 2, 12), (3, 3, 30), (4, 4, 60)]),
        # The three with one point less than all go with those below, so that they don't hide the best.
        ([0, 20, 3, 60], [(0, 2, 23), (3, 3, 60)]),
        ([0, 20, 30, 4], [(0, 1, 20), (2, 3, 34)]),
        ([0, 20, 30, 0], [(0, 1, 20), (2, 2, 30), (3, 3, 0)]),
        # Those below are too few: their number would be the total less the best.
        ([0, 4, 60], [(0, 2, 64)]),
        ([0, 0, 60], [(0, 1, 0), (2, 2, 60)]),
        ([5, 5], [(0, 1, 10)]),
        ([30], [(0, 0, 30)]),
    ],
)
def test_scores_of_few_people_are_put_together(people, ranges):
    assert score_ranges(people) == ranges


@given(st.lists(st.integers(0, 25), min_size=1, max_size=20))
def test_ranges_cover_all_scores_and_have_enough_people(people):
    ranges = score_ranges(people)
    assert [score for low, high, _ in ranges for score in range(low, high + 1)] == list(range(len(people)))
    assert all(count == sum(people[low : high + 1]) for low, high, count in ranges)
    assert all(count == 0 or count >= FEWEST for _, _, count in ranges) or sum(people) < FEWEST
