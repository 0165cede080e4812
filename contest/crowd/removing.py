"""Virtual people go as they came: all at once, with everything that they left."""

from sqlalchemy import Table, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contest import leaderboards
from contest.crowd.preparing import PATIENCE
from contest.errors import Conflict
from contest.extensions import Base
from contest.models import Account, Round, Standing


def remove(session: Session, crowd: str) -> int:
    """Take away a crowd and everything that its people left; return how many people it had.

    Rounds that have ranked some of them are ranked anew. Raises Conflict where something of theirs stays
    for good, as in a published result.
    """
    session.execute(PATIENCE)
    people = select(Account.id).where(Account.crowd == crowd)
    rounds = select(Standing.round_id).where(Standing.account_id.in_(people)).distinct()
    for round_id in sorted(session.scalars(rounds)):
        leaderboards.take_turn(session, round_id)
        leaderboards.call_for_ranking(session, session.get_one(Round, round_id))
    try:
        with session.begin_nested():
            for table in _left():
                session.execute(delete(table).where(table.c.account_id.in_(people)))
            gone = session.execute(delete(Account).where(Account.crowd == crowd).returning(Account.id)).all()
    except IntegrityError:
        raise Conflict("Người ảo đã có mặt trong hồ sơ phải giữ lại nên không xóa được.") from None
    return len(gone)


def _left() -> list[Table]:
    """Return the tables of what belongs to an account, what points at others first."""
    accounts = Account.__table__.c.id
    return [
        table
        for table in reversed(Base.metadata.sorted_tables)
        if "account_id" in table.c and table.c.account_id.references(accounts)
    ]


def crowds(session: Session) -> dict[str, int]:
    """Return the crowds that are there, each with how many people it has."""
    counted = select(Account.crowd, func.count()).where(Account.crowd.is_not(None)).group_by(Account.crowd)
    return {str(name): people for name, people in session.execute(counted)}
