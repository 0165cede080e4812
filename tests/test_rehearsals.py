"""Rehearsals: who may have one and when, what nobody else sees of it, and that nothing of it stays."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from contest import contests, jobs, leaderboards, pools, rehearsals
from contest.cli.rehearse import rehearse
from contest.clock import db_now
from contest.crowd import preparing, removing
from contest.errors import BadInput, Conflict, NotThere
from contest.extensions import db
from contest.models import (
    Account,
    Attempt,
    AuditEvent,
    Contest,
    Division,
    Pool,
    Registration,
    Round,
    RoundDivision,
    Task,
)
from contest.rules.crowds import Step
from contest.security import new_round_seed
from tests.builders import (
    close,
    csrf,
    data_key,
    finish_attempt,
    make_contest,
    make_items,
    make_person,
    make_round,
    make_staff,
    open_now,
    score_all,
    sign_in,
    start,
)
from tests.test_crowd_over_http import site  # noqa: F401  (a fixture)
from tests.visiting import visit

WHOLE = (Contest, Division, Round, RoundDivision, Pool, Account, Registration, Attempt)
NEXT_WEEK = timedelta(days=7)


@pytest.fixture
def round(session):
    make_items()
    return make_round(make_contest(), opens_in=NEXT_WEEK)


@pytest.fixture
def organizer(session):
    return make_staff()


def order(round, organizer, people=100, minutes=10):
    session = db.session()
    task = rehearsals.order(
        session,
        contests.find_round(session, round.id),
        people=people,
        minutes=minutes,
        seed=new_round_seed(),
        data_key=data_key(),
        now=db_now(session),
        actor_id=organizer.id,
    )
    session.commit()
    return task


def counts():
    return {model: db.session.scalar(select(func.count()).select_from(model)) for model in WHOLE}


def crowd(task, people=6, sitting=4):
    session = db.session()
    shadow = rehearsals.shadow_of(session, task)
    made = preparing.prepare(
        session,
        shadow,
        people,
        sitting=sitting,
        crowd=rehearsals.crowd_of(task),
        data_key=data_key(),
        env="prod",
        now=db_now(session),
    )
    session.commit()
    return made


# --- when there is one -----------------------------------------------------------------------------


def test_the_shadow_is_open_and_asks_what_the_round_asks(round, organizer):
    task = order(round, organizer)
    shadow = rehearsals.shadow_of(db.session(), task)

    assert contests.phase(shadow, now=db_now(db.session())) is contests.Phase.OPEN
    assert shadow.duration_ms == round.duration_ms
    assert [one.specification for one in shadow.divisions] == [one.specification for one in round.divisions]
    assert task.argument["sitting"] == 100
    [event] = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "rehearsal.order"))
    assert (event.actor_id, event.after["people"], event.subject) == (organizer.id, 100, f"round/{round.id}")


def test_the_official_site_lets_virtual_people_into_the_shadow(round, organizer):
    assert len(crowd(order(round, organizer))) == 6


@pytest.mark.parametrize(
    "people, minutes, wrong",
    [
        (9, 10, {"people"}),
        (20_001, 10, {"people"}),
        (None, 10, {"people"}),
        (100, 0, {"minutes"}),
        (100, 1441, {"minutes"}),
        (None, None, {"people", "minutes"}),
    ],
)
def test_a_crowd_out_of_bounds_is_refused(round, organizer, people, minutes, wrong):
    with pytest.raises(BadInput) as refused:
        order(round, organizer, people, minutes)
    assert set(refused.value.fields) == wrong


@pytest.mark.parametrize(
    "opens_in, is_opened",
    [
        (timedelta(hours=-2), True),
        (timedelta(minutes=59), True),
        (timedelta(minutes=59), False),
        (timedelta(minutes=1), False),
    ],
)
def test_none_while_a_round_is_open_or_about_to_be(round, organizer, opens_in, is_opened):
    other = make_round(make_contest(), opens_in=opens_in)
    if is_opened:
        open_now(other)
    with pytest.raises(Conflict) as refused:
        order(round, organizer)
    assert other.title in refused.value.sentence


def test_none_while_somebody_still_sits(round, organizer):
    over = open_now(make_round(make_contest()))
    start(make_person(over.contest), over)
    over.closes_at = over.closed_at = db_now(db.session())
    db.session.commit()

    with pytest.raises(Conflict, match="làm bài"):
        order(round, organizer)


def test_a_closed_round_can_be_rehearsed_again(round, organizer):
    past = open_now(make_round(make_contest()))
    finish_attempt(make_person(past.contest), past)
    close(past)

    assert order(past, organizer).argument["round"] == past.id


def test_one_at_a_time(round, organizer):
    order(round, organizer)
    with pytest.raises(Conflict, match="đang chạy"):
        order(round, organizer)


def test_none_without_enough_questions(session, organizer):
    make_items(per_cell=2)
    with pytest.raises(Conflict, match="Ngân hàng câu hỏi"):
        order(make_round(make_contest(), opens_in=NEXT_WEEK), organizer)


# --- what nobody else sees -------------------------------------------------------------------------


def test_the_shadow_is_found_by_nobody(round, organizer, client):
    task = order(round, organizer)
    shadow = rehearsals.shadow_of(db.session(), task)
    sat = crowd(task)

    with pytest.raises(NotThere):
        contests.find_round(db.session(), shadow.id)
    with pytest.raises(NotThere):
        contests.find_contest(db.session(), shadow.contest.slug, with_drafts=True)
    assert contests.current_contest(db.session()).id == round.contest_id
    browser = sign_in(client, organizer)
    for address in (
        f"/contests/{shadow.contest.slug}",
        f"/admin/rounds/{shadow.id}",
        f"/admin/rounds/{shadow.id}/dashboard",
        f"/admin/contests/{shadow.contest_id}",
    ):
        assert browser.get(address).status_code == 404, address
    for address in ("/", "/admin/contests", f"/admin/bank/{sorted(_codes(sat))[0]}"):
        assert "Diễn tập:" not in browser.get(address).text, address


def _codes(sat):
    paper = db.session.scalar(select(Attempt.paper).where(Attempt.public_id == sat[0].attempt))
    return {item["code"] for item in paper}


def test_the_shadow_is_scored_but_never_ranked_or_closed(round, organizer):
    task = order(round, organizer)
    crowd(task)
    shadow = rehearsals.shadow_of(db.session(), task)
    at = db_now(db.session())
    db.session.execute(update(Attempt).values(submitted_at=Attempt.started_at, how="person"))
    db.session.commit()
    score_all()

    assert leaderboards.rounds_to_rank(db.session()) == []
    assert contests.rounds_to_close(db.session(), now=at + timedelta(days=2)) == []
    assert shadow.ranked_at is None


def test_the_rounds_own_pool_loses_nothing_to_the_shadow(round, organizer):
    before = pools.items_of_round(db.session(), round, now=db_now(db.session()))
    order(round, organizer)

    assert pools.items_of_round(db.session(), round, now=db_now(db.session())) == before


# --- what stays ------------------------------------------------------------------------------------


def test_it_leaves_its_record_and_nothing_else(round, organizer):
    before = counts()
    task = order(round, organizer)
    crowd(task)

    rehearsals.finish(db.session(), task, [Step(100, []), Step(150, ["chậm"])], [], now=db_now(db.session()))
    db.session.commit()

    assert counts() == before
    assert task.finished_at is not None
    assert "khoảng 100 người cùng lúc; dự kiến 100" in task.result["text"]
    [event] = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "rehearsal.end"))
    assert event.after == {"task": task.id, "verdict": task.result["text"]}
    with pytest.raises(Conflict):
        rehearsals.finish(db.session(), task, [], [], now=db_now(db.session()))


def test_stopped_it_leaves_nothing_and_its_process_is_told(round, organizer):
    before = counts()
    task = order(round, organizer)
    crowd(task)
    assert rehearsals.claim(db.session(), task.id, now=db_now(db.session())) is task
    assert rehearsals.tell(db.session(), task.id, 5)

    rehearsals.stop(db.session(), task.id, now=db_now(db.session()), actor_id=organizer.id)
    db.session.commit()

    assert counts() == before
    assert not rehearsals.tell(db.session(), task.id, 6)
    assert "theo yêu cầu" in task.error
    with pytest.raises(Conflict):
        rehearsals.stop(db.session(), task.id, now=db_now(db.session()), actor_id=organizer.id)


def test_it_is_begun_once(round, organizer):
    task = order(round, organizer)

    assert rehearsals.claim(db.session(), task.id, now=db_now(db.session())) is task
    assert rehearsals.claim(db.session(), task.id, now=db_now(db.session())) is None


@pytest.fixture
def launched(monkeypatch):
    """The commands that were started as processes of their own; none really is."""
    commands = []
    monkeypatch.setattr(jobs, "launch", lambda command, log: commands.append(command) or FINISHED)
    return commands


FINISHED = SimpleNamespace(poll=lambda: 0)


def test_a_worker_starts_its_process_once(round, organizer, launched):
    task = order(round, organizer)

    jobs.do_tasks()
    jobs.do_tasks()

    [command] = launched
    assert command[-2:] == ["rehearse", str(task.id)]
    assert task.finished_at is None


def test_the_sweeper_takes_away_what_a_dead_process_left(round, organizer, launched):
    before = counts()
    task = order(round, organizer)
    crowd(task)
    jobs.sweep()
    assert task.finished_at is None

    task.created_at -= rehearsals.GIVEN_UP_AFTER + timedelta(seconds=1)
    db.session.commit()
    jobs.sweep()

    assert task.error == rehearsals.STOPPED
    assert counts() == before


@pytest.mark.parametrize("is_rehearsal", [True, False])
def test_no_contest_becomes_a_rehearsal_or_stops_being_one(round, organizer, is_rehearsal):
    order(round, organizer)
    with pytest.raises(IntegrityError, match="for ever"):
        db.session.execute(
            update(Contest).where(Contest.is_rehearsal != is_rehearsal).values(is_rehearsal=is_rehearsal)
        )


def test_a_rehearsal_is_never_announced(round, organizer):
    order(round, organizer)
    with pytest.raises(IntegrityError, match="rehearsals_are_not_announced"):
        db.session.execute(
            update(Contest).where(Contest.is_rehearsal).values(announced_at=func.statement_timestamp())
        )


@pytest.mark.parametrize("table", ["pools", "round_divisions", "rounds"])
def test_of_real_rounds_nothing_can_be_taken_away(round, organizer, table):
    order(round, organizer)
    open_now(make_round(make_contest(), opens_in=NEXT_WEEK))
    real = "SELECT r.id FROM rounds r JOIN contests c ON c.id = r.contest_id WHERE NOT c.is_rehearsal"
    column = "id" if table == "rounds" else "round_id"
    with pytest.raises(IntegrityError):
        db.session.execute(
            text(f"DELETE FROM {table} WHERE {column} IN ({real} AND r.opened_at IS NOT NULL)")
        )


# --- its pages -------------------------------------------------------------------------------------


@pytest.fixture
def browser(client, organizer):
    return sign_in(client, organizer)


def post(browser, address, **fields):
    return browser.post(address, data={"csrf_token": csrf(browser)} | fields)


def test_an_organizer_orders_one_and_follows_it(app, browser, round):
    assert "Bắt đầu diễn tập" in browser.get("/admin/rehearsals").text

    answer = post(browser, "/admin/rehearsals", round=round.id, people="200", minutes="5")
    assert answer.status_code == 303
    assert app.extensions["doorbell"].rings == 1
    page = browser.get(answer.location)
    assert "200 người trong 5 phút" in page.text
    assert "Dừng diễn tập" in page.text
    told = browser.get(f"{answer.location}/progress").json
    assert told == {"done": 0, "total": 120, "text": "Đang chuẩn bị", "is_over": False}
    assert "Một cuộc diễn tập đang chạy" in browser.get("/admin/rehearsals").text

    assert post(browser, f"{answer.location}/stop").status_code == 303
    assert "theo yêu cầu" in browser.get(answer.location).text


def test_a_crowd_that_is_none_is_said_beside_its_field(browser, round):
    answer = post(browser, "/admin/rehearsals", round=round.id, people="5", minutes="x")
    assert answer.status_code == 422
    answer = post(browser, "/admin/rehearsals", round=round.id, people="5", minutes="3")
    assert answer.status_code == 422
    assert "Số người cần là số từ 10" in answer.text
    assert db.session.scalar(select(func.count()).select_from(Task)) == 0


def test_a_round_that_is_open_keeps_the_form_away(browser, round):
    open_now(make_round(round.contest))

    assert "Bạn hãy diễn tập khi không có vòng thi nào đang mở" in browser.get("/admin/rehearsals").text
    answer = post(browser, "/admin/rehearsals", round=round.id, people="200", minutes="5")
    assert answer.status_code == 409
    assert removing.crowds(db.session()) == {}


def test_another_task_is_no_rehearsal(browser, round, organizer):
    order(round, organizer)
    [launch] = db.session.scalars(select(Task).where(Task.kind == rehearsals.LAUNCH))

    assert browser.get(f"/admin/rehearsals/{launch.id}").status_code == 404
    assert post(browser, f"/admin/rehearsals/{launch.id}/stop").status_code == 404


def test_whoever_is_no_organizer_orders_none(client, round):
    browser = sign_in(client, make_staff("approver"))
    assert browser.get("/admin/rehearsals").status_code == 403
    assert post(browser, "/admin/rehearsals", round=round.id, people="200", minutes="5").status_code == 403


# --- the whole of it -------------------------------------------------------------------------------


def test_a_whole_rehearsal_against_a_running_site(site, live_app, monkeypatch):  # noqa: F811
    site = site()
    close(site.round, with_books=False)
    organizer = make_staff()
    before = counts()
    task = order(site.round, organizer, people=40, minutes=1)
    monkeypatch.setattr("contest.rules.crowds.STEP_SECONDS", 2.0)
    monkeypatch.setattr("contest.rules.crowds.SECONDS_BETWEEN_SAVES", 2.0)
    monkeypatch.setattr("contest.cli.rehearse.SHARES", (0.5, 1.0))
    monkeypatch.setattr("contest.create_app", lambda: live_app)
    monkeypatch.setattr(type(live_app.config["CONTEST"]), "address", site.base)

    task_id, organizer_id = task.id, organizer.id
    db.session.remove()

    run = live_app.test_cli_runner().invoke(rehearse, [str(task_id)])

    assert run.exit_code == 0, run.output
    task, organizer = db.session.get_one(Task, task_id), db.session.get_one(Account, organizer_id)
    assert task.result["kind"] == "success"
    assert "ít nhất khoảng 40 người cùng lúc" in task.result["text"]
    assert [one["sitting"] for one in task.result["steps"]] == [20, 40]
    assert all(one["lost"] == 0 and one["acknowledged"] > 0 for one in task.result["steps"])
    assert counts() == before
    page = sign_in(visit(live_app), organizer).get(f"/admin/rehearsals/{task.id}")
    assert "Vào thi" in page.text
    assert "Đạt" in page.text
