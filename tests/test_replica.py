"""A streaming replica shows visitors the boards; whatever happens to it, the pages are right."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import flask_migrate
import pytest
from sqlalchemy import event, select

from contest import create_app, heartbeats, replica
from contest.extensions import REPLICA, db
from contest.models import Contest
from contest.policies import POLICIES, Who
from contest.settings import Settings
from tests import builders
from tests.clusters import Cluster

BOARD = "/contests/hoi-thi/leaderboard/individuals"


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary with the tables in it, and a standby that follows it."""
    folder = tmp_path_factory.mktemp("pair")
    primary = Cluster(folder / "primary").begin()
    primary.ask("CREATE ROLE contest LOGIN")
    primary.ask("CREATE DATABASE contest OWNER contest")
    standby = Cluster(folder / "standby", primary=primary).begin()
    yield primary, standby
    standby.end()
    primary.end()


@pytest.fixture(scope="module")
def replicated(pair, settings):
    """The application on the pair, with a round whose board is public."""
    primary, standby = pair
    environment = {
        "CONTEST_ENV": "test",
        "CONTEST_DATABASE_URL": primary.url(user="contest"),
        "CONTEST_REPLICA_URL": standby.url(user="contest"),
        "CONTEST_REDIS_URL": settings.redis_url,
        "CONTEST_SECRET_KEY": settings.secret_key,
        "CONTEST_DATA_KEY": settings.data_key,
        "CONTEST_DATA_DIR": str(settings.data_dir),
    }
    app = create_app(Settings.from_env(environment))
    app.testing = True
    with app.app_context():
        flask_migrate.upgrade()
        contest = builders.make_contest("hoi-thi")
        round = builders.open_now(builders.make_round(contest))
        for name in ("Nguyễn Văn An", "Trần Thị Bình"):
            builders.finish_attempt(builders.make_person(contest, name=name), round)
        builders.close(round)
        heartbeats.beat(db.session(), heartbeats.WEB)
        db.session.commit()
        db.session.remove()
    yield app
    app.extensions["replica"].stop()
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture
def app(replicated, pair):
    """The application in its context, its replica in use."""
    with replicated.app_context():
        beat()
        until(lambda: replicated.extensions["replica"].is_usable())
        yield replicated
        db.session.remove()


def beat():
    heartbeats.beat(db.session(), heartbeats.WEB)
    db.session.commit()


def until(fact, seconds=15):
    give_up_at = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < give_up_at, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def asked(app):
    """How many statements each server was asked, by the engine's name."""
    counts = {"primary": 0, REPLICA: 0}

    def note(connection, *_):
        counts[REPLICA if connection.engine is db.engines[REPLICA] else "primary"] += 1

    engines = [db.engines[None], db.engines[REPLICA]]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield counts
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


def get(app, address=BOARD, person=None):
    browser = app.test_client()
    if person is not None:
        builders.sign_in(browser, person)
    return browser.get(address)


@pytest.mark.parametrize(
    "address",
    [
        "/contests/hoi-thi/leaderboard",
        BOARD,
        "/contests/hoi-thi/winners",
        "/contests/hoi-thi/statistics",
    ],
)
def test_a_visitor_is_answered_by_the_replica_alone(app, asked, address):
    answer = get(app, address)
    assert answer.status_code == 200
    assert asked["primary"] == 0
    assert asked[REPLICA] > 0
    app.extensions["replica"].rest()
    with_primary = get(app, address)
    assert with_primary.data == answer.data
    app.extensions["replica"]._rests_until = 0


def test_only_what_everybody_may_see_is_read_from_there():
    assert {POLICIES[name].who for name in replica.ENDPOINTS} == {Who.EVERYBODY}


def test_whoever_is_signed_in_reads_what_they_have_just_written(app, pair, asked):
    """With a replica that stands still: their board, and every page of their own, knows it at once."""
    contest = db.session.scalars(select(Contest).where(Contest.slug == "hoi-thi")).one()
    pair[1].ask("SELECT pg_wal_replay_pause()")
    try:
        person = builders.make_person(contest, name="Lê Thị Mới")
        asked[REPLICA] = 0
        assert "Lê Thị Mới" in get(app, "/me", person).text
        assert get(app, BOARD, person).status_code == 200
        assert asked[REPLICA] == 0
    finally:
        pair[1].ask("SELECT pg_wal_replay_resume()")


def test_what_the_replica_does_not_know_yet_is_found_on_the_primary(app, pair):
    pair[1].ask("SELECT pg_wal_replay_pause()")
    try:
        builders.make_contest("vua-cong-bo")
        db.session.remove()
        assert get(app, "/contests/vua-cong-bo/leaderboard").status_code == 200
        assert get(app, "/contests/none/leaderboard").status_code == 404
    finally:
        pair[1].ask("SELECT pg_wal_replay_resume()")


def test_a_replica_that_falls_behind_is_not_asked_until_it_has_caught_up(app, pair, asked, monkeypatch):
    monkeypatch.setattr(replica, "LARGEST_LAG", 1.0)
    in_use = app.extensions["replica"]
    until(lambda: not in_use.is_usable())  # nobody beats here: the last beat gets old
    asked[REPLICA] = 0
    assert get(app).status_code == 200
    assert asked[REPLICA] == 0

    def has_caught_up():
        beat()
        return in_use.is_usable()

    until(has_caught_up)


@pytest.fixture
def visitors(app):
    """Visitors who look at the board all the time: the statuses they got, and the longest wait."""
    seen, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            began = time.monotonic()
            status = app.test_client().get(BOARD).status_code
            seen.append((status, time.monotonic() - began))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    yield seen
    stop.set()
    for thread in threads:
        thread.join()


def assert_all_were_served(seen, longest):
    assert {status for status, _ in seen} == {200}
    assert max(waited for _, waited in seen) < longest


def test_a_stalled_replica_keeps_nobody_waiting_for_long(app, pair, visitors, asked):
    standby, in_use = pair[1], app.extensions["replica"]
    pids = [standby.process.pid, *children(standby.process.pid)]
    until(lambda: asked[REPLICA] > 20)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: not in_use.is_usable())
        before = len(visitors)
        until(lambda: len(visitors) > before + 20)
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    assert_all_were_served(visitors, replica.PATIENCE + replica.LOOK_EVERY + 2)

    def is_back():
        beat()
        return in_use.is_usable()

    until(is_back)


def test_a_replica_that_dies_and_comes_back_is_noticed_by_nobody(app, pair, visitors, asked):
    standby, in_use = pair[1], app.extensions["replica"]
    until(lambda: asked[REPLICA] > 20)
    standby.kill()
    until(lambda: not in_use.is_usable())
    before = len(visitors)
    until(lambda: len(visitors) > before + 20)
    standby.start()
    standby.wait()

    def is_back():
        beat()
        return in_use.is_usable() and time.monotonic() > in_use._rests_until

    until(is_back, 30)
    asked[REPLICA] = 0
    until(lambda: asked[REPLICA] > 20)
    assert_all_were_served(visitors, replica.PATIENCE + replica.LOOK_EVERY + 2)


def children(pid):
    from pathlib import Path

    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
