"""The primary is gone in the middle of an evening: the standby takes over, nothing acknowledged is lost."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import flask_migrate
import psycopg
import pytest
from flask import Flask

from contest import create_app, jobs
from contest.extensions import db
from contest.settings import Settings
from tests import builders
from tests.clusters import Cluster

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


@dataclass
class Ledger:
    """What each person was told is stored, and what else they were answered."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    without_advice: int = 0

    def count(self, answer) -> None:
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        if answer.status_code == 503 and "Retry-After" not in answer.headers:
            self.without_advice += 1


def sit(app, browser, token, attempt, ledger, stop):
    """Save sheet after sheet as the page does: the same again until it is told what became of it."""
    public_id, shape = attempt
    seq = 0
    while not stop.is_set():
        sheet = {
            "seq": seq + 1,
            "base": seq,
            "editor": "e",
            "shape": shape,
            "responses": {"1": ["ab"[seq % 2]]},
            "prediction": seq + 1,
        }
        ledger.sent[public_id] = seq + 1
        answer = browser.put(f"/attempts/{public_id}/responses", json=sheet, headers={"X-CSRFToken": token})
        ledger.count(answer)
        if answer.status_code == 200:
            assert answer.json["stored"]
            seq += 1
            ledger.acknowledged[public_id] = seq
        stop.wait(0.26)


def test_a_promoted_standby_has_everything_that_was_acknowledged(app, pair):
    primary, standby = pair
    contest = builders.make_contest("hoi-thi")
    round = builders.open_now(builders.make_round(contest))
    ledger, stop, threads, browsers = Ledger(), threading.Event(), [], []
    for _ in range(PEOPLE):
        person = builders.make_person(contest)
        attempt = builders.start(person, round)
        browser = builders.sign_in(app.test_client(), person)
        work = (app, browser, builders.csrf(browser), (attempt.public_id, attempt.paper_shape))
        threads.append(threading.Thread(target=sit, args=(*work, ledger, stop)))
        browsers.append((browser, work[2], attempt.public_id))
    db.session.remove()
    for thread in threads:
        thread.start()
    until(lambda: len(ledger.acknowledged) == PEOPLE and min(ledger.acknowledged.values()) >= 4)

    primary.kill()
    gone_at = time.monotonic()
    at_that_time = dict(ledger.acknowledged)
    # What the operator, or Patroni, does: alone it must not wait for a standby that is no more.
    standby.ask("ALTER SYSTEM SET synchronous_standby_names = ''")
    standby.ask("SELECT pg_reload_conf()")
    assert standby.ask("SELECT pg_promote()") == (True,)
    until(lambda: all(ledger.acknowledged[one] > seq + 1 for one, seq in at_that_time.items()))
    was_away = time.monotonic() - gone_at
    stop.set()
    for thread in threads:
        thread.join()

    with psycopg.connect(standby.url()) as connection:
        stored = connection.execute("SELECT public_id, save_seq, prediction FROM attempts").fetchall()
    assert len(stored) == PEOPLE
    for public_id, seq, prediction in stored:
        assert ledger.acknowledged[public_id] <= seq <= ledger.sent[public_id]
        assert prediction == seq
    assert set(ledger.statuses) <= {200, 429, 503}
    assert ledger.without_advice == 0
    assert was_away < 20

    # And the evening goes on where it is.
    for browser, token, public_id in browsers:
        done = browser.post(f"/attempts/{public_id}/submission", data={"csrf_token": token})
        assert done.status_code == 303
    assert jobs.score_waiting() == PEOPLE


def test_while_its_only_synchronous_standby_is_gone_nothing_is_acknowledged(app, pair):
    """The control: an acknowledgement really waits for the standby."""
    _, standby = pair
    contest = builders.make_contest("hoi-thi")
    round = builders.open_now(builders.make_round(contest))
    person = builders.make_person(contest)
    attempt = builders.start(person, round)
    browser = builders.sign_in(app.test_client(), person)
    work = (app, browser, builders.csrf(browser), (attempt.public_id, attempt.paper_shape))
    db.session.remove()
    standby.kill()
    ledger, stop = Ledger(), threading.Event()
    thread = threading.Thread(target=sit, args=(*work, ledger, stop))
    thread.start()
    time.sleep(2)
    assert ledger.acknowledged == {}
    standby.start()
    standby.wait()
    until(lambda: ledger.acknowledged)
    stop.set()
    thread.join()
