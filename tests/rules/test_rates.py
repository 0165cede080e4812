"""The arithmetic of a throttle, and what a network is counted as."""

import pytest

from contest.rules import rates
from contest.rules.rates import MINUTE, By, Rate, Step, Turn, network_of, take_turn

RATES = [value for value in vars(rates).values() if isinstance(value, Rate)]


def ask(step, moments):
    """Which of the moments, in seconds, are granted."""
    due, granted = None, []
    for moment in moments:
        turn = take_turn(due, int(moment * 1_000_000), apart=step.apart, within=step.within)
        granted.append(not turn.wait)
        due = due if turn.wait else turn.due
    return granted


def test_a_burst_goes_through_and_the_next_one_waits():
    assert ask(Step(By.DEVICE, 5, 900), [0] * 7) == [True] * 5 + [False] * 2


def test_after_a_burst_turns_come_evenly():
    assert ask(Step(By.DEVICE, 6, MINUTE), [0] * 6 + [9.9, 10, 10, 19, 20]) == [True] * 6 + [
        False,
        True,
        False,
        False,
        True,
    ]


def test_whoever_waits_long_has_the_whole_burst_again_and_no_more():
    step = Step(By.DEVICE, 3, MINUTE)
    assert ask(step, [0] * 3 + [3600] * 4) == [True] * 6 + [False]


def test_the_wait_that_is_named_is_long_enough_and_no_longer():
    step = Step(By.DEVICE, 3, MINUTE)
    due = None
    for _ in range(3):
        due = take_turn(due, 0, apart=step.apart, within=step.within).due
    wait = take_turn(due, 0, apart=step.apart, within=step.within).wait

    assert wait == 20_000_000
    assert take_turn(due, wait - 1, apart=step.apart, within=step.within).wait == 1
    assert take_turn(due, wait, apart=step.apart, within=step.within) == Turn(due + step.apart)


@pytest.mark.parametrize("turns, seconds", [(1, 1), (3, 86_400), (7, 60), (600, 600), (11, 13)])
def test_a_burst_is_exactly_as_many_turns_as_the_rate_says(turns, seconds):
    assert sum(ask(Step(By.DEVICE, turns, seconds), [5] * (turns + 3))) == turns


def test_trying_again_too_early_costs_nothing():
    patient = ask(Step(By.DEVICE, 2, MINUTE), [0, 0, 30])
    hasty = ask(Step(By.DEVICE, 2, MINUTE), [0, 0, *(second / 2 for second in range(59)), 30])
    assert (patient[-1], hasty[-1]) == (True, True)


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: rate.name)
def test_an_address_only_asks_for_proof(rate):
    """A school or a mobile network is one address: it must never lock out whoever shares it."""
    assert all(step.only_proves for step in rate.steps if step.by is By.ADDRESS)


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: rate.name)
def test_a_rate_says_why_in_a_sentence(rate):
    assert rate.sentence.endswith(".")


def test_rates_have_names_of_their_own():
    assert len({rate.name for rate in RATES}) == len(RATES) > 5


@pytest.mark.parametrize(
    "address, network",
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        (None, ""),
        ("unix:", ""),
        ("203.0.113.7, 10.0.0.1", ""),
        ("1' OR '1'='1", ""),
    ],
)
def test_what_an_address_is_counted_as(address, network):
    assert network_of(address) == network
