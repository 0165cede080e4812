"""Deadlines and durations."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contest.rules.timing import DEFAULT_GRACE, SWEEP_MARGIN, deadline, duration_ms

NOON = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
QUARTER_MS = 15 * 60_000
EVENING = NOON + timedelta(hours=9)


def minutes(number):
    return timedelta(minutes=number)


def test_an_attempt_lasts_its_whole_duration():
    assert deadline(NOON, duration=QUARTER, closes_at=EVENING) == NOON + QUARTER


def test_the_closing_of_the_round_cuts_it_short():
    assert deadline(NOON, duration=QUARTER, closes_at=NOON + minutes(4)) == NOON + minutes(4)


def test_extra_time_and_compensation_may_pass_the_closing():
    late = deadline(
        NOON, duration=QUARTER, closes_at=NOON + minutes(4), extra=minutes(5), compensation=minutes(2)
    )
    assert late == NOON + minutes(11)


def test_extra_time_does_not_lift_the_cut_of_the_closing():
    # 15 + 5 minutes, closing after 16: the ordinary end is 15, the extra time comes on top.
    assert deadline(NOON, duration=QUARTER, closes_at=NOON + minutes(16), extra=minutes(5)) == NOON + minutes(
        20
    )


def test_the_sweeper_leaves_room_beyond_the_grace():
    assert {DEFAULT_GRACE, SWEEP_MARGIN} == {timedelta(seconds=10)}


def took(time, *, deadline_after=QUARTER, **facts):
    return duration_ms(NOON, NOON + time, NOON + deadline_after, duration_ms=QUARTER_MS, **facts)


def test_the_duration_is_cut_off_to_whole_milliseconds():
    assert took(timedelta(minutes=7, seconds=12, microseconds=345_999)) == 432_345


def test_submitting_within_the_grace_counts_as_the_deadline():
    assert took(QUARTER + timedelta(seconds=8)) == QUARTER_MS


def test_an_outage_takes_no_time_from_anybody():
    assert took(minutes(10), outage_ms=90_000) == took(minutes(8) + timedelta(seconds=30))


def test_extra_time_is_scaled_back():
    # Who has a third more time and uses all of it, took as long as who had none.
    with_extra = took(minutes(20), deadline_after=minutes(20), extra_ms=5 * 60_000)
    assert with_extra == took(QUARTER) == QUARTER_MS


def test_an_outage_is_taken_off_before_scaling():
    assert (
        took(minutes(10), deadline_after=minutes(32), extra_ms=QUARTER_MS, outage_ms=2 * 60_000) == 4 * 60_000
    )


def test_it_is_floored_once_at_the_end():
    # 1.334 ms × 3/4 is 1.0005 ms; whole milliseconds before scaling would give 0.
    end = NOON + timedelta(microseconds=1_334)
    assert duration_ms(NOON, end, NOON + QUARTER, duration_ms=3, extra_ms=1) == 1


@pytest.mark.parametrize("outage_ms", [60_000, 60_001, 10**9])
def test_it_is_never_negative(outage_ms):
    assert took(minutes(1), outage_ms=outage_ms) == 0


@settings(max_examples=200, deadline=None)
@given(
    taken=st.integers(0, 3 * 10**9),
    until=st.integers(1, 3 * 10**9),
    extra_ms=st.integers(0, 10**7),
    outage_ms=st.integers(0, 10**6),
)
def test_the_formula_of_the_rules_in_exact_fractions(taken, until, extra_ms, outage_ms):
    exact = (Fraction(min(taken, until), 1000) - outage_ms) * Fraction(QUARTER_MS, QUARTER_MS + extra_ms)
    assert max(0, exact.__floor__()) == took(
        timedelta(microseconds=taken),
        deadline_after=timedelta(microseconds=until),
        extra_ms=extra_ms,
        outage_ms=outage_ms,
    )
