"""Voided attempts: out of the standings, in the numbers; and what may be sat in their place."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from contest import attempts, contests, jobs, resits, scoring
from contest.attempts import Outcome
from contest.clock import db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.models import Attempt, AuditEvent, Resit, Round, Standing
from contest.security import token_hash
from tests import builders

MINUTE = timedelta(minutes=1)


@pytest.fixture
def round(session):
    return builders.open_now(builders.make_round(builders.make_contest()))


@pytest.fixture
def person(round):
    return builders.make_person(round.contest)


@pytest.fixture
def staff(round):
    return builders.make_staff()


def void(attempt, staff, *, resit_in=None, reason="Máy của điểm thi hỏng"):
    session = db.session()
    now = db_now(session)
    made = resits.void(
        session,
        attempt,
        reason=reason,
        resit_until=now + resit_in if resit_in else None,
        now=now,
        actor_id=staff.id,
    )
    session.commit()
    session.expire_all()
    return made


def end(round):
    """Let the round's closing be some minutes ago."""
    db.session.execute(
        update(Round).where(Round.id == round.id).values(closes_at=db_now(db.session()) - 5 * MINUTE)
    )
    db.session.commit()
    db.session.expire_all()


def standing_of(person):
    return db.session.scalar(select(Standing).where(Standing.account_id == person.id))


def test_after_a_void_the_person_starts_again_with_the_next_number(round, person, staff):
    first = builders.start(person, round)
    void(first, staff)

    second = builders.start(person, round)

    assert (second.number, first.number) == (2, 1)
    assert not {item["code"] for item in second.paper} & {item["code"] for item in first.paper}
    assert resits.voids(db.session(), person.id, round.contest_id) == 1


def test_a_voided_attempt_takes_nothing_any_more(round, person, staff):
    attempt = builders.start(person, round)
    void(attempt, staff)

    refused = attempts.submit(
        db.session.connection(), token_hash(builders.token_of(person)), attempt.public_id
    )

    assert refused.outcome is Outcome.VOIDED


def test_its_standing_goes_and_the_round_is_ranked_anew(round, person, staff):
    attempt = builders.finish_attempt(person, round)
    builders.finish_attempt(builders.make_person(round.contest), round, right=3)
    builders.rank(round)
    session = db.session()
    session.execute(update(Attempt).values(scored_at=Attempt.scored_at - 10 * MINUTE))
    session.commit()
    assert jobs.rank_what_changed() == 0

    void(attempt, staff)

    assert standing_of(person) is None
    assert jobs.rank_what_changed() == 1
    assert session.scalars(select(Standing.rank)).all() == [1]
    assert jobs.rank_what_changed() == 0


def test_its_standing_shows_the_other_attempt_that_counts(session):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    person = builders.make_person(contest)
    worse = builders.finish_attempt(person, round, right=2, ago=timedelta(minutes=50))
    better = builders.finish_attempt(person, round, right=5, ago=timedelta(minutes=30))
    assert (standing_of(person).attempt_id, standing_of(person).attempts_used) == (better.id, 2)

    void(better, builders.make_staff())

    standing = standing_of(person)
    assert (standing.attempt_id, standing.points, standing.attempts_used) == (worse.id, 2 * 840, 1)


def test_a_void_needs_a_reason_and_happens_once(round, person, staff):
    attempt = builders.start(person, round)
    with pytest.raises(Conflict, match="lý do"):
        void(attempt, staff, reason="")
    void(attempt, staff)
    with pytest.raises(Conflict, match="đã bị hủy"):
        void(attempt, staff)
    db.session.rollback()
    with pytest.raises(NotThere):
        resits.find(db.session(), "x" * 22)


def test_after_the_books_nothing_is_voided(round, person, staff):
    attempt = builders.finish_attempt(person, round)
    builders.close(round)

    with pytest.raises(Conflict, match="đã chốt sổ"):
        void(attempt, staff)


def test_a_void_is_logged_with_what_it_was(round, person, staff):
    attempt = builders.finish_attempt(person, round)
    void(attempt, staff, resit_in=timedelta(hours=1))

    events = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(2)).all()

    assert [event.action for event in events] == ["attempt.grant_resit", "attempt.void"]
    assert (events[1].before["points"], events[1].reason) == (5 * 840, "Máy của điểm thi hỏng")


# --- re-sits -------------------------------------------------------------------------------------


def test_a_resit_is_started_after_the_closing_until_its_own(round, person, staff):
    attempt = builders.finish_attempt(person, round)
    end(round)
    resit = void(attempt, staff, resit_in=timedelta(minutes=10))
    assert resits.to_take(db.session(), person.id, round.contest_id, now=db_now(db.session())) == {
        round.id: resit
    }

    second = builders.start(person, round)

    assert second.closes_at == second.deadline_at == resit.closes_at, "cut short by its own closing"
    db.session.expire_all()
    assert resit.taken_id == second.id
    assert resits.to_take(db.session(), person.id, round.contest_id, now=db_now(db.session())) == {}


def test_nobody_else_starts_after_the_closing(round, person, staff):
    void(builders.start(person, round), staff, resit_in=timedelta(hours=1))
    end(round)

    with pytest.raises(Conflict, match="đã đóng"):
        builders.start(builders.make_person(round.contest), round)


def test_a_resit_is_one_start_however_many_are_allowed(session):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest, attempts_allowed=3))
    person = builders.make_person(contest)
    void(builders.start(person, round), builders.make_staff(), resit_in=timedelta(hours=1))
    end(round)

    second = builders.start(person, round)
    attempts.submit(session.connection(), token_hash(builders.token_of(person)), second.public_id)

    with pytest.raises(Conflict, match="đã đóng"):
        builders.start(person, round)


def test_a_resit_that_is_over_is_over(round, person, staff):
    void(builders.start(person, round), staff, resit_in=timedelta(hours=1))
    end(round)
    db.session.execute(
        update(Resit).values(granted_at=Resit.granted_at - MINUTE, closes_at=db_now(db.session()))
    )
    db.session.commit()

    with pytest.raises(Conflict, match="đã đóng"):
        builders.start(person, round)


def test_the_round_waits_for_its_resits(round, person, staff):
    void(builders.finish_attempt(person, round), staff, resit_in=timedelta(hours=1))
    end(round)
    session = db.session()
    assert not contests.close_round(session, round.id, now=db_now(session))

    builders.start(person, round)
    assert not contests.close_round(session, round.id, now=db_now(session)), "somebody sits"
    token = token_hash(builders.token_of(person))
    attempts.submit(
        session.connection(), token, session.scalar(select(Attempt.public_id).where(Attempt.number == 2))
    )
    builders.score_all()

    assert contests.close_round(session, round.id, now=db_now(session))


def test_the_round_closes_when_nobody_takes_the_resit(round, person, staff):
    resit = void(builders.finish_attempt(person, round), staff, resit_in=timedelta(hours=1))
    end(round)

    assert contests.close_round(db.session(), round.id, now=resit.closes_at)


def test_once_closed_for_all_no_resit_is_granted(round, person, staff):
    attempt = builders.finish_attempt(person, round)
    builders.close(round, with_books=False)

    with pytest.raises(Conflict, match="đã đóng hẳn"):
        void(attempt, staff, resit_in=timedelta(hours=1))
    db.session.rollback()
    void(attempt, staff)
    assert standing_of(person) is None


def test_a_resit_is_granted_once_for_what_is_voided(round, person, staff):
    attempt, session = builders.start(person, round), db.session()

    def grant(ahead):
        now = db_now(session)
        resits.grant(session, attempt, now + ahead, now=now, actor_id=staff.id)
        session.commit()

    with pytest.raises(Conflict, match="đã bị hủy"):
        grant(MINUTE)
    session.rollback()
    void(attempt, staff)
    with pytest.raises(Conflict, match="phải sau"):
        grant(-MINUTE)
    session.rollback()
    grant(MINUTE)
    with pytest.raises(Conflict, match="đã được cho thi lại"):
        grant(2 * MINUTE)
    session.rollback()
    first = session.scalars(select(Resit)).one()
    session.add(
        Resit(
            round_id=round.id,
            account_id=person.id,
            voided_id=first.voided_id,
            closes_at=first.closes_at,
            granted_at=first.granted_at,
            granted_by_id=staff.id,
        )
    )
    with pytest.raises(IntegrityError, match="uq_resits_voided_id"):
        session.flush()


# --- races ---------------------------------------------------------------------------------------


def voiding(attempt, staff):
    public_id, staff_id = attempt.public_id, staff.id

    def act():
        session = db.session()
        now = db_now(session)
        resits.void(
            session,
            resits.find(session, public_id),
            reason="x",
            resit_until=None,
            now=now,
            actor_id=staff_id,
        )
        session.commit()

    return act


def test_a_void_waits_for_the_scoring_under_way(live_app):
    round = builders.open_now(builders.make_round(builders.make_contest()))
    person, staff = builders.make_person(round.contest), builders.make_staff()
    attempt = builders.finish_attempt(person, round, is_scored=False)
    act = voiding(attempt, staff)
    scoring.score_batch(db.session(), data_key=builders.data_key())
    thread, result = builders.in_thread(live_app, act)
    builders.wait_until_somebody_waits()
    db.session.commit()
    thread.join()

    assert result == [None]
    assert standing_of(person) is None


def test_a_void_waits_for_the_scoring_of_the_persons_other_attempt(live_app):
    round = builders.open_now(builders.make_round(builders.make_contest(), attempts_allowed=2))
    person, staff = builders.make_person(round.contest), builders.make_staff()
    first = builders.finish_attempt(person, round, ago=timedelta(minutes=50))
    second = builders.finish_attempt(person, round, right=1, ago=timedelta(minutes=30), is_scored=False)
    act = voiding(first, staff)
    scoring.score_batch(db.session(), data_key=builders.data_key())
    thread, result = builders.in_thread(live_app, act)
    builders.wait_until_somebody_waits()
    db.session.commit()
    thread.join()

    assert result == [None]
    standing = standing_of(person)
    assert (standing.attempt_id, standing.attempts_used) == (second.id, 1)


def test_a_scoring_passes_over_what_is_being_voided(live_app):
    round = builders.open_now(builders.make_round(builders.make_contest()))
    person, staff = builders.make_person(round.contest), builders.make_staff()
    attempt = builders.finish_attempt(person, round, is_scored=False)
    session, now = db.session(), db_now(db.session())
    resits.void(session, attempt, reason="x", resit_until=None, now=now, actor_id=staff.id)

    def score():
        return scoring.score_batch(db.session(), data_key=builders.data_key())

    thread, result = builders.in_thread(live_app, score)
    thread.join()
    session.commit()

    assert result == [0]
    assert scoring.score_batch(session, data_key=builders.data_key()) == 0
    assert standing_of(person) is None


def test_a_resit_that_cannot_be_taken_is_not_granted(round, person, staff):
    first = builders.finish_attempt(person, round)
    void(first, staff)
    builders.finish_attempt(person, round, ago=30 * MINUTE)
    now = db_now(db.session())

    with pytest.raises(Conflict, match="hết số lượt"):
        resits.grant(db.session(), first, now + MINUTE, now=now, actor_id=staff.id)


def test_a_resit_that_waits_is_one_of_the_attempts(session):
    round = builders.open_now(builders.make_round(builders.make_contest(), attempts_allowed=2))
    person, staff = builders.make_person(round.contest), builders.make_staff()
    first, second = [builders.finish_attempt(person, round, ago=ago * MINUTE) for ago in (50, 30)]
    void(first, staff, resit_in=MINUTE)
    void(second, staff, resit_in=MINUTE)
    builders.finish_attempt(person, round, ago=5 * MINUTE)
    third = builders.start(person, round)
    void(third, staff)

    resits.grant(session, third, db_now(session) + MINUTE, now=db_now(session), actor_id=staff.id)

    assert session.scalars(select(Resit.taken_id).order_by(Resit.id)).all()[-1] is None


def test_a_resit_not_yet_taken_is_taken_back_and_the_round_closes(round, person, staff):
    attempt = builders.finish_attempt(person, round)
    void(attempt, staff, resit_in=timedelta(days=3))
    end(round)
    session = db.session()
    assert not contests.close_round(session, round.id, now=db_now(session))

    resits.revoke(session, attempt, reason="Cho nhầm người", now=db_now(session), actor_id=staff.id)
    session.commit()

    event = session.scalars(select(AuditEvent).filter_by(action="attempt.revoke_resit")).one()
    assert event.before["closes_at"]
    assert event.reason == "Cho nhầm người"
    assert resits.to_take(session, person.id, round.contest_id, now=db_now(session)) == {}
    assert contests.close_round(session, round.id, now=db_now(session))


def test_what_is_taken_or_was_never_granted_is_not_taken_back(round, person, staff):
    attempt, session = builders.finish_attempt(person, round), db.session()

    def revoke(reason="x"):
        resits.revoke(session, attempt, reason=reason, now=db_now(session), actor_id=staff.id)

    with pytest.raises(Conflict, match="lý do"):
        revoke(reason="")
    with pytest.raises(Conflict, match="Không có lượt thi lại"):
        revoke()
    session.rollback()
    void(attempt, staff, resit_in=MINUTE)
    builders.start(person, round)
    with pytest.raises(Conflict, match="Không có lượt thi lại"):
        revoke()


def test_an_organizer_takes_a_resit_back_on_the_persons_page(app, client, round, person, staff):
    attempt = builders.finish_attempt(person, round)
    void(attempt, staff, resit_in=timedelta(hours=1))
    public_id = attempt.public_id
    builders.sign_in(client, staff)
    address = f"/admin/attempts/{public_id}/resit/revocation"
    data = {"csrf_token": builders.csrf(client), "reason": "Cho nhầm"}

    done = client.post(address, data=data)

    assert done.status_code == 303
    page = client.get(done.location).text
    assert "Đã rút lượt thi lại." in page
    assert address not in page
    assert client.post(address, data=data).status_code == 409
