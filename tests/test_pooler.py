"""A whole attempt through PgBouncer in transaction mode, by many at once over few server connections."""

import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select, text

from contest import SESSION_TIMEOUTS, create_app, jobs
from contest.cli import main
from contest.extensions import db
from contest.models import Attempt, Round, Standing
from contest.rules.scoring import POINT
from tests import builders
from tests.clusters import PGBOUNCER, Cluster, Pooler
from tests.test_registration import fields

CONTEST = Path(__file__).parent.parent / "contest"
PEOPLE = 8
SERVER_CONNECTIONS = 3

if PGBOUNCER is None:
    print("PgBouncer is missing, its tests are SKIPPED: apt-get install pgbouncer", file=sys.__stderr__)
needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("pooled") / "one").begin()
    cluster.ask("CREATE ROLE contest LOGIN")
    cluster.ask("CREATE DATABASE contest OWNER contest")
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def pooler(cluster) -> Iterator[Pooler]:
    pooler = Pooler(cluster, size=SERVER_CONNECTIONS)
    yield pooler
    pooler.stop()


@pytest.fixture(scope="module")
def environment(cluster, pooler, settings) -> dict[str, str]:
    return {
        "CONTEST_ENV": "test",
        "CONTEST_DATABASE_URL": pooler.url(),
        "CONTEST_DATABASE_DIRECT_URL": cluster.url(user="contest"),
        "CONTEST_REDIS_URL": settings.redis_url,
        "CONTEST_SECRET_KEY": settings.secret_key,
        "CONTEST_DATA_KEY": settings.data_key,
        "CONTEST_DATA_DIR": str(settings.data_dir),
    }


@pytest.fixture(scope="module")
def migrated(environment) -> str:
    """What `contest migrate` and then `contest doctor` say."""
    runner = CliRunner(env=environment)
    done = runner.invoke(main, ["migrate"])
    assert done.exit_code == 0, done.output
    return runner.invoke(main, ["doctor"]).output


@pytest.fixture
def pooled_app(migrated, environment) -> Iterator[Flask]:
    from contest.settings import Settings

    app = create_app(Settings.from_env(environment))
    app.testing = True
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@needs_pgbouncer
def test_the_timeouts_hold_behind_the_pooler(migrated, pooled_app):
    assert re.search(r"timeouts +ok", migrated)
    for name, milliseconds in SESSION_TIMEOUTS.items():
        setting = text("SELECT setting::int FROM pg_settings WHERE name = :name")
        assert db.session.scalar(setting, {"name": name}) == milliseconds


@needs_pgbouncer
def test_a_role_without_timeouts_is_seen(migrated, environment, cluster, pooler):
    cluster.ask("CREATE ROLE bare LOGIN")
    cluster.ask("GRANT ALL ON SCHEMA public TO bare", database="contest")
    address = pooler.url(user="bare")
    told = CliRunner(env=environment | {"CONTEST_DATABASE_URL": address}).invoke(main, ["doctor"]).output
    assert "statement_timeout" in told


@needs_pgbouncer
def test_without_the_setting_the_pooler_refuses_what_it_can_not_keep(pooled_app, environment):
    """The control: the connection of a site that does not know of the pooler brings options along."""
    from contest.settings import Settings

    settings = replace(Settings.from_env(environment), database_direct_url="")
    with create_app(settings).app_context(), pytest.raises(Exception, match="unsupported startup parameter"):
        db.session.execute(text("SELECT 1"))


@needs_pgbouncer
def test_people_take_part_at_once_over_few_server_connections(pooled_app, cluster):
    contest = builders.make_contest("hoi-thi")
    round_id = builders.open_now(builders.make_round(contest)).id
    db.session.remove()
    failures: list[BaseException] = []

    def take_part(number: int) -> None:
        try:
            _take_part(pooled_app, round_id, f"09876{number:05d}")
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=take_part, args=(number,)) for number in range(PEOPLE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []

    assert jobs.score_waiting() == PEOPLE
    builders.rank(db.session.get_one(Round, round_id))
    closed = builders.close(db.session.get_one(Round, round_id))
    builders.publish(closed)
    jobs.sweep()
    assert set(db.session.scalars(select(Standing.points))) == {5 * POINT}
    assert sorted(db.session.scalars(select(Standing.rank))) == list(range(1, PEOPLE + 1))
    assert pooled_app.test_client().get("/contests/hoi-thi/leaderboard/individuals").status_code == 200
    # However many they were, this is what the server has seen of them.
    [count] = cluster.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'contest' AND usename = 'contest'"
    )
    assert 1 <= count <= SERVER_CONNECTIONS


def _take_part(app: Flask, round_id: int, phone: str) -> None:
    """Register, start, save, submit and look at the result; each request in a context of its own."""
    browser = app.test_client()

    def token() -> str:
        with app.app_context():
            return builders.csrf(browser)

    browser.get("/register")
    assert browser.post("/register", data={"csrf_token": token(), **fields(phone=phone)}).status_code == 303
    started = browser.post(f"/rounds/{round_id}/attempts", data={"csrf_token": token()})
    assert started.status_code == 303, started.text
    public_id = started.location.rpartition("/")[2]
    with app.app_context():
        attempt = db.session.scalars(select(Attempt).where(Attempt.public_id == public_id)).one()
        sheet = {"editor": "e", "shape": attempt.paper_shape, "responses": builders.answers(attempt, 5)}
    for seq in range(1, 9):  # oftener than what makes psycopg prepare a statement
        numbers = {"seq": seq, "base": seq - 1, "prediction": PEOPLE}
        address, headers = f"/attempts/{public_id}/responses", {"X-CSRFToken": token()}
        while (saved := browser.put(address, json=sheet | numbers, headers=headers)).status_code == 429:
            time.sleep(0.3)
        assert saved.json["stored"], saved.text
    done = browser.post(f"/attempts/{public_id}/submission", data={"csrf_token": token()})
    assert done.status_code == 303
    assert browser.get(done.location).status_code == 200


# What would stay on a connection that is the next request's: a lock, a setting, a table.
SESSION_STATE = re.compile(
    r"\bpg_(?:try_)?advisory_lock(?:_shared)?\(|\bLISTEN [a-z]|\bCREATE TEMP|\bWITH HOLD\b"
    r"|text\(\s*f?\"+\s*SET (?!LOCAL)|set_config\([^()]*false\)"
)
# They talk to the server itself.
DIRECT = {"backups"}


@pytest.mark.parametrize(
    "line",
    [
        'text("SELECT pg_advisory_lock(:lock)")',
        'text("SET statement_timeout = 0")',
        "SELECT set_config('lock_timeout', '1s', false)",
        'text("""\nCREATE TEMP TABLE x (id int)""")',
    ],
)
def test_what_would_stay_on_a_connection_is_known(line):
    assert SESSION_STATE.search(line)


def test_nothing_stays_on_a_connection_after_its_transaction():
    found = [
        f"{path.relative_to(CONTEST.parent)}: {match[0]}"
        for path in CONTEST.rglob("*.py")
        if path.relative_to(CONTEST).parts[0] not in DIRECT
        for match in SESSION_STATE.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == [], "ask for it until the commit: pg_advisory_xact_lock, set_config(…, true)"
