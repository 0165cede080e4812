"""The doorbell, the worker and the sweeper, with a real Redis that forgets, fails and is attacked."""

import time
from datetime import timedelta

import pytest
from redis import Redis
from rq import Queue, SimpleWorker
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from contest import jobs
from contest.extensions import db
from contest.models import Attempt, Round
from contest.redis_connection import QuickRedis
from tests import builders


@pytest.fixture
def redis(live_app):
    connection = Redis.from_url(live_app.config["CONTEST"].redis_url)
    connection.flushall()
    yield connection
    connection.flushall()
    connection.close()


@pytest.fixture
def doorbell(live_app, redis):
    """The real doorbell, instead of the recording one."""
    live_app.extensions["doorbell"] = jobs.Doorbell(QuickRedis(live_app.config["CONTEST"].redis_url))
    return live_app.extensions["doorbell"]


@pytest.fixture
def waiting(live_app):
    """A submitted attempt that nobody has scored."""
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    return builders.finish_attempt(builders.make_person(contest), round, is_scored=False)


def work(redis):
    SimpleWorker([jobs.QUEUE], connection=redis, serializer=jobs.SERIALIZER, job_class=jobs.OurJob).work(
        burst=True, logging_level="ERROR"
    )
    db.session.rollback()


def is_scored(attempt):
    db.session.expire_all()
    return db.session.scalar(select(Attempt.scored_at).where(Attempt.id == attempt.id)) is not None


def test_a_ring_makes_a_worker_score(doorbell, redis, waiting):
    assert jobs.ring_for_scoring()

    work(redis)

    assert is_scored(waiting)


def test_a_job_that_failed_half_way_leaves_the_worker_able_to_go_on(live_app, waiting):
    with db.engine.connect() as other:
        other.execute(text("LOCK TABLE standings"))
        db.session.execute(text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(OperationalError):
            jobs.score_waiting()

    assert jobs.score_waiting() == 1
    assert is_scored(waiting)


def test_a_hundred_rings_are_one_job(doorbell, redis):
    for _ in range(100):
        assert jobs.ring_for_scoring()

    assert doorbell.queue.count == 1


def test_after_flushall_the_sweeper_sees_to_it_that_the_attempt_is_scored(doorbell, redis, waiting):
    jobs.ring_for_scoring()
    redis.flushall()

    jobs.sweep()  # submitted long ago: the workers had their time

    assert is_scored(waiting)


def test_the_sweeper_rings_again_while_the_workers_may_still_come(doorbell, redis, waiting, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE_WITH_WORKERS", 1e9)

    jobs.sweep()

    assert doorbell.queue.count == 1
    assert not is_scored(waiting)


def test_without_redis_a_ring_is_quick_and_the_sweeper_scores(live_app, waiting):
    live_app.extensions["doorbell"] = jobs.Doorbell(QuickRedis("unix:///nowhere/valkey.sock"))
    began = time.monotonic()

    rang = [live_app.extensions["doorbell"].ring() for _ in range(50)]
    jobs.sweep()

    assert not any(rang)
    assert time.monotonic() - began < 2
    assert is_scored(waiting)


@pytest.mark.parametrize("name", ["os.system", "contest.jobs.sweep", "subprocess.call"])
def test_a_worker_runs_no_function_but_ours(doorbell, redis, name, tmp_path):
    evidence = tmp_path / "ran"
    Queue(jobs.QUEUE, connection=redis, serializer="json").enqueue(name, f"touch {evidence}")

    work(redis)

    assert not evidence.exists()


def test_a_worker_runs_no_callback(doorbell, redis, tmp_path, waiting):
    from rq import Callback

    evidence = tmp_path / "ran"
    Queue(jobs.QUEUE, connection=redis, serializer="json").enqueue(
        "contest.jobs.score_waiting",
        on_success=Callback("os.system"),
        on_failure=Callback("os.system"),
        meta={"command": f"touch {evidence}"},
    )

    work(redis)

    assert is_scored(waiting)
    assert not evidence.exists()


def test_the_sweeper_closes_overdue_attempts_scores_ranks_and_closes_the_round(doorbell, redis):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest, lasts=timedelta(hours=1, minutes=50)))
    attempt = builders.start(builders.make_person(contest), round, ago=timedelta(minutes=20))

    jobs.sweep()
    jobs.sweep()
    jobs.rank_what_changed()

    db.session.expire_all()
    assert (attempt.how, attempt.points) == ("deadline", 0)
    assert db.session.get_one(Round, round.id).closed_at is not None
    assert db.session.get_one(Round, round.id).ranked_at is not None


def test_what_the_sweeper_closes_is_left_to_the_workers_first(doorbell, redis):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    attempt = builders.start(builders.make_person(contest), round, ago=timedelta(minutes=20))

    jobs.sweep()

    assert doorbell.queue.count == 1
    assert not is_scored(attempt)
    jobs.sweep()
    assert is_scored(attempt)


def test_a_round_stays_unclosed_while_somebody_sits(doorbell, redis):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    builders.start(builders.make_person(contest), round)
    round.closes_at = builders.db_now(db.session())
    db.session.commit()

    jobs.sweep()

    db.session.expire_all()
    assert db.session.get_one(Round, round.id).closed_at is None
