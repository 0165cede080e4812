"""Prizes: the stated order, the lot across an edge, and everyone moving up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contest.rules.prizes import Contender, Prize, allocate
from question_bank.draw import lot_number

KEY = bytes(range(32))
FIRST, SECOND = Prize("first", "citizens", 1), Prize("second", "citizens", 2)


def standing(*ranks, division="citizens"):
    """One row for each rank; attempts and draw ids are named by their place: 1, 2, …"""
    return {
        division: [Contender(f"attempt {n}", f"person {n}", rank) for n, rank in enumerate(ranks, start=1)]
    }


def given_out(*prizes, standings, skip=()):
    """Who gets what: place → prize, with a star where the lot decided."""
    return {
        int(award.attempt.removeprefix("attempt ")): award.prize + "*" * award.is_by_lot
        for award in allocate(prizes, standings, KEY, skip)
    }


def by_lot(*places, division="citizens"):
    """The places in the order of their lots."""
    return sorted(places, key=lambda place: lot_number(KEY, division, f"person {place}"))


def test_prizes_go_down_the_standing_in_their_stated_order():
    assert given_out(FIRST, SECOND, standings=standing(1, 2, 3, 4)) == {1: "first", 2: "second", 3: "second"}


def test_the_stated_order_decides_which_prize_is_higher():
    assert given_out(SECOND, FIRST, standings=standing(1, 2, 3)) == {1: "second", 2: "second", 3: "first"}


def test_the_list_follows_the_stated_order_across_divisions():
    prizes = [FIRST, Prize("best official", "officials", 1), SECOND]
    standings = standing(1, 2) | standing(1, division="officials")
    assert [award.prize for award in allocate(prizes, standings, KEY)] == ["first", "best official", "second"]


def test_a_tie_across_an_edge_is_decided_by_the_lot_and_says_so():
    lucky, other = by_lot(1, 2)
    awards = given_out(FIRST, SECOND, standings=standing(1, 1, 3))
    assert awards == {lucky: "first*", other: "second*", 3: "second"}


def test_a_tie_across_the_last_edge_leaves_somebody_without():
    lucky, next_lucky, _ = by_lot(2, 3, 4)
    awards = given_out(FIRST, SECOND, standings=standing(1, 2, 2, 2))
    assert awards == {1: "first", lucky: "second*", next_lucky: "second*"}


def test_a_tie_within_one_prize_needs_no_lot():
    assert given_out(FIRST, SECOND, standings=standing(1, 2, 2)) == {1: "first", 2: "second", 3: "second"}


def test_a_tie_over_several_edges_is_one_lot():
    order = by_lot(1, 2, 3, 4)
    awards = given_out(FIRST, SECOND, standings=standing(1, 1, 1, 1))
    assert awards == dict(zip(order, ["first*", "second*", "second*"], strict=False))


def test_lots_of_one_division_say_nothing_about_another():
    orders = {
        tuple(by_lot(*range(1, 9), division=division)) for division in ("citizens", "officials", "pupils")
    }
    assert len(orders) == 3


def test_who_is_skipped_gets_nothing_and_everyone_below_moves_up():
    awards = given_out(FIRST, SECOND, standings=standing(1, 2, 3, 4), skip={"person 1", "person 3"})
    assert awards == {2: "first", 4: "second"}


def test_the_skipped_are_no_part_of_a_lot():
    # Of two with equal results one declines: no lot is needed any more.
    assert given_out(FIRST, standings=standing(1, 1, 3), skip={"person 1"}) == {2: "first"}


def test_a_decline_leaves_the_lots_of_the_others_as_they_were():
    order = by_lot(1, 2, 3)
    awards = given_out(FIRST, standings=standing(1, 1, 1), skip={f"person {order[0]}"})
    assert awards == {order[1]: "first*"}


@pytest.mark.parametrize("standings", [{}, standing(), standing(1, division="officials")])
def test_a_division_without_people_gets_no_prizes(standings):
    assert given_out(FIRST, standings=standings) == {}


def test_fewer_people_than_prizes():
    assert given_out(FIRST, SECOND, standings=standing(1, 2)) == {1: "first", 2: "second"}


@st.composite
def competitions(draw):
    """Ranks with ties, prizes in any order, some people skipped."""
    sizes = draw(st.lists(st.integers(1, 4), max_size=5))
    ranks = [sum(sizes[:group]) + 1 for group, size in enumerate(sizes) for _ in range(size)]
    counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    skipped = draw(st.sets(st.integers(1, len(ranks)))) if ranks else set()
    return ranks, [Prize(f"p{n}", "citizens", count) for n, count in enumerate(counts)], skipped


@settings(max_examples=200, deadline=None)
@given(competitions(), st.binary(min_size=32, max_size=32))
def test_no_prize_is_left_while_somebody_could_have_it_and_nobody_gets_two(competition, key):
    ranks, prizes, skipped = competition
    skip = {f"person {place}" for place in skipped}
    awards = allocate(prizes, standing(*ranks), key, skip)
    in_reach = len(ranks) - len(skipped)
    assert (
        len({award.attempt for award in awards}) == len(awards) == min(in_reach, sum(p.count for p in prizes))
    )
    assert not {f"attempt {place}" for place in skipped} & {award.attempt for award in awards}


@settings(max_examples=200, deadline=None)
@given(competitions(), st.binary(min_size=32, max_size=32))
def test_nobody_is_passed_by_somebody_of_a_lower_rank_or_a_higher_lot(competition, key):
    ranks, prizes, _ = competition
    value = {award.attempt: -int(award.prize[1:]) for award in allocate(prizes, standing(*ranks), key)}
    queue = sorted(
        (rank, lot_number(key, "citizens", f"person {place}"), value.get(f"attempt {place}", -99))
        for place, rank in enumerate(ranks, start=1)
    )
    values = [worth for _, _, worth in queue]
    assert values == sorted(values, reverse=True)


@settings(max_examples=200, deadline=None)
@given(competitions(), st.binary(min_size=32, max_size=32))
def test_the_lot_is_named_exactly_where_equals_got_different_things(competition, key):
    ranks, prizes, _ = competition
    awards = {award.attempt: award for award in allocate(prizes, standing(*ranks), key)}
    got: dict[int, set[str | None]] = {}
    for place, rank in enumerate(ranks, start=1):
        award = awards.get(f"attempt {place}")
        got.setdefault(rank, set()).add(award.prize if award else None)
    for place, rank in enumerate(ranks, start=1):
        if award := awards.get(f"attempt {place}"):
            assert award.is_by_lot is (len(got[rank]) > 1)
