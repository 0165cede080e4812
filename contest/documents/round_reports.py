"""The report of a round for leaders: what happened, in figures, tables and bars."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from fractions import Fraction
from itertools import groupby
from typing import Any, Literal

from contest.documents.state_documents import Column, Part
from contest.documents.typesetting import typeset
from contest.documents.winner_lists import UNRANKED, RoundNamed, UnitResult, Winner
from contest.formatting import vn_date, vn_datetime, vn_duration, vn_number, vn_percent, vn_points

TOP = 5
Colour = Literal["indigo", "green", "vermilion"]


@dataclass(frozen=True)
class Figure:
    """A key figure, as printed: "Người dự thi", "25.980", "trên 1.520.000 người"."""

    label: str
    value: str
    note: str | None = None


@dataclass(frozen=True)
class DivisionResult:
    """A division in figures; shares of 1, None where there is nobody to count."""

    division: str
    people: int
    headcount: int | None
    rate: Fraction | None
    mean: Fraction | None
    # None before the round is analysed.
    people_all_correct: int | None
    median_duration_ms: int | None


@dataclass(frozen=True)
class Count:
    """How many under one label: a day's attempts, the people of one score."""

    label: str
    number: int


@dataclass(frozen=True)
class TopicResult:
    """How well a topic is known; None where too few answered to be shown. `before`: the last round."""

    topic: str
    answers: int
    right: Fraction | None
    before: Fraction | None = None


@dataclass(frozen=True)
class RoundReport:
    """Everything a report shows; a section without data is left out."""

    organizer: str
    round: RoundNamed
    as_of: datetime
    figures: Sequence[Figure]
    divisions: Sequence[DivisionResult] = ()
    days: Sequence[tuple[date, int]] = ()
    # What else people are counted by: the section's title, the head of its labels, the counts.
    counts: Sequence[tuple[str, str, Sequence[Count]]] = ()
    # By division: its name, and how many people have each score; how well they know each topic.
    scores: Sequence[tuple[str, Sequence[Count]]] = ()
    topics: Sequence[tuple[str, Sequence[TopicResult]]] = ()
    winners: Sequence[Winner] = ()
    # Which list the winners are taken from.
    winners_note: str | None = None
    units: Sequence[UnitResult] = ()


@dataclass(frozen=True)
class _Table:
    columns: Sequence[Column]
    parts: Sequence[Part]


@dataclass(frozen=True)
class _Bar:
    label: str
    share: float
    value: str


@dataclass(frozen=True)
class _Bars:
    heads: tuple[str, str, str]
    rows: Sequence[_Bar]
    colour: Colour
    # The width of the labels.
    mm: float = 27


@dataclass(frozen=True)
class _Section:
    title: str
    lead: str | None = None
    table: _Table | None = None
    bars: _Bars | None = None
    starts_page: bool = field(default=False, kw_only=True)


def round_report(report: RoundReport) -> bytes:
    """Return the report as PDF; the same values give the same bytes."""
    named = report.round
    heading = f"Báo cáo {named.round[:1].lower()}{named.round[1:]}"
    values: dict[str, Any] = {
        "organizer": report.organizer,
        "heading": heading,
        "contest": named.contest,
        "period": f"Từ {vn_datetime(named.opens_at)} đến {vn_datetime(named.closes_at)}",
        "footer": f"{heading}. Tài liệu nội bộ. Số liệu lúc {vn_datetime(report.as_of)}.",
        "figures": [asdict(figure) for figure in report.figures],
        "sections": [asdict(section) for section in _sections(report)],
    }
    return typeset("round_report", values, title=f"{heading}, {named.contest}", created_at=report.as_of)


def _sections(report: RoundReport) -> Iterable[_Section]:
    if report.divisions:
        yield _Section("Kết quả theo bảng thi", table=_division_table(report.divisions))
    if report.days:
        yield _Section("Người dự thi theo ngày nộp bài", bars=_day_bars(report.days))
    for title, head, counts in report.counts:
        yield _Section(title, bars=_count_bars(head, counts, "indigo", mm=72))
    for division, counts in report.scores:
        yield _Section(f"Phân bố điểm: {division}", bars=_count_bars("Điểm", counts, "green", mm=20))
    for division, topics in report.topics:
        yield _Section(
            f"Kiến thức theo chủ đề: {division}",
            "Tỷ lệ câu trả lời đúng của từng chủ đề; trong ngoặc là thay đổi so với lần trước có chủ đề đó. "
            "Chủ đề có quá ít câu trả lời không hiển thị tỷ lệ.",
            bars=_topic_bars(topics),
        )
    if report.winners:
        yield _Section("Danh sách giải thưởng", report.winners_note, table=_winner_table(report.winners))
    if report.units:
        yield _Section(
            "Đơn vị dẫn đầu", f"{TOP} hạng đầu của từng nhóm.", table=_unit_table(_leading(report.units))
        )
        yield _Section("Phụ lục: toàn bộ đơn vị", table=_unit_table(report.units), starts_page=True)


def _division_table(divisions: Sequence[DivisionResult]) -> _Table:
    return _Table(
        [
            Column("Bảng thi"),
            Column("Số người", 20, "right"),
            Column("Tỷ lệ tham gia", 21, "right"),
            Column("Điểm TB (% tối đa)", 24, "right"),
            Column("Đúng hết", 18, "right"),
            Column("Thời gian trung vị", 32, "right"),
        ],
        [
            Part(
                None,
                [
                    [
                        row.division,
                        vn_number(row.people),
                        _share(row.rate, 2),
                        _share(row.mean),
                        "" if row.people_all_correct is None else vn_number(row.people_all_correct),
                        "" if row.median_duration_ms is None else vn_duration(row.median_duration_ms),
                    ]
                    for row in divisions
                ],
            )
        ],
    )


def _day_bars(days: Sequence[tuple[date, int]]) -> _Bars:
    most = max(number for _, number in days)
    rows = [_Bar(vn_date(day), _part_of(number, most), vn_number(number)) for day, number in days]
    return _Bars(("Ngày", "", "Số người"), rows, "indigo")


def _count_bars(head: str, counts: Sequence[Count], colour: Colour, *, mm: float) -> _Bars:
    most = max((count.number for count in counts), default=0)
    total = sum(count.number for count in counts)
    rows = [
        _Bar(
            count.label,
            _part_of(count.number, most),
            f"{vn_number(count.number)} ({vn_percent(Fraction(count.number, total or 1))})",
        )
        for count in counts
    ]
    return _Bars((head, "", "Số người"), rows, colour, mm=mm)


def _topic_bars(topics: Sequence[TopicResult]) -> _Bars:
    rows = [
        _Bar(topic.topic, float(topic.right or 0), f"{_share(topic.right) or UNRANKED}{_change(topic)}")
        for topic in topics
    ]
    return _Bars(("Chủ đề", "", "Trả lời đúng"), rows, "vermilion", mm=72)


def _change(topic: TopicResult) -> str:
    """Return " (+3,2 điểm %)" against the round before."""
    if topic.right is None or topic.before is None:
        return ""
    points = round((topic.right - topic.before) * 1000)
    sign = "+" if points > 0 else "−" if points < 0 else ""
    return f" ({sign}{vn_number(abs(points) / 10, 1)} điểm %)"


def _winner_table(winners: Sequence[Winner]) -> _Table:
    return _Table(
        [
            Column("STT", 11, "right"),
            Column("Giải", 37),
            Column("Họ và tên"),
            Column("Đơn vị"),
            Column("Điểm", 16, "right"),
        ],
        [
            Part(
                division,
                [
                    [vn_number(line), row.prize, row.name, row.unit, vn_points(row.points)]
                    for line, row in rows
                ],
            )
            for division, rows in groupby(enumerate(winners, start=1), key=lambda one: one[1].division)
        ],
    )


def _leading(units: Sequence[UnitResult]) -> list[UnitResult]:
    return [row for row in units if row.rank is not None and row.rank <= TOP]


def _unit_table(units: Sequence[UnitResult]) -> _Table:
    return _Table(
        [
            Column("Hạng", 13, "right"),
            Column("Đơn vị"),
            Column("Số người", 19, "right"),
            Column("Trên tổng số", 22, "right"),
            Column("Tỷ lệ", 19, "right"),
            Column("Điểm TB (% tối đa)", 25, "right"),
        ],
        [
            Part(
                " – ".join(filter(None, head)),
                [
                    [
                        UNRANKED if row.rank is None else vn_number(row.rank),
                        row.unit,
                        vn_number(row.people),
                        "" if row.headcount is None else vn_number(row.headcount),
                        _share(row.rate, 2),
                        _share(row.mean, 2),
                    ]
                    for row in rows
                ],
            )
            for head, rows in groupby(units, key=lambda one: (one.division, one.group))
        ],
    )


def _share(share: Fraction | None, digits: int = 1) -> str:
    return "" if share is None else vn_percent(share, digits)


def _part_of(number: int, most: int) -> float:
    return number / most if most else 0.0
