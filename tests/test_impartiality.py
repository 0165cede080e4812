"""Nobody decides on themselves, and whoever signs signs what they saw."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from contest import (
    contests,
    declines,
    exclusions,
    jobs,
    locks,
    official_results,
    proposals,
    publication_tasks,
    publishing,
    resits,
    winner_checks,
)
from contest.clock import db_now
from contest.errors import Conflict
from contest.extensions import db
from contest.models import Publication, Standing
from tests import builders
from tests.visiting import visit


@pytest.fixture
def contest(app):
    return builders.make_contest()


@pytest.fixture
def round(contest):
    return builders.open_now(builders.make_round(contest))


def found(round):
    return contests.find_round(db.session(), round.id)


def how(actor, reason="Lý do"):
    return {"reason": reason, "now": db_now(db.session()), "actor_id": actor.id}


def post(browser, path, **data):
    return browser.post(path, data={"csrf_token": builders.csrf(browser), **data})


def accept(browser, proposal):
    return builders.accept(browser, f"/admin/proposals/{proposal.id}")


# --- oneself -------------------------------------------------------------------------------------


def test_an_organizer_who_plays_does_not_let_themselves_in_nor_does_one_person_alone(app, contest, round):
    organizer = builders.make_person(contest, roles=("organizer",))
    builders.finish_attempt(organizer, round)
    builders.finish_attempt(builders.make_person(contest), round, right=2)
    builders.close(round)
    assert exclusions.standing_one(db.session(), round.id, organizer.id) is not None
    path = f"/admin/rounds/{round.id}/people/{organizer.id}/lifting"

    own = post(builders.sign_in(visit(app), organizer), path, reason="Tôi muốn")
    other = post(builders.sign_in(visit(app), builders.make_staff()), path, reason="Người này hỏi")

    assert (own.status_code, other.status_code) == (409, 303)
    assert exclusions.standing_one(db.session(), round.id, organizer.id) is not None
    assert [one.kind for one in proposals.waiting(db.session(), round_id=round.id)] == [exclusions.LIFT]


def test_an_approver_who_plays_does_not_approve_their_own_return(app, contest, round):
    approver = builders.make_person(contest, roles=("approver",))
    builders.finish_attempt(approver, round)
    proposal = exclusions.propose_lifting(
        db.session(), found(round), approver.id, **how(builders.make_staff())
    )
    db.session.commit()

    assert accept(builders.sign_in(visit(app), approver), proposal).status_code == 409
    assert exclusions.standing_one(db.session(), round.id, approver.id) is not None


def test_nobody_voids_their_own_attempt_or_records_their_own_decline(contest, round):
    organizer = builders.make_person(contest)
    attempt = builders.finish_attempt(organizer, round)
    with pytest.raises(Conflict, match="chính mình"):
        resits.void(db.session(), attempt, resit_until=None, **how(organizer))
    closed = builders.close(round)
    with pytest.raises(Conflict, match="chính mình"):
        declines.decline(db.session(), closed, organizer.id, **how(organizer))


# --- what was seen -------------------------------------------------------------------------------


@pytest.fixture
def proposed(contest, round):
    """A round whose official results wait for the second signature."""
    session, organizer = db.session(), builders.make_staff()
    people = [builders.make_person(contest) for _ in range(3)]
    for place, person in enumerate(people):
        builders.finish_attempt(person, round, right=5 - place)
    builders.close(round)
    builders.publish(round, by=organizer)
    now = db_now(session)
    winner_checks.open_checks(session, round, [one.id for one in people], actor_id=organizer.id, now=now)
    for check in winner_checks.of_round(session, round.id).values():
        winner_checks.verify(session, check, how="card", actor_id=organizer.id, now=now)
    found(round).complaints_close_at = now - timedelta(minutes=1)
    session.commit()
    proposal = official_results.propose(session, found(round), data_key=builders.data_key(), **how(organizer))
    session.commit()
    proposal.people, proposal.organizer = people, organizer
    return proposal


def kinds():
    return db.session.scalars(select(Publication.kind).order_by(Publication.version)).all()


def exclude(round, person, organizer):
    exclusions.exclude(db.session(), found(round), person.id, kind="several_accounts", **how(organizer))
    db.session.commit()
    jobs.rank_what_changed()


def test_an_approver_signs_what_the_page_has_shown(app, round, proposed):
    browser = builders.sign_in(visit(app), builders.make_staff("approver"))
    page = browser.get(f"/admin/proposals/{proposed.id}").text
    seen = re.search(r'name="seen" value="(\w+)"', page)[1]
    exclude(round, proposed.people[0], proposed.organizer)

    stale = post(browser, f"/admin/proposals/{proposed.id}/acceptance", seen=seen)
    unseen = post(browser, f"/admin/proposals/{proposed.id}/acceptance")

    assert (stale.status_code, unseen.status_code, kinds()) == (409, 409, ["provisional"])
    assert "xem lại" in stale.text
    assert accept(browser, proposed).status_code == 303
    assert kinds() == ["provisional", "official"]


def test_a_task_publishes_the_winners_that_were_approved_or_nothing(app, round, proposed, monkeypatch):
    monkeypatch.setattr(publication_tasks, "MOST_AT_ONCE", 0)
    accept(builders.sign_in(visit(app), builders.make_staff("approver")), proposed)
    exclude(round, proposed.people[0], proposed.organizer)

    jobs.do_tasks()

    assert kinds() == ["provisional"]


def test_an_approval_is_not_lost_behind_a_provisional_task(app, round, proposed, monkeypatch):
    monkeypatch.setattr(publication_tasks, "MOST_AT_ONCE", 0)
    organizer = builders.sign_in(visit(app), proposed.organizer)
    approver = builders.sign_in(visit(app), builders.make_staff("approver"))
    post(organizer, f"/admin/rounds/{round.id}/publications", reason="Bổ sung")

    assert accept(approver, proposed).status_code == 409
    db.session.refresh(proposed)
    assert proposed.decided_at is None


# --- the books -----------------------------------------------------------------------------------


def test_the_books_wait_for_exclusions_that_are_proposed(app, contest, round):
    people = [builders.make_person(contest) for _ in range(2)]
    for person in people:
        builders.finish_attempt(person, round, prediction=1)
    builders.propose_exclusion(round, people[0], by=builders.make_staff())

    with pytest.raises(Conflict, match="chờ người thứ hai"):
        builders.close(round)


@pytest.mark.parametrize("path", ["/results", "/declines", "/exclusions", "/standings", ""])
def test_pages_open_while_the_text_of_the_lots_is_missing(app, contest, path):
    round = builders.open_now(builders.make_round(contest, lot_text_source="Xổ số"))
    builders.finish_attempt(builders.make_person(contest), round)
    builders.close(round)
    browser = builders.sign_in(visit(app), builders.make_staff())

    assert browser.get(f"/admin/rounds/{round.id}{path}").status_code == 200


# --- locks ---------------------------------------------------------------------------------------


def test_every_lock_has_a_number_of_its_own():
    numbers = [value for name, value in vars(locks).items() if name.isupper()]
    assert len(set(numbers)) == len(numbers) >= 7


def test_the_log_is_not_held_while_books_are_ranked(live_app, monkeypatch):
    """Whatever else an organizer does must not wait for the ranking of a whole province."""
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    builders.finish_attempt(builders.make_person(contest), round)
    builders.close(round, with_books=False)
    whole, logged = publishing.rank_round, []

    def rank(*given, **named):
        def other():
            declines.audit.record(db.session(), "x", "y", now=db_now(db.session()))
            db.session.commit()
            return "logged"

        thread, result = builders.in_thread(live_app, other)
        thread.join(10)
        logged.extend(result)
        return whole(*given, **named)

    monkeypatch.setattr(publishing, "rank_round", rank)
    builders.close_books(found(round))
    db.session.commit()
    assert logged == ["logged"]


def test_an_acceptance_and_whoever_holds_the_row_do_not_wait_for_each_other(live_app):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    person, organizer = builders.make_person(contest), builders.make_staff()
    builders.finish_attempt(person, round)
    builders.close(round)
    proposal = exclusions.propose(db.session(), found(round), person.id, kind="withdrawn", **how(organizer))
    db.session.commit()
    ids = proposal.id, builders.make_staff("approver").id, round.id, person.id, organizer.id

    def accept_it():
        session, now = db.session(), db_now(db.session())

        def do(accepted):
            session.refresh(contests.find_round(session, ids[2]), with_for_update=True)

        proposals.accept(session, ids[0], actor_id=ids[1], now=now, do=do)
        session.commit()
        return "accepted"

    session = db.session()
    session.refresh(found(round), with_for_update=True)
    thread, result = builders.in_thread(live_app, accept_it)
    builders.wait_until_somebody_waits()
    declines.audit.record(session, "complaints.extend", f"round/{ids[2]}", now=db_now(session))
    session.commit()
    thread.join(30)
    assert result == ["accepted"]


def test_a_decline_waits_for_a_publication_under_way(live_app):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    organizer = builders.make_staff()
    people = [builders.make_person(contest) for _ in range(3)]
    for place, person in enumerate(people):
        builders.finish_attempt(person, round, right=5 - place)
    builders.close(round)
    ids = round.id, people[0].id, organizer
    organizer_id = organizer.id

    def decline():
        one = contests.find_round(db.session(), ids[0])
        declines.decline(
            db.session(), one, ids[1], reason="Không", now=db_now(db.session()), actor_id=organizer_id
        )
        db.session.commit()
        return "declined"

    session = db.session()
    session.commit()
    publishing.leaderboards.take_turn(session, round.id)  # as a publication begins
    thread, result = builders.in_thread(live_app, decline)
    builders.wait_until_somebody_waits()
    publication = builders.publish(round, by=organizer)  # ends the turn
    thread.join(20)
    assert result == ["declined"]
    best = session.scalars(select(Standing).where(Standing.account_id == ids[1])).one()
    assert best.attempt.public_id in {row["attempt"] for row in publication.content["winners"]}
