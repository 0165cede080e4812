"""The hot path's way to the database: the driver's own connections, in autocommit, in a pool of their own.

SQLAlchemy's pool keeps them; its engine would ask each one whether it is alive before each use, and
so make two round trips of one.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from flask import Flask, current_app
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

# One that has rested so long is asked whether it is still there; under load none rests.
RESTED = 5.0


class HotConnections:
    """As many connections as threads, the one used last first; each opened when it is needed."""

    def __init__(
        self, database_url: str, connect_args: Mapping[str, Any], *, size: int, timeout: float
    ) -> None:
        def connect() -> Any:
            return psycopg.connect(database_url, autocommit=True, **connect_args)

        self._lock = threading.Lock()
        self._pool = QueuePool(
            connect,
            pool_size=size,
            max_overflow=0,
            timeout=timeout,
            recycle=1800,
            use_lifo=True,
            reset_on_return=None,
        )

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection. One that is found broken is given up, and with it all of its age."""
        pooled = self._living()
        try:
            yield _driver(pooled)
        finally:
            if _driver(pooled).closed:
                self._give_up(pooled)
            else:
                pooled.info["used_at"] = time.monotonic()
                pooled.close()

    def close(self) -> None:
        """Close what is not lent; what is needed later is opened anew."""
        with self._lock:
            old, self._pool = self._pool, self._pool.recreate()
        old.dispose()

    def _living(self) -> PoolProxiedConnection:
        pooled = self._pool.connect()
        if time.monotonic() - pooled.info.get("used_at", time.monotonic()) > RESTED:
            try:
                _driver(pooled).execute("SELECT 1")
            except psycopg.OperationalError:
                self._give_up(pooled)
                return self._pool.connect()
        return pooled

    def _give_up(self, pooled: PoolProxiedConnection) -> None:
        pooled.invalidate()
        self.close()


def _driver(pooled: PoolProxiedConnection) -> psycopg.Connection[Any]:
    return cast("psycopg.Connection[Any]", pooled.driver_connection)


def init_app(app: Flask) -> None:
    """Give the application its hot connections, made as the engine's are."""
    settings, options = app.config["CONTEST"], app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    app.extensions["hot_connections"] = HotConnections(
        settings.database_url.replace("+psycopg", "", 1),
        options["connect_args"],
        size=settings.web_threads,
        timeout=options["pool_timeout"],
    )


def hot_connection() -> Any:
    """Lend a connection on which each statement is committed when it returns, unless in a transaction."""
    hot: HotConnections = current_app.extensions["hot_connections"]
    return hot.connection()
