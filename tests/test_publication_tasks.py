"""A large round is published by a task: ordered once, in one transaction, refused in a sentence."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from contest import jobs, official_results, proposals, publication_tasks, publishing, tasks, winner_checks
from contest.clock import db_now
from contest.errors import Conflict
from contest.extensions import db
from contest.models import Publication, Task
from tests import builders


@pytest.fixture(autouse=True)
def _every_round_is_large(monkeypatch):
    monkeypatch.setattr(publication_tasks, "MOST_AT_ONCE", 0)


@pytest.fixture
def round(app):
    contest = builders.make_contest()
    made = builders.open_now(builders.make_round(contest))
    made.winner = builders.make_person(contest)
    builders.finish_attempt(made.winner, made)
    return builders.close(made)


@pytest.fixture
def staff(client):
    return builders.sign_in(client, builders.make_staff())


def post(client, path, **data):
    return client.post(path, data={"csrf_token": builders.csrf(client), **data})


def versions():
    return db.session.scalar(select(func.count()).select_from(Publication))


def test_an_organizer_is_led_to_the_task_and_a_second_click_to_the_same(staff, round):
    first = post(staff, f"/admin/rounds/{round.id}/publications")
    second = post(staff, f"/admin/rounds/{round.id}/publications")
    task = db.session.scalars(select(Task)).one()
    assert first.location == second.location == f"/admin/tasks/{task.id}"
    assert versions() == 0

    jobs.do_tasks()

    db.session.expire_all()
    publication = db.session.scalars(select(Publication)).one()
    assert (publication.version, publication.published_by_id) == (1, task.created_by_id)
    assert "Đã công bố kết quả, bản số 1" in staff.get(first.location).text
    assert (
        post(staff, f"/admin/rounds/{round.id}/publications").status_code == 409
    )  # a later one needs a reason


def test_what_can_not_be_published_is_refused_when_it_is_ordered(app):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    with pytest.raises(Conflict, match="chốt sổ"):
        publication_tasks.order(
            db.session(),
            round,
            reason="",
            data_key=builders.data_key(),
            now=db_now(db.session()),
            actor_id=builders.make_staff().id,
        )


def test_a_refusal_that_comes_up_later_ends_the_task_in_a_sentence(staff, round):
    post(staff, f"/admin/rounds/{round.id}/publications")
    builders.publish(round)  # somebody was faster

    jobs.do_tasks()

    db.session.expire_all()
    task = db.session.scalars(select(Task)).one()
    assert task.finished_at is not None
    assert "nêu lý do" in task.error
    assert versions() == 1


def test_a_worker_that_dies_in_the_middle_has_published_nothing_and_the_next_one_does(
    staff, round, monkeypatch
):
    post(staff, f"/admin/rounds/{round.id}/publications")
    whole = publishing.content_digest
    monkeypatch.setattr(publishing, "content_digest", lambda content: 1 / 0)
    now = db_now(db.session())
    with pytest.raises(tasks.StepFailed), db.session.begin_nested():
        tasks.step(db.session(), jobs.STEPS, now=now)
    assert versions() == 0
    monkeypatch.setattr(publishing, "content_digest", whole)

    jobs.do_tasks()

    assert versions() == 1


def test_official_results_are_published_by_the_task_under_both_names(client, round):
    organizer, approver = builders.make_staff(), builders.make_staff("approver")
    first = builders.publish(round, by=organizer)
    session, now = db.session(), db_now(db.session())
    winner = publishing.winners(session, round, data_key=builders.data_key())[0][1].account_id
    winner_checks.open_checks(session, round, [winner], actor_id=organizer.id, now=now)
    check = winner_checks.own(session, round.id, winner)
    winner_checks.verify(session, check, how="card", actor_id=organizer.id, now=now)
    round.complaints_close_at = now - timedelta(seconds=1)
    session.commit()
    proposal = official_results.propose(
        session, round, reason="Hết hạn", data_key=builders.data_key(), now=now, actor_id=organizer.id
    )
    session.commit()
    builders.sign_in(client, approver)

    builders.accept(client, f"/admin/proposals/{proposal.id}")
    assert proposals.find(session, proposal.id).decided_by_id == approver.id
    jobs.do_tasks()

    official = session.scalars(select(Publication).where(Publication.id != first.id)).one()
    assert (official.kind, official.published_by_id, official.approved_by_id) == (
        "official",
        organizer.id,
        approver.id,
    )
