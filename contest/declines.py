"""Declines: a winner takes no prize, keeps the rank, and everyone below moves up.

Who is skipped when prizes are given: those who declined, and by setting those who won before.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload

from contest import audit
from contest.errors import Conflict, NotThere
from contest.models import Account, Decline, Round, Standing

_EARLIER_WINNERS = text("""
SELECT DISTINCT person.id, person.draw_id
FROM rounds r
JOIN LATERAL (SELECT content FROM publications WHERE round_id = r.id AND kind = 'official'
              ORDER BY version DESC LIMIT 1) official ON true
CROSS JOIN LATERAL jsonb_array_elements(official.content -> 'winners') AS won
JOIN attempts a ON a.public_id = won ->> 'attempt'
JOIN accounts person ON person.id = a.account_id
WHERE r.contest_id = :contest AND r.closed_at < :closed_at
  AND NOT EXISTS (SELECT FROM declines d WHERE d.round_id = r.id AND d.account_id = person.id)
""")


def of_round(session: Session, round_id: int) -> Sequence[Decline]:
    """Return the declines of a round, the newest first, with the people."""
    return session.scalars(
        select(Decline)
        .where(Decline.round_id == round_id)
        .order_by(Decline.id.desc())
        .options(joinedload(Decline.account), joinedload(Decline.recorded_by))
    ).all()


def decline(
    session: Session, round: Round, account_id: int, *, reason: str, now: datetime, actor_id: int
) -> None:
    """Record that a person takes no prize of the round; a second time changes nothing.

    Raises Conflict before the books or without a reason, NotThere if the person is not in the standings.
    """
    if round.books_closed_at is None:
        raise Conflict("Việc từ chối giải được ghi sau khi chốt sổ, khi đã có danh sách đạt giải.")
    if not reason:
        raise Conflict("Bạn cần ghi lý do hoặc cách người đạt giải đã báo từ chối.")
    if not session.scalar(
        select(exists().where(Standing.round_id == round.id, Standing.account_id == account_id))
    ):
        raise NotThere("Người này không có trong bảng xếp hạng của vòng.")
    recorded = session.scalar(
        insert(Decline)
        .values(round_id=round.id, account_id=account_id, reason=reason, recorded_by_id=actor_id)
        .on_conflict_do_nothing(index_elements=["round_id", "account_id"])
        .returning(Decline.id)
    )
    if recorded is not None:
        _record(session, "prize.decline", round, account_id, reason=reason, now=now, actor_id=actor_id)


def take_back(
    session: Session, round: Round, account_id: int, *, reason: str, now: datetime, actor_id: int
) -> None:
    """Strike out a decline that was recorded in error. Raises Conflict without a reason, or NotThere."""
    if not reason:
        raise Conflict("Bạn cần ghi lý do bỏ việc từ chối giải.")
    struck = session.scalar(
        delete(Decline)
        .where(Decline.round_id == round.id, Decline.account_id == account_id)
        .returning(Decline.id)
    )
    if struck is None:
        raise NotThere("Người này không từ chối giải.")
    _record(session, "prize.take_back_decline", round, account_id, reason=reason, now=now, actor_id=actor_id)


def _record(
    session: Session, action: str, round: Round, account_id: int, *, reason: str, now: datetime, actor_id: int
) -> None:
    audit.record(
        session,
        action,
        f"round/{round.id}/account/{account_id}",
        now=now,
        actor_id=actor_id,
        after={"account": account_id},
        reason=reason,
    )


def skipped(session: Session, round: Round) -> dict[int, str]:
    """Return who gets no prize of the round whatever their rank: draw ids by account id."""
    who = select(Account.id, Account.draw_id)
    found = dict(
        session.execute(
            who.join(Decline, Decline.account_id == Account.id).where(Decline.round_id == round.id)
        ).all()
    )
    if round.is_skipping_earlier_winners:
        found |= earlier_winners(session, round)
    return found


def earlier_winners(session: Session, round: Round) -> dict[int, str]:
    """Return who won in the official results of rounds of the contest that closed earlier.

    Of each round its newest official version says it; a decline counts as not won.
    """
    rows = session.execute(_EARLIER_WINNERS, {"contest": round.contest_id, "closed_at": round.closed_at})
    return {row.id: row.draw_id for row in rows}
