"""Virtual people go as they came: all at once, with everything that they left."""

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contest import leaderboards
from contest.crowd.preparing import PATIENCE
from contest.errors import Conflict
from contest.models import (
    Account,
    Attempt,
    Consent,
    ContestStanding,
    Registration,
    Round,
    Standing,
)
from contest.models import Session as SignIn

# In this order: what points at others goes before them.
_LEFT = (Standing, ContestStanding, Attempt, Registration, SignIn, Consent)


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
            for model in _LEFT:
                session.execute(delete(model).where(model.account_id.in_(people)))
            gone = session.execute(delete(Account).where(Account.crowd == crowd).returning(Account.id)).all()
    except IntegrityError:
        raise Conflict("Người ảo đã có mặt trong hồ sơ phải giữ lại nên không xóa được.") from None
    return len(gone)


def crowds(session: Session) -> dict[str, int]:
    """Return the crowds that are there, each with how many people it has."""
    counted = select(Account.crowd, func.count()).where(Account.crowd.is_not(None)).group_by(Account.crowd)
    return {str(name): people for name, people in session.execute(counted)}
