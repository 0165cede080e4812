"""What a round makes of an outage: exactly the time that was lost, once, whoever else is at work."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from contest import attempts, deadlines, jobs, outages, scoring
from contest.clock import db_now
from contest.contests import close_round, find_round
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.models import Attempt, AuditEvent, Heartbeat, Outage, OutageDecision, Standing
from contest.rules.outages import Interval, lost_ms
from contest.rules.timing import deadline, duration_ms
from contest.security import token_hash
from tests import builders

MINUTE = timedelta(minutes=1)


@pytest.fixture
def round(session):
    return builders.open_now(builders.make_round(builders.make_contest()))


@pytest.fixture
def staff(round):
    return builders.make_staff()


def person(round):
    return builders.make_person(round.contest)


def outage(begin, end, how="heartbeat"):
    """Note an outage from so many minutes ago to so many minutes ago."""
    now = db_now(db.session())
    made = Outage(from_at=now - begin * MINUTE, until_at=now - end * MINUTE, how=how)
    db.session.add(made)
    db.session.commit()
    return made


def compensation(round, which, staff):
    """Return the act of compensating, for this thread or another."""
    round_id, outage_id, staff_id = round.id, which.id, staff.id

    def act():
        session = db.session()
        decision = outages.compensate(
            session,
            find_round(session, round_id),
            outages.find(session, outage_id),
            reason="Mất điện trung tâm dữ liệu",
            now=db_now(session),
            actor_id=staff_id,
        )
        session.commit()
        session.expire_all()
        return decision

    return act


def compensate(round, which, staff):
    return compensation(round, which, staff)()


def lost_by(attempt, which):
    interval = Interval(which.from_at, which.until_at)
    return lost_ms(interval, attempt.started_at, attempt.deadline_at, attempt.submitted_at)


def test_open_attempts_get_a_later_deadline_by_exactly_what_they_lost(round, staff):
    before, within, after = (builders.start(person(round), round, ago=ago * MINUTE) for ago in (12, 7, 2))
    which = outage(10, 5)
    lost = [lost_by(attempt, which) for attempt in (before, within, after)]
    planned = [attempt.deadline_at for attempt in (before, within, after)]

    decision = compensate(round, which, staff)

    assert lost[0] == 300_000
    assert 119_000 < lost[1] <= 121_000
    assert lost[2] == 0
    for attempt, ms, old in zip((before, within, after), lost, planned, strict=True):
        assert (attempt.compensation_ms, attempt.outage_ms) == (ms, ms)
        assert attempt.deadline_at - old == timedelta(milliseconds=ms)
        assert attempt.deadline_at == deadline(
            attempt.started_at,
            duration=15 * MINUTE,
            closes_at=attempt.closes_at,
            compensation=timedelta(milliseconds=ms),
        ), "the statement and the rule agree"
    assert (decision.attempts, decision.extended) == (2, 2)


def test_a_compensated_deadline_may_pass_the_closing(session):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest, lasts=timedelta(hours=2, minutes=1)))
    attempt = builders.start(person(round), round, ago=8 * MINUTE)

    compensate(round, outage(6, 2), builders.make_staff())

    assert attempt.deadline_at == round.closes_at + 4 * MINUTE


def test_submitted_attempts_lose_the_outage_from_their_duration_and_standings_follow(round, staff):
    hit = builders.finish_attempt(person(round), round, ago=20 * MINUTE, took=10 * MINUTE)
    spared = builders.finish_attempt(person(round), round, ago=60 * MINUTE, took=5 * MINUTE)
    builders.rank(round)
    which = outage(17, 13)

    decision = compensate(round, which, staff)

    assert hit.outage_ms == lost_by(hit, which) == 240_000
    assert hit.duration_ms == duration_ms(
        hit.started_at,
        hit.submitted_at,
        hit.deadline_at,
        duration_ms=round.duration_ms,
        outage_ms=hit.outage_ms,
    ), "the statement and the rule agree"
    assert (hit.compensation_ms, spared.outage_ms) == (0, 0)
    assert db.session.scalar(select(Standing.duration_ms).where(Standing.attempt_id == hit.id)) == (
        hit.duration_ms
    )
    assert (decision.attempts, decision.extended) == (1, 0)
    jobs.rank_what_changed()
    db.session.expire_all()
    ranks = dict(db.session.execute(select(Standing.attempt_id, Standing.rank)).all())
    # 10 minutes less 4 is still longer than 5; both have full points.
    assert ranks == {spared.id: 1, hit.id: 2}


def test_extra_time_and_rounding_follow_the_rule(round, staff):
    attempt = builders.finish_attempt(person(round), round, ago=20 * MINUTE, took=10 * MINUTE)
    session = db.session()
    session.execute(
        update(Attempt)
        .where(Attempt.id == attempt.id)
        .values(extra_ms=450_000, submitted_at=Attempt.submitted_at + timedelta(microseconds=777))
    )
    session.commit()

    compensate(round, outage(17, 13), staff)

    assert attempt.duration_ms == duration_ms(
        attempt.started_at,
        attempt.submitted_at,
        attempt.deadline_at,
        duration_ms=round.duration_ms,
        extra_ms=450_000,
        outage_ms=attempt.outage_ms,
    )


def test_of_several_attempts_the_one_that_counts_may_change(session):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    someone = person(round)
    slow = builders.finish_attempt(someone, round, ago=40 * MINUTE, took=10 * MINUTE)
    quick = builders.finish_attempt(someone, round, ago=20 * MINUTE, took=8 * MINUTE)
    counted = select(Standing.attempt_id).where(Standing.account_id == someone.id)
    assert session.scalar(counted) == quick.id

    compensate(round, outage(39, 34), builders.make_staff())

    assert session.scalar(counted) == slow.id


def test_voided_attempts_and_those_of_other_rounds_are_left_alone(round, staff):
    voided = builders.start(person(round), round, ago=12 * MINUTE)
    voided.voided_at, voided.void_reason = db_now(db.session()), "lỗi"
    other_round = builders.open_now(builders.make_round(builders.make_contest()))
    other = builders.start(person(other_round), other_round, ago=12 * MINUTE)
    db.session.commit()

    compensate(round, outage(10, 5), staff)

    assert (voided.outage_ms, other.outage_ms) == (0, 0)


def test_an_outage_is_decided_once(round, staff):
    attempt = builders.start(person(round), round, ago=12 * MINUTE)
    which = outage(10, 5)
    compensate(round, which, staff)

    with pytest.raises(Conflict, match="đã được quyết định"):
        compensate(round, which, staff)

    db.session.rollback()
    assert attempt.outage_ms == 300_000
    db.session.add(
        OutageDecision(
            outage_id=which.id, round_id=round.id, is_compensated=True, reason="", decided_at=which.until_at
        )
    )
    with pytest.raises(IntegrityError, match="uq_outage_decisions_outage_id_round_id"):
        db.session.flush()


def test_an_earlier_outage_is_decided_first(round, staff):
    builders.start(person(round), round, ago=14 * MINUTE)
    first, second = outage(12, 10), outage(8, 6)

    with pytest.raises(Conflict, match="quyết định trước"):
        compensate(round, second, staff)

    db.session.rollback()
    compensate(round, first, staff)
    compensate(round, second, staff)


def test_one_that_is_left_needs_a_reason_and_changes_nothing(round, staff):
    attempt = builders.start(person(round), round, ago=12 * MINUTE)
    which, session = outage(10, 5), db.session()
    with pytest.raises(Conflict, match="lý do"):
        outages.leave(session, round, which, reason="", now=db_now(session), actor_id=staff.id)
    outages.leave(session, round, which, reason="Chỉ là diễn tập", now=db_now(session), actor_id=staff.id)
    session.commit()

    assert attempt.outage_ms == 0
    assert outages.undecided(session, round, now=db_now(session)) == []
    event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    assert (event.action, event.actor_id, event.reason) == ("outage.leave", staff.id, "Chỉ là diễn tập")


def test_after_the_books_nothing_is_given_back(round, staff):
    builders.finish_attempt(person(round), round, ago=20 * MINUTE, took=10 * MINUTE)
    which = outage(17, 13)
    builders.close(round)

    with pytest.raises(Conflict, match="đã chốt sổ"):
        compensate(round, which, staff)


def test_the_effect_is_what_will_happen(round, staff):
    builders.start(person(round), round, ago=12 * MINUTE)
    builders.finish_attempt(person(round), round, ago=20 * MINUTE, took=12 * MINUTE)
    ran_out = builders.start(person(round), round, ago=22 * MINUTE)
    deadlines.close_overdue(db.session())
    which = outage(10, 5)

    (incident,) = outages.undecided(db.session(), round, now=db_now(db.session()))

    assert incident.outage == which
    fell = incident.effect
    assert (fell.attempts, fell.still_open, fell.ran_out, fell.longest_ms) == (3, 1, 1, 300_000)
    decision = compensate(round, which, staff)
    assert (decision.attempts, decision.extended) == (3, 1)
    assert ran_out.submitted_at == ran_out.deadline_at, "closed ones stay closed"


def test_only_what_hit_somebody_or_the_closing_is_asked_about(round):
    outage(10, 5)
    session = db.session()
    assert outages.undecided(session, round, now=db_now(session)) == []

    round.closes_at = db_now(session) - 7 * MINUTE
    session.commit()

    assert len(outages.undecided(session, round, now=db_now(session))) == 1


def test_noting_needs_a_reason_an_end_and_a_time_of_its_own(round, staff):
    session, now = db.session(), db_now(db.session())

    def note(begin, end, reason="Mất mạng"):
        outages.note(
            session,
            now - begin * MINUTE,
            now - end * MINUTE,
            reason=reason,
            now=now,
            actor_id=staff.id,
        )

    for begin, end, reason, word in (
        (9, 8, "", "cần ghi"),
        (5, 5, "x", "trước giờ"),
        (5, -1, "x", "kết thúc"),
    ):
        with pytest.raises(Conflict, match=word):
            note(begin, end, reason)
    note(9, 5)
    with pytest.raises(Conflict, match="đã được ghi nhận"):
        note(6, 4)
    note(5, 4)
    with pytest.raises(NotThere):
        outages.find(session, 0)


def test_a_round_is_not_closed_while_an_outage_waits_or_the_web_is_silent(round, staff):
    session = db.session()
    builders.finish_attempt(person(round), round, ago=20 * MINUTE, took=10 * MINUTE)
    which = outage(17, 13)
    session.add(Heartbeat(kind="web", beat_at=db_now(session)))
    round.closes_at = db_now(session)
    session.commit()

    jobs.sweep()
    session.expire_all()
    assert round.closed_at is None

    compensate(round, which, staff)
    session.execute(update(Heartbeat).values(beat_at=Heartbeat.beat_at - MINUTE))
    session.commit()
    jobs.sweep()
    session.expire_all()
    assert round.closed_at is None

    session.execute(update(Heartbeat).values(beat_at=Heartbeat.beat_at + MINUTE))
    session.commit()
    jobs.sweep()
    session.expire_all()
    assert round.closed_at is not None


# --- races ---------------------------------------------------------------------------------------


@pytest.fixture
def live_round(live_app):
    return builders.open_now(builders.make_round(builders.make_contest()))


def test_a_submission_that_comes_first_is_judged_as_submitted(live_app, live_round):
    someone, staff = person(live_round), builders.make_staff()
    attempt = builders.start(someone, live_round, ago=12 * MINUTE)
    which = outage(10, 5)
    token = token_hash(builders.token_of(someone))
    public_id, old = attempt.public_id, attempt.deadline_at
    act = compensation(live_round, which, staff)
    db.session.rollback()
    with db.engine.connect() as submitting:
        attempts.submit(submitting, token, public_id)
        thread, _ = builders.in_thread(live_app, act)
        builders.wait_until_somebody_waits()
        submitting.commit()
    thread.join()

    db.session.expire_all()
    assert (attempt.outage_ms, attempt.compensation_ms, attempt.deadline_at) == (300_000, 0, old)


def test_a_submission_that_comes_second_finds_the_later_deadline(live_app, live_round):
    someone, staff = person(live_round), builders.make_staff()
    attempt = builders.start(someone, live_round, ago=12 * MINUTE)
    which, old = outage(10, 5), attempt.deadline_at
    token, public_id, round_id = builders.token_of(someone), attempt.public_id, live_round.id

    def submit():
        with db.engine.begin() as connection:
            return attempts.submit(connection, token_hash(token), public_id)

    outages.compensate(
        db.session(),
        find_round(db.session(), round_id),
        which,
        reason="x",
        now=db_now(db.session()),
        actor_id=staff.id,
    )
    thread, result = builders.in_thread(live_app, submit)
    builders.wait_until_somebody_waits()
    db.session.commit()
    thread.join()

    assert result == [None]
    db.session.expire_all()
    assert (attempt.how, attempt.outage_ms, attempt.deadline_at) == ("person", 300_000, old + 5 * MINUTE)


def test_a_scoring_under_way_is_waited_for(live_app, live_round):
    staff = builders.make_staff()
    attempt = builders.finish_attempt(
        person(live_round), live_round, ago=20 * MINUTE, took=10 * MINUTE, is_scored=False
    )
    act = compensation(live_round, outage(17, 13), staff)
    scoring.score_batch(db.session(), data_key=builders.data_key())
    thread, _ = builders.in_thread(live_app, act)
    builders.wait_until_somebody_waits()
    db.session.commit()
    thread.join()

    db.session.expire_all()
    standing = db.session.scalars(select(Standing)).one()
    assert attempt.outage_ms == 240_000
    assert attempt.duration_ms == standing.duration_ms
    assert 359_000 < attempt.duration_ms <= 361_000


def test_the_sweeper_leaves_a_compensated_attempt_until_its_new_deadline(live_app, live_round):
    staff = builders.make_staff()
    attempt = builders.start(person(live_round), live_round, ago=timedelta(minutes=15, seconds=30))
    which = outage(10, 5)
    compensate(live_round, which, staff)

    assert deadlines.close_overdue(db.session()) == 0

    for over, closed in ((19.5, 0), (20.5, 1)):
        db.session.execute(
            text(
                "UPDATE attempts SET deadline_at = statement_timestamp() - make_interval(secs => :over),"
                " started_at = statement_timestamp() - interval '1 hour'"
            ),
            {"over": over},
        )
        assert deadlines.close_overdue(db.session()) == closed
    db.session.commit()
    db.session.refresh(attempt)
    assert attempt.submitted_at == attempt.deadline_at


def test_two_organizers_at_once_compensate_once(live_app, live_round):
    staff = [builders.make_staff(), builders.make_staff()]
    attempt = builders.start(person(live_round), live_round, ago=12 * MINUTE)
    which = outage(10, 5)
    acts = [compensation(live_round, which, one) for one in staff]
    db.session.rollback()
    running = [builders.in_thread(live_app, act) for act in acts]
    for thread, _ in running:
        thread.join()

    assert {type(result[0]) for _, result in running} == {OutageDecision, Conflict}
    db.session.expire_all()
    assert attempt.outage_ms == 300_000


def test_a_closed_round_has_nothing_open_when_an_outage_is_decided_late(round, staff):
    builders.finish_attempt(person(round), round, ago=20 * MINUTE, took=10 * MINUTE)
    which, session = outage(17, 13), db.session()
    round.closes_at = db_now(session)
    session.commit()
    assert close_round(session, round.id, now=db_now(session))

    decision = compensate(round, which, staff)

    assert (decision.attempts, decision.extended) == (1, 0)


def test_a_compensation_that_waited_long_is_ranked(round, staff):
    slow, quick = person(round), person(round)
    builders.finish_attempt(slow, round, took=6 * MINUTE)
    builders.finish_attempt(quick, round, took=5 * MINUTE, ago=50 * MINUTE)
    jobs.rank_what_changed()
    which = outage(59, 57)
    session = db.session()
    session.execute(update(Attempt).values(scored_at=Attempt.scored_at - 10 * MINUTE))

    asked_at = db_now(session) - timedelta(seconds=90)
    outages.compensate(session, round, which, reason="x", now=asked_at, actor_id=staff.id)
    session.commit()
    jobs.rank_what_changed()

    session.expire_all()
    ranks = {row.account_id: row.rank for row in session.scalars(select(Standing))}
    assert ranks == {slow.id: 1, quick.id: 2}


def test_what_is_decided_is_not_counted_again_each_second(session, staff, statements):
    round = builders.open_now(builders.make_round(builders.make_contest(), opens_in=timedelta(hours=-20)))
    builders.finish_attempt(person(round), round)
    for hour in range(1, 11):
        which = outage(60 * hour + 10, 60 * hour)
        outages.leave(session, round, which, reason="x", now=db_now(session), actor_id=staff.id)
    session.commit()
    round = find_round(session, round.id)

    with statements() as noted:
        assert outages.undecided(session, round, now=db_now(session)) == []

    assert len(noted) <= 3
