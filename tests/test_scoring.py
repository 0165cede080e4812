"""Scoring from the database, and the standing that follows in the same transaction."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from contest import deadlines, scoring
from contest.clock import db_now
from contest.extensions import db
from contest.models import Attempt, Standing
from contest.rules.scoring import POINT
from tests import builders


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def round(contest):
    return builders.open_now(builders.make_round(contest))


def standing_of(person):
    return db.session.scalars(select(Standing).where(Standing.account_id == person.id)).one_or_none()


def test_a_submitted_attempt_is_scored_and_stands(contest, round):
    person = builders.make_person(contest)

    attempt = builders.finish_attempt(person, round, right=4, prediction=9, took=timedelta(minutes=3))

    assert attempt.points == 4 * POINT
    assert abs(attempt.duration_ms - 180_000) < 1_000
    standing = standing_of(person)
    assert (standing.attempt_id, standing.points, standing.full_points) == (attempt.id, 4 * POINT, 5 * POINT)
    assert (standing.prediction, standing.attempts_used) == (9, 1)


def test_an_open_or_voided_attempt_is_not_scored(contest, round):
    builders.start(builders.make_person(contest), round)
    voided = builders.finish_attempt(builders.make_person(contest), round, is_scored=False)
    voided.voided_at, voided.void_reason = db_now(db.session()), "Mất điện"
    db.session.commit()

    assert scoring.score_batch(db.session(), data_key=builders.data_key()) == 0


def test_scoring_twice_changes_nothing(contest, round):
    attempt = builders.finish_attempt(builders.make_person(contest), round)
    before = (attempt.points, attempt.scored_at)

    assert scoring.score_batch(db.session(), data_key=builders.data_key()) == 0
    db.session.refresh(attempt)
    assert (attempt.points, attempt.scored_at) == before


def test_an_attempt_closed_at_its_deadline_counts_the_full_duration(contest, round):
    person = builders.make_person(contest)
    attempt = builders.start(person, round, ago=timedelta(minutes=16))

    deadlines.close_overdue(db.session())
    builders.score_all()

    db.session.refresh(attempt)
    assert (attempt.points, attempt.duration_ms) == (0, 15 * 60_000)


@pytest.mark.parametrize(("counts", "points"), [("best", 5), ("first", 2), ("last", 3)])
def test_of_several_attempts_the_one_that_counts_stands(contest, counts, points):
    round = builders.open_now(builders.make_round(contest, attempts_allowed=3, counts=counts))
    person = builders.make_person(contest)

    for right, ago in ((2, 90), (5, 60), (3, 30)):
        builders.finish_attempt(person, round, right=right, ago=timedelta(minutes=ago))

    standing = standing_of(person)
    assert (standing.points, standing.attempts_used) == (points * POINT, 3)


def test_a_resit_after_a_voided_attempt_stands(contest, round):
    person = builders.make_person(contest)
    voided = builders.finish_attempt(person, round, right=5, ago=timedelta(minutes=60))
    voided.voided_at, voided.void_reason = db_now(db.session()), "Mất điện"
    db.session.commit()

    resat = builders.finish_attempt(person, round, right=2, ago=timedelta(minutes=30))

    standing = standing_of(person)
    assert (standing.attempt_id, standing.points, standing.attempts_used) == (resat.id, 2 * POINT, 1)


def test_of_equally_good_attempts_the_quicker_stands_whatever_was_predicted(contest):
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    person = builders.make_person(contest)
    builders.finish_attempt(person, round, took=timedelta(minutes=5), ago=timedelta(minutes=60), prediction=1)

    quicker = builders.finish_attempt(person, round, took=timedelta(minutes=2), ago=timedelta(minutes=30))

    assert standing_of(person).attempt_id == quicker.id


def test_two_workers_at_once_score_each_attempt_once_and_choose_the_best(live_app):
    """The second attempt of each person may be scored by another worker at the same moment."""
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    for _ in range(12):
        person = builders.make_person(contest)
        builders.finish_attempt(person, round, right=5, ago=timedelta(minutes=60), is_scored=False)
        builders.finish_attempt(person, round, right=1, ago=timedelta(minutes=30), is_scored=False)
    barrier, counts = threading.Barrier(4), []

    def work():
        with live_app.app_context():
            barrier.wait()
            while count := scoring.score_batch(db.session(), data_key=builders.data_key(), most=5):
                db.session.commit()
                counts.append(count)
            db.session.remove()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    db.session.rollback()
    assert sum(counts) == 24
    assert db.session.scalar(select(func.count()).where(Attempt.scored_at.is_(None))) == 0
    assert set(db.session.execute(select(Standing.points, Standing.attempts_used))) == {(5 * POINT, 2)}


def test_a_key_of_several_options_needs_them_all(session, contest):
    builders.make_items(multiple=True)
    round = builders.open_now(builders.make_round(contest))
    person = builders.make_person(contest)

    assert builders.finish_attempt(person, round, right=5).points == 5 * POINT

    other = builders.start(builders.make_person(contest), round)
    assert other.paper_shape == "4m" * 5


def test_the_oldest_waiting_attempt_is_known(contest, round):
    builders.finish_attempt(
        builders.make_person(contest),
        round,
        ago=timedelta(minutes=10),
        took=timedelta(minutes=5),
        is_scored=False,
    )

    assert 290 < scoring.oldest_waiting_seconds(db.session()) < 310
    db.session.execute(update(Attempt).values(voided_at=func.now(), void_reason="Hủy"))
    assert scoring.oldest_waiting_seconds(db.session()) == 0


def test_an_attempt_that_can_not_be_scored_keeps_no_other_waiting(contest, round, capsys):
    broken = builders.finish_attempt(builders.make_person(contest), round, is_scored=False)
    broken.paper = [{"code": "no such code", "order": [0, 1]}]
    db.session.commit()
    good = builders.finish_attempt(builders.make_person(contest), round)

    db.session.refresh(broken)
    assert (good.points, broken.scored_at) == (5 * POINT, None)
    assert "this attempt can't be scored" in capsys.readouterr().out
