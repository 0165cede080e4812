"""The hot path's way to the database: the driver's own connections, in autocommit, beside SQLAlchemy's.

An engine asks each connection whether it is alive before each use, and so makes two round trips of one.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from flask import Flask, current_app

# One that has rested so long is asked whether it is still there; under load none rests.
RESTED = 5.0

Connection = psycopg.Connection[Any]


class HotConnections:
    """Connections that are lent and kept. A thread borrows one at a time, so there are as many as threads."""

    def __init__(self, database_url: str, **options: Any) -> None:
        self.database_url = database_url
        self.options: Mapping[str, Any] = options
        # What rests and since when; the last one used is lent first.
        self._resting: deque[tuple[Connection, float]] = deque()

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """Lend a connection. When it breaks, so have those that rest: they are closed."""
        connection = self._rested() or psycopg.connect(self.database_url, autocommit=True, **self.options)
        try:
            yield connection
        finally:
            if connection.closed:
                self.close()
            else:
                self._resting.append((connection, time.monotonic()))

    def close(self) -> None:
        """Close those that rest."""
        while self._resting:
            try:
                connection, _ = self._resting.pop()
            except IndexError:  # another thread has taken the last one
                return
            connection.close()

    def _rested(self) -> Connection | None:
        try:
            connection, since = self._resting.pop()
        except IndexError:
            return None
        if time.monotonic() - since > RESTED:
            try:
                connection.execute("SELECT 1")
            except psycopg.OperationalError:
                connection.close()
                self.close()
                return None
        return connection


def init_app(app: Flask) -> None:
    """Give the application hot connections, made as its engine's are."""
    app.extensions["hot_connections"] = HotConnections(
        app.config["CONTEST"].database_url.replace("+psycopg", "", 1),
        **app.config["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"],
    )


def hot_connection() -> AbstractContextManager[Connection]:
    """Lend a connection on which each statement is committed when it returns, unless in a transaction."""
    hot: HotConnections = current_app.extensions["hot_connections"]
    return hot.lend()
