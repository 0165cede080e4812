"""Declines: a winner takes no prize, keeps the rank, and everyone below moves up.

Who is skipped when prizes are given: those who declined, and by setting those who won before.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload

from contest import audit, leaderboards
from contest.errors import Conflict, NotThere
from contest.impartiality import refuse_oneself
from contest.models import Account, Decline, Round, Standing

ACTIONS = DECLINE, TAKE_BACK = "prize.decline", "prize.take_back_decline"

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
    refuse_oneself(account_id, actor_id)
    _take_turns(session, round)
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
        call_for_rankings(session, [round, *later_rounds(session, round)])
        _record(session, DECLINE, round, account_id, reason=reason, now=now, actor_id=actor_id)


def take_back(
    session: Session, round: Round, account_id: int, *, reason: str, now: datetime, actor_id: int
) -> None:
    """Strike out a decline that was recorded in error. Raises Conflict without a reason, or NotThere."""
    if not reason:
        raise Conflict("Bạn cần ghi lý do bỏ việc từ chối giải.")
    refuse_oneself(account_id, actor_id)
    _take_turns(session, round)
    struck = session.scalar(
        delete(Decline)
        .where(Decline.round_id == round.id, Decline.account_id == account_id)
        .returning(Decline.id)
    )
    if struck is None:
        raise NotThere("Người này không từ chối giải.")
    call_for_rankings(session, [round, *later_rounds(session, round)])
    _record(session, TAKE_BACK, round, account_id, reason=reason, now=now, actor_id=actor_id)


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
    return declined(session, round.id) | skipped_winners(session, round)


def declined(session: Session, round_id: int) -> dict[int, str]:
    """Return who declined a prize of the round: draw ids by account id."""
    query = select(Account.id, Account.draw_id).join(Decline, Decline.account_id == Account.id)
    return dict(session.execute(query.where(Decline.round_id == round_id)).all())


def _take_turns(session: Session, round: Round) -> None:
    """Wait for rankings and publications under way, of this round and of those that skip its winners."""
    leaderboards.take_turn(session, round.id)
    session.refresh(round)
    for one in later_rounds(session, round):
        leaderboards.take_turn(session, one.id)


def later_rounds(session: Session, round: Round) -> Sequence[Round]:
    """Return the rounds that skip this one's winners, in the order of their closing."""
    if round.closed_at is None:
        return []
    return session.scalars(
        select(Round)
        .where(
            Round.contest_id == round.contest_id,
            Round.is_skipping_earlier_winners,
            Round.closed_at > round.closed_at,
        )
        .order_by(Round.closed_at, Round.id)
    ).all()


def call_for_rankings(session: Session, rounds: Iterable[Round]) -> None:
    """Say that units have other prizes now: rank the rounds anew whose units are ranked by them.

    The caller has taken their turns.
    """
    for one in rounds:
        if one.books_closed_at is not None and any(part.unit_formula == "points" for part in one.divisions):
            leaderboards.call_for_ranking(session, one)


def rounds_before(session: Session, round: Round) -> Sequence[int]:
    """Return the ids of the rounds whose official winners the round skips."""
    if not round.is_skipping_earlier_winners:
        return []
    return session.scalars(
        select(Round.id).where(Round.contest_id == round.contest_id, Round.closed_at < round.closed_at)
    ).all()


def skipped_winners(session: Session, round: Round) -> dict[int, str]:
    """Return who gets no prize of the round because they won before: nobody unless the round says so."""
    return earlier_winners(session, round) if round.is_skipping_earlier_winners else {}


def earlier_winners(session: Session, round: Round) -> dict[int, str]:
    """Return who won in the official results of rounds of the contest that closed earlier.

    Of each round its newest official version says it; a decline counts as not won.
    """
    rows = session.execute(_EARLIER_WINNERS, {"contest": round.contest_id, "closed_at": round.closed_at})
    return {row.id: row.draw_id for row in rows}
