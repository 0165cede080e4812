"""Exclusions: who is kept out of the standings, what moves with it, and letting them in again."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from contest import audit, books, contests, exclusions, jobs, leaderboards, proposals, publishing
from contest.clock import db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.models import AuditEvent, Exclusion, Standing, UnitStanding
from contest.rules.scoring import POINT
from tests import builders
from tests.visiting import visit


@pytest.fixture
def contest(app):
    return builders.make_contest()


@pytest.fixture
def round(contest):
    return builders.open_now(builders.make_round(contest))


@pytest.fixture
def organizer(app):
    return builders.make_staff(name="Người tổ chức")


@pytest.fixture
def approver(app):
    return builders.make_staff("approver", name="Người phê duyệt")


def sat(contest, round, count=3, **facts):
    """People whose results go down one by one."""
    people = [builders.make_person(contest, name=f"Người số {n}") for n in range(1, count + 1)]
    for place, person in enumerate(people):
        builders.finish_attempt(person, round, took=timedelta(minutes=3 + place), **facts)
    return people


def exclude(round, person, by, approved_by=None, *, kind="other_person", reason="Nhờ người khác thi hộ"):
    exclusion = exclusions.exclude(
        db.session(),
        contests.find_round(db.session(), round.id),
        person.id,
        kind=kind,
        reason=reason,
        now=db_now(db.session()),
        actor_id=by.id,
        approved_by_id=approved_by and approved_by.id,
    )
    db.session.commit()
    return exclusion


def lift(round, person, by, approved_by=None, *, reason="Đã xác minh"):
    exclusions.lift(
        db.session(),
        contests.find_round(db.session(), round.id),
        person.id,
        reason=reason,
        now=db_now(db.session()),
        actor_id=by.id,
        approved_by_id=approved_by and approved_by.id,
    )
    db.session.commit()


def ranks(round):
    db.session.expire_all()
    query = select(Standing.account_id, Standing.rank).where(Standing.round_id == round.id)
    return dict(db.session.execute(query).all())


def winners(round):
    found = contests.find_round(db.session(), round.id)
    return [
        row.account_id for _, row, _ in publishing.winners(db.session(), found, data_key=builders.data_key())
    ]


# --- what it does ----------------------------------------------------------------------------------


def test_before_the_books_it_needs_a_second_person_and_the_truth_is_counted_without_them(
    contest, round, organizer, approver
):
    first, second, third = sat(contest, round, prediction=1)
    with pytest.raises(Conflict, match="người thứ hai"):
        exclude(round, first, organizer)
    db.session.rollback()

    exclude(round, first, organizer, approver)
    found = builders.close(round)

    assert ranks(round) == {second.id: 1, third.id: 2}
    assert {asked.division.code: asked.truth for asked in found.divisions} == {
        "citizens": 2,
        "officials": None,
    }


def test_after_the_books_one_organizer_does_it_and_the_truth_stays(contest, round, organizer):
    first, second, third = sat(contest, round, prediction=1)
    found = builders.close(round)
    assert winners(round) == [first.id, second.id, third.id]

    exclude(round, first, organizer)
    jobs.rank_what_changed()

    assert ranks(round) == {second.id: 1, third.id: 2}
    assert winners(round) == [second.id, third.id]
    db.session.refresh(found)
    assert {asked.division.code: asked.truth for asked in found.divisions}["citizens"] == 3
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    assert (event.action, event.actor_id, event.before["rank"]) == ("exclusion.make", organizer.id, 1)


def test_who_is_excluded_before_they_submit_never_stands(app, contest, round, organizer, approver):
    person = builders.make_person(contest)
    exclude(round, person, organizer, approver)

    attempt = builders.finish_attempt(person, round)

    assert attempt.points == 5 * POINT
    assert ranks(round) == {}
    own = builders.sign_in(visit(app), person).get(f"/attempts/{attempt.public_id}/result").text
    assert "Bạn không được xếp hạng ở vòng này" in own
    assert "Nhờ người khác thi hộ" in own


def test_a_second_attempt_of_somebody_excluded_gives_no_standing(contest, organizer, approver):
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    person = builders.make_person(contest)
    builders.finish_attempt(person, round, ago=timedelta(minutes=60))
    exclude(round, person, organizer, approver)
    builders.finish_attempt(person, round, ago=timedelta(minutes=30))
    assert ranks(round) == {}


def test_lifted_the_standing_is_made_again_from_the_attempt_that_counts(contest, organizer, approver):
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    person, other = builders.make_person(contest), builders.make_person(contest)
    builders.finish_attempt(person, round, right=5, ago=timedelta(minutes=60), prediction=7)
    builders.finish_attempt(person, round, right=1, ago=timedelta(minutes=30))
    builders.finish_attempt(other, round, right=3)
    query = select(*[column for column in Standing.__table__.columns if column.name != "id"]).where(
        Standing.account_id == person.id
    )
    builders.rank(round)
    before = db.session.execute(query).one()

    exclude(round, person, organizer, approver)
    lift(round, person, organizer, approver)
    jobs.rank_what_changed()

    db.session.expire_all()
    assert db.session.execute(query).one() == before
    with pytest.raises(Conflict, match="bình thường"):
        lift(round, person, organizer, approver)


def test_the_headcount_of_a_unit_loses_them_with_or_without_attempts(contest, round, organizer, approver):
    people = sat(contest, round, 2)
    without = builders.make_person(contest)
    unit_id = db.session.scalar(select(Standing.unit_id).limit(1))
    division = next(one for one in contest.divisions if one.code == "citizens")
    builders.units.set_headcount(
        db.session(), division_id=division.id, unit_id=unit_id, headcount=10, source="Thử"
    )
    exclude(round, people[0], organizer, approver)
    exclude(round, without, organizer, approver)
    builders.rank(round)

    row = db.session.scalars(select(UnitStanding).where(UnitStanding.people > 0)).one()
    assert (row.people, row.headcount, row.excluded, row.rate) == (1, 10, 2, "1/8")


def test_who_is_excluded_since_the_books_is_still_counted_by_them(contest, round, organizer, approver):
    first, second, _ = sat(contest, round)
    exclude(round, second, organizer, approver)
    found = builders.close(round)
    division = next(one.id for one in contest.divisions if one.code == "citizens")
    assert books.counted_people(db.session(), found) == {division: (2, 2)}

    exclude(round, first, organizer)
    lift(round, second, organizer)

    assert books.counted_people(db.session(), found) == {division: (2, 2)}


def test_a_published_version_stays_and_a_new_one_shows_it(contest, round, organizer):
    first, _, _ = sat(contest, round)
    builders.close(round)
    version = builders.publish(round)
    exclude(round, first, organizer)

    newer = builders.publish(round, reason="Một người không được xếp hạng")

    assert len(version.content["winners"]) == 3
    assert [row["rank"] for row in newer.content["winners"]] == [1, 2]


# --- refusals --------------------------------------------------------------------------------------


def test_what_is_not_stated_or_done_already_is_refused(contest, round, organizer, approver):
    [person] = sat(contest, round, 1)
    with pytest.raises(Conflict, match="loại lý do"):
        exclude(round, person, organizer, approver, kind="no such kind")
    with pytest.raises(Conflict, match="ghi lý do"):
        exclude(round, person, organizer, approver, reason="")
    with pytest.raises(NotThere):
        exclude(round, organizer, organizer, approver)
    exclude(round, person, organizer, approver)
    with pytest.raises(Conflict, match="đã không được xếp hạng"):
        exclude(round, person, organizer, approver)


# --- at once ---------------------------------------------------------------------------------------


def test_an_exclusion_while_their_attempt_is_being_scored_wins(live_app):
    """The scoring has not committed its standing when the exclusion looks for one to strike."""
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    person = builders.make_person(contest)
    organizer, approver = builders.make_staff(), builders.make_staff("approver")
    builders.finish_attempt(person, round, is_scored=False)
    ids = round.id, person.id, organizer.id, approver.id
    failures, is_waiting = [], threading.Event()

    def work():
        with live_app.app_context():
            try:
                is_waiting.set()
                exclusions.exclude(
                    db.session(),
                    contests.find_round(db.session(), ids[0]),
                    ids[1],
                    kind="withdrawn",
                    reason="Xin rút",
                    now=db_now(db.session()),
                    actor_id=ids[2],
                    approved_by_id=ids[3],
                )
                db.session.commit()
            except Exception as error:
                failures.append(error)
            finally:
                db.session.remove()

    assert builders.score_one_batch() == 1  # not committed yet
    thread = threading.Thread(target=work)
    thread.start()
    is_waiting.wait()
    thread.join(timeout=0.5)
    assert thread.is_alive()
    db.session.commit()
    thread.join()

    assert not failures
    assert ranks(round) == {}
    assert db.session.scalars(select(Exclusion)).one().lifted_at is None


def test_an_acceptance_and_a_ranking_that_is_logged_do_not_wait_for_each_other_in_a_circle(live_app):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    [person] = sat(contest, round, 1)
    proposal = builders.propose_exclusion(round, person, by=builders.make_staff())
    address, round_id = f"/admin/proposals/{proposal.id}/acceptance", round.id
    browser = builders.sign_in(live_app.test_client(), builders.make_staff("approver"))
    token, answers = {"csrf_token": builders.csrf(browser)}, []

    leaderboards.take_turn(db.session(), round_id)
    thread = threading.Thread(target=lambda: answers.append(browser.post(address, data=token).status_code))
    thread.start()
    thread.join(timeout=1)
    assert thread.is_alive()
    audit.record(db.session(), "round.regrade", f"round/{round_id}", now=db_now(db.session()))
    db.session.commit()
    thread.join()

    assert answers == [303]
    assert ranks(round) == {}


# --- pages -----------------------------------------------------------------------------------------


def test_from_the_page_to_the_second_person(app, contest, round, organizer, approver):
    [person] = sat(contest, round, 1)
    browser = builders.sign_in(visit(app), organizer)
    page = f"/admin/rounds/{round.id}/people/{person.id}"
    assert "cần người thứ hai phê duyệt" in browser.get(page).text

    form = {"kind": "several_accounts", "reason": "Hai tài khoản", "csrf_token": builders.csrf(browser)}
    assert browser.post(f"{page}/exclusion", data=form).status_code == 303
    [proposal] = proposals.waiting(db.session())
    assert ranks(round)
    assert "Đang chờ người thứ hai" in browser.get(page).text
    assert browser.post(f"{page}/exclusion", data=form).status_code == 409  # a second click
    accept = f"/admin/proposals/{proposal.id}/acceptance"
    assert browser.post(accept, data=form).status_code == 403

    second = builders.sign_in(visit(app), approver)
    shown = second.get(f"/admin/proposals/{proposal.id}").text
    assert "Ảnh hưởng như người đề nghị đã xem" in shown
    assert "Ảnh hưởng tính vào lúc này" in shown
    token = {"csrf_token": builders.csrf(second)}
    assert second.post(accept, data=token).status_code == 303
    assert second.post(accept, data=token).status_code == 409
    assert ranks(round) == {}
    assert person.name in second.get(f"/admin/rounds/{round.id}/exclusions").text


def test_whoever_proposed_takes_it_back_and_another_organizer_can_not(app, contest, round, organizer):
    [person] = sat(contest, round, 1)
    browser = builders.sign_in(visit(app), organizer)
    form = {"kind": "unverified", "reason": "Chưa xác minh", "csrf_token": builders.csrf(browser)}
    browser.post(f"/admin/rounds/{round.id}/people/{person.id}/exclusion", data=form)
    [proposal] = proposals.waiting(db.session())

    other = builders.sign_in(visit(app), builders.make_staff())
    token = {"csrf_token": builders.csrf(other), "reason": "Không"}
    assert other.post(f"/admin/proposals/{proposal.id}/rejection", data=token).status_code == 403
    assert 'badge is-warning">1<' in browser.get("/admin/proposals").text
    assert browser.post(f"/admin/proposals/{proposal.id}/rejection", data=form).status_code == 303
    assert "Đã rút" in browser.get("/admin/proposals").text
    assert proposals.waiting(db.session()) == []


def test_after_the_books_the_page_does_it_at_once(app, contest, round, organizer):
    first, second = sat(contest, round, 2)
    builders.close(round)
    browser = builders.sign_in(visit(app), organizer)
    page = f"/admin/rounds/{round.id}/people/{first.id}"
    assert "Giải Nhất đang dự kiến trao cho người này" in browser.get(page).text
    form = {"kind": "ineligible", "reason": "Không đúng đối tượng", "csrf_token": builders.csrf(browser)}
    assert browser.post(f"{page}/exclusion", data=form).status_code == 303
    assert list(ranks(round)) == [second.id]
    assert browser.post(f"{page}/lifting", data=form).status_code == 303
    assert set(ranks(round)) == {first.id, second.id}
