"""Ranking beside other work: the books closed meanwhile, attempts scored meanwhile, large rounds."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from contest import contests, jobs, leaderboards, scoring
from contest.clock import db_now
from contest.extensions import db
from contest.models import Attempt, Round, Standing
from tests import builders

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


@pytest.fixture
def contest(live_app):
    return builders.make_contest()


def in_thread(app, work, failures):
    """Start work on a session of its own; what it raises is kept."""

    def run():
        with app.app_context():
            try:
                work(db.session())
                db.session.commit()
            except Exception as error:
                failures.append(error)
            finally:
                db.session.remove()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def await_waiting(count):
    """Wait until so many sessions wait for a lock."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.scalar(WAITING) < count:
            pass


def ended(contest):
    """A closed round of two people: the slower one predicts exactly."""
    round = builders.open_now(builders.make_round(contest))
    builders.finish_attempt(builders.make_person(contest), round, prediction=99, took=timedelta(minutes=1))
    builders.finish_attempt(builders.make_person(contest), round, prediction=2, took=timedelta(minutes=9))
    return builders.close(round, with_books=False)


def order(round):
    query = select(Standing.prediction).where(Standing.round_id == round.id).order_by(Standing.position)
    db.session.rollback()
    return list(db.session.scalars(query))


def test_a_ranking_that_waited_for_the_books_leaves_their_order(live_app, contest):
    round = ended(contest)
    organizer = builders.make_staff().id
    assert order(round) == [99, 2]
    failures = []
    db.session.rollback()

    session = db.session()
    closed = contests.find_round(session, round.id)
    builders.close_books(closed, actor_id=organizer)
    sweeper = in_thread(live_app, lambda _: jobs.rank_what_changed(), failures)
    await_waiting(1)
    leaderboards.rank_round(session, closed, now=db_now(session))
    session.commit()
    sweeper.join()

    assert not failures
    assert order(round) == [2, 99]


def test_the_books_wait_for_a_ranking_under_way(live_app, contest):
    round = ended(contest)
    organizer = builders.make_staff().id
    failures = []
    session = db.session()
    session.rollback()

    def close_books(other):
        found = contests.find_round(other, round.id)
        builders.close_books(found, actor_id=organizer, session=other)
        leaderboards.rank_round(other, found, now=db_now(other))

    leaderboards.take_turn(session, round.id)
    books = in_thread(live_app, close_books, failures)
    await_waiting(1)
    leaderboards.rank_round(session, contests.find_round(session, round.id), now=db_now(session))
    session.commit()
    books.join()

    assert not failures
    assert order(round) == [2, 99]


def test_a_ranking_by_hand_knows_that_the_books_were_closed_meanwhile(live_app, contest):
    round = ended(contest)
    organizer = builders.make_staff().id
    session = db.session()
    known_before = contests.find_round(session, round.id)
    failures = []

    def close_books(other):
        builders.close_books(contests.find_round(other, round.id), actor_id=organizer, session=other)

    in_thread(live_app, close_books, failures).join()
    leaderboards.rank_round(session, known_before, now=db_now(session))
    session.commit()

    assert not failures
    assert order(round) == [2, 99]


def test_scoring_and_ranking_do_not_wait_for_each_other_in_a_circle(live_app, contest):
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    people = [builders.make_person(contest) for _ in range(3)]
    for person in reversed(people):
        builders.finish_attempt(person, round, right=4)
    for person in people:
        builders.finish_attempt(person, round, ago=timedelta(minutes=30), is_scored=False)
    middle = select(Standing).where(Standing.account_id == people[1].id).with_for_update()
    failures = []
    session = db.session()
    session.rollback()

    session.scalars(middle).one()
    workers = [
        in_thread(
            live_app,
            lambda own: scoring.score_batch(own, data_key=builders.data_key(), now=db_now(own)),
            failures,
        ),
    ]
    await_waiting(1)
    workers.append(
        in_thread(
            live_app,
            lambda own: leaderboards.rank_round(own, contests.find_round(own, round.id), now=db_now(own)),
            failures,
        )
    )
    await_waiting(2)
    session.rollback()
    for worker in workers:
        worker.join()

    assert not failures
    assert session.scalar(select(Attempt.id).where(Attempt.scored_at.is_(None))) is None
    assert session.scalar(select(Round.ranked_at).where(Round.id == round.id)) is not None


def test_a_large_ranking_may_take_longer_than_a_request(session):
    round = builders.open_now(builders.make_round(builders.make_contest()))

    leaderboards.rank_round(session, contests.find_round(session, round.id), now=db_now(session))

    assert session.scalar(text("SHOW statement_timeout")) == "10min"
    assert session.scalar(text("SHOW idle_in_transaction_session_timeout")) == "10min"
