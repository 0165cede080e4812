"""The sentence beside a row: both values, with as many digits as make them differ, cut off."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contest.rules.explaining import CRITERIA_IN_WORDS, TIED, explain
from contest.rules.ranking import CRITERIA, Result

AT = datetime.fromisoformat("2026-11-23T09:14:05.120000+07:00")
ROW = Result(
    attempt="a",
    points=14 * 840,
    prediction_error=3,
    duration_ms=432_400,
    submitted_at=AT,
    attempts_used=1,
    registered_at=AT,
)


@pytest.mark.parametrize(
    "criterion, above, below, words",
    [
        ("points", {"points": 14 * 840}, {"points": 13 * 840}, "Hơn dòng dưới về điểm: 14 so với 13."),
        ("points", {"points": 10500}, {"points": 10080}, "Hơn dòng dưới về điểm: 12,5 so với 12,0."),
        # 12 280/840 against 12 279/840: 12.3333… and 12.3321…
        ("points", {"points": 10360}, {"points": 10359}, "Hơn dòng dưới về điểm: 12,333 so với 12,332."),
        (
            "prediction_error",
            {"prediction_error": 3},
            {"prediction_error": 1208},
            "Hơn dòng dưới về dự đoán: lệch 3 so với lệch 1.208.",
        ),
        (
            "prediction_error",
            {"prediction_error": 3},
            {"prediction_error": None},
            "Hơn dòng dưới về dự đoán: lệch 3 so với không dự đoán.",
        ),
        ("duration_ms", {}, {"duration_ms": 435_000}, "Hơn dòng dưới về thời gian: 07:12 so với 07:15."),
        ("duration_ms", {}, {"duration_ms": 432_900}, "Hơn dòng dưới về thời gian: 07:12,4 so với 07:12,9."),
        (
            "duration_ms",
            {},
            {"duration_ms": 432_401},
            "Hơn dòng dưới về thời gian: 07:12,400 so với 07:12,401.",
        ),
        # Rounded, both would read 07:13.
        (
            "duration_ms",
            {"duration_ms": 432_999},
            {"duration_ms": 433_000},
            "Hơn dòng dưới về thời gian: 07:12 so với 07:13.",
        ),
        (
            "submitted_at",
            {},
            {"submitted_at": AT + timedelta(seconds=2)},
            "Hơn dòng dưới vì nộp sớm hơn: 09:14:05 so với 09:14:07.",
        ),
        (
            "submitted_at",
            {},
            {"submitted_at": AT + timedelta(microseconds=1)},
            "Hơn dòng dưới vì nộp sớm hơn: 09:14:05,120000 so với 09:14:05,120001.",
        ),
        (
            "submitted_at",
            {},
            {"submitted_at": AT + timedelta(days=1)},
            "Hơn dòng dưới vì nộp sớm hơn: 09:14:05 ngày 23/11/2026 so với 09:14:05 ngày 24/11/2026.",
        ),
        (
            "attempts_used",
            {},
            {"attempts_used": 2},
            "Hơn dòng dưới vì dùng ít lượt thi hơn: 1 lượt so với 2 lượt.",
        ),
        (
            "registered_at",
            {},
            {"registered_at": AT + timedelta(minutes=1)},
            "Hơn dòng dưới vì đăng ký sớm hơn: 09:14:05 so với 09:15:05.",
        ),
    ],
)
def test_the_sentence_names_the_criterion_and_both_values(criterion, above, below, words):
    assert explain(criterion, replace(ROW, **above), replace(ROW, **below)) == words


def test_a_predicted_percentage_is_worded_in_per_cent():
    above, below = replace(ROW, prediction_error=120_000), replace(ROW, prediction_error=125_000)

    assert explain("prediction_error", above, below, is_percentage=True) == (
        "Hơn dòng dưới về dự đoán: lệch 1,20 điểm % so với lệch 1,25 điểm %."
    )


def test_a_full_tie_says_so_and_the_last_row_says_nothing():
    assert explain("tie", ROW, ROW) == TIED
    assert explain("", ROW, None) == ""


def test_every_criterion_has_its_words():
    assert set(CRITERIA_IN_WORDS) == set(CRITERIA)
