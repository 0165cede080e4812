"""A round as it is set up: made, changed, cloned, deleted; locked when it is opened.

A change is saved only by who has seen the version it changes, in one step with its audit event.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload, selectinload

from contest import audit, saved_changes
from contest.clock import LOCAL_ZONE
from contest.contest_settings import settings_of
from contest.errors import BadInput, Conflict
from contest.models import Contest, Division, Prize, Round, RoundDivision
from contest.pools import specification_cells
from contest.rules.configuration import (
    DivisionSettings,
    PrizeSettings,
    RoundSettings,
    as_record,
    changes,
    left_with_prizes,
    problems_of_round,
    usual,
)
from contest.rules.timing import DEFAULT_GRACE
from question_bank.draw import required_code
from question_bank.text import fold

WEEK = timedelta(days=7)
OF_ROUND = (
    "number",
    "title",
    "opens_at",
    "closes_at",
    "duration_ms",
    "grace_ms",
    "attempts_allowed",
    "counts",
    "cooldown_ms",
    "is_partial",
    "score_shown",
    "is_leaderboard_live",
    "is_skipping_earlier_winners",
    "complaint_days",
    "seed_text_source",
    "lot_text_source",
)
OF_DIVISION = (
    "prediction_counted",
    "prediction_over",
    "unit_formula",
    "unit_threshold_percent",
    "unit_minimum_headcount",
    "is_listed_below_threshold",
)


def settings_of_round(session: Session, round: Round) -> RoundSettings:
    """Return what is set of a round, its moments in Vietnam's zone."""
    return settings_of_rounds(session, [round.id])[0]


def settings_record(session: Session, round: Round) -> dict[str, Any]:
    """Return what is set of a round by name, as the audit log keeps it."""
    return as_record(settings_of_round(session, round))


def settings_of_rounds(session: Session, round_ids: Sequence[int]) -> list[RoundSettings]:
    """Return what is set of some rounds, in the order of their numbers."""
    rounds = session.scalars(
        select(Round)
        .where(Round.id.in_(round_ids))
        .order_by(Round.number)
        .options(selectinload(Round.divisions).joinedload(RoundDivision.division))
    ).all()
    prizes: dict[int, list[PrizeSettings]] = {}
    for prize in session.scalars(
        select(Prize)
        .where(Prize.round_id.in_(round_ids))
        .order_by(Prize.position)
        .options(joinedload(Prize.division))
    ):
        prizes.setdefault(prize.round_id, []).append(
            PrizeSettings(
                code=prize.code,
                division=prize.division.code,
                title=prize.title,
                count=prize.count,
                worth=prize.worth,
                unit_points=prize.unit_points,
            )
        )
    return [_settings(round, prizes.get(round.id, ())) for round in rounds]


def _settings(round: Round, prizes: Sequence[PrizeSettings]) -> RoundSettings:
    values = {name: getattr(round, name) for name in OF_ROUND}
    values |= {name: values[name].astimezone(LOCAL_ZONE) for name in ("opens_at", "closes_at")}
    return RoundSettings(
        **values,
        divisions=tuple(
            DivisionSettings(
                division=asked.division.code,
                specification=tuple(specification_cells(asked.specification)),
                barred=tuple(asked.barred or ()),
                chain=tuple(asked.chain),
                **{name: getattr(asked, name) for name in OF_DIVISION},
            )
            for asked in sorted(round.divisions, key=lambda one: one.division.position)
        ),
        prizes=tuple(prizes),
    )


# --- a round -------------------------------------------------------------------------------------


def proposed_round(session: Session, contest: Contest, *, now: datetime) -> RoundSettings:
    """Return settings to begin with: those of the contest's last round a week later, or the usual ones."""
    if contest.rounds:
        return _a_week_later(settings_of_round(session, contest.rounds[-1]), contest)
    opens_at = (now.astimezone(LOCAL_ZONE) + WEEK).replace(hour=8, minute=0, second=0, microsecond=0)
    return RoundSettings(
        number=1,
        title="Vòng 1",
        opens_at=opens_at,
        closes_at=opens_at + timedelta(days=6, hours=14),
        duration_ms=15 * 60_000,
        grace_ms=DEFAULT_GRACE // timedelta(milliseconds=1),
        divisions=tuple(usual(settings_of(one)) for one in contest.divisions),
    )


def offered_divisions(session: Session, contest: Contest) -> dict[str, DivisionSettings]:
    """Return what a division begins with in a round: as in the last round that has it, or what is usual."""
    offered = {one.code: usual(settings_of(one)) for one in contest.divisions}
    for settings in settings_of_rounds(session, [round.id for round in contest.rounds]):
        offered |= {one.division: one for one in settings.divisions}
    return offered


def _a_week_later(settings: RoundSettings, contest: Contest) -> RoundSettings:
    number = max(round.number for round in contest.rounds) + 1
    return replace(
        settings,
        number=number,
        title=re.sub(rf"\b{settings.number}\b", str(number), settings.title, count=1),
        opens_at=settings.opens_at + WEEK,
        closes_at=settings.closes_at + WEEK,
    )


def create_round(
    session: Session, contest: Contest, settings: RoundSettings, *, now: datetime, actor_id: int
) -> Round:
    """Make a round that is not opened. Its papers may be set later. Raises BadInput for what is wrong."""
    saved_changes.refuse(_without_papers(problems_of_round(settings)))
    round = Round(contest_id=contest.id, **{name: getattr(settings, name) for name in OF_ROUND})
    saved_changes.add(session, round, {"number": f"Cuộc thi đã có vòng {settings.number}."})
    _save_parts(session, contest, round, settings)
    saved_changes.record(
        session, "round.create", f"round/{round.id}", {}, as_record(settings), 1, now, actor_id
    )
    return round


def clone_round(session: Session, contest: Contest, round: Round, *, now: datetime, actor_id: int) -> Round:
    """Make next week's round like this one: a week later, the next number, a seed of its own."""
    settings = _a_week_later(settings_of_round(session, round), contest)
    return create_round(session, contest, settings, now=now, actor_id=actor_id)


def save_round(
    session: Session, round: Round, settings: RoundSettings, *, seen: int, now: datetime, actor_id: int
) -> bool:
    """Change what is set of a round that is not opened; tell whether anything differs.

    Raises BadInput for what is wrong, Conflict if it is opened, ChangedMeanwhile if another version
    was seen.
    """
    session.refresh(round, with_for_update=True)
    subject = f"round/{round.id}"
    if round.opened_at is not None:
        raise Conflict("Vòng thi đã được mở nên cấu hình đã khóa.")
    saved_changes.refuse_other(session, subject, round.configuration_version, seen)
    present = settings_of_round(session, round)
    saved_changes.refuse(_left_out(round.contest, left_with_prizes(present, settings)))
    saved_changes.refuse(_without_papers(problems_of_round(settings)))
    before, after = changes(as_record(present), as_record(settings))
    if not after:
        return False
    if round.seed_commitment is not None and "seed_text_source" in after:
        sentence = "Cam kết hạt giống đã công bố nên không đổi được nguồn văn bản."
        raise BadInput(sentence, {"seed_text_source": sentence})
    for name in OF_ROUND:
        setattr(round, name, getattr(settings, name))
    round.configuration_version += 1
    saved_changes.add(session, round, {"number": f"Cuộc thi đã có vòng {settings.number}."})
    _save_parts(session, round.contest, round, settings)
    version = round.configuration_version
    saved_changes.record(session, "round.configure", subject, before, after, version, now, actor_id)
    return True


def delete_round(session: Session, round: Round, *, reason: str, now: datetime, actor_id: int) -> None:
    """Delete a round that was never opened. Raises Conflict for one that was, or without a reason."""
    session.refresh(round, with_for_update=True)
    if round.opened_at is not None:
        raise Conflict("Vòng thi đã được mở nên không xóa được.")
    if not reason:
        raise Conflict("Bạn cần ghi lý do xóa vòng thi.")
    record = as_record(settings_of_round(session, round))
    record["commitment"] = round.seed_commitment
    subject = f"round/{round.id}"
    for part in (Prize, RoundDivision):
        session.execute(delete(part).where(part.round_id == round.id))
    try:
        with session.begin_nested():
            session.execute(delete(Round).where(Round.id == round.id))
    except IntegrityError:
        raise Conflict("Vòng thi đã có hồ sơ gắn với nó nên không xóa được.") from None
    session.expire_all()
    audit.record(session, "round.delete", subject, now=now, actor_id=actor_id, before=record, reason=reason)


def _left_out(contest: Contest, codes: Sequence[str]) -> dict[str, str]:
    """Return what is wrong with leaving out divisions that prizes of the round name."""
    names = "; ".join(one.name for one in contest.divisions if one.code in codes)
    sentence = f"Vòng này còn giải thưởng của bảng {names}; bạn hãy bỏ các giải đó rồi bỏ bảng."
    return {"divisions": sentence} if codes else {}


def _without_papers(problems: Mapping[str, str]) -> dict[str, str]:
    """Leave out what an empty paper lacks: it is a red line of the opening, not of saving."""
    return {
        name: words
        for name, words in problems.items()
        if not (name.endswith(".specification") and "ít nhất một" in words)
    }


def _save_parts(session: Session, contest: Contest, round: Round, settings: RoundSettings) -> None:
    # None of them can be taken out of the contest until this is stored.
    divisions = select(Division.code, Division.id).where(Division.contest_id == contest.id)
    ids = dict(session.execute(divisions.with_for_update(read=True, key_share=True)).all())
    wanted = {one.division: one for one in settings.divisions}
    if unknown := set(wanted) - set(ids):
        raise BadInput(
            "Bạn hãy chọn bảng thi của cuộc thi này.", {"divisions": f"Không có bảng {min(unknown)}."}
        )
    session.execute(delete(Prize).where(Prize.round_id == round.id))
    present = {one.division_id: one for one in round.divisions}
    for division_id, asked in present.items():
        if division_id not in {ids[code] for code in wanted}:
            session.delete(asked)
    for code, one in wanted.items():
        asked = present.get(ids[code]) or RoundDivision(round_id=round.id, division_id=ids[code])
        asked.specification = [
            {"topic": cell.topic, "level": cell.level, "count": cell.count, "tags": sorted(cell.tags)}
            for cell in _required_first(one)
        ]
        asked.barred, asked.chain = sorted(one.barred), list(one.chain)
        for name in OF_DIVISION:
            setattr(asked, name, getattr(one, name))
        session.add(asked)
    for position, prize in enumerate(settings.prizes, start=1):
        code = prize.code or _prize_code(prize, {other.code for other in settings.prizes}, position)
        session.add(
            Prize(
                round_id=round.id,
                division_id=ids[prize.division],
                code=code,
                title=prize.title,
                position=position,
                count=prize.count,
                unit_points=prize.unit_points,
                worth=prize.worth,
            )
        )
    session.flush()
    session.expire(round)


def _required_first(one: DivisionSettings) -> list[Any]:
    """Return the cells with those that require an item first, so that no cell before them takes it."""
    return sorted(one.specification, key=lambda cell: required_code(cell) is None)


def _prize_code(prize: PrizeSettings, taken: set[str], position: int) -> str:
    code = "-".join([prize.division, *re.findall(r"[a-z0-9]+", fold(prize.title))])[:60]
    return code if code not in taken else f"{code}-{position}"
