"""Dashboards: a round's figures, what calls for attention, and what comes next."""

from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from sqlalchemy import event, text

from contest import dashboards, units
from contest.clock import db_now
from contest.contests import Phase
from contest.dashboards import Counts, Step
from contest.errors import NotThere
from contest.extensions import db
from contest.models import Round, UnitStanding
from tests import builders

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def round(contest):
    return builders.open_now(builders.make_round(contest))


def counts_of(**values):
    nothing = {
        "at": builders.NOON,
        "started": 0,
        "sitting": 0,
        "submitted": 0,
        "scored": 0,
        "waiting": 0,
        "oldest_waiting_seconds": 0.0,
        "overdue": 0,
        "last_scored_at": None,
    }
    return Counts(**(nothing | values))


def state_now(round):
    return dashboards.state_of(db.session(), round, now=db_now(db.session()))


def step_now(round):
    return state_now(round).step


def alerts_of(round, counted, *, now=None):
    now = now or db_now(db.session())
    state = dashboards.state_of(db.session(), round, now=now)
    return [(alert.kind, alert.text) for alert in dashboards.alerts(round, state, counted, now=now)]


def test_the_steps_of_a_round_follow_each_other(contest):
    round = builders.make_round(contest)
    assert step_now(round) is Step.OPEN

    builders.open_now(round)
    assert step_now(round) is Step.END

    builders.finish_attempt(builders.make_person(contest), round)
    builders.close(round, with_books=False)
    assert step_now(round) is Step.CLOSE_BOOKS

    builders.close_books(round, actor_id=builders.make_staff().id)
    builders.rank(round)
    assert step_now(round) is Step.PUBLISH

    builders.publish(round)
    state = state_now(round)
    assert (state.step, state.versions, state.remaining_ms) == (Step.NONE, 1, None)


def test_before_its_hour_an_opened_round_waits_for_the_clock(contest):
    round = builders.open_now(builders.make_round(contest, opens_in=2 * HOUR))

    state = state_now(round)

    assert (state.phase, state.step) == (Phase.PLANNED, Step.WAIT)
    assert 7_100_000 < state.remaining_ms <= 7_200_000


def test_a_round_that_is_over_can_only_wait_for_its_last_attempts(round):
    round.closes_at = db_now(db.session())
    db.session.commit()

    assert (state_now(round).phase, step_now(round)) == (Phase.CLOSING, Step.WAIT)


def test_an_attempt_is_counted_where_it_is(contest, round):
    people = [builders.make_person(contest) for _ in range(4)]
    builders.finish_attempt(people[0], round)
    builders.finish_attempt(people[1], round, is_scored=False, ago=timedelta(minutes=10), took=5 * MINUTE)
    builders.start(people[2], round, ago=MINUTE)
    builders.start(people[3], round, ago=HOUR)  # past its deadline and not swept

    counted = dashboards.counts(db.session(), round.id)

    assert (counted.started, counted.sitting, counted.submitted, counted.scored) == (4, 2, 2, 1)
    assert (counted.waiting, counted.overdue) == (1, 1)
    assert 300 <= counted.oldest_waiting_seconds < 400


def test_a_round_without_attempts_counts_nothing(round):
    counted = dashboards.counts(db.session(), round.id)

    assert (counted.started, counted.waiting, counted.oldest_waiting_seconds) == (0, 0, 0)
    assert dashboards.timeline(db.session(), round, now=db_now(db.session())).columns == ()


def test_divisions_are_told_apart_and_voided_attempts_named(contest, round):
    official = builders.make_person(contest, "officials")
    builders.finish_attempt(official, round, right=5)
    voided = builders.finish_attempt(builders.make_person(contest), round, right=2)
    voided.voided_at, voided.void_reason = db_now(db.session()), "lỗi kỹ thuật"
    db.session.commit()

    officials, citizens = dashboards.divisions(db.session(), round.id)

    assert (officials.code, officials.by_person, officials.people, officials.full) == ("officials", 1, 1, 1)
    assert (citizens.started, citizens.voided, citizens.sitting) == (1, 1, 0)


def test_who_ran_out_of_time_is_counted_apart(contest, round):
    builders.start(builders.make_person(contest), round, ago=HOUR)
    db.session.execute(text("UPDATE attempts SET submitted_at = deadline_at, how = 'deadline'"))
    builders.score_all()

    (_, citizens) = dashboards.divisions(db.session(), round.id)

    assert (citizens.by_person, citizens.at_deadline, citizens.scored) == (0, 1, 1)


def test_the_timeline_has_no_gaps_and_counts_each_attempt_once(contest):
    round = builders.open_now(builders.make_round(contest, opens_in=timedelta(hours=-30)))
    builders.finish_attempt(builders.make_person(contest), round, ago=timedelta(hours=29), took=5 * MINUTE)
    builders.finish_attempt(builders.make_person(contest), round, ago=timedelta(hours=2), took=5 * MINUTE)

    timeline = dashboards.timeline(db.session(), round, now=db_now(db.session()))

    moments = [column.at for column in timeline.columns]
    assert {later - earlier for earlier, later in pairwise(moments)} == {HOUR}
    assert len(moments) in (28, 29)
    assert sum(column.starts for column in timeline.columns) == 2
    assert sum(column.submissions for column in timeline.columns) == 2
    assert timeline.highest == 1


@pytest.mark.parametrize(
    ("hours", "step"),
    [
        (1, timedelta(minutes=5)),
        (24, HOUR),
        (24 * 7, HOUR),
        (24 * 30, timedelta(hours=6)),
        (24 * 90, timedelta(days=1)),
    ],
)
def test_the_longer_the_round_the_coarser_its_chart(contest, hours, step):
    round = builders.make_round(contest, opens_in=timedelta(hours=-hours), lasts=timedelta(days=100))

    assert dashboards.timeline(db.session(), round, now=db_now(db.session())).step == step


def test_a_quiet_round_has_no_alerts(round):
    assert alerts_of(round, counts_of(started=3, submitted=3, scored=3)) == []


@pytest.mark.parametrize(("seconds", "kinds"), [(9.0, []), (11.0, ["warning"]), (31.0, ["error"])])
def test_scoring_behind_is_told_in_words(round, seconds, kinds):
    found = alerts_of(round, counts_of(waiting=12, oldest_waiting_seconds=seconds))

    assert [kind for kind, _ in found] == kinds
    assert all("12 bài chờ chấm" in words for _, words in found)


def test_what_the_sweeper_left_open_is_an_alert(round):
    ((kind, words),) = alerts_of(round, counts_of(sitting=2, overdue=2))

    assert kind == "error"
    assert words.startswith("2 bài quá giờ")


def test_the_last_hour_and_the_end_are_announced(round):
    (last_hour,) = alerts_of(round, counts_of(), now=round.closes_at - 59 * MINUTE)
    (over,) = alerts_of(round, counts_of(), now=round.closes_at)

    assert last_hour[0] == "warning"
    assert over == ("info", over[1])
    assert "đã hết giờ" in over[1]


def test_a_round_that_nobody_opened_is_announced_the_day_before_and_after_its_hour(contest):
    round = builders.make_round(contest, opens_in=timedelta(days=3))

    assert alerts_of(round, counts_of()) == []
    assert [kind for kind, _ in alerts_of(round, counts_of(), now=round.opens_at - HOUR)] == ["warning"]
    assert [kind for kind, _ in alerts_of(round, counts_of(), now=round.opens_at)] == ["error"]
    assert [kind for kind, _ in alerts_of(round, counts_of(), now=round.closes_at)] == ["error"]


def test_a_ranking_that_lags_is_an_alert_until_the_books_are_closed(round):
    scored = counts_of(last_scored_at=db_now(db.session()) - 5 * MINUTE)

    assert "chưa được xếp hạng" in alerts_of(round, scored)[0][1]
    round.ranked_at = scored.last_scored_at - MINUTE
    assert "Xếp hạng đang chậm" in alerts_of(round, scored)[0][1]
    round.ranked_at = scored.last_scored_at
    assert alerts_of(round, scored) == []


def test_units_without_a_value_come_last_whichever_way_they_are_ordered():
    rows = [
        SimpleNamespace(name=name, rate=rate) for name, rate in (("a", None), ("b", "1/3"), ("c", "3/10"))
    ]

    falling = dashboards.ordered_units(rows, "rate", is_descending=True)
    rising = dashboards.ordered_units(rows, "rate", is_descending=False)

    assert [row.name for row in falling] == ["b", "c", "a"]
    assert [row.name for row in rising] == ["c", "b", "a"]


def test_an_unknown_division_leads_to_the_first_and_none_to_a_refusal(round):
    assert dashboards.division_of(round, "citizens").division.code == "citizens"
    assert dashboards.division_of(round, "\x00").division.code == "officials"
    with pytest.raises(NotThere):
        dashboards.division_of(Round(divisions=[]), None)


def test_figures_need_few_statements(contest, round):
    builders.finish_attempt(builders.make_person(contest), round)
    statements = []
    connection = db.session.connection()

    def note(*arguments):
        statements.append(arguments[2])

    event.listen(connection, "before_cursor_execute", note)
    try:
        dashboards.counts(db.session(), round.id)
        dashboards.breakdown(db.session(), round, now=builders.NOON)
    finally:
        event.remove(connection, "before_cursor_execute", note)

    assert len([one for one in statements if "FROM attempts" in one]) == 3


def test_headcounts_and_people_meet_in_the_units_table(contest, round):
    ward = builders.make_unit("Phường Võ Cường")
    citizens = next(one for one in contest.divisions if one.code == "citizens")
    units.set_headcount(
        db.session(), division_id=citizens.id, unit_id=ward.id, headcount=200, source="Thống kê"
    )
    builders.finish_attempt(builders.make_person(contest, unit=ward), round)
    builders.rank(round)

    row = next(row for row in db.session.query(UnitStanding) if row.unit_id == ward.id)

    assert (row.people, row.headcount, row.rate) == (1, 200, "1/200")
