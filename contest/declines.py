"""Declines: a winner takes no prize, keeps the rank, and everyone below moves up.

Who is skipped when prizes are given: those who declined, and by setting those who won before.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased, joinedload

from contest import audit
from contest.errors import Conflict, NotThere
from contest.models import Account, Attempt, Decline, Publication, Round, Standing


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
    earlier, newer = aliased(Round), aliased(Publication)
    won = func.jsonb_array_elements(Publication.content["winners"]).column_valued("won")
    rows = session.execute(
        select(Account.id, Account.draw_id)
        .select_from(Publication)
        .join(earlier, earlier.id == Publication.round_id)
        .join(won, onclause=func.true())
        .join(Attempt, Attempt.public_id == won.op("->>")("attempt"))
        .join(Account, Account.id == Attempt.account_id)
        .where(
            earlier.contest_id == round.contest_id,
            earlier.closed_at < round.closed_at,
            Publication.kind == "official",
            ~exists().where(
                newer.round_id == Publication.round_id,
                newer.kind == "official",
                newer.version > Publication.version,
            ),
            ~exists().where(Decline.round_id == earlier.id, Decline.account_id == Account.id),
        )
    )
    return dict(rows.all())
