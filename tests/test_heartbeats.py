"""The heartbeat: who is alive, and what a silence of the web is taken for."""

import os
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contest import heartbeats, outages
from contest.clock import db_now
from contest.extensions import db
from contest.models import Heartbeat, Outage
from contest.pulse import Pulse
from tests import builders

MINUTE = timedelta(minutes=1)


def beat(kind="web"):
    return heartbeats.beat(db.session(), kind)


def fall_silent(kind="web", ago=MINUTE):
    """Let the last beat lie some time back; return when it was."""
    row = db.session.get_one(Heartbeat, kind)
    row.beat_at = db_now(db.session()) - ago
    db.session.commit()
    return row.beat_at


def noted():
    return db.session.scalars(select(Outage).order_by(Outage.from_at)).all()


def test_a_beat_is_one_statement_and_one_row(session, statements):
    beat()
    with statements() as of_beat:
        beat()

    assert len(of_beat) == 1
    assert heartbeats.known(session) == {"web"}
    assert noted() == []


def test_a_silence_of_the_web_is_an_outage(session):
    beat()
    last = fall_silent()

    (outage,) = beat()

    assert (outage.from_at, outage.how, outage.noted_by_id) == (last, "heartbeat", None)
    assert outage.until_at - outage.from_at >= MINUTE
    assert beat() == []
    assert noted() == [outage]


def test_the_silence_of_workers_and_sweeper_keeps_nobody_from_saving(session):
    for kind in ("worker", "sweep"):
        beat(kind)
        fall_silent(kind, ago=timedelta(minutes=5))
    assert set(heartbeats.silent(session, now=db_now(session))) == {"worker", "sweep"}

    assert [beat(kind) for kind in ("worker", "sweep")] == [[], []]

    assert noted() == []
    assert heartbeats.silent(session, now=db_now(session)) == {}


def test_what_somebody_noted_of_a_silence_is_not_noted_again(session):
    beat()
    last = fall_silent(ago=timedelta(minutes=10))
    known = outages.note(
        session,
        last + MINUTE,
        last + 3 * MINUTE,
        reason="Mất điện",
        now=db_now(session),
        actor_id=builders.make_staff().id,
    )

    before, after = beat()

    assert (before.until_at, after.from_at) == (known.from_at, known.until_at)


def test_no_moment_is_noted_twice_whoever_notes_it(session):
    now = db_now(session)
    session.add(Outage(from_at=now - 2 * MINUTE, until_at=now, how="heartbeat"))
    session.flush()

    session.add(Outage(from_at=now - MINUTE, until_at=now + MINUTE, how="heartbeat"))

    with pytest.raises(IntegrityError, match="ex_outages_apart"):
        session.flush()


def test_of_many_processes_one_notes_the_silence(live_app):
    beat()
    db.session.commit()
    fall_silent()
    found = []

    def process():
        with live_app.app_context(), Session(db.engine) as own:
            found.extend(heartbeats.beat(own, "web"))
            own.commit()

    threads = [threading.Thread(target=process) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 1
    assert len(noted()) == 1


def wait_for_beat(after):
    """Return the beat that comes after a moment; it is due every few seconds."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        at = db.session.scalar(select(Heartbeat.beat_at).where(Heartbeat.kind == "web"))
        db.session.rollback()
        if at is not None and at > after:
            return at
        time.sleep(0.1)
    raise AssertionError("no beat came")


def test_the_pulse_goes_on_after_the_database_threw_its_connections_out(live_app):
    begins = db_now(db.session())
    pulse = Pulse(live_app, "web").start()
    try:
        first = wait_for_beat(begins)
        db.session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        db.session.rollback()
        assert wait_for_beat(first) > first
    finally:
        pulse.stop()


PROGRAM = """
import os, sys, time
from contest import create_app
from contest.pulse import Pulse
Pulse(create_app(), "web").start()
if "fork" in sys.argv:
    time.sleep(0.5)
    if pid := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    import threading
    sys.exit(0 if [one.name for one in threading.enumerate()].count("pulse-web") == 1 else 9)
"""


@pytest.mark.parametrize("how", ["ends", "fork"])
def test_the_pulse_never_keeps_a_process_from_ending_and_is_taken_up_after_a_fork(live_app, how):
    settings = live_app.config["CONTEST"]
    env = os.environ | {
        "CONTEST_ENV": "test",
        "CONTEST_DATABASE_URL": settings.database_url,
        "CONTEST_REDIS_URL": settings.redis_url,
        "CONTEST_SECRET_KEY": settings.secret_key,
        "CONTEST_DATA_KEY": settings.data_key,
        "CONTEST_DATA_DIR": str(settings.data_dir),
    }

    ended = subprocess.run([sys.executable, "-c", PROGRAM, how], env=env, timeout=30, check=False)

    assert ended.returncode == 0
