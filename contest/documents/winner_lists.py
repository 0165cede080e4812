"""Winner lists and the results by unit, as state documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import groupby

from contest.documents.state_documents import Column, Issuer, Part, PublishedVersion, table_document
from contest.formatting import (
    vn_datetime,
    vn_number,
    vn_percent,
    vn_points,
    vn_stopwatch,
    vn_until,
)

UNRANKED = "–"


@dataclass(frozen=True)
class Winner:
    """One row of the list, named as the public may see it; `points` in units of 1/840.

    `prediction_error` is as printed: people, or percent where the truth is a percentage.
    """

    prize: str
    division: str
    name: str
    unit: str
    points: int
    prediction_error: str | None
    duration_ms: int
    is_by_lot: bool = False


@dataclass(frozen=True)
class UnitResult:
    """A unit's place in its group, None where it is not ranked; `rate` and `mean` are shares of 1."""

    division: str
    group: str
    unit: str
    rank: int | None
    people: int
    headcount: int | None
    rate: Fraction | None
    mean: Fraction | None


@dataclass(frozen=True)
class RoundNamed:
    """The round that results are of."""

    contest: str
    round: str
    opens_at: datetime
    closes_at: datetime


def winner_list(
    issuer: Issuer,
    version: PublishedVersion,
    round: RoundNamed,
    winners: Sequence[Winner],
    *,
    complaints_until: datetime | None = None,
) -> bytes:
    """Return the list of a round's winners, in their order, as PDF.

    Before it is official it is headed "Danh sách cá nhân dự kiến đạt giải" and says until when to complain.
    """
    has_prediction = any(row.prediction_error is not None for row in winners)
    is_by_lot = any(row.is_by_lot for row in winners)
    after = ["(*) Theo kết quả bốc thăm giữa những người đồng hạng."] if is_by_lot else []
    return table_document(
        issuer,
        version,
        kind="Danh sách cá nhân đạt giải" if version.is_official else "Danh sách cá nhân dự kiến đạt giải",
        subject=_subject(round),
        before=[_opening(version, round, len(winners)), *_complaints(complaints_until)],
        columns=_winner_columns(has_prediction),
        parts=[
            Part(division, [_winner_row(line, row, has_prediction) for line, row in rows])
            for division, rows in groupby(enumerate(winners, start=1), key=lambda one: one[1].division)
        ],
        after=[*after, f"Danh sách này gồm {vn_number(len(winners))} cá nhân./."],
    )


def unit_summary(
    issuer: Issuer, version: PublishedVersion, round: RoundNamed, units: Sequence[UnitResult]
) -> bytes:
    """Return a round's results by unit, each division and group under its own head, as PDF."""
    state = "" if version.is_official else " (dự kiến)"
    is_all_ranked = all(row.rank is not None for row in units)
    after = [] if is_all_ranked else ["Đơn vị có dấu “–” ở cột hạng không được xếp hạng theo Thể lệ."]
    return table_document(
        issuer,
        version,
        kind=f"Tổng hợp kết quả theo đơn vị{state}",
        subject=_subject(round),
        before=[
            f"Kết quả tham gia vòng thi “{round.round}” của {vn_number(len(units))} đơn vị, xếp hạng trong "
            f"từng nhóm; vòng thi mở từ {vn_datetime(round.opens_at)} đến {vn_datetime(round.closes_at)}."
        ],
        columns=[
            Column("Hạng", 12, "center"),
            Column("Đơn vị"),
            Column("Số người dự thi", 21, "right"),
            Column("Tổng số người", 21, "right"),
            Column("Tỷ lệ tham gia", 21, "right"),
            Column("Điểm TB (% tối đa)", 22, "right"),
        ],
        parts=[
            Part(" – ".join(filter(None, head)), [_unit_row(row) for row in rows])
            for head, rows in groupby(units, key=lambda one: (one.division, one.group))
        ],
        after=[*after, f"Tổng số {vn_number(len(units))} đơn vị có người dự thi./."],
    )


def _subject(round: RoundNamed) -> str:
    return f"{round.round}, {round.contest}"


def _opening(version: PublishedVersion, round: RoundNamed, count: int) -> str:
    state = "đạt giải" if version.is_official else "dự kiến đạt giải"
    period = f"từ {vn_datetime(round.opens_at)} đến {vn_datetime(round.closes_at)}"
    return (
        f"Căn cứ Thể lệ {round.contest} và kết quả vòng thi “{round.round}” ({period}), Ban Tổ chức công bố "
        f"danh sách {vn_number(count)} cá nhân {state} như sau:"
    )


def _complaints(until: datetime | None) -> list[str]:
    if until is None:
        return []
    return [f"Ban Tổ chức nhận kiến nghị về danh sách này đến {vn_until(until)}."]


def _winner_columns(has_prediction: bool) -> list[Column]:
    return [
        Column("STT", 10.5, "center"),
        Column("Họ và tên"),
        Column("Đơn vị"),
        Column("Giải", 34),
        Column("Điểm", 13, "right"),
        *([Column("Lệch dự đoán", 15, "right")] if has_prediction else []),
        Column("Thời gian", 17, "right"),
    ]


def _winner_row(line: int, row: Winner, has_prediction: bool) -> list[str]:
    return [
        vn_number(line),
        row.name,
        row.unit,
        f"{row.prize} (*)" if row.is_by_lot else row.prize,
        vn_points(row.points),
        *([row.prediction_error or ""] if has_prediction else []),
        vn_stopwatch(row.duration_ms),
    ]


def _unit_row(row: UnitResult) -> list[str]:
    return [
        UNRANKED if row.rank is None else vn_number(row.rank),
        row.unit,
        vn_number(row.people),
        "" if row.headcount is None else vn_number(row.headcount),
        "" if row.rate is None else vn_percent(row.rate, 2),
        "" if row.mean is None else vn_percent(row.mean, 2),
    ]
