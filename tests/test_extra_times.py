"""Extra time: for a person or a group, from the next start on and for whoever sits."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from contest import attempts, extra_times, registrations
from contest.clock import db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.models import Attempt, AuditEvent, Contest, ExtraTime
from contest.rules.timing import deadline
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


def entry(person, round):
    return registrations.of_account(db.session(), person.id, round.contest_id)


def grant(round, whom, staff, extra=5 * MINUTE, *, everywhere=False, reason="Khuyết tật vận động tay"):
    session = db.session()
    sitting = extra_times.grant(
        session,
        round.contest,
        whom,
        extra,
        round=None if everywhere else round,
        reason=reason,
        now=db_now(session),
        actor_id=staff.id,
    )
    session.commit()
    session.expire_all()
    return sitting


def test_a_grant_counts_from_the_next_start_on(round, person, staff):
    assert grant(round, entry(person, round), staff) == 0

    attempt = builders.start(person, round)

    assert attempt.extra_ms == 300_000
    assert attempt.deadline_at == deadline(
        attempt.started_at, duration=15 * MINUTE, closes_at=attempt.closes_at, extra=5 * MINUTE
    )
    assert builders.start(builders.make_person(round.contest), round).extra_ms == 0


def test_whoever_sits_gets_it_at_once(round, person, staff):
    attempt, other = builders.start(person, round), builders.start(builders.make_person(round.contest), round)
    old = attempt.deadline_at

    assert grant(round, entry(person, round), staff) == 1

    assert (attempt.extra_ms, attempt.deadline_at) == (300_000, old + 5 * MINUTE)
    assert other.extra_ms == 0


def test_it_may_pass_the_closing(session):
    round = builders.open_now(
        builders.make_round(builders.make_contest(), lasts=timedelta(hours=2, minutes=1))
    )
    person = builders.make_person(round.contest)
    grant(round, entry(person, round), builders.make_staff())

    assert builders.start(person, round).deadline_at == round.closes_at + 5 * MINUTE


def test_groups_get_it_and_grants_add_up(round, person, staff):
    own = entry(person, round)
    grant(round, own, staff)
    grant(round, own.unit, staff, 2 * MINUTE, reason="Mất điện ở xã")
    grant(round, own.division, staff, MINUTE, everywhere=True, reason="Đề dài")
    official = builders.make_person(round.contest, "officials")

    assert builders.start(person, round).extra_ms == 8 * 60_000
    assert builders.start(official, round).extra_ms == 2 * 60_000  # of the same unit


def test_a_duration_with_extra_time_is_scaled_back(round, person, staff):
    grant(round, entry(person, round), staff, 15 * MINUTE)

    attempt = builders.finish_attempt(person, round, took=10 * MINUTE)

    assert 299_000 < attempt.duration_ms <= 300_500


def test_submitted_attempts_and_other_rounds_are_left_alone(round, person, staff):
    done = builders.finish_attempt(person, round)
    elsewhere = builders.make_round(builders.make_contest())

    assert grant(elsewhere, entry(person, round), staff) == 0

    assert done.extra_ms == 0


def test_one_that_is_revoked_counts_for_no_further_start(round, person, staff):
    grant(round, entry(person, round), staff)
    attempt, session = builders.start(person, round), db.session()
    granted = session.scalars(select(ExtraTime)).one()

    extra_times.revoke(session, round.contest, granted.id, now=db_now(session), actor_id=staff.id)
    session.commit()
    session.expire_all()

    assert attempt.extra_ms == 300_000, "what is begun keeps it"
    builders.change_locked(round, attempts_allowed=2)
    attempts.submit(session.connection(), token_hash(builders.token_of(person)), attempt.public_id)
    assert builders.start(person, round).extra_ms == 0
    with pytest.raises(Conflict, match="đã được thu hồi"):
        extra_times.revoke(session, round.contest, granted.id, now=db_now(session), actor_id=staff.id)
    with pytest.raises(NotThere):
        extra_times.revoke(session, Contest(id=0), granted.id, now=db_now(session), actor_id=staff.id)


def test_two_grants_for_one_in_one_place_are_refused(round, person, staff):
    own = entry(person, round)
    grant(round, own, staff)
    with pytest.raises(Conflict, match="thu hồi trước"):
        grant(round, own, staff, MINUTE)
    db.session.rollback()
    grant(round, own, staff, MINUTE, everywhere=True)  # another scope


def test_the_database_refuses_a_second_one(round, person, staff):
    def row():
        return ExtraTime(
            contest_id=round.contest_id,
            registration_id=entry(person, round).id,
            extra_ms=1000,
            reason="x",
            granted_at=db_now(db.session()),
            granted_by_id=staff.id,
        )

    db.session.add_all([row(), row()])
    with pytest.raises(IntegrityError, match="uq_extra_times_whom_open"):
        db.session.flush()


@pytest.mark.parametrize(
    ("extra", "reason", "word"),
    [(5 * MINUTE, "", "lý do"), (timedelta(), "x", "1 phút"), (timedelta(hours=25), "x", "24 giờ")],
)
def test_a_grant_needs_a_reason_and_a_length(round, person, staff, extra, reason, word):
    with pytest.raises(Conflict, match=word):
        grant(round, entry(person, round), staff, extra, reason=reason)


def test_a_grant_is_logged_with_whom_it_reached(round, person, staff):
    attempt = builders.start(person, round)
    grant(round, entry(person, round), staff)

    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()

    assert (event.action, event.actor_id) == ("extra_time.grant", staff.id)
    assert (event.before["extra_ms"], event.after["extra_ms"]) == (0, 300_000)
    assert event.after["open_attempts"] == [attempt.public_id]
    assert {one.id for one in extra_times.of_person(db.session(), entry(person, round))} == {
        one.id for one in extra_times.of_round(db.session(), round)
    }


@pytest.mark.parametrize("first", ["start", "grant"])
def test_a_grant_and_a_start_at_once_miss_nothing(live_app, first):
    round = builders.open_now(builders.make_round(builders.make_contest()))
    person, staff = builders.make_person(round.contest), builders.make_staff()
    own, contest = entry(person, round), round.contest
    round_id, unit, staff_id = round.id, own.unit, staff.id
    token, data_key = token_hash(builders.token_of(person)), builders.data_key()
    contest_id, unit_id = contest.id, unit.id

    def start(connection):
        return attempts.start(connection, token, round_id, data_key=data_key)

    def give():
        session = db.session()
        return extra_times.grant(
            session,
            session.get_one(Contest, contest_id),
            session.get_one(type(unit), unit_id),
            5 * MINUTE,
            round=None,
            reason="x",
            now=db_now(session),
            actor_id=staff_id,
        )

    def give_and_commit():
        found = give()
        db.session.commit()
        return found

    def start_and_commit():
        with db.engine.begin() as connection:
            return start(connection)

    db.session.rollback()
    if first == "start":
        with db.engine.connect() as starting:
            start(starting)
            thread, _ = builders.in_thread(live_app, give_and_commit)
            builders.wait_until_somebody_waits()
            starting.commit()
    else:
        give()
        thread, _ = builders.in_thread(live_app, start_and_commit)
        builders.wait_until_somebody_waits()
        db.session.commit()
    thread.join()

    db.session.expire_all()
    attempt = db.session.scalars(select(Attempt)).one()
    assert attempt.extra_ms == 300_000
    assert attempt.deadline_at - attempt.started_at == 20 * MINUTE
