"""What a crowd is, what it must find, and what is said of a server that bears it."""

import pytest

from contest.rules.crowds import (
    SCENARIOS,
    Scenario,
    Step,
    expected,
    findings,
    percentile,
    timing,
    verdict,
)

GOALS = Scenario("thu", sitting=10, saves=10, starts=1, seconds=10, p95_ms={"save": 300})
SOME = timing([5] * 10, 10)


def found(**settings):
    usual = {
        "timings": {"save": timing([100] * 100, 10), "start": timing([50] * 10, 10)},
        "errors": {},
        "lost": 0,
        "saves_due": 100,
        "starts_due": 10,
        "started": 10,
        "handed_in_seconds": None,
    }
    scenario = settings.pop("scenario", GOALS)
    return findings(scenario, **usual | settings)


def missed(**settings):
    return [one.goal for one in found(**settings) if not one.is_met]


def test_a_percentile_is_one_of_the_values():
    assert percentile([1, 2, 3, 4], 50) == 2
    assert percentile(list(range(1, 101)), 95) == 95
    assert percentile([7], 99) == 7
    assert percentile([], 95) == 0


def test_a_crowd_that_finds_all_well_misses_no_goal():
    assert missed() == []


@pytest.mark.parametrize(
    "settings, goal",
    [
        ({"lost": 1}, "không mất câu trả lời nào"),
        ({"errors": {"save 500": 1}}, "không có lỗi"),
        (
            {"timings": {"save": timing([300] * 100, 10), "start": timing([5] * 10, 10)}},
            "lưu bài dưới 300 ms",
        ),
        ({"timings": {"start": SOME}}, "lưu bài dưới 300 ms"),
        ({"saves_due": 106}, "106 lượt lưu bài"),
        ({"starts_due": 11}, "11 lượt vào thi"),
    ],
)
def test_each_goal_can_be_missed(settings, goal):
    assert any(goal in one for one in missed(**settings))


@pytest.mark.parametrize("seconds, is_met", [(19.9, True), (20.0, True), (20.1, False), (None, False)])
def test_the_deadline_asks_for_the_last_acknowledgement(seconds, is_met):
    deadline = SCENARIOS["deadline"]
    met = not missed(scenario=deadline, saves_due=0, starts_due=0, handed_in_seconds=seconds)
    assert met is is_met


def test_a_smaller_crowd_behaves_the_same_way():
    design = SCENARIOS["design"]
    tenth = design.scaled(0.1)

    assert (tenth.sitting, tenth.saves, tenth.starts) == (350, 15, 0.8)
    assert tenth.think_seconds == pytest.approx(design.think_seconds)


@pytest.mark.parametrize(
    "people, minutes, sitting",
    [(600, 1, 600), (600, 10, 600), (600, 30, 300), (10, 1000, 1)],
)
def test_who_came_first_has_gone_when_the_last_one_comes(people, minutes, sitting):
    crowd = expected(people, minutes, 15 * 60_000)

    assert crowd.sitting == sitting
    assert crowd.starts == pytest.approx(people / minutes / 60)


@pytest.mark.parametrize(
    "steps, kind, words",
    [
        ([(25, []), (50, []), (100, []), (150, [])], "success", "ít nhất khoảng 150 người cùng lúc"),
        (
            [(25, []), (50, []), (100, []), (150, ["chậm"])],
            "success",
            "khoảng 100 người cùng lúc; dự kiến 100",
        ),
        ([(25, []), (50, []), (100, ["chậm"])], "warning", "khoảng 50 người cùng lúc; dự kiến 100"),
        ([(25, ["chậm"])], "error", "chưa chịu được 25 người cùng lúc; dự kiến 100"),
    ],
)
def test_the_verdict_is_held_against_the_expected_crowd(steps, kind, words):
    told = verdict([Step(people, goals) for people, goals in steps], 100)

    assert told[0] == kind
    assert words in told[1]
    assert ("chậm" in told[1]) is (kind != "success")
