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
    left_with_prizes,
    problems_of_contest,
    problems_of_round,
    usual,
    with_divisions,
    without_stray_prizes,
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


@pytest.mark.parametrize("age, is_good", [(0, False), (15, False), (16, True), (120, True), (121, False)])
def test_nobody_can_be_admitted_who_needs_a_guardian(age, is_good):
    assert (problems_of_contest(replace(CONTEST, minimum_age=age)) == {}) is is_good


# --- which divisions a round has -----------------------------------------------------------------

TWO = (
    ContestDivision(code="officials", name="Cán bộ"),
    ContestDivision(code="citizens", name="Người dân", unit_kind="commune"),
)
OFFERED = {one.code: usual(one) for one in TWO}


def test_units_of_officials_need_half_of_their_people_unless_something_else_is_set():
    assert [one.unit_threshold_percent for one in OFFERED.values()] == [50, 0]
    assert problems_of_round(replace(ROUND, divisions=tuple(OFFERED.values()))).keys() == {
        "officials.specification",
        "citizens.specification",
    }


def test_a_division_that_stays_keeps_what_is_asked_of_it_and_one_that_comes_gets_what_is_offered():
    both = with_divisions(ROUND, ["citizens", "officials", "guests"], OFFERED)

    assert both.divisions == (OFFERED["officials"], CITIZENS)
    assert with_divisions(both, ["officials"], OFFERED).divisions == (OFFERED["officials"],)
    assert with_divisions(both, [], OFFERED).divisions == ()


def test_a_division_with_prizes_is_not_left_out():
    both = with_divisions(ROUND, ["citizens", "officials"], OFFERED)
    without = with_divisions(both, ["officials"], OFFERED)

    assert left_with_prizes(both, without) == ["citizens"]
    assert left_with_prizes(both, without_stray_prizes(without)) == []
    assert left_with_prizes(both, with_divisions(both, ["citizens"], OFFERED)) == []
    assert without_stray_prizes(both).prizes == (PRIZE,)


def test_of_a_division_that_came_the_history_says_no_more_than_that():
    both = with_divisions(ROUND, ["citizens", "officials"], OFFERED)
    before, after = changes(as_record(ROUND), as_record(replace(both, grace_ms=5_000)))

    assert wording.changed(after) == "thời gian chờ bài, bảng dự thi"
    assert before["officials.chain"] is None
    assert after["officials.chain"] == list(CHAIN)
    assert wording.changed({"citizens.chain": 1}) == "thứ tự xét"


def test_whom_a_round_is_for_is_in_the_rules_of_that_round():
    contest = replace(CONTEST, divisions=TWO)
    for_both = with_divisions(ROUND, ["citizens", "officials"], OFFERED)

    parts = chapters(contest, [for_both, replace(ROUND, number=2, title="Vòng 2")], GROUPS)

    assert "Bảng dự thi Dành cho mọi bảng thi." in text_of(parts[1:2])
    assert "Bảng dự thi Dành cho bảng Người dân. Không dành cho bảng Cán bộ." in text_of(parts[2:3])
    assert "Cán bộ: " not in text_of(parts[2:3])
    assert "Bảng dự thi" not in text_of(chapters(CONTEST, [ROUND], GROUPS))


# --- in sentences --------------------------------------------------------------------------------


def test_attempts_are_said_with_what_counts_and_how_far_apart():
    words = wording.attempts(replace(ROUND, attempts_allowed=2, cooldown_ms=1_800_000))

    assert words.startswith("Mỗi người được thi 2 lượt trong mỗi vòng. Kết quả tốt nhất được tính.")
    assert "Hai lượt cách nhau ít nhất 30 phút" in words


def test_of_a_single_attempt_no_sentence_promises_a_next_one():
    once, twice = (wording.of_round(replace(ROUND, attempts_allowed=count), TWO) for count in (1, 2))

    assert once["counts"] == once["cooldown_ms"] == wording.ONLY_ATTEMPT
    assert twice["cooldown_ms"] == "Nộp bài xong có thể thi lượt tiếp theo ngay."


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


def test_the_rules_say_that_nobody_under_16_is_admitted_whatever_was_stored():
    assert wording.age(16) == "Người từ đủ 16 tuổi."
    assert wording.age(18) == "Người từ đủ 18 tuổi."
    words = text_of(chapters(replace(CONTEST, minimum_age=12), [ROUND], GROUPS))
    assert "Người từ đủ 16 tuổi. Người dưới 16 tuổi chỉ được dự thi khi" in words
