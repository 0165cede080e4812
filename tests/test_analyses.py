"""A closed round's questions are analysed once, from what counts, and again when the ranking changes."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from contest import analyses, contests, jobs, leaderboards
from contest.clock import db_now
from contest.errors import Conflict
from contest.extensions import db
from contest.models import Attempt, Correction, RoundAnalysis, Standing
from contest.rules.scoring import POINT
from tests import builders

SETTLED = leaderboards.LATE_SCORING + timedelta(seconds=1)


@pytest.fixture
def contest(app):
    return builders.make_contest()


def held(contest, *rights, division="citizens", **settings):
    """A closed and ranked round in which people had so many right."""
    round = builders.open_now(builders.make_round(contest, **settings))
    for right in rights:
        builders.finish_attempt(builders.make_person(contest, division), round, right=right)
    return settled(builders.close(round))


def settled(round):
    """As if the last attempt had been scored some time ago, so that ranking is over."""
    db.session.execute(Attempt.__table__.update().values(scored_at=Attempt.scored_at - SETTLED))
    db.session.commit()
    return contests.find_round(db.session(), round.id)


def asked_of(round, code="citizens"):
    return next(one for one in round.divisions if one.division.code == code)


def work_out(round, code="citizens"):
    return analyses.work_out(db.session(), asked_of(round, code), now=db_now(db.session()))


def sweep():
    while jobs.analyse_what_closed():
        pass


def kept():
    return db.session.scalar(select(func.count()).select_from(RoundAnalysis))


def test_each_item_as_it_was_answered(contest):
    round = held(contest, 5, 3, 0)
    analysis = work_out(round)
    items = analyses.items_of(analysis)

    standings = db.session.scalars(select(Standing)).all()
    assert analysis.papers == 3
    assert sum(item.result.shown for item in items) == 15
    assert sum(item.result.facility * item.result.shown for item in items) == pytest.approx(
        sum(row.points for row in standings) / POINT
    )
    assert {item.topic for item in items} == {"T1", "T2"}
    for item in items:
        chosen = sum(counts.total for counts in item.result.options)
        assert item.result.options[item.key[0]].total == pytest.approx(
            item.result.facility * item.result.shown
        )
        assert chosen + item.result.left_out == item.result.shown
        assert item.result.exposure == pytest.approx(item.result.shown / 3)


def test_what_is_kept_is_read_as_it_was(contest):
    builders.make_items(per_cell=3)  # so that everybody has the three of the first cell
    round = held(contest, *[5] * 8, *[2] * 16, *[0] * 8)
    analysis = work_out(round)
    before = analyses.items_of(analysis)
    assert any(item.result.flags for item in before)

    db.session.expire_all()
    found = analyses.find(db.session(), round.id, asked_of(round).division_id)
    assert analyses.items_of(found) == before
    assert analyses.reliability_of(found).papers == 32
    assert found.as_of == round.ranked_at


def test_only_counted_attempts_of_the_division_are_read(contest):
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    person = builders.make_person(contest)
    builders.finish_attempt(person, round, right=1, ago=timedelta(minutes=50))
    builders.finish_attempt(person, round, right=5, ago=timedelta(minutes=30))
    builders.finish_attempt(builders.make_person(contest, "officials"), round, right=0)
    round = settled(builders.close(round))

    assert [item.result.facility for item in analyses.items_of(work_out(round))] == [1.0] * 5
    assert [item.result.facility for item in analyses.items_of(work_out(round, "officials"))] == [0.0] * 5


def test_partial_credit_counts_as_its_share(contest):
    builders.make_items(multiple=True)
    round = builders.open_now(builders.make_round(contest, is_partial=True))
    attempt = builders.start(builders.make_person(contest), round, ago=timedelta(minutes=20))
    attempt.responses = {
        str(place): value[:1] for place, value in enumerate(builders.answers(attempt, 5).values(), start=1)
    }
    attempt.submitted_at, attempt.how = attempt.started_at + timedelta(minutes=1), "person"
    db.session.commit()
    builders.score_all()
    round = settled(builders.close(round))

    assert {item.result.facility for item in analyses.items_of(work_out(round))} == {0.5}


def test_an_open_round_is_not_analysed(contest):
    round = builders.open_now(builders.make_round(contest))
    with pytest.raises(Conflict):
        work_out(round)
    assert analyses.due(db.session()) == []


def test_a_closed_round_without_anybody_is_done_with(contest):
    round = held(contest)
    sweep()

    assert work_out(round).papers == 0
    assert analyses.items_of(work_out(round)) == []
    assert analyses.reliability_of(work_out(round)).coefficient is None
    assert analyses.due(db.session()) == []


def test_the_sweeper_analyses_each_division_once(contest):
    round = held(contest, 5, 3)
    assert len(analyses.due(db.session())) == 2
    sweep()
    assert (analyses.due(db.session()), kept()) == ([], 2)

    leaderboards.rank_round(db.session(), round, now=db_now(db.session()))
    db.session.commit()
    assert len(analyses.due(db.session())) == 2
    sweep()
    assert (analyses.due(db.session()), kept()) == ([], 2)


def test_while_the_ranking_goes_on_the_analysis_waits(contest):
    round = builders.open_now(builders.make_round(contest))
    builders.finish_attempt(builders.make_person(contest), round)
    round = builders.close(round, with_books=False)
    assert analyses.due(db.session()) == []  # scored less than a minute ago: ranked again and again
    settled(round)
    assert len(analyses.due(db.session())) == 2


def test_a_ranking_after_it_makes_an_analysis_outdated(contest):
    round = held(contest, 5)
    analysis = work_out(round)
    assert not analyses.is_outdated(analysis, round)
    leaderboards.rank_round(db.session(), round, now=db_now(db.session()))
    db.session.refresh(round)
    assert analyses.is_outdated(analysis, round)


def corrected(round, code, keys):
    staff, other = builders.make_staff(), builders.make_staff()
    db.session.add(
        Correction(
            round_id=round.id,
            code=code,
            keys=keys,
            reason="Sai đáp án",
            note="Đã đính chính",
            proposed_by_id=staff.id,
            approved_by_id=other.id,
        )
    )
    db.session.commit()


def test_a_corrected_key_is_the_one_that_counts(contest):
    round = held(contest, 5)
    code = analyses.items_of(work_out(round))[0].code
    corrected(round, code, [[1], [3]])
    item = analyses.items_of(work_out(round))[0]
    assert (item.key, item.is_voided, item.result.facility) == ((1, 3), False, 1.0)
    db.session.query(Correction).update({"keys": [[2]]})
    item = analyses.items_of(work_out(round))[0]
    assert (item.key, item.result.facility) == ((2,), 0.0)


def test_a_voided_item_is_told_by_its_own_key(contest):
    round = held(contest, 0)
    code = analyses.items_of(work_out(round))[0].code
    corrected(round, code, None)
    item = analyses.items_of(work_out(round))[0]
    assert (item.key, item.is_voided, item.result.facility) == ((1,), True, 0.0)


def test_a_paper_that_somebody_spoilt_stops_nobody(contest):
    round = held(contest, 5, 3)
    spoilt = db.session.scalars(select(Attempt)).first()
    spoilt.responses = {"1": ["z"]}
    db.session.commit()
    assert work_out(round).papers == 1


def test_an_analysis_that_fails_is_not_tried_for_ever(contest, monkeypatch):
    round = held(contest, 5)
    monkeypatch.setattr(jobs, "_not_analysed", set())
    with monkeypatch.context() as broken:
        broken.setattr(analyses.statistics, "count", lambda *_: 1 / 0)
        sweep()
    assert kept() == 0
    assert jobs.analyse_what_closed() is False
    monkeypatch.setattr(jobs, "_not_analysed", set())
    sweep()
    assert (kept(), analyses.find(db.session(), round.id, asked_of(round).division_id).papers) == (2, 1)


def test_how_an_item_did_in_all_its_rounds(contest):
    first = held(contest, 5, 3, 1)
    code = analyses.items_of(work_out(first))[0].code
    sweep()
    found = analyses.results_of_item(db.session(), code)
    assert [(round.id, division.code, item.code) for round, division, item in found] == [
        (first.id, "citizens", code)
    ]
    assert analyses.results_of_item(db.session(), "T9-999") == []


def test_facilities_are_those_of_enough_people(contest):
    work_out(held(contest, *[5] * 2))
    assert analyses.facilities(db.session(), ["T1-NB-001"]) == {}


@pytest.mark.parametrize("by", analyses.ITEM_ORDERS)
def test_items_without_a_value_come_last_either_way(contest, by):
    items = analyses.items_of(work_out(held(contest, 5, 3, 0)))
    up = analyses.ordered_items(items, by, is_descending=False)
    down = analyses.ordered_items(items, by, is_descending=True)
    values = [analyses.ITEM_ORDERS[by](item) for item in up]
    known = [value for value in values if value is not None]
    assert known == sorted(known)
    assert sorted(item.code for item in down) == sorted(item.code for item in items)
    assert values[len(known) :] == [None] * (len(items) - len(known))
    assert [analyses.ITEM_ORDERS[by](item) for item in down][: len(known)] == known[::-1]
