"""The waiting room before a start: one line for all rounds, its numbers given in the order of arrival.

The table is the truth: a person has one place, on however many devices; a process that dies or a
Redis that is emptied takes none away. Nobody's clock runs in it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy.orm import Session

from contest import audit, entries
from contest.errors import BadInput, Conflict
from contest.models import WaitingRoom, WebProcess
from contest.rules.admission import REACTION_SECONDS, Line, Measures, Mode, Verdict, moved, verdict

# The line is moved once in so many seconds, by whichever web process is first.
MOVE_EVERY = timedelta(seconds=0.9)
# What a process said longer ago says nothing of now; after longer still, it is gone.
FRESH, GONE = timedelta(seconds=5), timedelta(minutes=2)
HIGHEST_RATE = 10_000


# --- a place -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """What pressing start leads to: the open attempt, or a number, which may be called already."""

    attempt_id: str | None = None
    number: int = 0
    is_called: bool = False


_TAKE = text("""
INSERT INTO places (account_id, round_id) VALUES (:person, :round) RETURNING number
""")
_PLACE = text("""
SELECT p.number, p.number <= w.called AS is_called
FROM sessions s
JOIN places p ON p.account_id = s.account_id AND p.round_id = :round
CROSS JOIN waiting_room w
WHERE s.token_hash = :token AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()
""")
_LEAVE = text("""
DELETE FROM places p USING sessions s
WHERE s.token_hash = :token AND p.account_id = s.account_id AND p.round_id = :round
""")


def take(connection: Connection, token_hash: bytes, round_id: int, *, waited: float = 0) -> Turn:
    """Give the session's person a place in the line, or find the one they have.

    Leads to their open attempt if there is one. Raises as attempts.start does: nobody waits in vain.
    """
    person_id, attempt_id = entries.may_start(connection, token_hash, round_id, waited=waited)
    if attempt_id is not None:
        return Turn(attempt_id)
    # The person's row is locked: no other device of theirs comes between these two.
    return find(connection, token_hash, round_id) or Turn(
        number=connection.execute(_TAKE, {"person": person_id, "round": round_id}).scalar_one()
    )


def find(connection: Connection, token_hash: bytes, round_id: int) -> Turn | None:
    """Return the place of the session's person in the line for a round."""
    row = connection.execute(_PLACE, {"token": token_hash, "round": round_id}).one_or_none()
    return Turn(number=row.number, is_called=row.is_called) if row else None


def leave(connection: Connection, token_hash: bytes, round_id: int) -> None:
    """Give up the place of the session's person, with the start that it was for."""
    connection.execute(_LEAVE, {"token": token_hash, "round": round_id})


# --- the line ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """The line as it stands, and how many web processes share its rate."""

    line: Line
    processes: int


_SAY = text("""
INSERT INTO web_processes (id, beat_at, save_ms, start_ms, busy, lag_ms, pool_timeouts, counts)
VALUES (:id, statement_timestamp(), :save_ms, :start_ms, :busy, :lag_ms, :pool_timeouts,
        coalesce(CAST(:counts AS jsonb), '{}'))
ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at, save_ms = excluded.save_ms,
       start_ms = excluded.start_ms, busy = excluded.busy, lag_ms = excluded.lag_ms,
       pool_timeouts = excluded.pool_timeouts,
       counts = coalesce(CAST(:counts AS jsonb), web_processes.counts)
""")
_READ = text("""
SELECT w.*, statement_timestamp() AS now,
       (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM places_number_seq) AS taken,
       -- A second of the line that a crash takes back is moved again: no reason to wait for the disk.
       set_config('synchronous_commit', 'off', true),
       EXISTS (SELECT 1 FROM rounds WHERE opened_at IS NOT NULL AND closed_at IS NULL
               AND (paused_until IS NULL OR paused_until <= statement_timestamp())) AS is_startable
FROM waiting_room w
""")
_FRESH = text("""
SELECT save_ms, start_ms, busy, lag_ms, pool_timeouts FROM web_processes
WHERE beat_at > statement_timestamp() - CAST(:fresh AS interval)
""")
# Of many processes one moves the line; who comes second finds it moved.
_MOVE = text("""
UPDATE waiting_room SET called = greatest(called, :called), rate = :rate, pace = :pace,
       lowered_at = :lowered_at, moved_at = statement_timestamp(),
       since_at = CASE WHEN :waiting THEN coalesce(since_at, statement_timestamp()) END
WHERE moved_at = :seen AND mode = :mode
""")
# Of people who never came.
_FORGET_PLACES = text("""
DELETE FROM places p USING rounds r WHERE r.id = p.round_id AND r.closed_at IS NOT NULL
""")
_FORGET_PROCESSES = text("""
DELETE FROM web_processes WHERE beat_at < statement_timestamp() - CAST(:gone AS interval)
""")


def say(connection: Connection, process_id: str, measures: Measures, counts: str | None) -> None:
    """Store how a web process fares, and its counts (JSON) where they are given."""
    connection.execute(_SAY, {"id": process_id, "counts": counts, **asdict(measures)})


def move(connection: Connection, *, cap: float) -> State:
    """Move the line by the time since it was last moved, unless another process just has; return it."""
    row = connection.execute(_READ).one()
    measures = [Measures(*one) for one in connection.execute(_FRESH, {"fresh": FRESH})]
    line = _line(row)
    if row.now - row.moved_at < MOVE_EVERY:
        return State(line, max(1, len(measures)))
    seconds = (row.now - row.moved_at).total_seconds()
    new = moved(line, verdict(measures), seconds=seconds, cap=cap, is_startable=row.is_startable)
    is_ours = connection.execute(
        _MOVE,
        {
            "called": new.called,
            "waiting": new.waiting > 0,
            "rate": new.rate,
            "pace": new.pace,
            "lowered_at": row.now if new.rate < line.rate else row.lowered_at,
            "seen": row.moved_at,
            "mode": row.mode,
        },
    ).rowcount
    return State(new if is_ours else line, max(1, len(measures)))


def forget(session: Session) -> None:
    """Delete the places of rounds that are over, and the measures of processes that are gone."""
    session.execute(_FORGET_PLACES)
    session.execute(_FORGET_PROCESSES, {"gone": GONE})


def _line(row: Any) -> Line:
    since_lowered = (row.now - row.lowered_at).total_seconds() if row.lowered_at else REACTION_SECONDS
    return Line(Mode(row.mode), row.fixed_rate, row.taken, row.called, row.rate, row.pace, since_lowered)


# --- for organizers ------------------------------------------------------------------------------


_OVERVIEW = text("""
SELECT greatest(0, CASE WHEN q.is_called THEN q.last_value ELSE 0 END - floor(w.called)) AS waiting,
       (SELECT count(*) FROM places p WHERE p.number <= w.called) AS away
FROM waiting_room w CROSS JOIN places_number_seq q
""")


@dataclass(frozen=True)
class Overview:
    """The room as organizers see it."""

    room: WaitingRoom
    waiting: int
    # Called, and not come yet.
    away: int
    processes: Sequence[WebProcess]
    verdict: Verdict


def overview(session: Session) -> Overview:
    """Return who waits, how fast the line moves, and how the web fares."""
    row = session.execute(_OVERVIEW).one()
    processes = session.scalars(
        select(WebProcess)
        .where(WebProcess.beat_at > func.statement_timestamp() - FRESH)
        .order_by(WebProcess.id)
    ).all()
    measures = [
        Measures(one.save_ms, one.start_ms, one.busy, one.lag_ms, one.pool_timeouts) for one in processes
    ]
    return Overview(session.get_one(WaitingRoom, 1), row.waiting, row.away, processes, verdict(measures))


def choose(
    session: Session,
    mode: Mode,
    fixed_rate: int | None,
    *,
    reason: str,
    now: datetime,
    actor_id: int,
) -> WaitingRoom:
    """Let the line be moved by health, at a fixed rate, or not hold anybody; logged with the reason.

    Raises BadInput for a rate that is none, Conflict without a reason or if nothing would change.
    """
    if not reason:
        raise Conflict("Bạn cần ghi lý do.")
    if mode is not Mode.FIXED:
        fixed_rate = None
    elif fixed_rate is None or not 1 <= fixed_rate <= HIGHEST_RATE:
        raise BadInput("Bạn cần ghi số người được vào mỗi giây, từ 1 trở lên.")
    room = session.scalars(
        select(WaitingRoom).with_for_update().execution_options(populate_existing=True)
    ).one()
    before = {"mode": room.mode, "fixed_rate": room.fixed_rate}
    after = {"mode": mode.value, "fixed_rate": fixed_rate}
    if before == after:
        raise Conflict("Phòng chờ đang ở đúng chế độ này.")
    room.mode, room.fixed_rate, room.set_by_id = mode.value, fixed_rate, actor_id
    audit.record(
        session,
        "waiting_room.choose",
        "waiting_room/1",
        now=now,
        actor_id=actor_id,
        before=before,
        after=after,
        reason=reason,
    )
    session.flush()
    return room
