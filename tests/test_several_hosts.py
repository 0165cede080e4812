"""Workers and sweepers on several hosts, which are processes with data directories of their own here."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from sqlalchemy import func, select, text

from contest import verifying_results
from contest.clock import db_now
from contest.contests import find_round
from contest.embedded import EmbeddedServers
from contest.embedded.server import Valkey
from contest.extensions import db
from contest.models import Attempt, AuditEvent, Round, Standing
from tests import builders

ROOT = Path(__file__).parent.parent
HOSTS = ("a", "b")
PEOPLE = 30


@pytest.fixture
def own_redis(tmp_path) -> Iterator[EmbeddedServers]:
    """Servers of which the Redis is taken, to be replaced in the middle."""
    with EmbeddedServers(tmp_path / "servers", durable=False) as servers:
        yield servers


@pytest.fixture
def hosts(live_app, own_redis, tmp_path) -> Iterator[list[subprocess.Popen]]:
    """Two hosts with a worker and a sweeper each, on one database and one Redis."""
    settings = live_app.config["CONTEST"]
    processes = []
    for host in HOSTS:
        environment = {
            "CONTEST_ENV": "test",
            "CONTEST_DATABASE_URL": settings.database_url,
            "CONTEST_REDIS_URL": own_redis.redis_url,
            "CONTEST_SECRET_KEY": settings.secret_key,
            "CONTEST_DATA_KEY": settings.data_key,
            "CONTEST_DATA_DIR": str(tmp_path / host),
        }
        for command in ("worker", "sweep"):
            log = (tmp_path / f"{host}-{command}.log").open("w")
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "contest.cli", command],
                    cwd=ROOT,
                    env=os.environ | environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
            log.close()
    yield processes
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(fact, seconds=60):
    give_up_at = time.monotonic() + seconds
    while not fact():
        db.session.rollback()
        assert time.monotonic() < give_up_at, "it did not come about"
        time.sleep(0.2)
    db.session.rollback()


def waiting():
    return db.session.scalar(select(func.count()).where(Attempt.scored_at.is_(None)))


def test_they_share_the_work_and_do_each_thing_once(live_app, hosts, own_redis, tmp_path):
    contest = builders.make_contest("hoi-thi")
    round = builders.open_now(builders.make_round(contest))
    people = [builders.make_person(contest) for _ in range(PEOPLE)]
    half = PEOPLE // 2
    for person in people[:half]:
        builders.finish_attempt(person, round, is_scored=False)
    until(lambda: waiting() == 0)

    # Redis is lost with all it had, and an empty one comes up in its place; a whole host goes with it.
    valkey = next(one for one in own_redis._servers if isinstance(one, Valkey))
    valkey.process.kill()
    valkey.process.wait()
    for file in valkey.data.rglob("*"):
        if file.is_file():
            file.unlink()
    for process in hosts[2:]:
        process.send_signal(signal.SIGKILL)
        process.wait()
    for person in people[half:]:
        builders.finish_attempt(person, round, is_scored=False)
    assert own_redis.check() == ["Valkey"]
    assert redis.Redis.from_url(own_redis.redis_url).dbsize() <= 2  # what a worker says of itself
    until(lambda: waiting() == 0)
    until(lambda: db.session.scalar(select(func.count()).where(Standing.rank.is_not(None))) == PEOPLE)

    # The round ends: the sweeper that is left closes it, once.
    builders.change_locked(db.session.get_one(Round, round.id), closes_at=db_now(db.session()))
    until(lambda: db.session.scalar(select(Round.closed_at)) is not None)
    until(lambda: db.session.scalar(select(Round.ranked_at)) is not None)
    closings = select(func.count()).where(AuditEvent.action == "round.close")
    assert db.session.scalar(closings) == 1
    # A worker whose Redis goes away may end; systemd, or `contest run`, starts it again.
    assert hosts[1].poll() is None


def test_two_sweepers_at_one_deadline_close_each_attempt_once(live_app, hosts):
    contest = builders.make_contest("hoi-thi")
    round = builders.open_now(builders.make_round(contest, duration=timedelta(minutes=1)))
    for _ in range(PEOPLE):
        builders.start(builders.make_person(contest), round, ago=timedelta(minutes=2))
    until(lambda: waiting() == 0)

    rows = db.session.execute(select(Attempt.how, Attempt.submitted_at, Attempt.deadline_at)).all()
    assert {row.how for row in rows} == {"deadline"}
    assert all(row.submitted_at == row.deadline_at for row in rows)
    assert db.session.scalar(select(func.count(Standing.id))) == PEOPLE
    builders.change_locked(db.session.get_one(Round, round.id), closes_at=db_now(db.session()))
    until(lambda: db.session.scalar(select(Round.closed_at)) is not None)
    until(lambda: db.session.scalar(select(Round.ranked_at)) is not None)
    for process in hosts:
        process.terminate()
        process.wait(10)
    closings = select(func.count()).where(AuditEvent.action == "round.close")
    assert db.session.scalar(closings) == 1
    found = verifying_results.faults(
        db.session(), find_round(db.session(), round.id), data_key=builders.data_key()
    )
    assert list(found) == []
    assert db.session.scalar(text("SELECT count(*) FROM audit_events")) > 0
