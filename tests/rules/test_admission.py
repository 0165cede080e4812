"""The rate of starts: it settles near what the machines carry, falls when they suffer, and comes back."""

from dataclasses import replace

import pytest

from contest.rules.admission import (
    FIRST_RATE,
    LATEST_LOOK,
    LONGEST_STEP,
    LOWEST_RATE,
    REACTION_SECONDS,
    SOONEST_LOOK,
    Line,
    Measures,
    Mode,
    Verdict,
    moved,
    seconds_to_look,
    seconds_to_turn,
    verdict,
)

CAP = 200.0
CROWD = Line(taken=1_000_000)


def run(line, seconds, health, *, cap=CAP, **details):
    """The line after so many seconds; `health` is a verdict, or tells it from the rate."""
    rates = []
    for _ in range(seconds):
        found = health(line.rate) if callable(health) else health
        line = moved(line, found, seconds=1.0, cap=cap, **details)
        rates.append(line.rate)
    return line, rates


def carrying(capacity):
    """Machines that carry so many starts a second, and show it five seconds late, as measures do."""
    recent = [0.0] * 5

    def health(rate):
        recent.append(rate)
        load = recent[-5] / capacity
        return Verdict.BAD if load > 1.0 else Verdict.STRAINED if load > 0.9 else Verdict.GOOD

    return health


@pytest.mark.parametrize("capacity", [3, 12, 22, 50, 120])
def test_the_rate_settles_near_what_the_machines_carry(capacity):
    line, rates = run(CROWD, 900, carrying(capacity))
    settled = rates[300:]
    assert 0.65 * capacity <= sum(settled) / len(settled) <= 1.1 * capacity
    assert max(settled) <= 1.6 * capacity + 5
    assert min(settled) >= LOWEST_RATE
    assert line.called == pytest.approx(sum(rates))


def test_it_never_stands_still_however_bad_it_is():
    line, rates = run(CROWD, 600, Verdict.BAD)
    assert rates[-1] == LOWEST_RATE
    assert line.called > 600 * LOWEST_RATE


def test_it_comes_back_after_an_outage():
    down, _ = run(CROWD, 120, Verdict.BAD)
    _, rates = run(down, 60, Verdict.GOOD)
    assert rates[-1] >= FIRST_RATE
    assert rates == sorted(rates)


def test_it_is_not_lowered_again_before_the_first_time_can_show():
    line, rates = run(CROWD, int(REACTION_SECONDS) + 1, Verdict.BAD)
    assert len(set(rates)) == 2
    assert line.rate == pytest.approx(FIRST_RATE * 0.7 * 0.7)


def test_strain_holds_the_rate():
    assert moved(CROWD, Verdict.STRAINED, seconds=1, cap=CAP).rate == FIRST_RATE


def test_the_cap_holds():
    assert run(CROWD, 300, Verdict.GOOD, cap=40.0)[0].rate == 40.0
    assert moved(CROWD, Verdict.STRAINED, seconds=1, cap=10.0).rate == 10.0


def test_without_a_crowd_the_rate_comes_back_to_the_first_and_no_further():
    low = Line(rate=2.0)
    assert run(low, 120, Verdict.GOOD)[0].rate == FIRST_RATE
    assert run(Line(rate=80.0), 120, Verdict.GOOD)[0].rate == 80.0


def test_after_a_long_silence_the_line_moves_on_from_where_it_stood():
    assert moved(CROWD, Verdict.STRAINED, seconds=7200, cap=CAP).called == FIRST_RATE * LONGEST_STEP
    assert moved(CROWD, Verdict.STRAINED, seconds=-7200, cap=CAP).called == 0


def test_during_a_pause_nobody_is_called():
    assert run(CROWD, 60, Verdict.GOOD, is_startable=False)[0].called == 0


def test_nobody_is_called_who_has_not_come():
    line, _ = run(Line(taken=10), 60, Verdict.GOOD)
    assert (line.called, line.waiting) == (10, 0)


def test_parts_of_a_person_are_carried_over():
    slow = Line(mode=Mode.FIXED, fixed_rate=1, taken=100)
    for _ in range(30):
        slow = moved(slow, Verdict.GOOD, seconds=0.1, cap=CAP)
    assert slow.called == pytest.approx(3)


def test_a_fixed_rate_follows_no_health():
    fixed = Line(mode=Mode.FIXED, fixed_rate=5, taken=1000)
    for health in Verdict:
        assert run(fixed, 10, health)[0].called == 50


def test_wide_open_calls_everybody():
    line = moved(replace(CROWD, mode=Mode.OPEN), Verdict.BAD, seconds=1, cap=CAP)
    assert line.waiting == 0


@pytest.mark.parametrize(
    "measures, expected",
    [
        ([], Verdict.GOOD),
        ([Measures()], Verdict.GOOD),
        ([Measures(save_ms=150, start_ms=500, busy=0.5, lag_ms=20)], Verdict.GOOD),
        ([Measures(save_ms=250)], Verdict.STRAINED),
        ([Measures(save_ms=301)], Verdict.BAD),
        ([Measures(start_ms=1001)], Verdict.BAD),
        ([Measures(busy=0.8)], Verdict.STRAINED),
        ([Measures(busy=0.95)], Verdict.BAD),
        ([Measures(lag_ms=600)], Verdict.BAD),
        ([Measures(pool_timeouts=1)], Verdict.BAD),
        ([Measures(save_ms=10), Measures(save_ms=900), Measures()], Verdict.BAD),
    ],
)
def test_the_web_fares_as_its_worst_process(measures, expected):
    assert verdict(measures) is expected


def test_the_promised_time_is_that_of_the_pace():
    assert seconds_to_turn(ahead=299, pace=30) == 10
    assert seconds_to_turn(ahead=0, pace=0.0001) == 1


def test_pages_ask_the_sooner_the_nearer_their_turn_and_not_all_at_once():
    assert seconds_to_look(1, 0.5) == SOONEST_LOOK
    assert seconds_to_look(100, 0.5) == 10
    assert seconds_to_look(10_000, 0.5) == LATEST_LOOK
    assert seconds_to_look(100, 0.0) < seconds_to_look(100, 1.0)
