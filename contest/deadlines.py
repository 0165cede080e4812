"""Deadlines: reached, and moved for attempts that are open."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from contest import audit, leaderboards, locks
from contest.errors import Conflict
from contest.models import Round
from contest.rules.timing import SWEEP_MARGIN


def hold_starts(session: Session) -> None:
    """Wait for the starts under way and let none begin until commit.

    It comes after `leaderboards.take_turn` and before the round's row is locked, or two could wait for
    each other. Work on many attempts may take longer than a request's patience.
    """
    session.execute(leaderboards.PATIENCE)
    session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": locks.STARTS})


def lock_round(session: Session, round: Round) -> None:
    """Read a round anew and let nobody else change it until commit.

    Its key stays free: a scoring that waited for it would be waited for by whoever changes attempts.
    """
    session.refresh(round, with_for_update={"key_share": True})


_CLOSE_OVERDUE = text("""
UPDATE attempts SET submitted_at = deadline_at, how = 'deadline'
WHERE id IN (SELECT id FROM attempts
             WHERE submitted_at IS NULL AND voided_at IS NULL
               AND deadline_at < statement_timestamp() - make_interval(secs => :margin)
               AND deadline_at + grace_ms * interval '1 millisecond'
                   < statement_timestamp() - make_interval(secs => :margin)
             ORDER BY deadline_at LIMIT :most FOR UPDATE SKIP LOCKED)
RETURNING id
""")


def close_overdue(session: Session, *, most: int = 500) -> int:
    """Close attempts whose deadline, grace and the sweeper's margin are over; return how many."""
    closed = session.execute(_CLOSE_OVERDUE, {"margin": SWEEP_MARGIN.total_seconds(), "most": most})
    return len(list(closed))


# A re-sit whose own closing is later keeps it.
_RECOMPUTE = text("""
UPDATE attempts a
SET closes_at = greatest(a.closes_at, :closes_at),
    deadline_at = least(a.started_at + r.duration_ms * interval '1 millisecond',
                        greatest(a.closes_at, :closes_at))
                  + (a.extra_ms + a.compensation_ms) * interval '1 millisecond'
FROM rounds r
WHERE r.id = a.round_id AND a.round_id = :round AND a.submitted_at IS NULL AND a.voided_at IS NULL
RETURNING a.id
""")


def extend_round(
    session: Session, round: Round, closes_at: datetime, *, reason: str, now: datetime, actor_id: int
) -> int:
    """Let a round close later; return how many open attempts this gave a later closing.

    Whoever sits gets the deadline that the new closing makes; closed attempts stay closed. Raises
    Conflict unless the round is opened and not closed for all, or the closing would not be later.
    """
    hold_starts(session)
    lock_round(session, round)
    if round.opened_at is None or round.closed_at is not None:
        raise Conflict("Chỉ gia hạn được vòng thi đã mở và chưa đóng hẳn.")
    if not reason:
        raise Conflict("Bạn cần ghi lý do gia hạn.")
    if closes_at <= max(round.closes_at, now):
        raise Conflict("Thời điểm đóng mới phải sau thời điểm đóng hiện nay và sau bây giờ.")
    planned = round.closes_at
    round.closes_at = closes_at
    session.flush()
    moved = len(session.execute(_RECOMPUTE, {"round": round.id, "closes_at": closes_at}).all())
    audit.record(
        session,
        "round.extend",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        before={"closes_at": planned.isoformat()},
        after={"closes_at": closes_at.isoformat(), "open_attempts": moved},
        reason=reason,
    )
    return moved
