"""Extra time: granted to a person, a unit or a division, before or during their attempts.

It counts from the next start on, and at once for whoever sits. Several grants add up. Nothing public
shows it: durations are scaled back, so that it wins or loses nobody a tie.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from contest import audit, deadlines
from contest.errors import Conflict, NotThere
from contest.impartiality import refuse_oneself
from contest.models import Attempt, Contest, Division, ExtraTime, Registration, Round, Unit

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=24)

_EXTEND_OPEN = text("""
UPDATE attempts a
SET extra_ms = a.extra_ms + :ms, deadline_at = a.deadline_at + :ms * interval '1 millisecond'
FROM rounds r JOIN registrations g ON g.contest_id = r.contest_id
WHERE r.id = a.round_id AND g.account_id = a.account_id AND a.submitted_at IS NULL AND a.voided_at IS NULL
  AND r.contest_id = :contest AND (CAST(:round AS integer) IS NULL OR r.id = :round)
  AND (g.id = :registration OR g.unit_id = :unit OR g.division_id = :division)
RETURNING a.public_id
""")


def grant(
    session: Session,
    contest: Contest,
    whom: Registration | Unit | Division,
    extra: timedelta,
    *,
    round: Round | None,
    reason: str,
    now: datetime,
    actor_id: int,
) -> int:
    """Give extra time, in one round or in all; return how many open attempts got it at once.

    Raises Conflict without a reason, or if they have some there already.
    """
    if not reason:
        raise Conflict("Bạn cần ghi lý do thêm giờ.")
    if isinstance(whom, Registration):
        refuse_oneself(whom.account_id, actor_id)
    if not SHORTEST <= extra <= LONGEST:
        raise Conflict("Thêm được từ 1 phút đến 24 giờ.")
    # Those that come later see the grant.
    deadlines.hold_starts(session)
    granted = ExtraTime(
        contest_id=contest.id,
        round_id=round.id if round else None,
        registration_id=whom.id if isinstance(whom, Registration) else None,
        unit_id=whom.id if isinstance(whom, Unit) else None,
        division_id=whom.id if isinstance(whom, Division) else None,
        extra_ms=extra // timedelta(milliseconds=1),
        reason=reason,
        granted_at=now,
        granted_by_id=actor_id,
    )
    try:
        with session.begin_nested():
            session.add(granted)
    except IntegrityError:
        raise Conflict("Đã có thêm giờ ở phạm vi này. Bạn hãy thu hồi trước khi cho mức khác.") from None
    sitting = session.scalars(
        _EXTEND_OPEN,
        {
            "ms": granted.extra_ms,
            "contest": contest.id,
            "round": granted.round_id,
            "registration": granted.registration_id,
            "unit": granted.unit_id,
            "division": granted.division_id,
        },
    ).all()
    audit.record(
        session,
        "extra_time.grant",
        f"extra_time/{granted.id}",
        now=now,
        actor_id=actor_id,
        before={"extra_ms": 0},
        after={
            **_facts(granted),
            "open_attempts": sorted(sitting),
            # Who starts later has it from the start.
            "last_attempt": session.scalar(select(func.coalesce(func.max(Attempt.id), 0))),
        },
        reason=reason,
    )
    return len(sitting)


def revoke(session: Session, contest: Contest, extra_time_id: int, *, now: datetime, actor_id: int) -> None:
    """Let a grant end: it counts for no further start, while begun attempts keep it.

    Raises NotThere, or Conflict a second time.
    """
    granted = session.scalar(select(ExtraTime).filter_by(id=extra_time_id, contest_id=contest.id))
    if granted is None:
        raise NotThere("Không tìm thấy lần thêm giờ này.")
    revoked = session.scalar(
        update(ExtraTime)
        .where(ExtraTime.id == extra_time_id, ExtraTime.revoked_at.is_(None))
        .values(revoked_at=now, revoked_by_id=actor_id)
        .returning(ExtraTime.id)
    )
    if revoked is None:
        raise Conflict("Lần thêm giờ này đã được thu hồi.")
    audit.record(
        session,
        "extra_time.revoke",
        f"extra_time/{granted.id}",
        now=now,
        actor_id=actor_id,
        before=_facts(granted),
        after={"extra_ms": 0},
    )


def _facts(granted: ExtraTime) -> dict[str, int | None]:
    return {
        "extra_ms": granted.extra_ms,
        "round": granted.round_id,
        "registration": granted.registration_id,
        "unit": granted.unit_id,
        "division": granted.division_id,
    }


def of_person(session: Session, registration: Registration) -> Sequence[ExtraTime]:
    """Return what a person was ever granted, of their own or with their unit or division, newest first."""
    return _listed(
        session,
        registration.contest_id,
        (ExtraTime.registration_id == registration.id)
        | (ExtraTime.unit_id == registration.unit_id)
        | (ExtraTime.division_id == registration.division_id),
    )


def of_round(session: Session, round: Round) -> Sequence[ExtraTime]:
    """Return all grants that were ever made for a round, newest first."""
    return _listed(session, round.contest_id, (ExtraTime.round_id == round.id) | ExtraTime.round_id.is_(None))


def _listed(session: Session, contest_id: int, condition: ColumnElement[bool]) -> Sequence[ExtraTime]:
    return session.scalars(
        select(ExtraTime)
        .where(ExtraTime.contest_id == contest_id, condition)
        .order_by(ExtraTime.id.desc())
        .options(
            joinedload(ExtraTime.round),
            joinedload(ExtraTime.registration).joinedload(Registration.account),
            joinedload(ExtraTime.unit),
            joinedload(ExtraTime.division),
            joinedload(ExtraTime.granted_by),
        )
    ).all()
