"""The door of this web process: whether a start goes straight through, and where a number stands.

Once a second it says how the process fares, moves the line if nobody else has, and remembers where it
stands, so that neither a straight start nor the page of somebody who waits asks the database.
"""

import secrets
import threading
import time
from dataclasses import replace

import structlog
from flask import Flask, after_this_request, current_app, redirect, url_for
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from werkzeug import Response

from contest import waiting_room
from contest.extensions import db
from contest.health import Gauge
from contest.rules.admission import Line, Mode, seconds_to_turn
from contest.settings import Settings
from contest.signing_in import drop_ticket, give_ticket, session_hash, ticket_in_hand
from contest.waiting_room import State, Turn

logger = structlog.get_logger()

TICK = 1.0
# The counts are larger than the measures, and nobody asks for them every second.
TICKS_PER_COUNTS = 5
# What a process has not let in for a while, it may at once.
BURST_SECONDS = 1.0


class Door:
    """Lets starts through at this process's share of the rate while nobody waits anywhere."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self.mode = settings.waiting_room
        self.cap = float(settings.starts_per_second)
        self.process_id = secrets.token_hex(8)
        self._gauge: Gauge = app.extensions["gauge"]
        self._lock = threading.Lock()
        # None until the line has been read: a process that has just begun lets everybody through.
        self._state: State | None = None
        self._tokens, self._filled_at = 0.0, time.monotonic()
        self._ticks, self._lag = 0, 0.0
        # Of its own: a process whose requests hold all connections must still say so.
        options = app.config["SQLALCHEMY_ENGINE_OPTIONS"] | {"pool_size": 1, "max_overflow": 0}
        self._engine = create_engine(app.config["SQLALCHEMY_DATABASE_URI"], **options)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # --- asked by requests -----------------------------------------------------------------------

    def lets_through(self) -> bool:
        """Tell whether a start needs no place in the line."""
        if self.mode != "auto":
            return self.mode == "off"
        with self._lock:
            state = self._state
            if state is None or state.line.mode is Mode.OPEN:
                return True
            if state.line.waiting:
                return False
            share = state.line.rate / state.processes
            now = time.monotonic()
            self._tokens = min(
                max(1.0, share * BURST_SECONDS), self._tokens + share * (now - self._filled_at)
            )
            self._filled_at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def note_taken(self, number: int) -> None:
        """Remember that a number was given: from now on somebody waits."""
        with self._lock:
            if self._state is not None and number > self._state.line.taken:
                self._state = replace(self._state, line=replace(self._state.line, taken=number))

    def line(self) -> Line:
        """Return the line as it stood a second ago at most, or some seconds if the database is away."""
        with self._lock:
            return self._state.line if self._state else Line()

    def prospect(self, number: int) -> tuple[int, float]:
        """Return how many numbers come before one, and in how many seconds it is called; (0, 0): now."""
        line = self.line()
        ahead = max(0, number - 1 - int(line.called))
        # Of a rate that has just changed the slower is promised.
        pace = min(line.pace, line.rate)
        return (0, 0.0) if number <= line.called else (ahead, seconds_to_turn(ahead, pace))

    # --- once a second ---------------------------------------------------------------------------

    def start(self) -> "Door":
        """Begin to look after the line; return itself."""
        self._thread = threading.Thread(target=self._run, name="door", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End it, and wait for the turn under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._engine.dispose()

    def tick(self, *, lag: float = 0.0) -> State:
        """Say how the process fares, move the line if it is time, and remember it."""
        counts = self._gauge.counts() if self._ticks % TICKS_PER_COUNTS == 0 else None
        self._ticks += 1
        # One late awakening is no trouble yet.
        self._lag = (self._lag + lag) / 2
        with self._engine.connect() as connection:
            state = waiting_room.move(connection, cap=self.cap)
            waiting_room.say(connection, self.process_id, self._gauge.read(lag=self._lag), counts)
            connection.commit()
        with self._lock:
            self._state = state
        return state

    def _run(self) -> None:
        is_well, due = True, time.monotonic()
        while not self._stop.is_set():
            # Woken late, the process has too much to do: what its requests feel, too.
            lag = max(0.0, time.monotonic() - due)
            try:
                self.tick(lag=lag)
                is_well = True
            except SQLAlchemyError as error:
                if is_well:  # said once, not every second of a long outage
                    logger.warning("the line stands still", error=type(error).__name__)
                is_well = False
            due = time.monotonic() + TICK
            self._stop.wait(TICK)


# --- for the view that starts --------------------------------------------------------------------


def turn(round_id: int, *, waited: float) -> Turn:
    """Return whether the person of this request may start now; in a crowd they get a number first."""
    door: Door = current_app.extensions["door"]
    if door.lets_through():
        return Turn(number=ticket_in_hand(round_id) or 0, is_called=True)
    with db.engine.begin() as connection:
        found = waiting_room.take(connection, session_hash(), round_id, waited=waited)
    door.note_taken(found.number)
    return found


def to_the_line(round_id: int, turn: Turn) -> Response:
    """Lead to the waiting room with a ticket, or to the attempt that is open already."""
    if turn.attempt_id is not None:
        return redirect(url_for("attempts.show", public_id=turn.attempt_id), 303)
    response = redirect(url_for("waiting_room.show", round_id=round_id), 303)
    give_ticket(response, round_id, turn.number)
    return response


def leave_the_line(round_id: int, turn: Turn) -> None:
    """Give up the place that a committed start was for, if there was one."""
    if turn.number:
        with db.engine.begin() as connection:
            waiting_room.leave(connection, session_hash(), round_id)
        after_this_request(drop_ticket)


def init_app(app: Flask) -> None:
    """Hang the door on the application; whoever serves it starts it."""
    app.extensions["door"] = Door(app, app.config["CONTEST"])
