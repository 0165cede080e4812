"""Identity checks of provisional winners: opened for those in the prize list, called, given, verified.

The citizen number is asked for only here, on the winner's own page, and only its keyed tag is kept.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload, selectinload

from contest import accounts, audit
from contest.errors import BadInput, Conflict, NotThere
from contest.models import AuditEvent, Publication, Round, WinnerCall, WinnerCheck
from contest.models.winner_checks import CALL_OUTCOMES, WAYS_TO_VERIFY
from contest.rules.citizen_numbers import doubts, normal_citizen_number
from contest.security import citizen_tag

# So long after the official publication the tags are of no more use.
TAGS_KEPT = timedelta(days=90)
# A slip of the pen, a wrong card: more than that is guessing.
COMPARE, MOST_TRIES, TRIES_WITHIN = "winners.compare", 5, timedelta(hours=1)
NO_NUMBER = "Số định danh cá nhân có đúng 12 chữ số, như trên thẻ căn cước."


def open_checks(
    session: Session, round: Round, account_ids: Collection[int], *, actor_id: int, now: datetime
) -> int:
    """Open the checks of a round's provisional winners that are not open yet; return how many."""
    if not account_ids:
        return 0
    opened = session.scalars(
        insert(WinnerCheck)
        .values(
            [
                {"round_id": round.id, "account_id": account_id, "opened_at": now, "opened_by_id": actor_id}
                for account_id in account_ids
            ]
        )
        .on_conflict_do_nothing()
        .returning(WinnerCheck.account_id)
    ).all()
    if opened:
        after = {"opened": len(opened)}
        audit.record(session, "winners.check", f"round/{round.id}", now=now, actor_id=actor_id, after=after)
    return len(opened)


def of_round(session: Session, round_id: int) -> Mapping[int, WinnerCheck]:
    """Return the checks of a round by account, with their calls."""
    rows = session.scalars(
        select(WinnerCheck)
        .where(WinnerCheck.round_id == round_id)
        .options(
            joinedload(WinnerCheck.account),
            joinedload(WinnerCheck.verified_by),
            selectinload(WinnerCheck.calls).joinedload(WinnerCall.called_by),
        )
    )
    return {row.account_id: row for row in rows}


def find(session: Session, check_id: int, *, for_update: bool = False) -> WinnerCheck:
    """Return a check, locked if asked. Raises NotThere."""
    check = session.get(WinnerCheck, check_id, with_for_update=for_update or None)
    if check is None:
        raise NotThere("Không tìm thấy việc xác minh này.")
    return check


def own(session: Session, round_id: int, account_id: int) -> WinnerCheck:
    """Return a person's own check in a round. Raises NotThere."""
    check = session.scalar(
        select(WinnerCheck)
        .where(WinnerCheck.round_id == round_id, WinnerCheck.account_id == account_id)
        .options(joinedload(WinnerCheck.round))
    )
    if check is None:
        raise NotThere("Không có việc xác minh nào đang chờ bạn.")
    return check


def own_open(session: Session, account_id: int) -> Sequence[WinnerCheck]:
    """Return a person's checks that wait for the number."""
    return session.scalars(
        select(WinnerCheck)
        .where(
            WinnerCheck.account_id == account_id,
            WinnerCheck.number_given_at.is_(None),
            WinnerCheck.verified_at.is_(None),
        )
        .options(joinedload(WinnerCheck.round))
    ).all()


def give_number(
    session: Session, check: WinnerCheck, typed: str, *, birth_date: date | None, data_key: str, now: datetime
) -> None:
    """Keep the tag of the number that the winner typed. Raises BadInput, or Conflict once verified.

    The log tells that one was given, not which.
    """
    number = normal_citizen_number(typed)
    if number is None:
        raise BadInput(NO_NUMBER, {"number": NO_NUMBER})
    before = check.number_given_at
    given = session.execute(
        update(WinnerCheck)
        .where(WinnerCheck.id == check.id, WinnerCheck.verified_at.is_(None))
        .values(
            number_tag=citizen_tag(data_key, number),
            number_given_at=now,
            number_doubts=list(doubts(number, birth_date)),
        )
        .returning(WinnerCheck.id)
    ).one_or_none()
    if given is None:
        raise Conflict("Việc xác minh đã xong; số định danh không đổi được nữa.")
    session.refresh(check)
    _record(
        session,
        "winners.give_number",
        check,
        actor_id=check.account_id,
        now=now,
        before={"given_at": before.isoformat() if before else None},
        after={"given_at": now.isoformat(), "doubts": len(check.number_doubts or [])},
    )


def namesakes(session: Session, checks: Collection[WinnerCheck]) -> Mapping[int, int]:
    """Return, by check, how many other accounts gave the same citizen number, in any round."""
    tags = {check.number_tag for check in checks if check.number_tag is not None}
    rows = session.execute(
        select(WinnerCheck.number_tag, func.count(WinnerCheck.account_id.distinct()))
        .where(WinnerCheck.number_tag.in_(tags))
        .group_by(WinnerCheck.number_tag)
    )
    accounts = dict(rows.all())
    return {check.id: accounts[check.number_tag] - 1 for check in checks if check.number_tag in accounts}


def compare(
    session: Session, check: WinnerCheck, typed: str, *, data_key: str, actor_id: int, now: datetime
) -> bool:
    """Tell whether the number on the card in hand is the one that the winner gave; that is logged.

    The check is locked. Raises Conflict where there is none to compare with, or after some tries in an
    hour: nobody finds a number by trying. Raises BadInput.
    """
    if check.number_tag is None:
        raise Conflict("Người này chưa ghi số định danh ở trang của mình, hoặc mã đối chiếu đã được xóa.")
    number = normal_citizen_number(typed)
    if number is None:
        raise BadInput(NO_NUMBER, {"number": NO_NUMBER})
    tries = session.scalar(
        select(func.count()).where(
            AuditEvent.subject == _subject(check),
            AuditEvent.action == COMPARE,
            AuditEvent.at > now - TRIES_WITHIN,
        )
    )
    if (tries or 0) >= MOST_TRIES:
        raise Conflict(
            f"Đã đối chiếu {MOST_TRIES} lần trong một giờ qua. Bạn hãy xem lại số trên thẻ rồi thử lại sau."
        )
    is_same = check.number_tag == citizen_tag(data_key, number)
    _record(session, COMPARE, check, actor_id=actor_id, now=now, after={"is_same": is_same})
    return is_same


def see_phone(session: Session, check: WinnerCheck, *, data_key: str, actor_id: int, now: datetime) -> str:
    """Return the winner's phone number for whoever is going to call; that it was seen is logged."""
    _record(
        session, "winners.see_phone", check, actor_id=actor_id, now=now, after={"calls": len(check.calls)}
    )
    return accounts.login_of(check.account, data_key=data_key)


def note_call(
    session: Session, check: WinnerCheck, *, outcome: str, note: str, actor_id: int, now: datetime
) -> WinnerCall:
    """Log a call to a winner. Raises BadInput for an unknown outcome."""
    if outcome not in CALL_OUTCOMES:
        raise BadInput("Bạn hãy chọn kết quả của cuộc gọi.")
    call = WinnerCall(check_id=check.id, called_at=now, called_by_id=actor_id, outcome=outcome, note=note)
    session.add(call)
    _record(session, "winners.call", check, actor_id=actor_id, now=now, after={"outcome": outcome})
    return call


def verify(session: Session, check: WinnerCheck, *, how: str, actor_id: int, now: datetime) -> None:
    """Sign that the winner is who they say. Raises Conflict for oneself or a second time, BadInput."""
    if how not in WAYS_TO_VERIFY:
        raise BadInput("Bạn hãy chọn cách đã xác minh.")
    if check.account_id == actor_id:
        raise Conflict("Không ai tự xác minh cho mình.")
    verified = session.execute(
        update(WinnerCheck)
        .where(WinnerCheck.id == check.id, WinnerCheck.verified_at.is_(None))
        .values(verified_at=now, verified_by_id=actor_id, how=how)
        .returning(WinnerCheck.id)
    ).one_or_none()
    if verified is None:
        raise Conflict("Người này đã được xác minh.")
    session.refresh(check)
    _record(session, "winners.verify", check, actor_id=actor_id, now=now, after={"how": how})


def forget_numbers(session: Session, *, now: datetime) -> int:
    """Drop the tags of rounds whose official results are long out; return how many."""
    official = select(Publication.round_id).where(
        Publication.kind == "official", Publication.published_at < now - TAGS_KEPT
    )
    dropped = session.execute(
        update(WinnerCheck)
        .where(WinnerCheck.round_id.in_(official), WinnerCheck.number_tag.is_not(None))
        .values(number_tag=None)
        .returning(WinnerCheck.id)
    )
    return len(dropped.all())


def _record(
    session: Session,
    action: str,
    check: WinnerCheck,
    *,
    actor_id: int,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any],
) -> None:
    session.flush()
    audit.record(session, action, _subject(check), now=now, actor_id=actor_id, before=before, after=after)


def _subject(check: WinnerCheck) -> str:
    return f"round/{check.round_id}/person/{check.account.draw_id}"
