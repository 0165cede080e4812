"""The breaker, and a Redis that stalls, refuses, forgets, dies and comes back."""

import socket
import threading
import time

import pytest
from redis.exceptions import ConnectionError as Away
from redis.exceptions import RedisError

from contest import redis_connection
from contest.redis_connection import FAILURES_TO_OPEN, PATIENCE, REST, Breaker, QuickRedis
from tests.own_valkey import OwnValkey


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets, as the breaker sees it."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(redis_connection, "time", clock)
    return clock


@pytest.fixture(scope="module")
def shared_valkey():
    with OwnValkey() as valkey:
        yield valkey


@pytest.fixture
def valkey(shared_valkey):
    yield shared_valkey
    shared_valkey.go_on()


def fail():
    raise Away


def opened():
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        assert breaker.call(fail) is None
    assert breaker.is_open
    return breaker


def never():
    raise AssertionError("an open breaker let a call through")


# --- the breaker -----------------------------------------------------------------------------------


def test_it_opens_after_failures_in_a_row_and_lets_nothing_through(clock):
    breaker = opened()
    clock.now += REST - 0.001
    assert breaker.call(never) is None


def test_a_success_in_between_starts_the_count_anew(clock):
    breaker = Breaker()
    for work in (fail, fail, lambda: "well", fail, fail):
        breaker.call(work)
    assert not breaker.is_open
    assert breaker.call(lambda: "well") == "well"


def test_after_the_rest_one_success_closes_it(clock):
    breaker = opened()
    clock.now += REST
    assert breaker.call(lambda: "back") == "back"
    assert not breaker.is_open


def test_a_trial_that_fails_is_followed_by_another_whole_rest(clock):
    breaker = opened()
    clock.now += REST
    assert breaker.call(fail) is None
    clock.now += REST - 0.001
    assert breaker.call(never) is None
    clock.now += 0.001
    assert breaker.call(lambda: "back") == "back"


def test_of_many_threads_one_tries_and_nobody_waits_for_it(clock):
    breaker, tries, go, answer = opened(), [], threading.Barrier(16), threading.Event()
    clock.now += REST

    def stalled():
        tries.append(1)
        assert answer.wait(10)
        return "back"

    results = []

    def ask():
        go.wait()
        results.append(breaker.call(stalled))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    give_up_at = time.monotonic() + 10
    while len(results) < 15:
        assert time.monotonic() < give_up_at, "somebody waits for the trial"
        time.sleep(0.005)
    assert (len(tries), results) == (1, [None] * 15)
    answer.set()
    for thread in threads:
        thread.join()
    assert results[-1] == "back"


def test_a_late_failure_of_an_earlier_call_lets_no_second_trial_through(clock):
    breaker = Breaker()

    def slow():
        # Begun while all was well, it fails while the trial is under way.
        for _ in range(FAILURES_TO_OPEN):
            breaker.call(fail)
        clock.now += REST
        assert breaker._admit() is True
        raise Away

    breaker.call(slow)
    clock.now += REST
    assert breaker.call(never) is None


def test_a_fault_of_our_own_is_not_swallowed_and_leaves_the_breaker_usable(clock):
    breaker = opened()
    clock.now += REST
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 / 0)
    assert breaker.call(lambda: "well") == "well"


# --- a real server ---------------------------------------------------------------------------------


def test_a_stalled_redis_is_given_up_quickly_and_then_not_asked(valkey):
    redis = QuickRedis(valkey.url)
    assert redis.breaker.call(redis.client.ping)
    valkey.stall()
    took = []
    for _ in range(20):
        began = time.monotonic()
        assert redis.breaker.call(redis.client.ping) is None
        took.append(time.monotonic() - began)
    assert max(took) < 1
    assert sum(one > PATIENCE / 2 for one in took) == FAILURES_TO_OPEN


def test_it_is_asked_again_once_it_goes_on(valkey, monkeypatch):
    redis = QuickRedis(valkey.url)
    valkey.stall()
    for _ in range(FAILURES_TO_OPEN):
        redis.breaker.call(redis.client.ping)
    valkey.go_on()
    assert redis.breaker.call(redis.client.ping) is None
    rested = time.monotonic() + REST
    monkeypatch.setattr(redis_connection.time, "monotonic", lambda: rested)
    assert redis.breaker.call(redis.client.ping)


def test_a_refused_port_costs_next_to_nothing():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        redis = QuickRedis(f"redis://127.0.0.1:{taken.getsockname()[1]}")
    began = time.monotonic()
    assert [redis.breaker.call(redis.client.ping) for _ in range(1000)] == [None] * 1000
    assert time.monotonic() - began < 1


def test_a_port_that_takes_connections_and_says_nothing_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        redis = QuickRedis(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(RedisError):
            redis.client.ping()
        assert time.monotonic() - began < 1


def test_after_a_crash_it_is_found_again_empty():
    with OwnValkey() as valkey:
        redis = QuickRedis(valkey.url)
        redis.breaker.call(lambda: redis.client.set("a", 1))
        valkey.kill()
        assert redis.breaker.call(lambda: redis.client.get("a")) is None
        valkey.start()
        assert redis.breaker.call(redis.client.ping)
        assert redis.client.get("a") is None
