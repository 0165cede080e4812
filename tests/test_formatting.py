"""Moments, numbers and durations as Vietnamese officials write them."""

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contest.formatting import (
    vn_date,
    vn_datetime,
    vn_duration,
    vn_number,
    vn_percent,
    vn_points,
    vn_stopwatch,
    vn_time,
)

# Past midnight in Vietnam.
LATE = datetime(2026, 11, 22, 17, 5, 9, 999_999, tzinfo=UTC)


def test_moments_are_those_of_vietnam_in_24_hours():
    assert vn_datetime(LATE) == "00:05 ngày 23/11/2026"
    assert vn_time(LATE) == "00:05:09"


def test_the_day_of_a_moment_is_the_one_in_vietnam():
    assert vn_date(LATE) == "23/11/2026"
    assert vn_date(date(2026, 1, 2)) == "02/01/2026"


@pytest.mark.parametrize(
    "number, digits, written",
    [
        (0, 0, "0"),
        (999, 0, "999"),
        (25_980, 0, "25.980"),
        (3_619_433, 0, "3.619.433"),
        (-1_234, 0, "-1.234"),
        (87.65432, 2, "87,65"),
        (4_718.6, 1, "4.718,6"),
    ],
)
def test_thousands_have_a_point_and_decimals_a_comma(number, digits, written):
    assert vn_number(number, digits) == written


@pytest.mark.parametrize(
    "share, written",
    [
        (Fraction(1), "100,0%"),
        (Fraction(9_996, 10_000), "99,9%"),
        (Fraction(999_999, 1_000_000), "99,9%"),
        (Fraction(2, 3), "66,6%"),
        (Fraction(6, 5), "120,0%"),
        (Fraction(0), "0,0%"),
        (Fraction("3/8"), "37,5%"),
        (1, "100,0%"),
        (0.5, "50,0%"),
        (29 / 100, "29,0%"),  # the nearest float is below 0.29
        (57 / 100, "57,0%"),
        (2 / 3, "66,6%"),
    ],
)
def test_a_share_is_cut_off_and_never_rounded_up(share, written):
    assert vn_percent(share) == written


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 3_700_000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_a_quotient_reads_the_same_as_the_exact_fraction(parts):
    part, whole = parts
    assert vn_percent(part / whole) == vn_percent(Fraction(part, whole))
    assert (vn_percent(part / whole) == "100,0%") is (part == whole)


def test_a_share_may_have_other_digits():
    assert (vn_percent(Fraction(1, 3), 0), vn_percent(Fraction(1, 3), 2)) == ("33%", "33,33%")


@pytest.mark.parametrize(
    "ms, written",
    [
        (0, "0 giây"),
        (999, "0 giây"),
        (1_000, "1 giây"),
        (432_345, "7 phút 12 giây"),
        (900_000, "15 phút"),
        (3_600_000, "1 giờ"),
        (3_661_000, "1 giờ 1 phút 1 giây"),
    ],
)
def test_durations_in_words(ms, written):
    assert vn_duration(ms) == written


@pytest.mark.parametrize(
    "ms, written",
    [(0, "00:00,0"), (99, "00:00,0"), (432_499, "07:12,4"), (59_999, "00:59,9"), (6_000_000, "100:00,0")],
)
def test_stopwatch_readings_are_cut_off(ms, written):
    assert vn_stopwatch(ms) == written


@pytest.mark.parametrize(
    "points, written",
    [
        (0, "0"),
        (13 * 840, "13"),
        (100 * 840, "100"),
        (13 * 840 + 420, "13,5"),
        (560, "0,66"),
        (13 * 840 + 838, "13,99"),  # not "14,"
        (1, "0"),
        (84, "0,1"),
        (1_200 * 840, "1.200"),
    ],
)
def test_points_are_cut_off_after_two_digits(points, written):
    assert vn_points(points) == written


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 50 * 840))
def test_only_whole_points_are_written_as_such(points):
    read_back = Fraction(vn_points(points).replace(",", "."))
    assert 0 <= Fraction(points, 840) - read_back < Fraction(1, 100)
    assert not vn_points(points).endswith(",")
