"""Pauses and extensions: nobody starts, nobody loses time, and everything is given back exactly."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from contest import attempts, contests, deadlines, jobs, outages, pauses
from contest.attempts import Outcome
from contest.clock import db_now
from contest.contests import find_round
from contest.errors import Conflict
from contest.extensions import db
from contest.models import Attempt, AuditEvent, Outage, OutageDecision, Round
from contest.rules.sheets import Sheet
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


def pause(round, staff, lasts=30 * MINUTE, reason="Sự cố đường truyền"):
    session = db.session()
    made = pauses.pause(session, round, lasts, reason=reason, actor_id=staff.id)
    session.commit()
    session.expire_all()
    return made


def resume(round, staff):
    session = db.session()
    ended = pauses.resume(session, round, actor_id=staff.id)
    session.commit()
    session.expire_all()
    return ended


def let_it_be_over(made, *, for_=MINUTE):
    """Let a pause and all that happened lie back, so that it has been over for a while."""
    session = db.session()
    back = made.until_at - db_now(session) + for_
    session.execute(update(Outage).values(from_at=Outage.from_at - back, until_at=Outage.until_at - back))
    session.execute(
        update(Attempt).values(
            started_at=Attempt.started_at - back,
            deadline_at=Attempt.deadline_at - back,
            submitted_at=Attempt.submitted_at - back,
        )
    )
    session.execute(update(Round).values(paused_until=Round.paused_until - back))
    session.commit()
    session.expire_all()


def test_while_a_round_is_paused_nobody_starts(round, staff):
    someone = person(round)
    made = pause(round, staff)

    with pytest.raises(Conflict, match="đang tạm dừng"):
        builders.start(someone, round)

    let_it_be_over(made)
    assert builders.start(someone, round).number == 1


def test_whoever_sits_gets_the_pause_on_top_at_once(round, staff):
    attempt = builders.start(person(round), round, ago=10 * MINUTE)
    old = attempt.deadline_at

    pause(round, staff)

    assert (attempt.deadline_at, attempt.compensation_ms) == (old + 30 * MINUTE, 1_800_000)
    assert builders.start(attempt.account, round).id == attempt.id, "one's own open attempt is not shut"


def test_a_pause_that_ends_early_gives_exactly_its_own_length(round, staff):
    attempt = builders.start(person(round), round, ago=10 * MINUTE)
    old = attempt.deadline_at
    made = pause(round, staff)

    ended = resume(round, staff)

    lasted = ended.until_at - made.from_at
    assert timedelta() < lasted < MINUTE
    assert attempt.deadline_at - old == lasted == timedelta(milliseconds=attempt.compensation_ms)
    assert round.paused_until == ended.until_at
    with pytest.raises(Conflict, match="không tạm dừng"):
        resume(round, staff)


def test_once_over_a_pause_leaves_the_durations(round, staff):
    sitting = builders.start(person(round), round, ago=10 * MINUTE)
    submitting = builders.start(person(round), round, ago=5 * MINUTE)
    made = pause(round, staff)
    token = token_hash(builders.token_of(submitting.account))
    db.session.execute(update(Outage).values(from_at=Outage.from_at - MINUTE))
    attempts.submit(db.session.connection(), token, submitting.public_id)
    builders.score_all()
    let_it_be_over(made)
    session = db.session()

    assert pauses.rounds_to_settle(session, now=db_now(session)) == [round.id]
    assert pauses.settle(session, round.id, now=db_now(session)) == 1
    assert pauses.settle(session, round.id, now=db_now(session)) == 0

    session.expire_all()
    assert sitting.outage_ms == 31 * 60_000
    lost = (submitting.submitted_at - made.from_at) // timedelta(milliseconds=1)
    assert submitting.outage_ms == lost >= 60_000
    assert submitting.duration_ms == duration_ms(
        submitting.started_at,
        submitting.submitted_at,
        submitting.deadline_at,
        duration_ms=round.duration_ms,
        outage_ms=lost,
    )
    assert session.scalars(select(OutageDecision.extended)).one() == 1


def test_who_had_run_out_of_time_before_does_not_come_back(round, staff):
    over = builders.start(person(round), round, ago=timedelta(minutes=15, seconds=11))
    old = over.deadline_at

    pause(round, staff)
    assert (over.deadline_at, over.compensation_ms) == (old, 0)

    resume(round, staff)
    assert (over.deadline_at, over.compensation_ms) == (old, 0)
    pause(round, staff)
    db.session.execute(update(Attempt).values(deadline_at=old - MINUTE))
    assert deadlines.close_overdue(db.session()) == 1


def test_a_pause_leaves_requests_under_way_their_time(round, staff):
    late = builders.start(person(round), round, ago=timedelta(minutes=15, seconds=11.5))
    token = token_hash(builders.token_of(late.account))
    pause(round, staff)

    sheet = Sheet(1, 0, "e", late.paper_shape, {"1": ["a"]}, None)
    saved = attempts.save(db.session.connection(), token, late.public_id, sheet, waited=3)

    assert saved.outcome is Outcome.STORED, "its body was there within the grace"


def test_a_pause_takes_nothing_from_who_submitted_while_it_waited(live_app):
    round = builders.open_now(builders.make_round(builders.make_contest()))
    someone, staff = person(round), builders.make_staff()
    attempt = builders.start(someone, round, ago=5 * MINUTE)
    round_id, staff_id = round.id, staff.id
    token, public_id = token_hash(builders.token_of(someone)), attempt.public_id
    other = db.engine.connect()
    other.execute(text("SELECT FROM rounds WHERE id = :round FOR UPDATE"), {"round": round_id})

    def act():
        session = db.session()
        made = pauses.pause(session, find_round(session, round_id), MINUTE, reason="x", actor_id=staff_id)
        session.commit()
        return made.from_at

    thread, result = builders.in_thread(live_app, act)
    builders.wait_until_somebody_waits()
    with db.engine.begin() as connection:
        attempts.submit(connection, token, public_id)
    other.rollback()
    other.close()
    thread.join()

    db.session.expire_all()
    assert attempt.submitted_at < result[0]
    builders.score_all()
    session = db.session()
    pauses.settle(session, round_id, now=db_now(session) + 3 * MINUTE)
    session.refresh(attempt)
    assert attempt.outage_ms == 0


def test_an_outage_within_a_pause_is_not_given_back_twice(round, staff):
    attempt = builders.start(person(round), round, ago=10 * MINUTE)
    made = pause(round, staff)
    let_it_be_over(made, for_=10 * MINUTE)
    session = db.session()
    which = Outage(from_at=made.until_at - 5 * MINUTE, until_at=made.until_at + 2 * MINUTE, how="heartbeat")
    session.add(which)
    session.commit()
    before = attempt.deadline_at

    outages.compensate(session, round, which, reason="x", now=db_now(session), actor_id=staff.id)

    session.refresh(attempt)
    assert attempt.deadline_at == before + 2 * MINUTE


def test_a_round_closes_only_after_its_pauses_are_settled(round, staff):
    made = pause(round, staff)
    session = db.session()
    round.closes_at = db_now(session)
    session.commit()
    assert not contests.close_round(session, round.id, now=db_now(session))

    let_it_be_over(made)
    jobs.sweep()

    session.expire_all()
    assert round.closed_at is not None


@pytest.mark.parametrize(
    ("lasts", "reason", "word"),
    [
        (30 * MINUTE, "", "lý do"),
        (timedelta(seconds=59), "x", "1 phút"),
        (timedelta(hours=25), "x", "24 giờ"),
    ],
)
def test_a_pause_needs_a_reason_and_a_length(round, staff, lasts, reason, word):
    with pytest.raises(Conflict, match=word):
        pause(round, staff, lasts, reason)


def test_only_an_open_round_is_paused_and_once(round, staff):
    pause(round, staff)
    with pytest.raises(Conflict, match="đang tạm dừng"):
        pause(round, staff)
    db.session.rollback()
    with pytest.raises(Conflict, match="đang mở"):
        pause(builders.make_round(round.contest, opens_in=MINUTE), staff)


# --- extending -----------------------------------------------------------------------------------


def extend(round, staff, closes_at, reason="Mất điện diện rộng"):
    session = db.session()
    moved = deadlines.extend_round(
        session, round, closes_at, reason=reason, now=db_now(session), actor_id=staff.id
    )
    session.commit()
    session.expire_all()
    return moved


def ending_soon():
    """Return a round of which five minutes are left."""
    contest = builders.make_contest()
    return builders.open_now(builders.make_round(contest, lasts=timedelta(hours=2, minutes=5)))


def test_an_extension_recomputes_the_deadlines_of_open_attempts(session):
    round = ending_soon()
    cut = builders.start(person(round), round)
    whole = builders.start(person(round), round, ago=14 * MINUTE)
    session.execute(
        update(Attempt)
        .where(Attempt.id == cut.id)
        .values(
            extra_ms=60_000,
            compensation_ms=30_000,
            deadline_at=Attempt.deadline_at + timedelta(seconds=90),
        )
    )
    done = builders.finish_attempt(person(round), round, ago=30 * MINUTE)
    staff, old = builders.make_staff(), (whole.deadline_at, done.deadline_at, done.closes_at)

    moved = extend(round, staff, round.closes_at + timedelta(hours=1))

    assert moved == 2
    assert cut.closes_at == whole.closes_at == round.closes_at
    assert cut.deadline_at == deadline(
        cut.started_at,
        duration=15 * MINUTE,
        closes_at=round.closes_at,
        extra=MINUTE,
        compensation=timedelta(seconds=30),
    )
    assert (whole.deadline_at, done.deadline_at, done.closes_at) == old
    event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    assert (event.action, event.before.keys(), event.after["open_attempts"]) == (
        "round.extend",
        {"closes_at"},
        2,
    )


def test_a_round_that_is_over_but_not_closed_for_all_can_be_extended(session):
    round = ending_soon()
    session.execute(update(Round).values(closes_at=db_now(session) - MINUTE))
    session.commit()

    extend(round, builders.make_staff(), db_now(session) + timedelta(hours=1))

    assert builders.start(person(round), round).closes_at == round.closes_at


@pytest.mark.parametrize(
    ("ahead", "reason", "word"),
    [(timedelta(hours=1), "", "lý do"), (timedelta(), "x", "phải sau"), (-MINUTE, "x", "phải sau")],
)
def test_an_extension_needs_a_reason_and_a_later_closing(round, staff, ahead, reason, word):
    with pytest.raises(Conflict, match=word):
        extend(round, staff, round.closes_at + ahead, reason)


def test_closed_for_all_is_closed(round, staff):
    builders.close(round)
    with pytest.raises(Conflict, match="chưa đóng hẳn"):
        extend(round, staff, db_now(db.session()) + timedelta(hours=1))


# --- races ---------------------------------------------------------------------------------------


def test_an_extension_misses_no_start_under_way(live_app):
    round = ending_soon()
    someone, staff = person(round), builders.make_staff()
    round_id, staff_id, closes_at = round.id, staff.id, round.closes_at + timedelta(hours=1)
    token, data_key = token_hash(builders.token_of(someone)), builders.data_key()
    db.session.rollback()

    def act():
        session = db.session()
        moved = deadlines.extend_round(
            session,
            contests.find_round(session, round_id),
            closes_at,
            reason="x",
            now=db_now(session),
            actor_id=staff_id,
        )
        session.commit()
        return moved

    with db.engine.connect() as starting:
        attempts.start(starting, token, round_id, data_key=data_key)
        thread, result = builders.in_thread(live_app, act)
        builders.wait_until_somebody_waits()
        starting.commit()
    thread.join()

    assert result == [1]
    attempt = db.session.scalars(select(Attempt)).one()
    assert attempt.deadline_at - attempt.started_at == 15 * MINUTE


def test_a_start_that_waited_for_a_pause_is_refused(live_app):
    round = ending_soon()
    someone, staff = person(round), builders.make_staff()
    round_id, token, data_key = round.id, token_hash(builders.token_of(someone)), builders.data_key()

    def start():
        with db.engine.begin() as connection:
            return attempts.start(connection, token, round_id, data_key=data_key)

    session = db.session()
    pauses.pause(session, round, 30 * MINUTE, reason="x", actor_id=staff.id)
    thread, result = builders.in_thread(live_app, start)
    builders.wait_until_somebody_waits()
    session.commit()
    thread.join()

    assert isinstance(result[0], Conflict)
    assert "tạm dừng" in result[0].sentence


def test_the_log_tells_what_was_before_a_pause_and_when_the_round_closed(round, staff):
    pause(round, staff)
    ended = resume(round, staff).until_at
    pause(round, staff)
    session = db.session()
    events = session.scalars(select(AuditEvent).filter_by(action="round.pause").order_by(AuditEvent.id)).all()
    assert [one.before for one in events] == [{"paused_until": None}, {"paused_until": ended.isoformat()}]
