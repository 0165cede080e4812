"""A contest as it is set up: made unseen, changed, announced; locked but for its words when a round opens."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, selectinload

from contest import audit, saved_changes
from contest.errors import Conflict, NotThere
from contest.models import Contest, Division, Registration, Round, RoundDivision
from contest.models.units import GROUPS
from contest.rules.configuration import (
    ContestDivision,
    ContestSettings,
    as_record,
    changes,
    problems_of_contest,
)

OF_CONTEST = ("slug", "title", "summary", "minimum_age", "has_standing")
# What may still be worded otherwise once people take part.
OPEN_TO_CHANGE = {"title", "summary"}
TAKEN = {"slug": "Địa chỉ này đã có cuộc thi khác dùng."}


def find_contest(session: Session, contest_id: int) -> Contest:
    """Return a contest with its divisions and rounds, announced or not. Raises NotThere."""
    contest = session.scalar(
        select(Contest)
        .where(Contest.id == contest_id, ~Contest.is_rehearsal)
        .options(selectinload(Contest.divisions), selectinload(Contest.rounds))
    )
    if contest is None:
        raise NotThere("Không tìm thấy cuộc thi này.")
    return contest


def settings_of_contest(contest: Contest) -> ContestSettings:
    """Return what is set of a contest."""
    return ContestSettings(
        **{name: getattr(contest, name) for name in OF_CONTEST},
        divisions=tuple(settings_of(one) for one in contest.divisions),
    )


def settings_of(division: Division) -> ContestDivision:
    """Return what is set of a contest's division."""
    return ContestDivision(
        code=division.code,
        name=division.name,
        unit_kind=division.unit_kind,
        unit_groups=tuple(division.unit_groups),
        is_residence_required=division.is_residence_required,
    )


def create_contest(session: Session, settings: ContestSettings, *, now: datetime, actor_id: int) -> Contest:
    """Make a contest that the public does not see yet. Raises BadInput for what is wrong with it."""
    _refuse_contest(settings)
    contest = Contest(
        **{name: getattr(settings, name) for name in OF_CONTEST}, announced_at=None, created_at=now
    )
    contest.divisions = [_division(one, position) for position, one in enumerate(settings.divisions, start=1)]
    saved_changes.add(session, contest, TAKEN)
    saved_changes.record(
        session, "contest.create", f"contest/{contest.id}", {}, as_record(settings), 1, now, actor_id
    )
    return contest


def save_contest(
    session: Session, contest: Contest, settings: ContestSettings, *, seen: int, now: datetime, actor_id: int
) -> bool:
    """Change what is set of a contest; tell whether anything differs.

    Once a round of it was opened only its words may change. Raises BadInput for what is wrong,
    Conflict for what is locked, ChangedMeanwhile if another version was seen.
    """
    session.refresh(contest, with_for_update=True)
    subject = f"contest/{contest.id}"
    saved_changes.refuse_other(session, subject, contest.configuration_version, seen)
    present = settings_of_contest(contest)
    _refuse_contest(settings, present)
    before, after = changes(as_record(present), as_record(settings))
    if not after:
        return False
    # Looked at after the lock, which an opening takes too.
    is_opened = session.scalar(
        select(exists().where(Round.contest_id == contest.id, Round.opened_at.is_not(None)))
    )
    if is_opened and set(after) - OPEN_TO_CHANGE:
        raise Conflict("Đã có vòng thi được mở nên chỉ sửa được tên và phần tóm tắt của cuộc thi.")
    for name in OF_CONTEST:
        setattr(contest, name, getattr(settings, name))
    _save_divisions(session, contest, settings.divisions)
    contest.configuration_version += 1
    saved_changes.add(session, contest, TAKEN)
    session.expire(contest, ["divisions"])
    version = contest.configuration_version
    saved_changes.record(session, "contest.configure", subject, before, after, version, now, actor_id)
    return True


def announce(session: Session, contest: Contest, *, now: datetime, actor_id: int) -> None:
    """Let the public see a contest and its rules. Raises Conflict a second time, or without a round."""
    session.refresh(contest, with_for_update=True)
    if contest.announced_at is not None:
        raise Conflict("Cuộc thi đã được công bố.")
    if not contest.rounds:
        raise Conflict("Cần lập ít nhất một vòng thi trước khi công bố.")
    contest.announced_at = now
    session.flush()
    audit.record(
        session,
        "contest.announce",
        f"contest/{contest.id}",
        now=now,
        actor_id=actor_id,
        before={"announced_at": None},
        after={"announced_at": now.isoformat()},
    )


def _refuse_contest(settings: ContestSettings, present: ContestSettings | None = None) -> None:
    problems = problems_of_contest(settings)
    if present and settings.minimum_age == present.minimum_age:
        # One that was stored as too low admits nobody younger, and may be locked: it is no reason to
        # refuse another title.
        problems.pop("minimum_age", None)
    for place, one in enumerate(settings.divisions):
        if not set(one.unit_groups) <= set(GROUPS) or one.unit_kind not in ("commune", "any"):
            problems[f"divisions.{place}.unit_groups"] = "Bạn hãy chọn các nhóm trong danh sách."
        elif one.unit_kind == "commune" and not set(one.unit_groups) <= {"ward", "commune"}:
            problems[f"divisions.{place}.unit_groups"] = "Bảng theo nơi cư trú chỉ có nhóm phường, xã."
        elif one.unit_kind == "commune" and not one.is_residence_required:
            problems[f"divisions.{place}.is_residence_required"] = (
                "Bảng theo nơi cư trú thì người dự thi cần cư trú trong tỉnh."
            )
    saved_changes.refuse(problems)


def _division(one: ContestDivision, position: int) -> Division:
    return Division(
        code=one.code,
        name=one.name,
        position=position,
        unit_kind=one.unit_kind,
        unit_groups=list(one.unit_groups),
        is_residence_required=one.is_residence_required,
    )


def _save_divisions(session: Session, contest: Contest, wanted: Sequence[ContestDivision]) -> None:
    present = {one.code: one for one in contest.divisions}
    gone = [one for code, one in present.items() if code not in {given.code for given in wanted}]
    # A round that is adding one of them comes first or finds it gone.
    session.execute(select(Division.id).where(Division.id.in_([one.id for one in gone])).with_for_update())
    for one in gone:
        of_rounds = exists().where(RoundDivision.division_id == one.id)
        of_people = exists().where(Registration.division_id == one.id)
        if session.scalar(select(of_rounds | of_people)):
            raise Conflict(f"Bảng {one.name} đang được vòng thi hoặc người dự thi dùng nên không bỏ được.")
        contest.divisions.remove(one)
        session.delete(one)
    for position, given in enumerate(wanted, start=1):
        division = present.get(given.code)
        if division is None:
            contest.divisions.append(_division(given, position))
            continue
        division.name, division.position, division.unit_kind = given.name, position, given.unit_kind
        division.unit_groups = list(given.unit_groups)
        division.is_residence_required = given.is_residence_required
