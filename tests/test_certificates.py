"""Certificates: issued from what is official, once each, checked by anyone, printed for their holders."""

import io
import re
import zipfile
from datetime import timedelta

import pytest
from pypdf import PdfReader
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from contest import certificate_files, certificates, contests, jobs, publishing, tasks
from contest.clock import db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.formatting import vn_until
from contest.models import (
    AuditEvent,
    Certificate,
    Consent,
    Headcount,
    Publication,
    Standing,
    Task,
    TaskFile,
    Unit,
)
from tests import builders
from tests.visiting import visit

SITE = "https://thi.example.vn/"


@pytest.fixture
def contest(app):
    return builders.make_contest(title="Hội thi thử")


@pytest.fixture
def round(contest):
    """A closed round: Ánh first, Bình second, Chi (who refuses publication) third and without a prize."""
    round = builders.make_round(contest, prizes=(("Giải Nhất", 1), ("Giải Nhì", 1)))
    builders.open_now(round)
    for name, right, consents in (
        ("Nguyễn Thị Ánh", 5, ("participation", "publication")),
        ("Trần Văn Bình", 4, ("participation", "publication")),
        ("Lê Chi", 3, ("participation",)),
    ):
        person = builders.make_person(contest, name=name, consents=consents)
        builders.finish_attempt(person, round, right=right, prediction=1)
    commune = db.session.scalars(select(Unit).where(Unit.code == "07582")).one()
    db.session.add_all(
        Headcount(division_id=division.id, unit_id=commune.id, headcount=10, source="Thử")
        for division in contest.divisions
    )
    return builders.close(round)


def make_official(round, **changes):
    """Publish the next version as official, its content as given where it differs from the standings."""
    publication = builders.publish(round, reason="Chính thức", approved_by=builders.make_staff("approver"))
    if not changes:
        return publication
    content = {**publication.content, "version": publication.version + 1} | changes
    changed = Publication(
        round_id=round.id,
        version=publication.version + 1,
        kind="official",
        published_at=db_now(db.session()),
        published_by_id=publication.published_by_id,
        approved_by_id=publication.approved_by_id,
        reason="Chính thức",
        content=content,
        sha256=publishing.content_digest(content),
        content_sha256=publishing.content_digest(content),
    )
    db.session.add(changed)
    db.session.commit()
    return changed


def issue(round, **details):
    issued = certificates.issue(
        db.session(),
        contests.find_round(db.session(), round.id),
        now=db_now(db.session()),
        actor_id=None,
        **details,
    )
    db.session.commit()
    return issued


def holding(round):
    return {(one.kind, one.name, one.prize): one for one in certificates.of_round(db.session(), round.id)}


def person_of(round, name):
    rows = db.session.scalars(select(Standing).where(Standing.round_id == round.id))
    return next(row.account for row in rows if row.account.name == name)


# --- issuing ---------------------------------------------------------------------------------------


def test_winners_and_first_units_of_the_official_version_are_certified(round):
    publication = make_official(round)

    assert issue(round, unit_places=1).new == 3

    assert set(holding(round)) == {
        ("prize", "Nguyễn Thị Ánh", "Giải Nhất"),
        ("prize", "Trần Văn Bình", "Giải Nhì"),
        ("unit", "Xã Lục Ngạn", "Hạng Nhất"),
    }
    for one in holding(round).values():
        assert one.publication_id == publication.id
        assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{12}", one.code)
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    assert event.after == {"version": publication.version, "new": 3, "revoked": 0}


def test_twice_issues_once_and_leaves_no_second_trail(round):
    make_official(round)
    issue(round)
    events = db.session.scalar(select(func.count()).select_from(AuditEvent))
    before = {key: one.code for key, one in holding(round).items()}

    again = issue(round)

    assert (again.new, again.revoked) == (0, 0)
    assert {key: one.code for key, one in holding(round).items()} == before
    assert db.session.scalar(select(func.count()).select_from(AuditEvent)) == events


def test_nothing_is_certified_before_it_is_official(round):
    with pytest.raises(Conflict, match="chính thức"):
        issue(round)
    builders.publish(round)
    with pytest.raises(Conflict, match="chính thức"):
        issue(round)


def test_a_later_version_revokes_what_no_longer_holds_and_keeps_the_rest(round):
    first = make_official(round)
    issue(round, unit_places=0)
    kept, lost = holding(round).values()

    make_official(round, winners=first.content["winners"][:1])
    issued = issue(round, unit_places=0)

    db.session.expire_all()
    assert (issued.new, issued.revoked) == (0, 1)
    assert kept.revoked_at is None
    assert lost.revoked_at is not None
    assert "bản công bố số" in lost.revoke_reason


def test_another_prize_is_another_certificate(round):
    first = make_official(round)
    issue(round, unit_places=0)
    old = holding(round)["prize", "Trần Văn Bình", "Giải Nhì"]
    moved_up = [{**first.content["winners"][1], "prize": "prize-2", "prize_title": "Giải Nhất"}]

    make_official(round, winners=moved_up)
    issued = issue(round, unit_places=0)

    db.session.expire_all()
    assert (issued.new, issued.revoked) == (1, 2)
    assert old.revoked_at is not None
    assert holding(round)["prize", "Trần Văn Bình", "Giải Nhất"].code != old.code


def test_the_database_refuses_a_second_certificate_that_holds(round):
    make_official(round)
    issue(round)
    one = certificates.of_round(db.session(), round.id)[0]
    facts = {
        column.key: getattr(one, column.key)
        for column in Certificate.__table__.columns
        if column.key not in ("id", "code")
    }

    with pytest.raises(IntegrityError, match="uq_certificates_person"):
        db.session.execute(Certificate.__table__.insert().values(code="0" * 12, **facts))
    db.session.rollback()


@pytest.mark.parametrize(
    "facts, constraint",
    [
        ({"kind": "unit"}, "of_a_person_or_a_unit"),
        ({"kind": "other", "prize": "x"}, "known_kind"),
        ({"kind": "participation", "prize_code": None}, "prize_where_won"),
        ({"prize_code": None}, "prize_code_where_won"),
        ({"revoke_reason": "x"}, "revoked_with_reason"),
    ],
)
def test_the_database_refuses_what_a_certificate_can_not_be(round, facts, constraint):
    make_official(round)
    issue(round)
    one = certificates.of_round(db.session(), round.id)[0]
    whole = {
        column.key: getattr(one, column.key)
        for column in Certificate.__table__.columns
        if column.key not in ("id", "code")
    }
    with pytest.raises(IntegrityError, match=constraint):
        db.session.execute(Certificate.__table__.insert().values(code="0" * 12, **(whole | facts)))
    db.session.rollback()


# --- taking part -----------------------------------------------------------------------------------


def take_part(round, name):
    made = certificates.certify_taking_part(
        db.session(), person_of(round, name), round.id, now=db_now(db.session())
    )
    db.session.commit()
    return made


def test_whoever_has_a_result_gets_a_certificate_of_taking_part_once(round):
    make_official(round)

    first = take_part(round, "Lê Chi")

    assert take_part(round, "Lê Chi").code == first.code
    event = db.session.scalars(select(AuditEvent).filter_by(action="certificates.take_part")).one()
    assert (event.actor_id, event.after) == (first.account_id, {"version": 1})
    assert certificates.rounds_to_certify(db.session(), first.account_id) == []
    assert [
        one.id for one in certificates.rounds_to_certify(db.session(), person_of(round, "Trần Văn Bình").id)
    ] == [round.id]


def test_nobody_is_certified_to_have_taken_part_who_has_not_or_too_early(round, contest):
    with pytest.raises(Conflict):
        take_part(round, "Lê Chi")
    make_official(round)
    stranger = builders.make_person(contest)
    with pytest.raises(Conflict):
        certificates.certify_taking_part(db.session(), stranger, round.id, now=db_now(db.session()))


def test_who_leaves_the_standings_loses_it_at_the_next_issue(round):
    make_official(round)
    made = take_part(round, "Lê Chi")
    db.session.delete(
        db.session.scalars(select(Standing).where(Standing.account_id == made.account_id)).one()
    )
    db.session.commit()

    issue(round, unit_places=0)

    db.session.refresh(made)
    assert made.revoked_at is not None


# --- checking --------------------------------------------------------------------------------------


def test_anyone_with_the_code_sees_what_it_certifies(app, round):
    publication = make_official(round)
    issue(round)
    one = holding(round)["prize", "Nguyễn Thị Ánh", "Giải Nhất"]

    page = visit(app).get(f"/certificates/{certificates.shown_code(one.code).lower()}").text

    for words in ("đang có hiệu lực", "Nguyễn Thị Ánh", "Giải Nhất", "Hội thi thử", publication.sha256):
        assert words in page


def test_a_refused_or_withdrawn_publication_hides_the_name(app, round):
    make_official(round)
    hidden = take_part(round, "Lê Chi")
    masked = take_part(round, "Trần Văn Bình")
    browser = visit(app)

    assert "Lê Chi" not in browser.get(f"/certificates/{hidden.code}").text
    page = browser.get(f"/certificates/{masked.code}").text
    assert "Trần V. B." in page
    assert "Trần Văn Bình" not in page

    issue(round)
    winner = holding(round)["prize", "Trần Văn Bình", "Giải Nhì"]
    assert "Trần Văn Bình" in browser.get(f"/certificates/{winner.code}").text
    consent = db.session.scalars(
        select(Consent).where(Consent.account_id == winner.account_id, Consent.purpose == "publication")
    ).one()
    consent.withdrawn_at = db_now(db.session())
    db.session.commit()
    assert "Trần" not in browser.get(f"/certificates/{winner.code}").text


def test_a_revoked_certificate_says_so(app, round):
    first = make_official(round)
    issue(round, unit_places=0)
    lost = holding(round)["prize", "Trần Văn Bình", "Giải Nhì"]
    make_official(round, winners=first.content["winners"][:1])
    issue(round, unit_places=0)

    page = visit(app).get(f"/certificates/{lost.code}").text

    assert "không còn hiệu lực" in page
    assert "đang có hiệu lực" not in page


def test_the_address_on_the_paper_asks_for_the_code_and_leads_to_it(app):
    browser = visit(app)

    assert "Mã chứng nhận" in browser.get("/certificates").text
    answer = browser.get("/certificates?code=+k7m2-9qx4 r3tz")
    assert (answer.status_code, answer.location) == (303, "/certificates/K7M2-9QX4-R3TZ")
    assert browser.get("/certificates/K7M2-9QX4-R3TZ").status_code == 404
    for code in ("%00", "x" * 3000, "%F0%9F%8E%89", "K7M2-9QX4-R3TÉ"):
        assert browser.get(f"/certificates/{code}").status_code == 404
    assert browser.get("/certificates?code=//evil.example").location.startswith("/certificates/")


def test_letters_that_look_like_digits_are_read_as_digits():
    assert certificates.normal_code("oIl2-9qx4") == "0112" + "9QX4"


# --- the holder ------------------------------------------------------------------------------------


def text_of(pdf):
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


def test_the_holder_gets_the_paper_with_the_full_name_and_nobody_else_does(app, round):
    make_official(round)
    made = take_part(round, "Lê Chi")
    address = f"/me/certificates/{certificates.shown_code(made.code)}.pdf"
    holder = builders.sign_in(visit(app), person_of(round, "Lê Chi"))
    other = builders.sign_in(visit(app), person_of(round, "Trần Văn Bình"))

    answer = holder.get(address)

    assert answer.mimetype == "application/pdf"
    assert "Lê Chi" in text_of(answer.data)
    assert certificates.shown_code(made.code) in text_of(answer.data)
    assert holder.get(address).data == answer.data
    assert other.get(address).status_code == 404
    assert visit(app).get(address).status_code in (302, 303, 401)


def test_ones_own_page_lists_them_and_offers_the_one_to_take(app, round):
    make_official(round)
    issue(round)
    person = person_of(round, "Trần Văn Bình")
    browser = builders.sign_in(visit(app), person)

    page = browser.get("/me").text
    assert "Giải Nhì" in page
    assert "Lấy giấy chứng nhận tham gia" in page

    answer = browser.post(f"/rounds/{round.id}/participation", data={"csrf_token": builders.csrf(browser)})
    assert answer.status_code == 303
    page = browser.get("/me").text
    assert "Lấy giấy chứng nhận tham gia" not in page
    assert page.count("Tải PDF giấy") == 2


# --- the organizers --------------------------------------------------------------------------------


@pytest.fixture
def organizer(app):
    return builders.sign_in(visit(app), builders.make_staff())


def post(browser, address, **fields):
    return browser.post(address, data={"csrf_token": builders.csrf(browser), **fields})


def test_an_organizer_issues_and_prints_all_of_a_round(app, round, organizer, monkeypatch):
    monkeypatch.setattr(certificate_files, "BATCH", 1)
    make_official(round)
    assert "Cấp giấy chứng nhận" in organizer.get(f"/admin/rounds/{round.id}/certificates").text

    assert post(organizer, f"/admin/rounds/{round.id}/certificates", unit_places="0").status_code == 303
    answer = post(organizer, f"/admin/rounds/{round.id}/certificates/printing")
    again = post(organizer, f"/admin/rounds/{round.id}/certificates/printing")
    assert answer.location == again.location
    actions = db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id.desc()).limit(2)).all()
    assert actions == ["certificates.print", "certificates.issue"]
    jobs.do_tasks()

    task = db.session.scalars(select(Task).where(Task.kind == "certificates")).one()
    assert (task.done, task.total, task.error) == (2, 2, None)
    assert task.result["url"] in organizer.get(answer.location).text
    packed = organizer.get(task.result["url"], buffered=True)
    with zipfile.ZipFile(io.BytesIO(packed.data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["giay-chung-nhan-0001-0001.pdf", "giay-chung-nhan-0002-0002.pdf"]
        assert "Nguyễn Thị Ánh" in text_of(archive.read(archive.namelist()[0]))
    page = organizer.get(f"/admin/rounds/{round.id}/certificates").text
    assert "Nguyễn Thị Ánh" in page


@pytest.mark.parametrize("places", ["", "-1", "11", "x"])
def test_a_number_of_places_that_is_none_is_refused(round, organizer, places):
    make_official(round)
    answer = post(organizer, f"/admin/rounds/{round.id}/certificates", unit_places=places)

    assert answer.status_code == 422
    assert certificates.of_round(db.session(), round.id) == []


def order(round):
    task = certificate_files.order(
        db.session(),
        contests.find_round(db.session(), round.id),
        site=SITE,
        province="Tỉnh Bắc Ninh",
        now=db_now(db.session()),
        actor_id=builders.make_staff().id,
    )
    db.session.commit()
    return task


def test_there_is_nothing_to_print_before_anything_is_issued(round):
    with pytest.raises(Conflict):
        order(round)


def test_a_second_printing_takes_the_place_of_the_first(round):
    make_official(round)
    issue(round)
    first = order(round)
    jobs.do_tasks()

    second = order(round)
    jobs.do_tasks()

    assert second.id != first.id
    owners = db.session.scalars(select(TaskFile.task_id)).all()
    assert owners == [second.id]
    with pytest.raises(NotThere):
        certificate_files.archive(db.session(), first.id)


def test_a_step_that_was_lost_is_done_again_and_no_certificate_is_printed_twice(round, monkeypatch):
    monkeypatch.setattr(certificate_files, "BATCH", 1)
    make_official(round)
    issue(round, unit_places=0)
    task = order(round)
    steps = {"certificates": certificate_files.print_some}

    tasks.step(db.session(), steps, now=db_now(db.session()))
    db.session.commit()
    tasks.step(db.session(), steps, now=db_now(db.session()))
    db.session.rollback()  # the worker is killed
    while not db.session.get(Task, task.id, populate_existing=True).finished_at:
        tasks.step(db.session(), steps, now=db_now(db.session()) + timedelta(seconds=1))
        db.session.commit()

    names = db.session.scalars(select(TaskFile.name).order_by(TaskFile.id)).all()
    assert names == ["giay-chung-nhan-0001-0001.pdf", "giay-chung-nhan-0002-0002.pdf"]


# --- published versions and posters as PDF ---------------------------------------------------------


def test_a_published_version_is_given_as_state_documents(round, organizer):
    publication = builders.publish(round)
    base = f"/admin/rounds/{round.id}/publications/{publication.version}"

    winners = text_of(organizer.get(f"{base}/winners.pdf").data)
    assert "DANH SÁCH CÁ NHÂN DỰ KIẾN ĐẠT GIẢI" in winners
    assert f"nhận kiến nghị về danh sách này đến {vn_until(round.complaints_close_at)}" in winners
    assert "Nguyễn Thị Ánh" in winners
    assert publication.sha256 in winners
    units = text_of(organizer.get(f"{base}/units.pdf").data)
    assert "TỔNG HỢP KẾT QUẢ THEO ĐƠN VỊ (DỰ KIẾN)" in units
    assert organizer.get(f"/admin/rounds/{round.id}/publications/99/units.pdf").status_code == 404


def test_a_prediction_of_a_percentage_is_off_by_percent(round, organizer):
    publication = builders.publish(round)
    for asked in round.divisions:
        builders.change_locked(asked, prediction_counted="percentage")
    first = {**publication.content["winners"][0], "prediction_error": 12_345}
    later = make_official(round, winners=[first])

    pdf = organizer.get(f"/admin/rounds/{round.id}/publications/{later.version}/winners.pdf").data

    assert "0,12345%" in text_of(pdf)


def test_posters_are_given_for_every_commune_or_one(round, organizer):
    whole = organizer.get(f"/admin/rounds/{round.id}/posters.pdf").data
    one = organizer.get(f"/admin/rounds/{round.id}/posters.pdf?unit=07582").data

    assert len(PdfReader(io.BytesIO(whole)).pages) == 2
    assert "Xã Lục Ngạn" in text_of(one)
    assert "Phường Kinh Bắc" not in text_of(one)
    assert organizer.get(f"/admin/rounds/{round.id}/posters.pdf?unit=none").status_code == 404
