"""The waiting room: one place a person, called in order, kept whatever dies; and the door before it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from contest import waiting_room
from contest.clock import db_now
from contest.entries import NotSignedIn
from contest.errors import BadInput, Conflict
from contest.extensions import db
from contest.models import AuditEvent, Place, WaitingRoom, WebProcess
from contest.rules.admission import Line, Measures, Mode
from contest.security import new_token, place_ticket, ticket_number, token_hash
from contest.waiting_room import State
from tests import builders
from tests.visiting import visit

CAP = 200.0


@pytest.fixture
def round(session):
    return builders.open_now(builders.make_round(builders.make_contest(), attempts_allowed=2))


@pytest.fixture
def people(round):
    return [builders.make_person(round.contest) for _ in range(3)]


@pytest.fixture(autouse=True)
def empty_line(app):
    """The sequence of the numbers goes on through the undone tests: who came before them has been called."""
    highest = text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM places_number_seq")
    set_room(called=float(db.session.scalar(highest)))


def set_room(**columns):
    db.session.execute(update(WaitingRoom).values(**columns))
    db.session.commit()


def room():
    return db.session.scalars(select(WaitingRoom).execution_options(populate_existing=True)).one()


def browser_of(app, account):
    return builders.sign_in(visit(app), account)


def take(account, round):
    turn = waiting_room.take(db.session.connection(), token_hash(builders.token_of(account)), round.id)
    db.session.commit()
    return turn


def let_pass(seconds):
    set_room(moved_at=func.statement_timestamp() - timedelta(seconds=seconds))


def move(cap=CAP):
    state = waiting_room.move(db.session.connection(), cap=cap)
    db.session.commit()
    return state


# --- places ----------------------------------------------------------------------------------------


def test_numbers_are_given_in_the_order_of_arrival(round, people):
    numbers = [take(person, round).number for person in people]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 3


def test_a_second_device_finds_the_same_place(round, people):
    first, _ = take(people[0], round), take(people[1], round)
    assert take(people[0], round) == first
    assert db.session.scalar(select(func.count()).select_from(Place)) == 2


def test_whoever_sits_already_is_led_to_their_attempt(round, people):
    attempt = builders.start(people[0], round)
    assert take(people[0], round).attempt_id == attempt.public_id
    assert db.session.scalar(select(func.count()).select_from(Place)) == 0


def test_nobody_waits_in_vain(round, people):
    stranger = builders.make_person()
    with pytest.raises(Conflict, match="chưa đăng ký"):
        take(stranger, round)
    for _ in range(2):
        builders.finish_attempt(people[0], round)
    with pytest.raises(Conflict, match="được thi 2 lần"):
        take(people[0], round)
    with pytest.raises(NotSignedIn):
        waiting_room.take(db.session.connection(), token_hash(new_token()), round.id)


def test_a_person_has_one_place_in_a_round(round, people):
    take(people[0], round)
    with pytest.raises(IntegrityError, match="pk_places"):
        db.session.execute(
            text("INSERT INTO places (account_id, round_id) VALUES (:person, :round)"),
            {"person": people[0].id, "round": round.id},
        )


# --- the line --------------------------------------------------------------------------------------


def test_the_line_moves_by_the_time_that_has_passed(round, people):
    set_room(mode="fixed", fixed_rate=2)
    turns = [take(person, round) for person in people]
    assert not any(turn.is_called for turn in turns)
    let_pass(1)
    assert move().line.waiting == 1
    assert [take(person, round).is_called for person in people] == [True, True, False]
    assert room().since_at is not None
    let_pass(1)
    assert move().line.waiting == 0
    assert room().since_at is None


def test_of_two_processes_one_moves_it(round, people):
    set_room(mode="fixed", fixed_rate=1)
    for person in people:
        take(person, round)
    let_pass(1)
    assert move().line.waiting == 2
    assert move().line.waiting == 2


def test_during_a_pause_the_line_stands_still(round, people):
    take(people[0], round)
    round.paused_until = db_now(db.session()) + timedelta(hours=1)
    db.session.commit()
    let_pass(2)
    assert move().line.waiting == 1
    round.paused_until = None
    db.session.commit()
    let_pass(2)
    assert move().line.waiting == 0


def test_the_rate_follows_the_worst_process_that_is_alive(round, people):
    set_room(rate=20.0)
    waiting_room.say(db.session.connection(), "quick", Measures(save_ms=20.0), None)
    waiting_room.say(db.session.connection(), "slow", Measures(save_ms=900.0), None)
    let_pass(1)
    state = move()
    assert (state.processes, state.line.rate) == (2, pytest.approx(14.0))
    db.session.execute(
        update(WebProcess)
        .where(WebProcess.id == "slow")
        .values(beat_at=WebProcess.beat_at - timedelta(minutes=1))
    )
    let_pass(1)
    state = move()
    assert state.processes == 1
    assert state.line.rate > 14.0


def test_places_go_with_their_round_and_processes_with_their_silence(round, people):
    take(people[0], round)
    builders.close(round, with_books=False)
    other = builders.make_round(round.contest)
    insert = text("INSERT INTO places (account_id, round_id) VALUES (:person, :round)")
    db.session.execute(insert, {"person": people[1].id, "round": other.id})
    for name in ("here", "gone"):
        waiting_room.say(db.session.connection(), name, Measures(), None)
    db.session.execute(
        update(WebProcess)
        .where(WebProcess.id == "gone")
        .values(beat_at=WebProcess.beat_at - waiting_room.GONE)
    )
    waiting_room.forget(db.session())
    assert db.session.scalars(select(Place.round_id)).all() == [other.id]
    assert db.session.scalars(select(WebProcess.id)).all() == ["here"]


def test_a_process_keeps_its_counts_until_it_says_new_ones(session):
    waiting_room.say(session.connection(), "one", Measures(), '{"requests": {"a 200": 1}}')
    waiting_room.say(session.connection(), "one", Measures(busy=0.5), None)
    found = session.get_one(WebProcess, "one")
    assert (found.busy, found.counts) == (0.5, {"requests": {"a 200": 1}})


# --- the door --------------------------------------------------------------------------------------


def standing(door, **line):
    door._state = State(Line(**line), processes=2)
    door._tokens = 0.0


def test_while_nobody_waits_a_process_lets_through_its_share(make_door):
    door = make_door()
    assert door.lets_through(), "before it has read the line"
    standing(door, rate=10.0)
    door._filled_at -= 60
    assert sum(door.lets_through() for _ in range(100)) == 5, (
        "a second's share of ten, for one of two processes"
    )


def test_while_somebody_waits_nobody_comes_straight_through(make_door):
    door = make_door()
    standing(door, rate=1000.0, taken=5, called=5.0)
    door._filled_at -= 60
    assert door.lets_through()
    door.note_taken(6)
    assert not door.lets_through()


def test_the_setting_and_the_organizers_may_open_the_door(app, make_door):
    settings = app.config["CONTEST"]
    crowd = {"taken": 50, "rate": 1.0}
    off, on = (make_door(replace(settings, waiting_room=mode)) for mode in ("off", "on"))
    opened = make_door()
    standing(off, **crowd)
    standing(opened, mode=Mode.OPEN, **crowd)
    assert off.lets_through()
    assert opened.lets_through()
    assert not on.lets_through()


def test_what_a_place_is_worth(make_door):
    door = make_door()
    standing(door, taken=100, called=10.7, pace=5.0)
    assert door.prospect(10) == (0, 0.0)
    assert door.prospect(11) == (0, pytest.approx(0.2))
    assert door.prospect(61) == (50, pytest.approx(10.2))


# --- tickets ---------------------------------------------------------------------------------------


def test_a_ticket_is_its_sessions_its_rounds_and_its_numbers():
    ticket = place_ticket("s" * 40, "session", 7, 31)
    assert ticket_number("s" * 40, "session", 7, ticket) == 31
    forged = [
        "",
        "7.31",
        "7.1." + "0" * 64,
        ticket.replace("7.31", "7.30"),
        ticket[:-1],
        ticket + "0",
        "7.١.x",
        "7.-1.x",
    ]
    assert [ticket_number("s" * 40, "session", 7, one) for one in forged] == [None] * len(forged)
    assert ticket_number("s" * 40, "another", 7, ticket) is None
    assert ticket_number("s" * 40, "session", 8, ticket) is None
    assert ticket_number("t" * 40, "session", 7, ticket) is None


# --- organizers ------------------------------------------------------------------------------------


def choose(mode, rate=None, *, reason="Đêm cuối", by):
    waiting_room.choose(db.session(), mode, rate, reason=reason, now=db_now(db.session()), actor_id=by.id)
    db.session.commit()


def test_organizers_set_a_rate_or_open_the_room_and_say_why(app, round):
    organizer = builders.make_staff()
    browser = browser_of(app, organizer)
    token = {"csrf_token": builders.csrf(browser)}
    answer = browser.post(
        "/admin/waiting-room", data=token | {"mode": "fixed", "rate": "12", "reason": "Thử"}
    )
    assert answer.status_code == 303
    assert (room().mode, room().fixed_rate) == ("fixed", 12)
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    assert (event.action, event.reason) == ("waiting_room.choose", "Thử")
    assert event.after == {"mode": "fixed", "fixed_rate": 12}
    page = browser.get("/admin/waiting-room").text
    assert "Tốc độ do Ban Tổ chức đặt" in page
    for wrong in ({"mode": "none"}, {"mode": "fixed", "rate": "0"}, {"mode": "fixed", "rate": "x"}):
        assert browser.post("/admin/waiting-room", data=token | wrong | {"reason": "x"}).status_code == 422


def test_a_choice_needs_a_reason_and_changes_something(round):
    organizer = builders.make_staff()
    with pytest.raises(Conflict, match="lý do"):
        choose(Mode.OPEN, reason="", by=organizer)
    with pytest.raises(Conflict, match="đúng chế độ này"):
        choose(Mode.AUTO, by=organizer)
    with pytest.raises(BadInput, match="mỗi giây"):
        choose(Mode.FIXED, 10_001, by=organizer)
    choose(Mode.OPEN, 5, by=organizer)
    assert room().fixed_rate is None


def test_wide_open_calls_all_who_wait(round, people):
    for person in people:
        take(person, round)
    choose(Mode.OPEN, by=builders.make_staff())
    let_pass(1)
    assert move().line.waiting == 0


def test_the_dashboard_tells_of_the_crowd(app, round, people):
    for person in people:
        take(person, round)
    set_room(since_at=db_now(db.session()))
    page = browser_of(app, builders.make_staff()).get(f"/admin/rounds/{round.id}/dashboard").text
    assert "3 người đang ở phòng chờ" in page
