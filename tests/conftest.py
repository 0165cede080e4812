"""Real servers for all tests: an embedded PostgreSQL and Valkey, started once per process.

Most tests run in a transaction that is undone (`session`). Tests of the hot path and of races
commit, in a database of their own that is cloned from a migrated template (`committed`).
"""

import base64
import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from random import Random
from typing import Any

import flask_migrate
import psycopg
import pytest
from flask import Flask, Response, g, request
from flask.testing import FlaskClient
from psycopg import sql
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contest import create_app, security
from contest.door import Door
from contest.embedded import EmbeddedServers
from contest.extensions import db
from contest.models import AuditEvent
from contest.settings import Settings
from tests.visiting import visit

TEMPLATE = "contest_template"
_clones = itertools.count(1)


class _Chance(Random):
    """Stands in for the module `secrets`."""

    token_bytes = Random.randbytes

    def token_hex(self, length: int) -> str:
        return self.randbytes(length).hex()

    def token_urlsafe(self, length: int) -> str:
        return base64.urlsafe_b64encode(self.randbytes(length)).rstrip(b"=").decode()


@pytest.fixture(autouse=True)
def same_chance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own seeds and tokens, the same whenever it runs: so papers are shuffled alike."""
    monkeypatch.setattr(security, "secrets", _Chance(request.node.nodeid))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Return the addresses of a database server and a Redis: those given, or embedded ones."""
    given = os.environ.get("CONTEST_TEST_DATABASE_URL"), os.environ.get("CONTEST_TEST_REDIS_URL")
    if given[0] and given[1]:
        yield given[0], given[1]
        return
    with EmbeddedServers(tmp_path_factory.mktemp("servers"), durable=False) as embedded:
        yield embedded.database_url, embedded.redis_url


@pytest.fixture(scope="session")
def settings(servers: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of the tests, on a database with all tables: the template of the clones."""
    database_url, redis_url = servers
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    settings = Settings.from_env(
        {
            "CONTEST_ENV": "test",
            "CONTEST_DATABASE_URL": _create(database_url, f"{TEMPLATE}_{worker}"),
            "CONTEST_REDIS_URL": redis_url,
            "CONTEST_SECRET_KEY": "s" * 40,
            "CONTEST_DATA_KEY": "d" * 40,
            "CONTEST_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        }
    )
    app = create_app(settings)
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()
    return settings


def _create(database_url: str, name: str, template: str = "template1") -> str:
    """Create a database beside the one of the address and return its address."""
    server, _, _ = database_url.partition("?")
    maintenance = database_url.replace(server, f"{server.rpartition('/')[0]}/postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    head, _, query = database_url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def _testing(settings: Settings) -> Flask:
    app = create_app(settings)
    app.testing = True
    _demand_trails(app)
    _count_afresh(app)
    return app


def _count_afresh(app: Flask) -> None:
    """Give each test turns of its own: the rates' keys are the secret key's, and tests share one Redis."""
    app.config["CONTEST"] = replace(app.config["CONTEST"], secret_key=secrets.token_urlsafe(32))


# What an organizer sends that changes nothing, or only says again what was so already.
TRAILLESS = {"admin_imports.new", "admin_configuration.edit"}


def _demand_trails(app: Flask) -> None:
    """Whatever an organizer does in any test leaves an audit event: the request fails that leaves none."""

    def last_event() -> int:
        return db.session.scalar(select(func.max(AuditEvent.id))) or 0

    @app.before_request
    def look_before() -> None:
        if request.method == "POST" and request.path.startswith("/admin/"):
            g.last_event = last_event()

    @app.after_request
    def look_after(response: Response) -> Response:
        # A second click leads to the task that the first one ordered.
        is_told = request.endpoint in TRAILLESS or "/admin/tasks/" in (response.location or "")
        if "last_event" in g and response.status_code == 303 and not is_told:
            assert last_event() > g.last_event, f"{request.endpoint} left no audit event"
        return response


@pytest.fixture(scope="session")
def shared_app(settings: Settings) -> Iterator[Flask]:
    """Return the application on a database for rolled-back tests."""
    url = _create(_plain(settings.database_url), f"rolled_back_{_name(settings)}", _name(settings))
    app = _testing(replace(settings, database_url=url.replace("postgresql:", "postgresql+psycopg:")))
    yield app
    with app.app_context():
        db.engine.dispose()
    app.extensions["hot_connections"].close()


def _plain(url: str) -> str:
    """Return the address as psycopg itself takes it."""
    return url.replace("+psycopg", "")


def _name(settings: Settings) -> str:
    return settings.database_url.partition("?")[0].rpartition("/")[2]


class RecordingDoorbell:
    """Stands in for the queue: counts the rings instead of leaving jobs to other tests' workers."""

    def __init__(self) -> None:
        self.rings = 0

    def ring(self, job: str = "score_waiting") -> bool:
        """Count."""
        self.rings += 1
        return True


@pytest.fixture
def app(shared_app: Flask) -> Iterator[Flask]:
    """Return the application in its context; whatever the test does is undone, commits included."""
    with shared_app.app_context():
        engine = db.engine
        connection = engine.connect()
        transaction = connection.begin()
        db.engines[None] = connection  # type: ignore[assignment]
        db.session.configure(join_transaction_mode="create_savepoint")
        shared_app.extensions["doorbell"] = RecordingDoorbell()
        yield shared_app
        db.session.remove()
        db.engines[None] = engine
        transaction.rollback()
        connection.close()


@pytest.fixture
def session(app: Flask) -> Session:
    """Return the session of the rolled-back transaction."""
    return db.session()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a browser without cookies."""
    return visit(app)


@pytest.fixture
def live_app(settings: Settings) -> Iterator[Flask]:
    """Return the application in its context on an empty database of its own, where commits are real."""
    name = f"live_{next(_clones)}_{_name(settings)}"
    url = _create(_plain(settings.database_url), name, _name(settings))
    app = _testing(replace(settings, database_url=url.replace("postgresql:", "postgresql+psycopg:")))
    app.extensions["doorbell"] = RecordingDoorbell()
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
        app.extensions["hot_connections"].close()
    app.extensions["door"].stop()
    with psycopg.connect(
        _plain(settings.database_url).replace(_name(settings), "postgres"), autocommit=True
    ) as server:
        _drop(server, name)


def _drop(server: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Drop a database and whoever is in it; an autovacuum that nobody but its owner ends is waited for."""
    for tries_left in reversed(range(20)):
        try:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            return
        except psycopg.errors.InsufficientPrivilege:
            if not tries_left:
                raise
            time.sleep(0.5)


@pytest.fixture
def live_client(live_app: Flask) -> FlaskClient:
    """Return a browser without cookies before the live application."""
    return live_app.test_client()


@pytest.fixture
def statements(app: Flask) -> Callable[[], AbstractContextManager[list[str]]]:
    """Return a way to note the SQL statements of a block, savepoints aside."""

    @contextmanager
    def noting() -> Iterator[list[str]]:
        noted: list[str] = []

        def note(cursor: psycopg.Cursor[Any], statement: Any, *args: Any, **kwargs: Any) -> Any:
            if "SAVEPOINT" not in str(statement):
                noted.append(str(statement))
            return execute(cursor, statement, *args, **kwargs)

        # The driver's, below SQLAlchemy, which the hot path does without.
        execute = psycopg.Cursor.execute
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", note)
            yield noted

    return noting


@pytest.fixture
def make_door(app: Flask) -> Iterator[Callable[..., Door]]:
    """Return a way to make the door of one more web process."""
    made: list[Door] = []

    def make(settings: Settings | None = None) -> Door:
        made.append(Door(app, settings or app.config["CONTEST"]))
        return made[-1]

    yield make
    for door in made:
        door.stop()
