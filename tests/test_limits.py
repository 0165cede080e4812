"""The limiter in Redis and in a process: exact, all or nothing, and never in the way when Redis is."""

import secrets
import threading
import time

import pytest
from redis import Redis

from contest import limits
from contest.limits import Limiter
from contest.redis_connection import QuickRedis
from contest.rules.rates import HOUR, MINUTE, By, Step
from contest.throttles import Asked, Verdict
from tests.own_valkey import OwnValkey

SOME = Step(By.DEVICE, 3, MINUTE)
FEW = Step(By.ACCOUNT, 1, HOUR)
PROVING = Step(By.ADDRESS, 2, MINUTE, only_proves=True)


@pytest.fixture(scope="module")
def valkey():
    with OwnValkey() as valkey:
        yield valkey


@pytest.fixture
def server(valkey):
    """The server as somebody looks at it who is not the limiter."""
    with Redis.from_url(valkey.url) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def limiter(valkey, server):
    return Limiter(QuickRedis(valkey.url))


@pytest.fixture
def take(limiter, request):
    """One turn of each (step, key), in Redis unless the test asks for the process."""
    way = getattr(request, "param", "redis")

    def take(*asked):
        how = limiter.take_in_redis if way == "redis" else limiter.take_in_process
        return how([Asked(step, key) for step, key in asked])

    return take


def new_key():
    return secrets.token_bytes(16)


def everywhere(test):
    return pytest.mark.parametrize("take", ["redis", "process"], indirect=True)(test)


# --- in Redis and in the process alike ---------------------------------------------------------------


@everywhere
def test_a_burst_is_granted_and_the_next_one_told_how_long_to_wait(take):
    key = new_key()
    assert [take((SOME, key)) for _ in range(3)] == [Verdict()] * 3
    refused = take((SOME, key))
    assert refused.refused_by == SOME
    assert 18 < refused.retry_after <= 20


@everywhere
def test_whoever_waits_gets_a_turn(take):
    quick, key = Step(By.DEVICE, 2, 1), new_key()
    while take((quick, key)).is_ok:
        pass
    time.sleep(take((quick, key)).retry_after)
    assert take((quick, key)).is_ok


@everywhere
def test_keys_do_not_share_turns(take):
    first, second = new_key(), new_key()
    assert take((FEW, first)).is_ok
    assert take((FEW, second)).is_ok
    assert not take((FEW, first)).is_ok


@everywhere
def test_one_that_refuses_leaves_the_others_as_they_were(take):
    spent, other = new_key(), new_key()
    take((FEW, spent))
    for _ in range(10):
        assert take((SOME, other), (FEW, spent)).refused_by == FEW
    assert [take((SOME, other)).is_ok for _ in range(4)] == [True] * 3 + [False]


@everywhere
def test_the_longest_wait_is_told(take):
    spent, other = new_key(), new_key()
    take((FEW, spent))
    for _ in range(3):
        take((SOME, other))
    refusals = [take((SOME, other), (FEW, spent)), take((FEW, spent), (SOME, other))]
    assert [refusal.refused_by for refusal in refusals] == [FEW, FEW]
    assert all(3500 < refusal.retry_after <= 3600 for refusal in refusals)


@everywhere
def test_an_address_over_its_limit_is_let_through_and_asked_for_proof(take):
    address = new_key()
    verdicts = [take((PROVING, address), (SOME, new_key())) for _ in range(40)]
    assert all(verdict.is_ok for verdict in verdicts)
    assert [verdict.must_prove for verdict in verdicts] == [False] * 2 + [True] * 38


@everywhere
def test_nothing_to_count_is_granted(take):
    assert take() == Verdict()


@everywhere
def test_of_many_threads_exactly_as_many_pass_as_there_are_turns(take, limiter):
    step, key, granted = Step(By.ACCOUNT, 10, HOUR), new_key(), []

    def hit():
        for _ in range(50):
            verdict = take((step, key), (PROVING, key[::-1]))
            granted.append(verdict.is_ok)

    threads = [threading.Thread(target=hit) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(granted), sum(granted)) == (1600, 10)


# --- in Redis ---------------------------------------------------------------------------------------


def test_a_turn_of_several_keys_is_one_command(limiter, server):
    limiter.take_in_redis([Asked(SOME, new_key())])  # the script is loaded
    before = server.info("commandstats")
    limiter.take_in_redis([Asked(SOME, new_key()), Asked(FEW, new_key()), Asked(PROVING, new_key())])
    after = server.info("commandstats")
    own = {"cmdstat_info", "cmdstat_time", "cmdstat_get", "cmdstat_set"}  # what the script itself does
    sent = {
        name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"]
        for name in after
        if name not in own
    }
    assert {name: calls for name, calls in sent.items() if calls} == {"cmdstat_evalsha": 1}


def test_a_forgotten_script_is_loaded_again(take, server):
    key = new_key()
    assert take((FEW, key)).is_ok
    server.script_flush()
    assert take((FEW, key)).refused_by == FEW


def test_after_flushall_it_counts_anew(take, server):
    key = new_key()
    take((FEW, key))
    server.flushall()
    assert take((FEW, key)).is_ok


def test_what_is_no_longer_ahead_takes_no_room(take, server):
    quick = Step(By.DEVICE, 5, 1)
    for _ in range(500):
        take((quick, new_key()))
    assert server.dbsize() > 0
    give_up_at = time.monotonic() + 10
    while server.dbsize():
        assert time.monotonic() < give_up_at, "keys do not expire"
        time.sleep(0.05)


def test_every_key_expires_by_the_time_it_says_nothing(take, server):
    key = new_key()
    for _ in range(10):
        take((SOME, key), (FEW, new_key()), (PROVING, new_key()))
    left = [server.pttl(name) for name in server.scan_iter()]
    assert len(left) == 1 + 3 + 3
    assert all(0 < one <= HOUR * 1000 + 2 for one in left)


def test_a_flood_of_keys_takes_little_room_each(limiter, server):
    before = server.info("memory")["used_memory"]
    for _ in range(20):
        limiter.take_in_redis([Asked(FEW, new_key()) for _ in range(100)])
    assert (server.info("memory")["used_memory"] - before) / 2000 < 250


def test_nothing_in_redis_tells_whom_it_counts(take, server):
    take((SOME, new_key()))
    [name] = server.scan_iter()
    assert name.startswith(limits.PREFIX)
    assert len(name) == len(limits.PREFIX) + 16


@pytest.mark.parametrize("left", ["9" * 18, "99999999999999999999999", "-5", "", "rubbish", "0x10"])
def test_whatever_a_clock_or_somebody_has_left_locks_nobody_out(take, server, left):
    """A key can't be further ahead than a burst: the clock went back, or somebody wrote into it."""
    quick, key = Step(By.DEVICE, 4, 2), new_key()
    server.set(limits.PREFIX + key, left)
    verdict = take((quick, key))
    assert verdict.retry_after <= 0.5
    if not verdict.is_ok:
        time.sleep(0.55)
        assert take((quick, key)).is_ok


def test_a_key_of_another_kind_is_as_good_as_redis_away(take, server):
    key = new_key()
    server.rpush(limits.PREFIX + key, "x")
    assert take((SOME, key)) is None


# --- Redis away -------------------------------------------------------------------------------------


def test_a_process_grants_its_part_of_what_all_may(valkey):
    limiter = Limiter(QuickRedis("unix:///nowhere/valkey.sock"), processes=4)
    asked = [Asked(Step(By.DEVICE, 20, MINUTE), new_key())]
    assert sum(limiter.take_in_process(asked).is_ok for _ in range(40)) == 5


def test_a_process_grants_one_at_least():
    limiter = Limiter(QuickRedis("unix:///nowhere/valkey.sock"), processes=4)
    asked = [Asked(FEW, new_key())]
    assert [limiter.take_in_process(asked).is_ok for _ in range(2)] == [True, False]


def test_a_process_forgets_the_longest_unused_when_it_is_flooded(monkeypatch):
    monkeypatch.setattr(limits, "MOST_KEYS", 100)
    limiter, own, forgotten = Limiter(QuickRedis("unix:///nowhere/valkey.sock")), new_key(), new_key()
    many = Step(By.DEVICE, 1000, HOUR)
    limiter.take_in_process([Asked(FEW, forgotten)])
    for _ in range(500):
        limiter.take_in_process([Asked(many, own)])
        limiter.take_in_process([Asked(FEW, new_key())])
    assert len(limiter._due) == 100
    assert own in limiter._due
    assert limiter.take_in_process([Asked(FEW, forgotten)]).is_ok


def test_a_stalled_redis_is_none_within_a_second_and_at_once_thereafter():
    with OwnValkey() as own:
        limiter, took = Limiter(QuickRedis(own.url)), []
        assert limiter.take_in_redis([Asked(SOME, new_key())]).is_ok
        own.stall()
        for _ in range(12):
            began = time.monotonic()
            assert limiter.take_in_redis([Asked(SOME, new_key())]) is None
            took.append(time.monotonic() - began)
        own.go_on()
    assert max(took) < 1
    assert sorted(took)[8] < 0.05


def test_killed_and_started_empty_it_counts_on(monkeypatch):
    with OwnValkey() as own:
        limiter, asked = Limiter(QuickRedis(own.url)), [Asked(FEW, new_key())]
        assert limiter.take_in_redis(asked).is_ok
        own.kill()
        assert limiter.take_in_redis(asked) is None
        own.start()
        assert limiter.take_in_redis(asked).is_ok
        assert not limiter.take_in_redis(asked).is_ok
