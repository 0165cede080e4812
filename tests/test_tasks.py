"""Tasks: done in steps by whoever has time, once each, and given up after some failures."""

import threading

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from contest import jobs, tasks
from contest.clock import db_now
from contest.extensions import db
from contest.models import Task
from tests import builders


def count_to(limit):
    """A step that counts, and is done at the limit."""

    def step(session, task, now):
        task.total, task.done = limit, task.done + 1
        return task.done == limit

    return step


def failing(session, task, now):
    task.done = 99
    raise RuntimeError("broken")


@pytest.fixture
def steps(monkeypatch):
    steps = {"count": count_to(3), "fail": failing}
    monkeypatch.setattr(jobs, "STEPS", steps)
    return steps


def add(kind="count"):
    task = tasks.add(db.session(), kind, "round/1", title="Đếm", now=db_now(db.session()))
    db.session.commit()
    return task.id


def seen(task_id):
    db.session.expire_all()
    return db.session.get(Task, task_id)


def test_a_task_is_done_step_by_step(app, steps):
    task_id = add()

    assert jobs.do_tasks() == 3

    task = seen(task_id)
    assert (task.done, task.total, task.error) == (3, 3, None)
    assert task.finished_at is not None
    assert jobs.do_tasks() == 0


def test_what_a_failed_step_did_is_undone_and_after_three_the_task_is_given_up(app, steps):
    task_id, other_id = add("fail"), add()

    jobs.do_tasks()

    task = seen(task_id)
    assert (task.done, task.failures, task.error) == (0, 3, jobs.GIVEN_UP)
    assert seen(other_id).done == 3


@pytest.mark.parametrize("error", [psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled])
def test_a_step_that_waited_too_long_for_others_is_tried_again_and_again(app, steps, error):
    tries = []

    def wait(session, task, now):
        tries.append(task.id)
        if len(tries) <= tasks.MOST_FAILURES + 1:
            raise OperationalError("SELECT", {}, error("canceled"))
        return True

    steps["wait"] = wait
    task_id = add("wait")

    jobs.do_tasks()

    assert (seen(task_id).finished_at is not None, seen(task_id).error) == (True, None)
    assert len(tries) == tasks.MOST_FAILURES + 2


def test_two_long_tasks_take_turns(app, steps):
    first, second = add(), add()
    for _ in range(4):
        tasks.step(db.session(), steps, now=db_now(db.session()))
        db.session.commit()
    assert (seen(first).done, seen(second).done) == (2, 2)


def test_a_task_of_an_unknown_kind_waits(app, steps):
    task_id = add("of a later version")
    assert jobs.do_tasks() == 0
    assert seen(task_id).finished_at is None


def test_a_step_that_somebody_is_at_is_done_by_nobody_else(live_app, steps):
    task_id = add()
    done = []

    def work():
        with live_app.app_context():
            done.append(jobs.do_tasks())

    tasks.step(db.session(), steps, now=db_now(db.session()))  # holds the row until the commit
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    db.session.commit()

    assert done == [0]
    assert seen(task_id).done == 1


def test_the_sweeper_does_what_no_worker_came_for(app, steps, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE_WITH_WORKERS", -1.0)
    task_id = add()
    jobs.sweep()
    assert seen(task_id).finished_at is not None


def test_the_page_follows_a_task(app, client, steps):
    builders.sign_in(client, builders.make_staff())
    task_id = add()
    assert "Đang chờ bắt đầu" in client.get(f"/admin/tasks/{task_id}").get_data(as_text=True)
    tasks.step(db.session(), steps, now=db_now(db.session()))
    db.session.commit()
    assert client.get(f"/admin/tasks/{task_id}/progress").json == {
        "done": 1,
        "total": 3,
        "text": "1/3",
        "is_over": False,
    }
    jobs.do_tasks()
    assert client.get(f"/admin/tasks/{task_id}/progress").json["is_over"] is True
    assert "Công việc đã xong." in client.get(f"/admin/tasks/{task_id}").get_data(as_text=True)
    assert client.get("/admin/tasks/999999").status_code == 404


def test_a_task_that_failed_says_so(app, client, steps):
    builders.sign_in(client, builders.make_staff())
    task_id = add("fail")
    jobs.do_tasks()
    assert jobs.GIVEN_UP in client.get(f"/admin/tasks/{task_id}").get_data(as_text=True)
    assert "Lỗi" in client.get("/admin/tasks").get_data(as_text=True)
