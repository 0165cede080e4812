"""Settings as values: what is wrong with them, what changed, what they say in sentences and articles."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contest.rules import wording
from contest.rules.articles import chapters
from contest.rules.configuration import (
    ContestDivision,
    ContestSettings,
    DivisionSettings,
    PrizeSettings,
    RoundSettings,
    as_record,
    changes,
    problems_of_contest,
    problems_of_round,
)
from contest.rules.exclusions import KINDS
from contest.rules.timing import next_start
from question_bank.draw import Cell

OPENS = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
CHAIN = ("points", "prediction_error", "duration_ms", "submitted_at")
CITIZENS = DivisionSettings(
    division="citizens", specification=(Cell("T1", "NB", 15),), chain=CHAIN, prediction_counted="full"
)
PRIZE = PrizeSettings(code="nhat", division="citizens", title="Giải Nhất", count=2, worth=500_000)
ROUND = RoundSettings(
    number=1,
    title="Vòng 1",
    opens_at=OPENS,
    closes_at=OPENS + timedelta(days=6),
    duration_ms=15 * 60_000,
    grace_ms=10_000,
    divisions=(CITIZENS,),
    prizes=(PRIZE,),
)
CONTEST = ContestSettings(
    slug="hoi-thi",
    title="Hội thi",
    summary="",
    minimum_age=16,
    divisions=(ContestDivision(code="citizens", name="Người dân", unit_kind="commune"),),
)
GROUPS = {"ward": "Phường", "department": "Sở"}


def test_good_settings_have_no_problem():
    assert problems_of_round(ROUND) == {}
    assert problems_of_contest(CONTEST) == {}


@pytest.mark.parametrize(
    "changed, setting",
    [
        ({"title": ""}, "title"),
        ({"number": 0}, "number"),
        ({"closes_at": OPENS}, "closes_at"),
        ({"duration_ms": 59_999}, "duration_ms"),
        ({"closes_at": OPENS + timedelta(minutes=14)}, "duration_ms"),
        ({"grace_ms": 60_001}, "grace_ms"),
        ({"attempts_allowed": 0}, "attempts_allowed"),
        ({"counts": "worst"}, "counts"),
        ({"cooldown_ms": -1}, "cooldown_ms"),
        ({"attempts_allowed": 3, "cooldown_ms": 4 * 24 * 3_600_000}, "cooldown_ms"),
        ({"score_shown": "never"}, "score_shown"),
        ({"seed_text_source": "x" * 301}, "seed_text_source"),
        ({"divisions": ()}, "divisions"),
        ({"prizes": (replace(PRIZE, count=0),)}, "prizes.0.count"),
        ({"prizes": (PRIZE, replace(PRIZE, division="officials"))}, "prizes.1.division"),
        ({"prizes": (replace(PRIZE, worth=2**31),)}, "prizes.0.worth"),
    ],
)
def test_each_problem_is_named_by_its_setting(changed, setting):
    assert setting in problems_of_round(replace(ROUND, **changed))


@pytest.mark.parametrize(
    "changed, setting",
    [
        ({"chain": ("duration_ms", "points")}, "chain"),
        ({"chain": ("points", "points")}, "chain"),
        ({"chain": ("points", "beauty")}, "chain"),
        ({"chain": ("points", "duration_ms")}, "chain"),  # a question is asked and not used
        ({"prediction_counted": "winners"}, "prediction_counted"),
        ({"unit_threshold_percent": 101}, "unit_threshold_percent"),
        ({"specification": ()}, "specification"),
        ({"specification": (Cell("T1", "NB", 201),)}, "specification"),
    ],
)
def test_a_divisions_problem_is_named_under_its_code(changed, setting):
    problems = problems_of_round(replace(ROUND, divisions=(replace(CITIZENS, **changed),)))

    assert f"citizens.{setting}" in problems


@pytest.mark.parametrize("slug", ["", "Hội thi", "a--b", "-a", "a b", "A"])
def test_an_address_is_plain(slug):
    assert "slug" in problems_of_contest(replace(CONTEST, slug=slug))


def test_two_divisions_of_one_code_are_told_at_the_second():
    twice = CONTEST.divisions * 2

    assert list(problems_of_contest(replace(CONTEST, divisions=twice))) == ["divisions.1.code"]


def test_only_what_differs_is_a_change():
    changed = replace(ROUND, cooldown_ms=1_800_000, divisions=(replace(CITIZENS, chain=("points",)),))

    before, after = changes(as_record(ROUND), as_record(changed))

    assert before == {"cooldown_ms": 0, "citizens.chain": list(CHAIN)}
    assert after == {"cooldown_ms": 1_800_000, "citizens.chain": ["points"]}


# --- in sentences --------------------------------------------------------------------------------


def test_attempts_are_said_with_what_counts_and_how_far_apart():
    words = wording.attempts(replace(ROUND, attempts_allowed=2, cooldown_ms=1_800_000))

    assert words.startswith("Mỗi người được thi 2 lượt trong mỗi vòng. Kết quả tốt nhất được tính.")
    assert "Hai lượt cách nhau ít nhất 30 phút" in words


def test_a_required_item_is_said_without_its_code():
    cells = (Cell("T1", "NB", 1, frozenset({"code:T1-007"})), Cell("T6", "VD", 4))

    words = wording.specification(cells)

    assert "Mỗi đề có 5 câu: 1 câu nhận biết, 4 câu vận dụng (theo chủ đề T1: 1, T6: 4)." in words
    assert "1 câu mọi người trong bảng đều gặp" in words
    assert "T1-007" not in words


def test_without_a_question_the_prediction_is_no_criterion():
    asked = replace(CITIZENS, prediction_counted=None)

    assert asked.effective_chain == ("points", "duration_ms", "submitted_at")


def text_of(parts):
    return " ".join(
        " ".join([article.title, *(f"{clause.text} {' '.join(clause.points)}" for clause in article.clauses)])
        for part in parts
        for article in part.articles
    )


@pytest.mark.parametrize(
    "changed, sentence",
    [
        ({"is_skipping_earlier_winners": True}, wording.earlier_winners(True)),
        ({"seed_text_source": "xổ số miền Bắc"}, wording.seed("xổ số miền Bắc")),
        ({"lot_text_source": "xổ số miền Bắc"}, wording.lot("xổ số miền Bắc")),
        ({"is_partial": True}, wording.marking(True)),
        ({"score_shown": "after_closing"}, wording.score_shown("after_closing")),
        ({"is_leaderboard_live": True}, wording.leaderboard(True)),
        ({"attempts_allowed": 2, "cooldown_ms": 60_000}, wording.cooldown(60_000)),
    ],
)
def test_the_printed_rules_are_made_of_the_forms_sentences(changed, sentence):
    assert sentence not in text_of(chapters(CONTEST, [ROUND], GROUPS))
    assert sentence in text_of(chapters(CONTEST, [replace(ROUND, **changed)], GROUPS))


def test_articles_are_numbered_through_all_chapters_and_name_every_kind_of_exclusion():
    other = replace(ROUND, number=2, title="Chung kết", attempts_allowed=2)

    parts = chapters(CONTEST, [ROUND, other], GROUPS)

    numbers = [article.number for part in parts for article in part.articles]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [part.title for part in parts][1:3] == ["Vòng 1", "Chung kết"]
    assert all(kind in text_of(parts) for kind in KINDS.values())


def test_rounds_that_differ_in_what_is_drawn_alone_share_their_articles():
    next_week = replace(
        ROUND,
        number=2,
        title="Vòng 2",
        opens_at=OPENS + timedelta(days=7),
        closes_at=OPENS + timedelta(days=13),
        divisions=(replace(CITIZENS, specification=(Cell("T2", "TH", 15),)),),
    )

    assert [len(part.rounds) for part in chapters(CONTEST, [ROUND, next_week], GROUPS)] == [0, 2, 0]


def test_the_next_start_is_told_to_the_minute_and_holds():
    submitted_at = datetime(2026, 11, 30, 8, 0, 20, tzinfo=UTC)

    assert next_start(submitted_at, 1_800_000) == datetime(2026, 11, 30, 8, 31, tzinfo=UTC)
    assert next_start(submitted_at.replace(second=0), 1_800_000) == datetime(2026, 11, 30, 8, 30, tzinfo=UTC)
    assert next_start(submitted_at, 0) is None
    assert next_start(None, 1_800_000) is None
