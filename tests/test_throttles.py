"""Turns counted in SQL: exact under a rush, and forgotten when they say nothing any more."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contest import jobs, throttles
from contest.clock import db_now
from contest.extensions import db
from contest.models import Throttle
from contest.rules.rates import HOUR, MINUTE, By, Step
from contest.throttles import Asked, Verdict

KEY, OTHER = b"k" * 16, b"a" * 16
SOME = Step(By.DEVICE, 3, MINUTE)
FEW = Step(By.ACCOUNT, 1, HOUR)
PROVING = Step(By.ADDRESS, 1, MINUTE, only_proves=True)


def take(session, *asked):
    return throttles.take(session, [Asked(step, key) for step, key in asked])


def pass_by(session, seconds):
    """Let time go by, as the rows see it."""
    session.execute(update(Throttle).values(due_at=Throttle.due_at - timedelta(seconds=seconds)))


def rows(session):
    return session.scalar(select(func.count()).select_from(Throttle))


def test_a_burst_is_granted_and_the_next_one_told_how_long_to_wait(session):
    assert [take(session, (SOME, KEY)) for _ in range(3)] == [Verdict()] * 3
    refused = take(session, (SOME, KEY))
    assert refused.refused_by == SOME
    assert 19 < refused.retry_after <= 20


def test_after_the_wait_it_is_granted(session):
    for _ in range(3):
        take(session, (SOME, KEY))
    pass_by(session, 20)
    assert take(session, (SOME, KEY)).is_ok
    assert not take(session, (SOME, KEY)).is_ok


def test_refusals_are_not_charged(session):
    for _ in range(30):
        take(session, (SOME, KEY))
    pass_by(session, 20)
    assert take(session, (SOME, KEY)).is_ok


def test_one_that_refuses_leaves_the_others_as_they_were(session):
    take(session, (FEW, KEY))
    for _ in range(10):
        assert take(session, (SOME, OTHER), (FEW, KEY)).refused_by == FEW
    assert rows(session) == 1
    assert [take(session, (SOME, OTHER)).is_ok for _ in range(4)] == [True] * 3 + [False]


def test_a_step_that_only_proves_never_refuses_and_does_not_run_up(session):
    assert take(session, (PROVING, KEY), (SOME, OTHER)) == Verdict()
    assert [take(session, (PROVING, KEY)).must_prove for _ in range(50)] == [True] * 50
    pass_by(session, 60)
    assert take(session, (PROVING, KEY)) == Verdict()


def test_a_turn_given_back_can_be_taken_again(session):
    take(session, (FEW, KEY))
    throttles.give_back(session, [Asked(FEW, KEY)])
    assert take(session, (FEW, KEY)).is_ok
    assert not take(session, (FEW, KEY)).is_ok


def test_giving_back_what_is_forgotten_does_no_harm(session):
    throttles.give_back(session, [Asked(FEW, KEY)])
    assert rows(session) == 0


def test_after_a_clock_went_back_nobody_waits_longer_than_for_one_turn(session):
    take(session, (SOME, KEY))
    pass_by(session, -10_000_000)
    assert take(session, (SOME, KEY)).retry_after <= 20
    pass_by(session, 20)
    assert take(session, (SOME, KEY)).is_ok


def test_what_says_nothing_any_more_is_forgotten_by_the_sweeper(session):
    take(session, (FEW, KEY))
    take(session, (SOME, OTHER))
    pass_by(session, 61)
    jobs.sweep()
    assert session.scalars(select(Throttle.key)).all() == [KEY]


def test_forgetting_goes_on_in_portions(session, monkeypatch):
    monkeypatch.setattr(throttles, "PRUNED_AT_ONCE", 10)
    session.add_all(Throttle(key=bytes([n]) * 16, due_at=db_now(session) - timedelta(1)) for n in range(25))
    session.flush()
    assert [throttles.prune(session) for _ in range(4)] == [10, 10, 5, 0]


def test_the_database_refuses_a_key_that_is_none(session):
    session.add(Throttle(key=b"0912345678", due_at=db_now(session)))
    with pytest.raises(IntegrityError, match="key_length"):
        session.flush()


def test_of_many_threads_exactly_as_many_pass_as_there_are_turns(live_app):
    step, engine, granted = Step(By.ACCOUNT, 10, HOUR), db.engine, []

    def hit():
        with Session(engine) as session:
            for _ in range(10):
                granted.append(take(session, (step, KEY), (PROVING, OTHER)).is_ok)
                session.commit()

    threads = [threading.Thread(target=hit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(granted), sum(granted)) == (80, 10)


def test_two_who_ask_for_the_same_keys_in_another_order_do_not_block_each_other(live_app):
    engine, many, failures = db.engine, Step(By.ACCOUNT, 100_000, HOUR), []

    def hit(*keys):
        try:
            with Session(engine) as session:
                for _ in range(40):
                    take(session, *((many, key) for key in keys))
                    session.commit()
        except Exception as error:
            failures.append(error)

    threads = [
        threading.Thread(target=hit, args=keys) for keys in ((KEY, OTHER), (OTHER, KEY)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_pruning_waits_for_nobody(live_app):
    with Session(db.engine) as sitting, Session(db.engine) as sweeping:
        sitting.add(Throttle(key=KEY, due_at=db_now(sitting) - timedelta(1)))
        sitting.commit()
        take(sitting, (SOME, KEY))
        sweeping.execute(text("SET LOCAL lock_timeout = '200ms'"))
        assert throttles.prune(sweeping) == 0
        sitting.commit()
        sweeping.commit()
        assert throttles.prune(sweeping) == 0
