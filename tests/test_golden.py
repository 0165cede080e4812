"""The cases that an organizer can read: tests/golden/*.csv, each row with what the rules must give."""

import csv
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import pytest

from contest.rules import prediction
from contest.rules.prizes import Contender, Prize, allocate
from contest.rules.ranking import Candidate, Result, chain_without_prediction, counted, rank_results
from contest.rules.scoring import LABELS, POINT, corrected_points
from contest.rules.timing import duration_ms
from contest.rules.unit_ranking import UnitFacts, UnitRule, rank_units

GOLDEN = Path(__file__).parent / "golden"
LOT_KEY = bytes(range(32))
CRITERIA = {
    "điểm": "points",
    "dự đoán": "prediction_error",
    "thời gian": "duration_ms",
    "nộp sớm": "submitted_at",
    "số lượt": "attempts_used",
    "đăng ký sớm": "registered_at",
}
COUNTED = {"người tham gia": "people", "người điểm tuyệt đối": "full", "tỷ lệ": "percentage"}
COUNTS = {"tốt nhất": "best", "đầu": "first", "cuối": "last"}
FORMULAS = {"tỷ lệ": "rate", "tỷ lệ × điểm": "rate_mean", "điểm thưởng": "points"}


def rows(name):
    with (GOLDEN / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return [
            {key: value.strip() for key, value in row.items()} for row in csv.DictReader(file, delimiter=";")
        ]


def cases(name):
    """The rows of each case, which follow one another."""
    return [
        pytest.param(list(group), id=case)
        for case, group in groupby(rows(name), lambda row: row["Trường hợp"])
    ]


def one_by_one(name):
    return [pytest.param(row, id=row["Trường hợp"]) for row in rows(name)]


def moment(text):
    """09:07:12,4 on a day."""
    clock, _, part = text.partition(",")
    hours, minutes, seconds = map(int, clock.split(":"))
    return datetime(2026, 11, 23, hours, minutes, seconds, int(part.ljust(6, "0")) if part else 0)  # noqa: DTZ001


def stopwatch(text):
    """07:12,400 in milliseconds."""
    clock, _, part = text.partition(",")
    minutes, seconds = map(int, clock.split(":"))
    return (minutes * 60 + seconds) * 1000 + (int(part.ljust(3, "0")) if part else 0)


def options(text):
    return [LABELS.index(letter.strip().lower()) for letter in text.split(",") if letter.strip()]


def fraction(text):
    return Fraction(text) if text else None


def number(text, unit=1):
    """A whole number, or a percentage in units of 1/100,000 %; None where there is none."""
    if text in ("", "không có"):
        return None
    return int(Fraction(text.replace(",", ".")) * unit)


@pytest.mark.parametrize("row", one_by_one("cham-diem"))
def test_points(row):
    keys = row["Đính chính"] or row["Đáp án gốc"]
    accepted = None if keys == "hủy" else [options(key) for key in keys.split(" hoặc ")]
    points = corrected_points(options(row["Thí sinh chọn"]), accepted, partial=row["Chấm từng phần"] == "có")
    assert Fraction(points, POINT) == Fraction(row["Điểm mong đợi"])


@pytest.mark.parametrize("row", one_by_one("thoi-gian"))
def test_durations(row):
    counted_ms = duration_ms(
        moment(row["Bắt đầu"]),
        moment(row["Nộp lúc"]),
        moment(row["Hết giờ"]),
        duration_ms=int(row["Thời gian làm bài (phút)"]) * 60_000,
        extra_ms=int(row["Thời gian thêm (phút)"]) * 60_000,
        outage_ms=int(row["Sự cố hệ thống (giây)"]) * 1000,
    )
    assert counted_ms == int(row["Mong đợi (mili giây)"])


@pytest.mark.parametrize("case", cases("luot-tinh"))
def test_counted_attempts(case):
    candidates = [
        Candidate(
            number=int(row["Lượt"]),
            result=Result(
                attempt=row["Lượt"],
                points=int(row["Điểm"]) * POINT,
                prediction_error=number(row["Lệch dự đoán"]),
                duration_ms=stopwatch(row["Thời gian"]),
                submitted_at=moment(row["Nộp lúc"]),
                registered_at=moment("08:00:00"),
            ),
        )
        for row in case
    ]
    chain = ("points", "prediction_error", "duration_ms", "submitted_at")
    chosen = counted(candidates, COUNTS[case[0]["Cách tính"]], chain)
    assert [str(chosen.number)] == [row["Lượt"] for row in case if row["Được tính"] == "có"]


@pytest.mark.parametrize("row", one_by_one("du-doan"))
def test_predictions(row):
    unit = 100_000 if row["Đếm gì"] == "tỷ lệ" else 1
    truth = prediction.truth(
        COUNTED[row["Đếm gì"]], people=int(row["Số người"]), full=int(row["Số người điểm tuyệt đối"])
    )
    assert truth == number(row["Kết quả mong đợi"], unit)
    error = prediction.prediction_error(number(row["Dự đoán"], unit), truth)
    assert error == number(row["Độ lệch mong đợi"], unit)


@pytest.mark.parametrize("case", cases("xep-hang"))
def test_ranks_and_prizes(case):
    chain = tuple(CRITERIA[name.strip()] for name in case[0]["Thứ tự tiêu chí"].split(","))
    truth = number(case[0]["Kết quả dự đoán"])
    if truth is None:
        chain = chain_without_prediction(chain)
    draw_ids = {row["Thí sinh"]: row["Mã bốc đề"] for row in case}
    ranked = rank_results(
        [
            Result(
                attempt=row["Thí sinh"],
                points=int(Fraction(row["Điểm"]) * POINT),
                prediction_error=prediction.prediction_error(number(row["Dự đoán"]), truth),
                duration_ms=stopwatch(row["Thời gian"]),
                submitted_at=moment(row["Nộp lúc"]),
                attempts_used=int(row["Số lượt"]),
                registered_at=moment(row["Đăng ký lúc"]),
            )
            for row in case
            if row["Tình trạng"] != "không xếp hạng"
        ],
        chain,
    )
    ranks = {place.result.attempt: str(place.rank) for place in ranked}
    assert {row["Thí sinh"]: ranks.get(row["Thí sinh"], "") for row in case} == {
        row["Thí sinh"]: row["Hạng mong đợi"] for row in case
    }
    stated = [part.split(":") for part in case[0]["Cơ cấu giải"].split(",")]
    awards = allocate(
        [Prize(name.strip(), "citizens", int(count)) for name, count in stated],
        {
            "citizens": [
                Contender(place.result.attempt, draw_ids[place.result.attempt], place.rank)
                for place in ranked
            ]
        },
        LOT_KEY,
        [row["Mã bốc đề"] for row in case if row["Tình trạng"] in ("từ chối giải", "đã đạt giải vòng trước")],
    )
    won = {award.attempt: award.prize + " (bốc thăm)" * award.is_by_lot for award in awards}
    assert {row["Thí sinh"]: won.get(row["Thí sinh"], "") for row in case} == {
        row["Thí sinh"]: row["Giải mong đợi"] for row in case
    }


@pytest.mark.parametrize("case", cases("don-vi"))
def test_units(case):
    rule = UnitRule(
        formula=FORMULAS[case[0]["Cách xếp"]],
        threshold=Fraction(int(case[0]["Ngưỡng (%)"]), 100),
        minimum_headcount=int(case[0]["Số người tối thiểu"]),
    )
    facts = [
        UnitFacts(
            unit=row["Đơn vị"],
            group=row["Nhóm"],
            parent=row["Đơn vị cấp trên"] or None,
            headcount=number(row["Số người"]),
            excluded=int(row["Người bị loại"]),
            people=int(row["Người dự thi"]),
            points=int(row["Tổng điểm"]) * POINT,
            full_points=int(row["Điểm tối đa"]) * POINT,
            prize_points=int(row["Điểm giải"]),
        )
        for row in case
    ]
    found = {row.unit: (row.rate, row.value, row.rank) for row in rank_units(facts, rule)}
    assert found == {
        row["Đơn vị"]: (
            fraction(row["Tỷ lệ mong đợi"]),
            fraction(row["Giá trị mong đợi"]),
            number(row["Hạng mong đợi"]),
        )
        for row in case
    }


def test_there_are_cases_and_every_file_is_told_of():
    files = {path.name for path in GOLDEN.glob("*.csv")}
    assert len({row["Trường hợp"] for name in files for row in rows(name.removesuffix(".csv"))}) >= 50
    readme = (GOLDEN / "README.md").read_text(encoding="utf-8")
    assert {name for name in files if f"`{name}`" not in readme} == set()
