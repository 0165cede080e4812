"""Reading from a streaming replica: what visitors who are not signed in see of leaderboards and statistics.

Whoever is signed in is always answered from the primary, so that people read what they have written.
The replica decides nothing: whatever goes wrong there, a page that is not found included, is asked of
the primary again, and while it is away, stalled or too far behind it is not asked at all.
"""

import os
import select
import socket
import threading
import time
from typing import Any

import psycopg
import structlog
from flask import Flask, Response, current_app, g, request
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from contest.extensions import REPLICA, db
from contest.signing_in import session_token

logger = structlog.get_logger()

ENDPOINTS = frozenset(
    {
        "leaderboards.units",
        "leaderboards.individuals",
        "leaderboards.winners",
        "contest_standings.show",
        "statistics.show",
    }
)
LOOK_EVERY = 1.0
# A web process beats every three seconds through the primary: so old may the last beat be over there.
LARGEST_LAG = 10.0
# Without an answer for so long it is taken to hang.
PATIENCE = 2.0
# After a failed statement it is left alone for so long.
REST = 5.0
_LAG = b"""
SELECT extract(epoch FROM statement_timestamp() - max(beat_at)) FROM heartbeats WHERE kind = 'web'
"""


class Replica:
    """Whether the replica answers and follows closely: a thread looks, requests only read what it saw."""

    def __init__(self, url: str) -> None:
        self.url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_fit = False
        self._rests_until = float("-inf")
        # Connections at work: cut when the replica hangs, or the requests would hang with it.
        self._at_work: set[Any] = set()

    def is_usable(self) -> bool:
        """Tell whether a page may be read from it now. The first call only begins to look."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._begin()
        return self._is_fit and time.monotonic() >= self._rests_until

    def rest(self) -> None:
        """Leave it alone for a while."""
        self._rests_until = time.monotonic() + REST

    def stop(self) -> None:
        """End the looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        engine = db.engines[REPLICA]
        event.listen(engine, "checkout", lambda connection, *_: self._at_work.add(connection))
        event.listen(engine, "checkin", lambda connection, *_: self._at_work.discard(connection))
        self._thread = threading.Thread(target=self._look, name="replica", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        """Look at the replica again and again, over a connection that is kept while it is good."""
        connection: psycopg.Connection[Any] | None = None
        while not self._stop.is_set():
            was_fit = self._is_fit
            try:
                if connection is None:
                    connection = psycopg.connect(self.url, autocommit=True, connect_timeout=2)
                self._is_fit = _lag(connection) <= LARGEST_LAG
            except (psycopg.Error, TimeoutError):
                self._is_fit = False
                if connection is not None:
                    connection.close()
                    connection = None
                self._cut_off()
            if self._is_fit is not was_fit:
                logger.info("replica", is_used=self._is_fit)
            self._stop.wait(LOOK_EVERY)
        if connection is not None:
            connection.close()

    def _cut_off(self) -> None:
        """Wake up whoever waits for an answer of a replica that hangs: they get an error instead."""
        for connection in list(self._at_work):
            self._at_work.discard(connection)
            try:
                with socket.socket(fileno=os.dup(connection.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
            except (OSError, psycopg.Error):
                continue  # closed by now


def _lag(connection: psycopg.Connection[Any]) -> float:
    """Return how old the last heartbeat is on the replica. Raises TimeoutError if it gives no answer."""
    line, give_up_at = connection.pgconn, time.monotonic() + PATIENCE
    line.send_query(_LAG)
    lag = float("inf")
    while True:
        while line.is_busy():
            if not select.select([line.socket], [], [], max(0.0, give_up_at - time.monotonic()))[0]:
                raise TimeoutError
            line.consume_input()
        result = line.get_result()
        if result is None:
            return lag
        value = result.get_value(0, 0) if result.ntuples else None
        lag = float(value) if value is not None else float("inf")


def init_app(app: Flask) -> None:
    """Answer from the replica what may be, if the settings name one."""
    url = app.config["CONTEST"].replica_url
    if url:
        app.extensions["replica"] = Replica(url)
        app.before_request(_answer)


def _answer() -> Response | None:
    """Return the page as the replica has it, or None for the primary to answer."""
    replica: Replica = current_app.extensions["replica"]
    if request.endpoint not in ENDPOINTS or request.method not in ("GET", "HEAD") or session_token():
        return None
    if not replica.is_usable():
        return None
    g.reads_replica = True
    try:
        view = current_app.view_functions[request.endpoint]
        return current_app.make_response(view(**(request.view_args or {})))  # type: ignore[arg-type]
    except Exception as error:
        if isinstance(error, DBAPIError):  # that all its connections are busy is no failure
            logger.warning("replica failed, the primary answers", error=type(error).__name__)
            replica.rest()
        return None
    finally:
        _forget_session()
        g.reads_replica = False


def _forget_session() -> None:
    """Leave nothing of the replica's behind: its connection may be dead by now, the page is not."""
    try:
        db.session.remove()
    except SQLAlchemyError:
        db.session.registry.clear()
