"""Public random texts of a round: named by their source beforehand, written down once they are known."""

from datetime import datetime

from sqlalchemy.orm import Session

from contest import audit, leaderboards
from contest.errors import BadInput, Conflict
from contest.models import Round
from question_bank.draw import normal_text

LONGEST_TEXT = 1000
MISSING = "Bạn hãy ghi đúng văn bản như nguồn đã công bố."


def set_seed_text(session: Session, round: Round, public_text: str, *, now: datetime, actor_id: int) -> None:
    """Write down the text that is mixed into the seed, after the commitment and before the opening.

    Raises Conflict at another time, or where no source was named.
    """
    session.refresh(round, with_for_update=True)
    if not round.seed_text_source:
        raise Conflict("Vòng thi không dùng văn bản công khai cho hạt giống.")
    if round.opened_at is not None:
        raise Conflict("Vòng thi đã được mở nên văn bản không đổi được nữa.")
    if round.seed_commitment is None:
        raise Conflict("Cần công bố cam kết hạt giống trước khi ghi văn bản.")
    _set(session, round, "seed_text", public_text, now=now, actor_id=actor_id)


def set_lot_text(session: Session, round: Round, public_text: str, *, now: datetime, actor_id: int) -> None:
    """Write down the text that the lots are drawn by, once the round is opened, and once only.

    Raises Conflict otherwise, or where no source was named.
    """
    leaderboards.take_turn(session, round.id)
    session.refresh(round, with_for_update=True)
    if not round.lot_text_source:
        raise Conflict("Vòng thi không dùng văn bản công khai để bốc thăm.")
    if round.opened_at is None:
        raise Conflict("Văn bản bốc thăm được ghi sau khi mở vòng thi.")
    if round.lot_text is not None:
        raise Conflict("Văn bản bốc thăm đã được ghi và giữ nguyên.")
    _set(session, round, "lot_text", public_text, now=now, actor_id=actor_id)
    leaderboards.call_for_ranking(session, round)  # units have points by prizes from now on


def _set(
    session: Session, round: Round, name: str, public_text: str, *, now: datetime, actor_id: int
) -> None:
    written = normal_text(public_text)
    if not written or len(written) > LONGEST_TEXT:
        raise BadInput(MISSING, {"text": MISSING})
    before = getattr(round, name)
    setattr(round, name, written)
    session.flush()
    audit.record(
        session,
        f"round.{name}",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        before={name: before},
        after={name: written},
    )
