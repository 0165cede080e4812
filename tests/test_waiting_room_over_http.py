"""The waiting room as browsers meet it: the line before a start, its page, its tickets; commits are real."""

import itertools
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError

from contest import waiting_room
from contest.clock import db_now
from contest.extensions import db
from contest.models import Attempt, Place, WaitingRoom
from contest.rules.admission import Line
from contest.security import token_hash
from contest.waiting_room import State
from tests import builders
from tests.visiting import visit


@pytest.fixture
def app(live_app):
    return live_app


@pytest.fixture
def round(app):
    return builders.open_now(builders.make_round(builders.make_contest(), attempts_allowed=2))


@pytest.fixture
def people(round):
    return [builders.make_person(round.contest) for _ in range(3)]


@pytest.fixture
def door(app):
    """The application's door in a crowd: nobody comes straight through, and two may start in a second."""
    door = app.extensions["door"]
    set_room(mode="fixed", fixed_rate=2)
    door.mode = "on"
    return door


def press_start(browser, round):
    return browser.post(f"/rounds/{round.id}/attempts", data={"csrf_token": builders.csrf(browser)})


def browser_of(app, account):
    return builders.sign_in(visit(app), account)


def set_room(**columns):
    db.session.execute(update(WaitingRoom).values(**columns))
    db.session.commit()


def let_pass(seconds):
    set_room(moved_at=func.statement_timestamp() - timedelta(seconds=seconds))


def take(account, round):
    with db.engine.begin() as connection:
        return waiting_room.take(connection, token_hash(builders.token_of(account)), round.id)


# --- the line --------------------------------------------------------------------------------------


def test_a_straight_start_still_takes_three_statements(app, round, people, statements):
    browser, address = browser_of(app, people[0]), f"/rounds/{round.id}/attempts"
    token = {"csrf_token": builders.csrf(browser)}
    with statements() as noted:
        assert browser.post(address, data=token).location.startswith("/attempts/")
    assert len(noted) <= 3


def test_a_tick_takes_four_statements(make_door, statements):
    door = make_door()
    door.tick()
    with statements() as noted:
        door.tick()
    assert len(noted) <= 4


def test_in_a_crowd_start_leads_to_the_line_and_then_to_the_paper(app, round, people, door):
    browsers = [browser_of(app, person) for person in people]
    for browser in browsers:
        assert press_start(browser, round).location == f"/rounds/{round.id}/waiting"
    let_pass(0)
    door.tick()
    ahead = [browser.get(f"/rounds/{round.id}/place").json["ahead"] for browser in browsers]
    assert ahead == [0, 1, 2]
    assert "Trước bạn còn" in browsers[2].get(f"/rounds/{round.id}/waiting").text
    let_pass(1)
    door.tick()
    places = [browser.get(f"/rounds/{round.id}/place").json for browser in browsers]
    assert [place["called"] for place in places] == [True, True, False]
    assert "Đến lượt bạn" in browsers[0].get(f"/rounds/{round.id}/waiting").text
    assert press_start(browsers[2], round).location == f"/rounds/{round.id}/waiting"
    assert press_start(browsers[0], round).location.startswith("/attempts/")
    # The place went with the start: the next attempt takes a new one.
    assert db.session.scalar(select(func.count()).select_from(Place)) == 2
    assert browsers[0].get_cookie("contest_place") is None


def test_pressed_twice_after_the_call_leads_to_one_attempt(app, round, people, door):
    browser = browser_of(app, people[0])
    press_start(browser, round)
    let_pass(2)
    door.tick()
    assert press_start(browser, round).location == press_start(browser, round).location
    assert db.session.scalar(select(func.count()).select_from(Attempt)) == 1


def test_the_second_attempt_waits_again(app, round, people, door):
    browser = browser_of(app, people[0])
    press_start(browser, round)
    let_pass(2)
    door.tick()
    press_start(browser, round)
    db.session.execute(
        update(Attempt).values(submitted_at=Attempt.started_at + timedelta(seconds=1), how="person")
    )
    db.session.commit()
    assert press_start(browser, round).location == f"/rounds/{round.id}/waiting"


def test_who_comes_long_after_the_call_still_gets_in(app, round, people, door):
    browser = browser_of(app, people[0])
    press_start(browser, round)
    let_pass(2)
    door.tick()
    for person in people[1:]:
        take(person, round)
    browser.delete_cookie("contest_place")
    assert press_start(browser, round).location.startswith("/attempts/")


def test_the_clock_does_not_run_in_the_line(app, round, people, door):
    browser = browser_of(app, people[0])
    press_start(browser, round)
    let_pass(2)
    door.tick()
    db.session.execute(update(Place).values(taken_at=Place.taken_at - timedelta(hours=1)))
    press_start(browser, round)
    attempt = db.session.scalars(select(Attempt)).one()
    assert attempt.deadline_at - attempt.started_at == timedelta(minutes=15)
    assert db_now(db.session()) - attempt.started_at < timedelta(minutes=1)


# --- tickets -----------------------------------------------------------------------------------


def test_another_persons_ticket_is_none(app, round, people, door):
    browsers = [browser_of(app, person) for person in people[:2]]
    press_start(browsers[0], round)
    browsers[1].set_cookie("contest_place", browsers[0].get_cookie("contest_place").value)
    assert browsers[1].get(f"/rounds/{round.id}/place").status_code == 404
    # Nor does it bring its holder in: the place is looked up by the session.
    assert press_start(browsers[1], round).location == f"/rounds/{round.id}/waiting"


def test_where_a_number_stands_is_told_without_a_statement(app, round, people, door, statements):
    browser = browser_of(app, people[0])
    press_start(browser, round)
    with statements() as noted:
        assert browser.get(f"/rounds/{round.id}/place").status_code == 200
    assert noted == []


def test_another_device_gets_a_ticket_with_the_page(app, round, people, door):
    press_start(browser_of(app, people[0]), round)
    device = browser_of(app, people[0])
    assert device.get(f"/rounds/{round.id}/place").status_code == 404
    assert device.get(f"/rounds/{round.id}/waiting").status_code == 200
    assert device.get(f"/rounds/{round.id}/place").status_code == 200


def test_without_a_place_the_room_leads_back_to_the_contest(app, round, people):
    answer = browser_of(app, people[0]).get(f"/rounds/{round.id}/waiting")
    assert (answer.status_code, answer.location) == (303, f"/contests/{round.contest.slug}")


def test_the_page_says_when_the_round_will_close_before_the_turn(app, round, people, door):
    browser = browser_of(app, people[0])
    press_start(browser, round)
    number = take(people[0], round).number
    door._state = State(Line(taken=number, called=float(number - 5000), pace=1.0), 1)
    builders.change_locked(round, closes_at=db_now(db.session()) + timedelta(minutes=10))
    page = browser.get(f"/rounds/{round.id}/waiting").text
    assert "có thể chưa đến lượt bạn" in page
    assert "4.999 người" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    builders.change_locked(round, closes_at=db_now(db.session()) - timedelta(seconds=1))
    page = browser.get(f"/rounds/{round.id}/waiting").text
    assert "Vòng thi đã đóng" in page
    assert "refresh" not in page


# --- processes and bursts --------------------------------------------------------------------


def test_a_burst_of_devices_takes_one_place_each_person(app, round):
    round_id = round.id
    tokens = [token_hash(builders.token_of(builders.make_person(round.contest))) for _ in range(5)]
    turns = []

    def press(token):
        def work():
            with db.engine.begin() as connection:
                turns.append((token, waiting_room.take(connection, token, round_id).number))

        return work

    running = [builders.in_thread(app, press(token)) for token in tokens * 3]
    for thread, result in running:
        thread.join()
        assert result == [None]
    assert len(set(turns)) == len(tokens)
    assert db.session.scalar(select(func.count()).select_from(Place)) == len(tokens)


def test_of_five_thousand_who_wait_each_is_called_once_and_in_order(make_door, round):
    """Two processes move the line, and one of them dies on the way."""
    db.session.execute(
        text("""
        INSERT INTO accounts (draw_id, login_tag, login_sealed, name, search_text, password_hash)
        SELECT substr(md5(n::text) || md5(n::text), 1, 22), int8send(n), 'x', 'Người ' || n, '', 'x'
        FROM generate_series(1, 5000) n
        """)
    )
    db.session.execute(
        text("""
        INSERT INTO places (account_id, round_id)
        SELECT id, :round FROM accounts WHERE search_text = '' ORDER BY id
        """),
        {"round": round.id},
    )
    set_room(mode="fixed", fixed_rate=150)
    doors, called = [make_door(), make_door()], [0.0]
    for second in range(70):
        if second == 20:
            doors.pop()
        let_pass(1)
        called.append([door.tick().line.called for door in doors][-1])
    steps = [later - earlier for earlier, later in itertools.pairwise(called)]
    assert min(steps) >= 0
    assert max(steps) <= 160
    assert called[-1] == 5000
    assert doors[0].line().waiting == 0


def test_doors_of_two_processes_share_the_rate_and_a_new_one_takes_over(make_door, round):
    first, second = make_door(), make_door()
    first.tick()
    second.tick()
    assert first.tick().processes == 2
    person = builders.make_person(round.contest)
    number = take(person, round).number
    assert first.tick().line.taken == number
    # Both are killed; what comes after finds the place.
    third = make_door()
    third.tick()
    assert third.prospect(number)[0] >= 0
    assert take(person, round).number == number


def test_the_thread_of_a_door_lives_through_an_outage(make_door, monkeypatch):
    door = make_door()
    calls, went_on = [], threading.Event()

    def tick(*, lag):
        calls.append(lag)
        if len(calls) == 1:
            raise OperationalError("", {}, Exception("away"))
        went_on.set()

    monkeypatch.setattr(door, "tick", tick)
    monkeypatch.setattr("contest.door.TICK", 0.01)
    door.start()
    assert went_on.wait(5)
    door.stop()
