"""The hot path's connections: lent and kept, given up together when the database goes."""

import psycopg
import pytest
from sqlalchemy import text

from contest import hot_connections
from contest.extensions import db
from contest.hot_connections import hot_connection

KILL = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def pid():
    with hot_connection() as connection:
        return connection.info.backend_pid


def kill_all():
    db.session.execute(KILL)
    db.session.rollback()


def test_the_last_one_used_is_lent_again(live_app):
    with hot_connection() as first, hot_connection() as second:
        assert first.info.backend_pid != second.info.backend_pid
        assert first.autocommit
    assert pid() == first.info.backend_pid


def test_when_one_breaks_those_that_rest_are_given_up(live_app):
    with hot_connection(), hot_connection():
        pass
    kill_all()

    with pytest.raises(psycopg.OperationalError), hot_connection() as connection:
        connection.execute("SELECT 1")

    with hot_connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_one_that_rested_long_is_asked_first(live_app, monkeypatch):
    before = pid()
    monkeypatch.setattr(hot_connections, "RESTED", -1.0)
    assert pid() == before
    kill_all()

    with hot_connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.info.backend_pid != before


def test_what_failed_in_a_transaction_leaves_nothing_behind(live_app):
    with (
        pytest.raises(psycopg.errors.DivisionByZero),
        hot_connection() as connection,
        connection.transaction(),
    ):
        connection.execute("SELECT 1 / 0")

    with hot_connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
