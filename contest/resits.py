"""Voided attempts and what comes in their place.

A voided attempt keeps its number and is neither counted nor used up: while the round is open its
person may simply start again. A re-sit carries a closing of its own, which may lie after the round's;
the round is not closed for all, and seed and keys stay hidden, until it is taken or over.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from contest import audit, deadlines, leaderboards, scoring
from contest.errors import Conflict, NotThere
from contest.impartiality import refuse_oneself
from contest.models import Attempt, Resit, Round, Standing

# All of the person's attempts of the round: a scoring of any of them is waited for, or finds this done.
_LOCK = text("""
SELECT mine.id, mine.scored_at, mine.voided_at
FROM attempts a JOIN attempts mine ON mine.round_id = a.round_id AND mine.account_id = a.account_id
WHERE a.id = :attempt ORDER BY mine.id FOR NO KEY UPDATE OF mine
""")


def find(session: Session, public_id: str) -> Attempt:
    """Return an attempt, whoever's it is. Raises NotThere."""
    attempt = session.scalar(select(Attempt).where(Attempt.public_id == public_id))
    if attempt is None:
        raise NotThere("Không tìm thấy bài thi này.")
    return attempt


def void(
    session: Session,
    attempt: Attempt,
    *,
    reason: str,
    resit_until: datetime | None,
    now: datetime,
    actor_id: int,
) -> Resit | None:
    """Void an attempt, and grant a re-sit until a closing of its own if one is given.

    Its person's standing goes, or shows the other attempt that counts. Raises Conflict without a
    reason, a second time, after the books, or where a re-sit can't be granted any more.
    """
    if not reason:
        raise Conflict("Bạn cần ghi lý do hủy bài.")
    refuse_oneself(attempt.account_id, actor_id)
    round = _locked_round(session, attempt)
    if round.books_closed_at is not None:
        raise Conflict("Vòng thi đã chốt sổ: không hủy bài được nữa, chỉ loại được người vi phạm.")
    session.execute(_LOCK, {"attempt": attempt.id})
    voided = session.scalar(
        update(Attempt)
        .where(Attempt.id == attempt.id, Attempt.voided_at.is_(None))
        .values(voided_at=now, void_reason=reason)
        .returning(Attempt)
        .execution_options(populate_existing=True)
    )
    if voided is None:
        raise Conflict("Bài thi này đã bị hủy.")
    _follow(session, round, voided)
    audit.record(
        session,
        "attempt.void",
        f"attempt/{voided.public_id}",
        now=now,
        actor_id=actor_id,
        before={
            "submitted_at": voided.submitted_at.isoformat() if voided.submitted_at else None,
            "points": voided.points,
        },
        after={"voided_at": now.isoformat()},
        reason=reason,
    )
    if resit_until is None:
        return None
    return _grant(session, round, voided, resit_until, now=now, actor_id=actor_id)


def grant(session: Session, attempt: Attempt, closes_at: datetime, *, now: datetime, actor_id: int) -> Resit:
    """Let the person of a voided attempt start once more, until a closing of its own.

    Raises Conflict unless it is voided, once, and the round is not closed for all.
    """
    refuse_oneself(attempt.account_id, actor_id)
    round = _locked_round(session, attempt)
    return _grant(session, round, attempt, closes_at, now=now, actor_id=actor_id)


def _locked_round(session: Session, attempt: Attempt) -> Round:
    """Return the attempt's round; nobody closes it or its books until this is committed."""
    leaderboards.take_turn(session, attempt.round_id)
    deadlines.hold_starts(session)
    round = session.get_one(Round, attempt.round_id)
    deadlines.lock_round(session, round)
    return round


def _grant(
    session: Session, round: Round, attempt: Attempt, closes_at: datetime, *, now: datetime, actor_id: int
) -> Resit:
    session.refresh(attempt)
    if attempt.voided_at is None:
        raise Conflict("Chỉ cho thi lại khi bài thi đã bị hủy.")
    if round.opened_at is None or round.closed_at is not None:
        raise Conflict("Vòng thi đã đóng hẳn, hạt giống và đáp án đã công khai: không thi lại được nữa.")
    if closes_at <= now:
        raise Conflict("Hạn thi lại phải sau bây giờ.")
    if session.scalar(select(Resit).filter_by(voided_id=attempt.id)) is not None:
        raise Conflict("Bài thi bị hủy này đã được cho thi lại.")
    resit = Resit(
        round_id=round.id,
        account_id=attempt.account_id,
        voided_id=attempt.id,
        closes_at=closes_at,
        granted_at=now,
        granted_by_id=actor_id,
    )
    session.add(resit)
    session.flush()
    audit.record(
        session,
        "attempt.grant_resit",
        f"attempt/{attempt.public_id}",
        now=now,
        actor_id=actor_id,
        after={"closes_at": closes_at.isoformat()},
    )
    return resit


def _follow(session: Session, round: Round, voided: Attempt) -> None:
    """Let the person's standing show another counted attempt, or go."""
    others = session.scalars(
        select(Attempt.id).where(
            Attempt.round_id == round.id,
            Attempt.account_id == voided.account_id,
            Attempt.voided_at.is_(None),
            Attempt.scored_at.is_not(None),
        )
    ).all()
    own = (Standing.round_id == round.id, Standing.account_id == voided.account_id)
    if others:
        session.execute(select(Standing.id).where(*own).with_for_update())
        scoring.choose_counted(session, others)
    else:
        session.execute(delete(Standing).where(*own))
    leaderboards.call_for_ranking(session, round)


def voids(session: Session, account_id: int, contest_id: int) -> int:
    """Return how many attempts of a person in a contest were voided: nobody gets another paper by it."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Attempt)
            .join(Attempt.round)
            .where(
                Attempt.account_id == account_id,
                Round.contest_id == contest_id,
                Attempt.voided_at.is_not(None),
            )
        )
        or 0
    )


def of_person(session: Session, account_id: int, contest_id: int) -> Sequence[Resit]:
    """Return all re-sits that a person was granted in a contest."""
    return session.scalars(
        select(Resit)
        .join(Round, Round.id == Resit.round_id)
        .where(Resit.account_id == account_id, Round.contest_id == contest_id)
        .order_by(Resit.id)
    ).all()


def to_take(session: Session, account_id: int, contest_id: int, *, now: datetime) -> dict[int, Resit]:
    """Return the re-sits that a person can start now, by round id."""
    return {
        resit.round_id: resit
        for resit in of_person(session, account_id, contest_id)
        if resit.taken_id is None and resit.closes_at > now
    }
