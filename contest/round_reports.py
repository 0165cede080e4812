"""The report of a round for leaders: its figures as they stand, beside those of the round before.

It shows what the organizers' page of statistics shows, small counts too: it is for the leaders alone.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from contest import leaderboards, statistics
from contest.contests import newest_publication
from contest.documents.round_reports import (
    Count,
    DivisionResult,
    Figure,
    RoundReport,
    TopicResult,
    round_report,
)
from contest.documents.state_documents import organizers
from contest.documents.winner_lists import UnitResult
from contest.formatting import vn_datetime, vn_number, vn_percent
from contest.models import Publication, Round, RoundAnalysis, RoundDivision
from contest.models.units import GROUPS
from contest.printed_results import named, winners_of
from contest.rules.statistics import AGE_NAMES, FEWEST
from contest.statistics import Figures
from question_bank.items import TOPICS


def report_of(session: Session, round: Round, *, province: str, now: datetime) -> bytes:
    """Return the report of a round as PDF: of its people until now, and of its newest published winners."""
    found = statistics.of_round(session, round, is_public=False)
    earlier = _counted_before(session, round)
    asked = sorted(round.divisions, key=lambda one: one.division.position)
    units = [row for one in asked for row in _units_of(session, one)]
    published = newest_publication(session, round.id)
    report = RoundReport(
        organizer=f"{organizers(province, '').parent}, {organizers(province, '').name}",
        round=named(round),
        as_of=now,
        figures=list(_key_figures(found, earlier, units, published)),
        divisions=[_division(one) for one in found],
        days=_days(found),
        counts=list(_counts(found)),
        scores=[(one.name, _scores(one)) for one in found if one.scores],
        topics=[(one.name, _topics(one)) for one in found if one.topics],
        winners=winners_of(published) if published else [],
        winners_note=f"Theo {_named_version(published)}." if published else None,
        units=units,
    )
    return round_report(report)


def _counted_before(session: Session, round: Round) -> Sequence[dict[str, Any]]:
    """Return what was counted of the last analysed round before this one, by division."""
    before = (
        select(Round.id)
        .join(RoundAnalysis, RoundAnalysis.round_id == Round.id)
        .where(Round.contest_id == round.contest_id, Round.opens_at < round.opens_at)
        .order_by(Round.opens_at.desc())
        .limit(1)
    )
    counted = select(RoundAnalysis.statistics).where(RoundAnalysis.round_id == before.scalar_subquery())
    return session.scalars(counted).all()


def _key_figures(
    found: Sequence[Figures],
    earlier: Sequence[dict[str, Any]],
    units: Sequence[UnitResult],
    published: Publication | None,
) -> Iterable[Figure]:
    people = sum(one.people or 0 for one in found)
    people_before = sum(one["people"] for one in earlier)
    note = f"vòng trước {vn_number(people_before)}" if people_before else None
    yield Figure("Người dự thi", vn_number(people), note)
    registered = sum(one.registered or 0 for one in found)
    yield Figure("Đã đăng ký", vn_number(registered), "tính đến nay, mọi vòng")
    active = sum(row.people > 0 for row in units)
    yield Figure("Đơn vị có người dự thi", vn_number(active), f"trên {vn_number(len(units))} ở các bảng")
    mean = _mean(found)
    if mean is not None:
        full_before = sum(one["full_points"] for one in earlier)
        mean_before = Fraction(sum(one["points"] for one in earlier), full_before) if full_before else None
        note = "" if mean_before is None else f", vòng trước {vn_percent(mean_before)}"
        yield Figure("Điểm trung bình", vn_percent(mean), f"của điểm tối đa{note}")
        full = sum(one.full or 0 for one in found)
        yield Figure("Đạt điểm tuyệt đối", vn_number(full), f"{vn_percent(Fraction(full, people))} số người")
    if published:
        winners = published.content["winners"]
        yield Figure("Người đạt giải", vn_number(len(winners)), _named_version(published))


def _mean(found: Iterable[Figures]) -> Fraction | None:
    """Return the mean share of points over all people whose division is analysed."""
    known = [(one.mean, one.people) for one in found if one.mean is not None and one.people]
    people = sum(count for _, count in known)
    return sum((mean * count for mean, count in known), Fraction()) / people if people else None


def _named_version(published: Publication) -> str:
    kind = "chính thức" if published.kind == "official" else "kết quả dự kiến"
    return f"bản {published.version}, {kind}, {vn_datetime(published.published_at)}"


def _division(one: Figures) -> DivisionResult:
    return DivisionResult(
        division=one.name,
        people=one.people or 0,
        headcount=one.headcount,
        rate=one.rate,
        mean=one.mean,
        people_all_correct=one.full if one.scores else None,
        median_duration_ms=one.median_duration_ms,
    )


def _days(found: Iterable[Figures]) -> list[tuple[date, int]]:
    people: Counter[date] = Counter()
    for one in found:
        people.update({day: count or 0 for day, count in one.days})
    return sorted(people.items())


def _counts(found: Iterable[Figures]) -> Iterable[tuple[str, str, Sequence[Count]]]:
    for one in found:
        if one.people:
            ages = [Count(AGE_NAMES[band], people or 0) for band, people in one.ages]
            yield f"Theo độ tuổi: {one.name}", "Tuổi", ages
            groups = [Count(GROUPS.get(group, group), people or 0) for group, people in one.groups]
            yield f"Theo nhóm đơn vị: {one.name}", "Nhóm", groups


def _scores(one: Figures) -> list[Count]:
    return [Count(str(low) if low == high else f"{low}–{high}", people) for low, high, people in one.scores]


def _topics(one: Figures) -> list[TopicResult]:
    return [
        TopicResult(
            f"{topic.code}. {TOPICS.get(topic.code, topic.code)}",
            topic.answers,
            topic.share if topic.answers >= FEWEST else None,
            topic.before,
        )
        for topic in one.topics
    ]


def _units_of(session: Session, asked: RoundDivision) -> list[UnitResult]:
    """Return the units of a division as they are ranked now, group by group."""
    groups = list(GROUPS)
    rows = sorted(
        leaderboards.unit_rows(session, asked.round_id, asked.division_id),
        key=lambda row: groups.index(row.group) if row.group in groups else len(groups),
    )
    return [
        UnitResult(
            division=asked.division.name,
            group=GROUPS.get(row.group, row.group),
            unit=row.unit.name,
            rank=row.rank,
            people=row.people,
            headcount=row.headcount,
            rate=Fraction(row.rate) if row.rate else None,
            mean=Fraction(row.mean) if row.mean else None,
        )
        for row in rows
    ]
