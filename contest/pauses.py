"""Pauses: for a stated time nobody starts, and whoever sits gets that time on top.

A pause is an outage of one round whose end is known. Deadlines grow when it begins, so that neither a
page's clock nor the sweeper closes anybody meanwhile, and shrink again if it ends early. When it is
over, it leaves the durations it fell into.
"""

from datetime import datetime, timedelta

from sqlalchemy import DateTime, Select, exists, func, select, text
from sqlalchemy.orm import Session

from contest import audit, deadlines, leaderboards, outages
from contest.contests import Phase, phase
from contest.errors import Conflict
from contest.models import Outage, OutageDecision, Round
from contest.rules.outages import Interval

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=24)
MILLISECOND = timedelta(milliseconds=1)

# Whoever had run out of time before the pause has none to get back. The sweeper closes them in its time:
# requests under way keep the margin that it leaves them.
_MOVE = text("""
UPDATE attempts
SET compensation_ms = compensation_ms + :ms, deadline_at = deadline_at + :ms * interval '1 millisecond'
WHERE round_id = :round AND submitted_at IS NULL AND voided_at IS NULL
  AND deadline_at + grace_ms * interval '1 millisecond' > :begins
RETURNING id
""")


def pause(session: Session, round: Round, lasts: timedelta, *, reason: str, actor_id: int) -> Outage:
    """Pause an open round for a while, from the moment on when nobody can start any more.

    Raises Conflict if it is not open, or paused already.
    """
    deadlines.hold_starts(session)
    deadlines.lock_round(session, round)
    now = _moment(session)  # not before: who submitted while this waited has lost nothing
    if phase(round, now=now) is not Phase.OPEN:
        raise Conflict("Chỉ tạm dừng được vòng thi đang mở.")
    if round.paused_until is not None and now < round.paused_until:
        raise Conflict("Vòng thi đang tạm dừng.")
    if not reason:
        raise Conflict("Bạn cần ghi lý do tạm dừng.")
    if not SHORTEST <= lasts <= LONGEST:
        raise Conflict("Tạm dừng được từ 1 phút đến 24 giờ.")
    before, round.paused_until = round.paused_until, now + lasts
    paused = Outage(
        round_id=round.id,
        from_at=now,
        until_at=now + lasts,
        how="pause",
        reason=reason,
        noted_at=now,
        noted_by_id=actor_id,
    )
    session.add(paused)
    session.flush()
    moved = _move(session, round, lasts, begins=now)
    audit.record(
        session,
        "round.pause",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        before={"paused_until": before.isoformat() if before else None},
        after={"until": paused.until_at.isoformat(), "open_attempts": moved},
        reason=reason,
    )
    return paused


def resume(session: Session, round: Round, *, actor_id: int) -> Outage:
    """End a pause before its time. Raises Conflict if the round is not paused."""
    deadlines.hold_starts(session)
    deadlines.lock_round(session, round)
    now = _moment(session)  # nobody could start before
    if round.paused_until is None or round.paused_until <= now:
        raise Conflict("Vòng thi không tạm dừng.")
    paused = session.scalars(
        select(Outage).where(Outage.round_id == round.id).order_by(Outage.from_at.desc()).limit(1)
    ).one()
    planned = paused.until_at
    # Whole milliseconds on both sides, so that what is left is exactly how long it lasted.
    early = (planned - now) // MILLISECOND * MILLISECOND
    paused.until_at = round.paused_until = planned - early
    session.flush()
    # The ones that were moved: by as much as lies between the beginning and what was planned as the end.
    moved = _move(session, round, -early, begins=planned)
    audit.record(
        session,
        "round.resume",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        before={"until": planned.isoformat()},
        after={"until": paused.until_at.isoformat(), "open_attempts": moved},
    )
    return paused


def _moment(session: Session) -> datetime:
    """Return the statement's moment, once the locks are held: a caller's `now` lies before the wait."""
    return session.execute(select(func.statement_timestamp(type_=DateTime(timezone=True)))).scalar_one()


def _move(session: Session, round: Round, by: timedelta, *, begins: datetime) -> int:
    """Move the deadlines that lie after a moment, grace included; nobody starts in a pause."""
    moved = session.execute(_MOVE, {"round": round.id, "ms": by // MILLISECOND, "begins": begins})
    return len(moved.all())


def rounds_to_settle(session: Session, *, now: datetime) -> list[int]:
    """Return the ids of rounds with a pause that is over and still in the durations."""
    return list(
        session.scalars(select(Round.id).where(Round.id.in_(_over(now).with_only_columns(Outage.round_id))))
    )


def settle(session: Session, round_id: int, *, now: datetime) -> int:
    """Take pauses that are over out of a round's durations, once; return how many pauses."""
    leaderboards.take_turn(session, round_id)
    deadlines.hold_starts(session)
    round = session.get_one(Round, round_id)
    deadlines.lock_round(session, round)
    over = session.scalars(_over(now).where(Outage.round_id == round_id).order_by(Outage.from_at)).all()
    for paused in over:
        fell, still_open = outages.give_back(
            session, round, Interval(paused.from_at, paused.until_at), is_moving=False
        )
        decision = OutageDecision(
            is_compensated=True, reason=paused.reason, attempts=fell, extended=still_open
        )
        outages.record_decision(session, round_id, paused, decision, now=now, actor_id=None)
    return len(over)


def _over(now: datetime) -> Select[Outage]:
    settled = exists().where(OutageDecision.outage_id == Outage.id)
    latest = now - timedelta(seconds=outages.LATEST_REQUEST_SECONDS)
    return select(Outage).where(Outage.how == "pause", Outage.until_at < latest, ~settled)
