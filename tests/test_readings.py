"""A costly reading is made once for many who ask, and forgotten in time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from contest import readings
from contest.readings import shared


@pytest.fixture
def bare():
    return Flask("bare")


def test_of_many_who_ask_at_once_one_reads(bare, monkeypatch):
    monkeypatch.setattr(readings, "KEPT_FOR", 10_000)
    made, all_ask = [], threading.Barrier(8)

    def read():
        made.append(1)
        time.sleep(0.02)
        return len(made)

    def ask(_):
        with bare.app_context():
            all_ask.wait(timeout=10)
            return shared("key", read)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [1] * 8
    assert len(made) == 1


def test_each_key_has_its_own_reading_and_an_old_one_is_made_anew(bare, monkeypatch):
    monkeypatch.setattr(readings, "KEPT_FOR", 0)
    with bare.app_context():
        assert [shared("a", lambda: 1), shared("b", lambda: 2), shared("a", lambda: 3)] == [1, 2, 3]


def test_a_reading_that_fails_is_tried_again(bare):
    with bare.app_context():
        with pytest.raises(ZeroDivisionError):
            shared("key", lambda: 1 / 0)
        assert shared("key", lambda: 5) == 5


def test_no_more_are_kept_than_the_limit(bare, monkeypatch):
    monkeypatch.setattr(readings, "MOST_KEPT", 3)
    with bare.app_context():
        for key in range(10):
            shared(key, lambda: None)
    assert list(bare.extensions["readings"]) == [7, 8, 9]
