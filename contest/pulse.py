"""The heartbeat of a process: a thread of its own, beside whatever the process does."""

import os
import threading
import time
import weakref

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from contest import heartbeats
from contest.extensions import db
from contest.rules.outages import BEAT_EVERY

logger = structlog.get_logger()

_running: "weakref.WeakSet[Pulse]" = weakref.WeakSet()


class Pulse:
    """Beats every few seconds for as long as the process lives.

    A daemon thread: it never keeps the process from ending. A database that is away is tried again
    with the next beat. After a fork the child gets a thread and connections of its own.
    """

    def __init__(self, app: Flask, kind: str) -> None:
        self.app = app
        self.kind = kind
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> "Pulse":
        """Begin to beat; return itself."""
        _running.add(self)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pulse-{self.kind}", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the beating, and wait for the beat under way."""
        _running.discard(self)
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def begin_again_in_child(self) -> None:
        """Take up the beat after a fork: the thread stayed behind, and the connections are the parent's."""
        with self.app.app_context():
            db.engine.dispose(close=False)
        self.start()

    def _run(self) -> None:
        is_well = True
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                with self.app.app_context():
                    beat(self.kind)
                is_well = True
            except SQLAlchemyError as error:
                if is_well:  # said once, not every few seconds of a long outage
                    logger.warning("no heartbeat", kind=self.kind, error=type(error).__name__)
                is_well = False
            self._stop.wait(max(0.0, BEAT_EVERY.total_seconds() - (time.monotonic() - began)))


def beat(kind: str) -> None:
    """Say once that a process of this kind is alive; a silence that ends here is noted."""
    with Session(db.engine) as session:
        outages = heartbeats.beat(session, kind)
        session.commit()
        for one in outages:
            logger.warning(
                "there was an outage", since=one.from_at.isoformat(), until=one.until_at.isoformat()
            )


def _after_fork() -> None:
    for pulse in list(_running):
        pulse.begin_again_in_child()


os.register_at_fork(after_in_child=_after_fork)
