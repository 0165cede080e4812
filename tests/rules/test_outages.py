"""Silences, what is left of them beside others, and what an attempt lost."""

from datetime import UTC, datetime, timedelta

import pytest

from contest.rules.outages import LONGEST_SILENCE, Interval, gap, lost_ms, without

TEN = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)


def at(minutes):
    return TEN + timedelta(minutes=minutes)


def between(begin, end):
    return Interval(at(begin), at(end))


def test_a_silence_is_one_only_when_it_was_too_long():
    assert gap(TEN, TEN + LONGEST_SILENCE) is None
    late = TEN + LONGEST_SILENCE + timedelta(microseconds=1)
    assert gap(TEN, late) == Interval(TEN, late)


def test_an_interval_ends_after_it_begins():
    with pytest.raises(ValueError, match="ends after"):
        Interval(TEN, TEN)


@pytest.mark.parametrize(
    ("known", "left"),
    [
        ([], [(0, 30)]),
        ([(40, 50), (-10, 0)], [(0, 30)]),
        ([(10, 20)], [(0, 10), (20, 30)]),
        ([(20, 40), (-5, 5)], [(5, 20)]),
        ([(5, 10), (7, 12), (12, 13)], [(0, 5), (13, 30)]),
        ([(-5, 45)], []),
        ([(0, 30)], []),
    ],
)
def test_what_is_known_already_is_left_out(known, left):
    assert without(between(0, 30), [between(*one) for one in known]) == [between(*one) for one in left]


@pytest.mark.parametrize(
    ("started", "deadline", "submitted", "minutes"),
    [
        (-10, 5, None, 30),  # had five minutes left, and has them again
        (-10, 50, None, 30),
        (20, 35, None, 10),  # started while it lasted
        (-20, 0, None, 0),  # out of time before it began
        (40, 55, None, 0),
        (-10, 5, 5, 5),  # closed at the deadline within it
        (-10, 50, 12, 12),
        (-10, 50, 40, 30),
        (-10, 50, -1, 0),
        (10, 25, 25, 15),  # wholly within it
        (-20, 0, 0.1, 0),  # submitted within the grace, after the deadline
    ],
)
def test_what_an_attempt_lost(started, deadline, submitted, minutes):
    lost = lost_ms(between(0, 30), at(started), at(deadline), None if submitted is None else at(submitted))

    assert lost == minutes * 60_000


def test_parts_of_a_millisecond_are_cut_off():
    outage = Interval(TEN, TEN + timedelta(microseconds=2_999))
    assert lost_ms(outage, at(-1), at(10), None) == 2
