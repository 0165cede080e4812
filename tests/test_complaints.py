"""Complaints: taken in the window, numbered without gaps, answered once; then results can be official."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from contest import complaints, official_results, proposals, publishing, winner_checks
from contest.clock import LOCAL_ZONE, db_now
from contest.errors import BadInput, Conflict
from contest.extensions import db
from contest.models import Complaint, Publication, Round
from contest.rules.publication_changes import prize_changes, unit_changes
from contest.rules.working_days import is_working_day, last_day
from tests import builders
from tests.visiting import visit

TEXT = "Câu 3 có hai đáp án đúng theo Nghị định."


@pytest.fixture
def round(app):
    """A round with provisional results, in its window."""
    return published_round()


def published_round():
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    round.winner = builders.make_person(contest)
    builders.finish_attempt(round.winner, round)
    builders.close(round)
    round.organizer = builders.make_staff()
    builders.publish(round, by=round.organizer)
    db.session.commit()
    return round


def file(round, person=None, now=None, **changes):
    given = {"topic": "item", "text": TEXT, "account_id": (person or round.winner).id}
    return complaints.file(db.session(), round, **(given | changes), now=now or db_now(db.session()))


def decide(complaint, actor, **changes):
    given = {"decision": "dismissed", "answer": "Đáp án đã đúng theo khoản 2."}
    complaints.decide(
        db.session(), complaint, **(given | changes), actor_id=actor.id, now=db_now(db.session())
    )


# --- the window ----------------------------------------------------------------------------------


def test_the_day_of_publication_and_days_off_do_not_count():
    friday = date(2026, 11, 27)
    assert last_day(friday, 3, ()) == date(2026, 12, 2)
    assert last_day(friday, 3, {date(2026, 11, 30)}) == date(2026, 12, 3)
    assert last_day(date(2026, 11, 28), 1, ()) == date(2026, 11, 30)
    assert not is_working_day(date(2026, 11, 29), ())
    with pytest.raises(ValueError, match="at least one"):
        last_day(friday, 0, ())


@pytest.mark.parametrize(
    ("published", "ends"),
    [
        # At 20:00 in Vietnam on a Friday; ends with Wednesday.
        (datetime(2026, 11, 27, 13, tzinfo=UTC), date(2026, 12, 3)),
        # 00:30 in Vietnam is the next day already.
        (datetime(2026, 11, 27, 17, 30, tzinfo=UTC), date(2026, 12, 3)),
        # New year's day 2027 is a Friday.
        (datetime(2026, 12, 30, 3, tzinfo=UTC), date(2027, 1, 6)),
        # Tết 2027: 6 February is the first day of the lunar year.
        (datetime(2027, 2, 3, 3, tzinfo=UTC), date(2027, 2, 16)),
    ],
)
def test_the_window_ends_at_midnight_in_vietnam_after_three_working_days(published, ends):
    end = complaints.window_end(published, 3).astimezone(LOCAL_ZONE)
    assert end == end.replace(hour=0, minute=0)
    assert end.date() == ends


def test_the_first_provisional_results_open_the_window_and_later_ones_leave_it(round):
    first = round.complaints_close_at
    assert first > db_now(db.session())
    builders.publish(round, by=round.organizer, reason="Bổ sung")
    assert round.complaints_close_at == first


def test_outside_the_window_nothing_is_taken(round):
    with pytest.raises(Conflict, match="trong thời hạn"):
        file(round, now=round.complaints_close_at)
    file(round, now=round.complaints_close_at - timedelta(seconds=1))


def test_the_window_can_only_be_made_longer_and_the_log_says_why(round):
    before = round.complaints_close_at
    extend = {"actor_id": round.organizer.id, "now": db_now(db.session())}
    with pytest.raises(Conflict, match="lý do"):
        complaints.extend_window(db.session(), round, 1, reason="", **extend)
    with pytest.raises(Conflict, match="từ 1 đến"):
        complaints.extend_window(db.session(), round, 0, reason="Lỗi mạng", **extend)
    complaints.extend_window(db.session(), round, 1, reason="Lỗi mạng", **extend)
    assert round.complaints_close_at > before


# --- tickets -------------------------------------------------------------------------------------


def test_tickets_are_numbered_and_answered_once(round):
    first, second = file(round), file(round, topic="score")
    assert (first.number, second.number) == (1, 2)
    decide(first, round.organizer)
    with pytest.raises(Conflict, match="đã được trả lời"):
        decide(first, round.organizer)
    assert complaints.counts(db.session(), round.id) == (2, 1)


def test_nobody_answers_their_own(round):
    complaint = file(round)
    with pytest.raises(Conflict, match="tự trả lời"):
        decide(complaint, round.winner)


@pytest.mark.parametrize("changes", [{"topic": "nonsense"}, {"text": "Sai"}, {"account_id": None}], ids=str)
def test_what_says_nothing_is_refused(round, changes):
    with pytest.raises(BadInput):
        file(round, **changes)


def test_a_person_can_not_fill_the_table(round):
    for _ in range(complaints.MOST_OF_A_PERSON):
        file(round)
    with pytest.raises(Conflict, match="đã gửi"):
        file(round)


def test_two_at_once_get_two_numbers(live_app):
    round = published_round()
    people = [builders.make_person(round.contest) for _ in range(4)]
    ids, numbers = [person.id for person in people], []

    def run(account_id):
        with live_app.app_context():
            session = db.session()
            complaint = complaints.file(
                session,
                session.get(Round, round_id),
                topic="rank",
                text=TEXT,
                account_id=account_id,
                now=db_now(session),
            )
            session.commit()
            numbers.append(complaint.number)

    round_id = round.id
    threads = [threading.Thread(target=run, args=(account_id,)) for account_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == [1, 2, 3, 4]


def test_the_database_refuses_half_an_answer(round):
    file(round)
    with pytest.raises(IntegrityError, match="decided_with_answer"), db.session.begin_nested():
        db.session.execute(text("UPDATE complaints SET decided_at = now()"))


# --- official results ----------------------------------------------------------------------------


def blockers(round, now=None):
    return list(
        official_results.blockers(
            db.session(), round, data_key=builders.data_key(), now=now or db_now(db.session())
        )
    )


def ready(round):
    """Verify the winner and let the window pass."""
    session, now = db.session(), db_now(db.session())
    winner_checks.open_checks(session, round, [round.winner.id], actor_id=round.organizer.id, now=now)
    check = winner_checks.own(session, round.id, round.winner.id)
    winner_checks.verify(session, check, how="card", actor_id=round.organizer.id, now=now)
    round.complaints_close_at = now
    session.commit()


def propose(round):
    return official_results.propose(
        db.session(),
        round,
        reason="Hết thời hạn kiến nghị",
        data_key=builders.data_key(),
        now=db_now(db.session()),
        actor_id=round.organizer.id,
    )


def accept(proposal, approver):
    session, now = db.session(), db_now(db.session())
    proposals.accept(session, proposal.id, actor_id=approver.id, now=now)
    return official_results.publish(session, proposal, data_key=builders.data_key(), now=now)


def test_what_stands_in_the_way_is_told(round):
    complaint = file(round)
    told = " ".join(blockers(round))
    assert "Còn nhận kiến nghị" in told
    assert "1 kiến nghị chưa trả lời" in told
    assert "1 người đạt giải chưa được xác minh" in told
    with pytest.raises(Conflict, match="chưa trả lời"):
        propose(round)
    ready(round)
    decide(complaint, round.organizer)
    assert blockers(round) == []


def test_official_results_are_signed_by_two(round):
    ready(round)
    proposal = propose(round)
    with pytest.raises(Conflict, match="không tự phê duyệt"):
        accept(proposal, round.organizer)
    approver = builders.make_staff("approver")
    publication = accept(proposal, approver)
    assert (publication.kind, publication.version) == ("official", 2)
    assert (publication.published_by_id, publication.approved_by_id) == (round.organizer.id, approver.id)
    assert publication.reason == "Hết thời hạn kiến nghị"


def test_what_came_up_after_the_proposal_stops_it(round):
    ready(round)
    proposal = propose(round)
    round.complaints_close_at = db_now(db.session()) + timedelta(hours=1)
    file(round)
    with pytest.raises(Conflict, match="chưa trả lời"):
        accept(proposal, builders.make_staff("approver"))


def test_after_official_results_no_provisional_ones(round):
    ready(round)
    accept(propose(round), builders.make_staff("approver"))
    with pytest.raises(Conflict, match="hai người ký"):
        builders.publish(round, by=round.organizer, reason="Sửa")


def test_the_database_knows_no_official_results_of_one_person(round):
    columns = "round_id, version, kind, published_by_id, reason, content, sha256, content_sha256"
    one = f"INSERT INTO publications ({columns}, approved_by_id) SELECT round_id, 9, 'official', "
    rest = "published_by_id, 'x', content, sha256, content_sha256, {} FROM publications"
    for approver, name in (("NULL", "official_is_approved"), ("published_by_id", "approved_by_another")):
        with pytest.raises(IntegrityError, match=name), db.session.begin_nested():
            db.session.execute(text(one + rest.format(approver)))


def test_changes_between_versions_are_told():
    row = {"prize": "nhat", "prize_title": "Giải Nhất", "unit": "Xã A"}
    an, binh = row | {"attempt": "a", "name": "An"}, row | {"attempt": "b", "name": "Bình"}
    second = binh | {"prize": "nhi", "prize_title": "Giải Nhì"}
    told = prize_changes([an, second], [binh])
    assert [(one.name, one.before, one.after) for one in told] == [
        ("Bình", "Giải Nhì", "Giải Nhất"),
        ("An", "Giải Nhất", None),
    ]
    unit = {"division": "d", "unit": "Xã A", "code": "1", "rank": 2}
    assert [(one.before, one.after) for one in unit_changes([unit], [unit | {"rank": 1}])] == [(2, 1)]
    assert unit_changes([unit], [unit]) == []
    assert [(one.before, one.after) for one in unit_changes([unit], [])] == [(2, None)]


# --- pages ---------------------------------------------------------------------------------------


def test_a_person_files_and_reads_the_answer_and_nobody_else_does(app, round, client):
    builders.sign_in(client, round.winner)
    address = f"/rounds/{round.id}/complaints/new"
    assert address in client.get(f"/contests/{round.contest.slug}/winners").text
    token = {"csrf_token": builders.csrf(client)}
    assert client.post(address, data=token | {"topic": "item", "text": "?"}).status_code == 422
    sent = client.post(address, data=token | {"topic": "item", "text": f"{TEXT}\n\n<b>x</b>"})
    assert sent.status_code == 303
    page = client.get(sent.location).text
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "Kiến nghị số 1" in client.get("/me").text
    decide(db.session.scalars(select(Complaint)).one(), round.organizer)
    db.session.commit()
    assert "Đáp án đã đúng theo khoản 2." in client.get(sent.location).text
    other = builders.sign_in(visit(app), builders.make_person(round.contest))
    assert other.get(sent.location).status_code == 404


def test_staff_receive_and_answer(app, round):
    browser = builders.sign_in(visit(app), round.organizer)
    token = {"csrf_token": builders.csrf(browser)}
    address = f"/admin/rounds/{round.id}/complaints"
    assert browser.post(address, data=token | {"topic": "item", "text": TEXT}).status_code == 422
    given = {"complainant": "Bà Nguyễn Thị Sáu", "topic": "person", "text": TEXT}
    sent = browser.post(address, data=token | given)
    assert sent.status_code == 303
    assert "Bà Nguyễn Thị Sáu" in browser.get(address).text
    assert browser.post(sent.location, data=token | {"answer": "Chưa chọn quyết định"}).status_code == 422
    answer = {"decision": "upheld", "answer": "Đã sửa đáp án câu 3."}
    assert browser.post(sent.location, data=token | answer).status_code == 303
    assert "Đã sửa đáp án câu 3." in browser.get(sent.location).text
    extended = browser.post(f"{address}/window", data=token | {"days": "2", "reason": "Nghỉ bão"})
    assert extended.status_code == 303


def test_the_results_page_leads_to_official_results(app, round):
    browser = builders.sign_in(visit(app), round.organizer)
    token = {"csrf_token": builders.csrf(browser)}
    address = f"/admin/rounds/{round.id}/results"
    assert "chưa được xác minh" in browser.get(address).text
    assert browser.post(f"/admin/rounds/{round.id}/official", data=token | {"reason": "x"}).status_code == 409
    ready(round)
    assert "Đề nghị công bố chính thức" in browser.get(address).text
    browser.post(f"/admin/rounds/{round.id}/official", data=token | {"reason": "Hết hạn"})
    assert "Đang chờ người thứ hai" in browser.get(address).text
    [proposal] = proposals.waiting(db.session(), kind=official_results.KIND)
    accept(proposal, builders.make_staff("approver"))
    db.session.commit()
    assert "Kết quả chính thức đã công bố" in browser.get(address).text
    kinds = db.session.scalars(select(Publication.kind).order_by(Publication.version))
    assert kinds.all() == ["provisional", "official"]
    assert publishing.versions(db.session(), round.contest_id)[0].kind == "official"
    assert "Kết quả chính thức" in visit(app).get(f"/contests/{round.contest.slug}/winners").text
