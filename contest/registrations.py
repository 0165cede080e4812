"""Registrations: a person's entry into a contest, in one division and for one unit."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NoReturn

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, defer, joinedload

from contest import unranked
from contest.clock import LOCAL_ZONE
from contest.errors import BadInput, Conflict
from contest.models import Account, Attempt, Contest, Division, Registration, Round, Unit
from contest.rules.eligibility import OLDEST, age_on, youngest


def check_birth_date(birth_date: date, contest: Contest, *, now: datetime) -> None:
    """Raise BadInput if somebody born on this day can't take part, naming the rule."""
    today = now.astimezone(LOCAL_ZONE).date()
    age = age_on(birth_date, today)
    if birth_date > today:
        _refuse("birth_date", "Ngày sinh không thể ở trong tương lai.")
    if age > OLDEST:
        _refuse("birth_date", "Bạn vui lòng kiểm tra lại năm sinh.")
    if age < youngest(contest.minimum_age):
        _refuse(
            "birth_date",
            f"Hiện cuộc thi nhận người từ đủ {youngest(contest.minimum_age)} tuổi. Cảm ơn bạn đã "
            "quan tâm; bạn có thể cùng người thân tìm hiểu về dịch vụ công trực tuyến.",
        )


def enter(
    session: Session,
    account: Account,
    contest: Contest,
    *,
    division_id: int,
    unit_id: int | None,
    commune_id: int | None,
    now: datetime,
) -> Registration:
    """Enter a person into the contest.

    In a division of residents the commune is the unit; no commune is a residence elsewhere. Raises
    BadInput for a division, residence or unit that the contest does not have or admit, Conflict if the
    person has entered before.
    """
    division = session.get(Division, division_id)
    if division is None or division.contest_id != contest.id:
        _refuse("division", "Bạn hãy chọn một bảng thi trong danh sách.")
    commune = session.get(Unit, commune_id) if commune_id else None
    is_missing = commune is None and (division.is_residence_required or commune_id is not None)
    if is_missing or (commune is not None and commune.kind != "commune"):
        _refuse("commune", "Bạn hãy chọn xã, phường nơi cư trú trong danh sách.")
    unit = commune if division.unit_kind == "commune" else session.get(Unit, unit_id or 0)
    if unit is None:
        _refuse("unit", "Bạn hãy chọn đơn vị công tác trong danh sách.")
    if not is_admitted(division, unit):
        field = "commune" if unit is commune else "unit"
        _refuse(
            field, f"Bảng {division.name} không dành cho {unit.name}. Bạn hãy chọn bảng hoặc đơn vị khác."
        )
    registration = Registration(
        contest_id=contest.id,
        account_id=account.id,
        division_id=division.id,
        unit_id=unit.id,
        commune_id=commune.id if commune else None,
        registered_at=now,
    )
    try:
        with session.begin_nested():
            session.add(registration)
    except IntegrityError:
        raise Conflict("Bạn đã đăng ký dự thi cuộc thi này.") from None
    unranked.exclude_entrant(session, account.id, contest.id, now=now)
    return registration


def is_admitted(division: Division, unit: Unit) -> bool:
    """Tell whether the people of a unit may take part in a division."""
    return not division.unit_groups or unit.group in division.unit_groups


def of_account(session: Session, account_id: int, contest_id: int) -> Registration | None:
    """Return a person's registration in a contest, with division and units, or None."""
    return session.scalar(
        select(Registration)
        .where(Registration.account_id == account_id, Registration.contest_id == contest_id)
        .options(
            joinedload(Registration.division), joinedload(Registration.unit), joinedload(Registration.commune)
        )
    )


def own_attempts(session: Session, account_id: int, contest_id: int) -> Sequence[Attempt]:
    """Return a person's attempts in a contest in the order they were started, without paper and sheet."""
    return session.scalars(
        select(Attempt)
        .join(Attempt.round)
        .where(Attempt.account_id == account_id, Round.contest_id == contest_id)
        .order_by(Attempt.started_at)
        .options(defer(Attempt.paper), defer(Attempt.responses))
    ).all()


def _refuse(field: str, sentence: str) -> NoReturn:
    raise BadInput(sentence, {field: sentence})
