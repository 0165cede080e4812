"""The primary is gone in the middle of an evening: the standby takes over, nothing acknowledged is lost."""

import time
from collections.abc import Iterator

import flask_migrate
import psycopg
import pytest
from flask import Flask

from contest import create_app, jobs
from contest.extensions import db
from contest.settings import Settings
from tests import builders
from tests.clusters import Cluster
from tests.savers import Savers

PEOPLE = 10


@pytest.fixture
def pair(tmp_path) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary that acknowledges only what its standby has too."""
    primary = Cluster(tmp_path / "primary").begin()
    primary.ask("CREATE ROLE contest LOGIN")
    primary.ask("CREATE DATABASE contest OWNER contest")
    standby = Cluster(tmp_path / "standby", primary=primary).begin()
    primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.ask("SELECT pg_reload_conf()")
    until(lambda: primary.ask("SELECT sync_state FROM pg_stat_replication") == ("sync",))
    yield primary, standby
    for cluster in (standby, primary):
        cluster.end()


@pytest.fixture
def app(pair, settings) -> Iterator[Flask]:
    """The application with both addresses in its setting: it goes to the one that takes writes."""
    primary, standby = pair
    both = (
        f"postgresql://contest@/contest?host={primary.runtime.path},{standby.runtime.path}"
        "&port=5432,5432&target_session_attrs=read-write"
    )
    environment = {
        "CONTEST_ENV": "test",
        "CONTEST_DATABASE_URL": both,
        "CONTEST_REDIS_URL": settings.redis_url,
        "CONTEST_SECRET_KEY": settings.secret_key,
        "CONTEST_DATA_KEY": settings.data_key,
        "CONTEST_DATA_DIR": str(settings.data_dir),
    }
    app = create_app(Settings.from_env(environment))
    with app.app_context():
        flask_migrate.upgrade()
        yield app
        db.session.remove()
        db.engine.dispose()


def until(fact, seconds=30):
    give_up_at = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < give_up_at, "it did not come about"
        time.sleep(0.05)


def test_a_promoted_standby_has_everything_that_was_acknowledged(app, pair):
    primary, standby = pair
    contest = builders.make_contest("hoi-thi")
    savers = Savers(app)
    savers.sit_down(contest, builders.open_now(builders.make_round(contest)), PEOPLE)
    savers.begin(until_each_has=4)

    primary.kill()
    gone_at = time.monotonic()
    # What the operator, or Patroni, does: alone it must not wait for a standby that is no more.
    standby.ask("ALTER SYSTEM SET synchronous_standby_names = ''")
    standby.ask("SELECT pg_reload_conf()")
    assert standby.ask("SELECT pg_promote()") == (True,)
    savers.go_on(2)
    was_away = time.monotonic() - gone_at
    savers.end()

    with psycopg.connect(standby.url()) as connection:
        stored = connection.execute("SELECT public_id, save_seq, prediction FROM attempts").fetchall()
    assert len(stored) == PEOPLE
    for public_id, seq, prediction in stored:
        assert savers.acknowledged[public_id] <= seq <= savers.sent[public_id]
        assert prediction == seq
    assert set(savers.statuses) <= {200, 429, 503}
    assert savers.without_advice == 0
    assert was_away < 20

    # And the evening goes on where it is.
    savers.submit()
    assert jobs.score_waiting() == PEOPLE


def test_while_its_only_synchronous_standby_is_gone_nothing_is_acknowledged(app, pair):
    """The control: an acknowledgement really waits for the standby."""
    _, standby = pair
    contest = builders.make_contest("hoi-thi")
    savers = Savers(app)
    savers.sit_down(contest, builders.open_now(builders.make_round(contest)), 1)
    standby.kill()
    savers.begin(until_each_has=0)
    time.sleep(2)
    assert savers.acknowledged == {}
    standby.start()
    standby.wait()
    until(lambda: savers.acknowledged)
    savers.end()
