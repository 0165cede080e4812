"""The organizers' pages: who may open them, what they show in each phase, and what their buttons do."""

import io
import re
import zipfile
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from sqlalchemy import func, select, text

from contest import units
from contest.clock import db_now
from contest.contests import Phase, phase
from contest.extensions import db
from contest.models import AuditEvent, Publication, RoundDivision, Standing
from tests import builders

PAGES = (
    "/admin/rounds/{id}/dashboard",
    "/admin/rounds/{id}",
    "/admin/rounds/{id}/attempts",
    "/admin/rounds/{id}/standings",
    "/admin/rounds/{id}/standings/units",
    "/admin/rounds/{id}/results",
    "/admin/participants",
)
OTHERS = ("/admin/", "/admin/rounds/{id}/figures", "/admin/rounds/{id}/publications/1.xlsx")
ACTIONS = (
    "/admin/rounds/{id}/opening",
    "/admin/rounds/{id}/ending",
    "/admin/rounds/{id}/books",
    "/admin/rounds/{id}/publications",
)
# As pages write it, and as people could type it.
SECRET_PREDICTION = 7_654_321
WAYS_TO_WRITE_IT = ("7654321", "7.654.321")


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def planned(contest):
    builders.make_items()
    builders.lock_headcounts(contest)
    return builders.make_round(contest, opens_in=timedelta(hours=2))


@pytest.fixture
def round(contest):
    return builders.open_now(builders.make_round(contest))


@pytest.fixture
def staff(client):
    """Return a browser in which an organizer is signed in."""
    return builders.sign_in(client, builders.make_staff())


def page(browser, address, status=200):
    response = browser.get(address)
    assert response.status_code == status, address
    html = response.get_data(as_text=True)
    if response.mimetype == "text/html" and status == 200:
        check_page(html)
    return html


class Outline(HTMLParser):
    """Collects what a page must have once and must not have at all."""

    def __init__(self):
        super().__init__()
        self.headings, self.inline, self.ids = 0, [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.headings += tag == "h1"
        self.ids += [found["id"]] if "id" in found else []
        if "style" in found or tag == "style" or (tag == "script" and "src" not in found):
            self.inline.append(tag)


def check_page(html):
    outline = Outline()
    outline.feed(html)
    assert outline.headings == 1
    assert outline.inline == []
    assert len(outline.ids) == len(set(outline.ids))


def words(html):
    """Return the text of a page, its blanks collapsed."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def post(browser, address, **fields):
    return browser.post(address, data={"csrf_token": builders.csrf(browser), **fields})


def last_event():
    return db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()


# --- who ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", PAGES + OTHERS)
def test_whoever_is_not_signed_in_is_asked_to(client, planned, address):
    response = client.get(address.format(id=planned.id))

    assert response.status_code == 303
    assert response.location.startswith("/login?next=")


@pytest.mark.parametrize("address", PAGES + OTHERS)
def test_participants_are_not_told_that_the_pages_exist(client, contest, planned, address):
    builders.sign_in(client, builders.make_person(contest))

    assert client.get(address.format(id=planned.id)).status_code == 404


@pytest.mark.parametrize("address", ACTIONS)
def test_participants_can_do_nothing(client, contest, planned, address):
    builders.sign_in(client, builders.make_person(contest))

    assert post(client, address.format(id=planned.id)).status_code == 404


@pytest.mark.parametrize("address", ACTIONS)
def test_an_action_without_its_token_is_refused(staff, planned, address):
    assert staff.post(address.format(id=planned.id)).status_code == 403


# --- every page in every phase ------------------------------------------------------------------


@pytest.fixture(params=["planned", "waiting", "open", "closing", "closed", "books_closed", "published"])
def any_phase(request, contest):
    """Return a round in each phase, attempts of all kinds in it where there can be any."""
    builders.make_items()
    if request.param in ("planned", "waiting"):
        round = builders.make_round(contest, opens_in=timedelta(hours=2))
        return builders.open_now(round) if request.param == "waiting" else round
    round = builders.open_now(builders.make_round(contest))
    for division in ("officials", "citizens"):
        builders.finish_attempt(builders.make_person(contest, division), round, prediction=SECRET_PREDICTION)
        builders.finish_attempt(builders.make_person(contest, division), round, right=3)
    if request.param in ("open", "closing"):
        builders.start(builders.make_person(contest), round, ago=timedelta(minutes=1))
        builders.finish_attempt(builders.make_person(contest), round, is_scored=False)
    builders.rank(round)
    if request.param == "closing":
        round.closes_at = db_now(db.session())
        db.session.commit()
    if request.param in ("closed", "books_closed", "published"):
        builders.close(round, with_books=request.param != "closed")
    if request.param == "published":
        publish(round)
    return round


def publish(round, reason=""):
    return builders.publish(round, reason=reason, by=builders.make_staff(name="Trần Thị Công Bố"))


def test_every_page_works_in_every_phase_and_predictions_stay_hidden_until_the_books(staff, any_phase):
    for address in PAGES:
        html = page(staff, address.format(id=any_phase.id))
        assert not any(way in html for way in WAYS_TO_WRITE_IT), address


@pytest.mark.parametrize("address", [*PAGES, *OTHERS])
@pytest.mark.parametrize("number", [0, 987654, 2**31, 10**30])
def test_a_round_that_is_not_there_is_not_found(staff, planned, address, number):
    if "{id}" in address:
        page(staff, address.format(id=number), 404)


@pytest.mark.parametrize(
    "query",
    [
        "page=abc",
        "page=-1",
        "page=999999999999999999999",
        "division=%00",
        "q=%00%00",
        "unit=%00",
        "state=%00",
        "q=%25_%5C",
        "q=%ED%A0%80",
        "sort=x&order=y",
        "step=%00",
    ],
)
@pytest.mark.parametrize("address", PAGES)
def test_wrong_input_never_breaks_a_page(staff, round, address, query):
    page(staff, f"{address.format(id=round.id)}?{query}")


# --- dashboard ----------------------------------------------------------------------------------


def test_the_first_page_leads_to_the_round_that_is_on(staff, contest, round):
    builders.make_round(contest, opens_in=timedelta(days=3))

    response = staff.get("/admin/")

    assert (response.status_code, response.location) == (303, f"/admin/rounds/{round.id}/dashboard")


def test_without_a_round_the_first_page_says_so(staff, contest):
    assert "Chưa có vòng thi nào" in page(staff, "/admin/")


def test_the_dashboard_shows_the_state_the_figures_and_the_next_step(staff, contest, round):
    builders.finish_attempt(builders.make_person(contest), round, right=5)
    builders.start(builders.make_person(contest, "officials"), round)

    html = page(staff, f"/admin/rounds/{round.id}/dashboard")

    assert "Đang mở" in html
    assert '<span data-figure="started">2</span>' in html
    assert '<span data-figure="sitting">1</span>' in html
    assert "1 đạt điểm tuyệt đối (100,0%)" in html
    assert f'href="/admin/rounds/{round.id}?step=end#step"' in html


def test_the_figures_refresh_as_the_page_words_them(staff, contest, round):
    builders.finish_attempt(
        builders.make_person(contest),
        round,
        is_scored=False,
        ago=timedelta(hours=1),
        took=timedelta(minutes=5),
    )

    answer = staff.get(f"/admin/rounds/{round.id}/figures").get_json()

    assert (answer["figures"]["submitted"], answer["figures"]["waiting"]) == ("1", "1")
    assert answer["figures"]["oldest"].startswith("lâu nhất 55 phút")
    assert "Không thấy tiến trình chấm bài" in answer["alerts"]


def test_units_are_ordered_by_what_the_address_asks_for(staff, contest, round):
    citizens = next(one for one in contest.divisions if one.code == "citizens")
    for name, headcount, people in (("Xã An Lạc", 100, 1), ("Xã Bắc Lũng", 1000, 2)):
        unit = builders.make_unit(name)
        units.set_headcount(
            db.session(), division_id=citizens.id, unit_id=unit.id, headcount=headcount, source="Thống kê"
        )
        for _ in range(people):
            builders.finish_attempt(builders.make_person(contest, unit=unit), round)
    builders.rank(round)
    address = f"/admin/rounds/{round.id}/dashboard?division=citizens"

    by_rate, by_people = page(staff, address), page(staff, f"{address}&sort=people&order=desc")

    assert by_rate.index("Xã An Lạc") < by_rate.index("Xã Bắc Lũng")
    assert by_people.index("Xã Bắc Lũng") < by_people.index("Xã An Lạc")
    assert "10,00" in by_rate  # 1 of 100, per 1,000 residents


# --- people and attempts -------------------------------------------------------------------------


def test_people_are_found_by_name_without_accents_and_by_phone(staff, contest):
    builders.make_person(contest, name="Đỗ Thị Ánh", phone="0987654321")
    builders.make_person(contest, name="Trần Văn Bình", phone="0912345678")

    by_name = page(staff, "/admin/participants?q=do+thi+anh")
    by_phone = page(staff, "/admin/participants?q=%2B84+987+654+321")

    for html in (by_name, by_phone):
        assert "Đỗ Thị Ánh" in html
        assert "Trần Văn Bình" not in html
    assert "*******321" in by_name
    assert "Không tìm thấy ai" in page(staff, "/admin/participants?q=0987654322")


def test_a_phone_number_is_never_shown_whole(staff, contest):
    builders.make_person(contest, phone="0987654321")

    assert "0987654321" not in page(staff, "/admin/participants")


def test_people_are_narrowed_by_division_and_unit(staff, contest):
    agency = builders.make_unit("Sở Y tế", "H05.10", kind="agency", group="department")
    builders.make_person(contest, "officials", name="Lê Văn Cán", unit=agency)
    builders.make_person(contest, name="Phạm Thị Dân")

    officials = page(staff, "/admin/participants?division=officials")
    of_agency = page(staff, "/admin/participants?unit=H05.10")

    for html in (officials, of_agency):
        assert "Lê Văn Cán" in html
        assert "Phạm Thị Dân" not in html


def test_attempts_are_narrowed_by_state(staff, contest, round):
    sitting = builders.make_person(contest, name="Người Đang Làm")
    waiting = builders.make_person(contest, name="Người Chờ Chấm")
    scored = builders.make_person(contest, name="Người Đã Chấm")
    voided = builders.make_person(contest, name="Người Bị Hủy")
    builders.finish_attempt(scored, round)
    cancelled = builders.finish_attempt(voided, round)
    cancelled.voided_at, cancelled.void_reason = db_now(db.session()), "mất điện"
    db.session.commit()
    builders.finish_attempt(waiting, round, is_scored=False)
    builders.start(sitting, round)

    everyone = {"Người Đang Làm", "Người Chờ Chấm", "Người Đã Chấm", "Người Bị Hủy"}
    for state, name in (
        ("open", "Người Đang Làm"),
        ("submitted", "Người Chờ Chấm"),
        ("scored", "Người Đã Chấm"),
        ("voided", "Người Bị Hủy"),
    ):
        html = page(staff, f"/admin/rounds/{round.id}/attempts?state={state}")
        assert {one for one in everyone if one in html} == {name}
    assert "mất điện" in page(staff, f"/admin/rounds/{round.id}/attempts?state=voided")


def test_a_long_list_is_turned_by_pages_and_a_page_too_far_is_the_last(staff, contest):
    for number in range(51):
        builders.make_person(contest, name=f"Nguyễn {'Văn ' * (number % 3)}An")

    first, last = page(staff, "/admin/participants"), page(staff, "/admin/participants?page=99")

    assert first.count("*******") == 50
    assert last.count("*******") == 1


# --- opening, ending, books ----------------------------------------------------------------------


def test_the_configuration_shows_the_specification_beside_the_bank(staff, planned):
    html = words(page(staff, f"/admin/rounds/{planned.id}"))

    assert "3 / 6" in html
    assert "12 câu phù hợp cho đề 5 câu" in html
    assert "Mở vòng thi này?" in html


def test_looking_at_a_planned_round_freezes_nothing(staff, planned):
    page(staff, f"/admin/rounds/{planned.id}")

    assert db.session.scalar(text("SELECT count(*) FROM pools")) == 0


def test_a_bank_that_is_too_small_is_said_before_and_refused_after(staff, contest):
    builders.make_items(per_cell=2)
    round = builders.make_round(contest, opens_in=timedelta(hours=2))

    html = words(page(staff, f"/admin/rounds/{round.id}"))
    refused = post(staff, f"/admin/rounds/{round.id}/opening")

    assert "T1/NB cần 3, có 2" in html
    assert "Mở vòng thi này?" not in html
    assert refused.status_code == 409
    assert "Ngân hàng câu hỏi chưa đủ" in refused.get_data(as_text=True)
    assert round.opened_at is None


def test_opening_is_logged_and_said(staff, planned):
    response = post(staff, f"/admin/rounds/{planned.id}/opening")

    db.session.refresh(planned)
    assert (response.status_code, response.location) == (303, f"/admin/rounds/{planned.id}")
    assert planned.opened_at is not None
    assert (last_event().action, last_event().actor.name) == ("round.open", "Ban Tổ chức")
    assert "Đã mở vòng thi" in page(staff, response.location)
    assert planned.seed_commitment in page(staff, response.location)


def test_a_round_is_opened_once(staff, round):
    refused = post(staff, f"/admin/rounds/{round.id}/opening")

    assert refused.status_code == 409
    assert "đã được mở" in refused.get_data(as_text=True)


def test_ending_early_names_its_effect_and_needs_a_reason(staff, contest, round):
    builders.start(builders.make_person(contest), round)

    assert "1 người đang làm bài vẫn đủ thời gian" in words(page(staff, f"/admin/rounds/{round.id}?step=end"))
    assert post(staff, f"/admin/rounds/{round.id}/ending", reason=" \u00a0\x00").status_code == 409

    response = post(staff, f"/admin/rounds/{round.id}/ending", reason="Bão số 5")

    db.session.refresh(round)
    assert response.status_code == 303
    assert phase(round, now=db_now(db.session())) is Phase.CLOSING
    assert (last_event().action, last_event().reason) == ("round.end", "Bão số 5")


def test_the_books_are_closed_and_the_round_is_ranked_at_once(staff, contest, round):
    for prediction in (9, 1):
        builders.finish_attempt(builders.make_person(contest), round, prediction=prediction)
    assert post(staff, f"/admin/rounds/{round.id}/books").status_code == 409
    builders.close(round, with_books=False)

    shown = words(page(staff, f"/admin/rounds/{round.id}"))
    response = post(staff, f"/admin/rounds/{round.id}/books")

    assert "Người dân 2 2" in shown
    assert response.status_code == 303
    assert last_event().action == "round.close_books"
    truth = select(RoundDivision.truth).where(
        RoundDivision.truth.is_not(None), RoundDivision.round_id == round.id
    )
    assert db.session.scalar(truth) == 2
    errors = (
        select(Standing.prediction_error).where(Standing.round_id == round.id).order_by(Standing.position)
    )
    assert db.session.scalars(errors).all() == [1, 7]
    assert post(staff, f"/admin/rounds/{round.id}/books").status_code == 409


# --- standings -----------------------------------------------------------------------------------


def test_standings_are_provisional_under_full_names_with_the_reason_for_each_place(staff, contest, round):
    builders.finish_attempt(builders.make_person(contest, name="Vũ Thị Nhất"), round, right=5)
    builders.finish_attempt(builders.make_person(contest, name="Bùi Văn Nhì"), round, right=4)
    builders.rank(round)

    html = page(staff, f"/admin/rounds/{round.id}/standings?division=citizens")

    assert html.index("Vũ Thị Nhất") < html.index("Bùi Văn Nhì")
    assert "Hơn dòng dưới về điểm: 5 so với 4." in html
    assert "tạm tính" in html
    assert "Xếp hạng lúc" in html
    assert "Lệch dự đoán" not in html


def test_after_the_books_standings_are_final_and_show_how_far_off_predictions_were(staff, contest, round):
    builders.finish_attempt(builders.make_person(contest), round, prediction=4)
    builders.close(round)

    html = page(staff, f"/admin/rounds/{round.id}/standings?division=citizens")

    assert "tạm tính" not in html
    assert "Lệch dự đoán" in html


def test_the_sentence_of_a_pages_last_row_looks_at_the_next_page(staff, contest, round):
    for number in range(51):
        builders.finish_attempt(
            builders.make_person(contest), round, took=timedelta(seconds=100 + number), is_scored=False
        )
    builders.score_all()
    builders.rank(round)

    html = page(staff, f"/admin/rounds/{round.id}/standings?division=citizens")

    assert html.count("Hơn dòng dưới về thời gian") == 50


def test_units_are_listed_by_group_with_their_rate(staff, contest, round):
    builders.finish_attempt(builders.make_person(contest), round)
    builders.rank(round)

    html = words(page(staff, f"/admin/rounds/{round.id}/standings/units?division=citizens"))

    assert "Người dự thi trên 1.000 dân" in html


# --- results -------------------------------------------------------------------------------------


def test_before_the_books_nobody_wins(staff, round):
    assert "Chưa đến lúc xét giải" in page(staff, f"/admin/rounds/{round.id}/results")
    assert post(staff, f"/admin/rounds/{round.id}/publications").status_code == 409


def test_winners_are_seen_before_they_are_published(staff, contest, round):
    builders.finish_attempt(builders.make_person(contest, name="Vũ Thị Nhất"), round)
    builders.finish_attempt(
        builders.make_person(contest, name="Bùi Văn Kín", consents=("participation",)), round, right=4
    )
    builders.close(round)

    html = page(staff, f"/admin/rounds/{round.id}/results")

    assert "Vũ Thị Nhất" in html
    assert re.search(r"Bùi Văn Kín</td>\s*<td[^>]*>Thí sinh ", html)
    assert "Công bố danh sách này?" in html


def test_a_version_is_published_logged_and_given_as_a_workbook(staff, contest, round):
    builders.finish_attempt(builders.make_person(contest, name="Vũ Thị Nhất"), round)
    builders.close(round)

    response = post(staff, f"/admin/rounds/{round.id}/publications")

    publication = db.session.scalars(select(Publication)).one()
    assert response.status_code == 303
    assert last_event().action == "results.publish"
    html = page(staff, f"/admin/rounds/{round.id}/results")
    assert publication.sha256 in html
    assert "không khác bản 1" in html
    assert "Đã công bố bản 1" in html

    file = staff.get(f"/admin/rounds/{round.id}/publications/1.xlsx")
    assert file.mimetype == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert "filename*=UTF-8''K%E1%BA%BFt%20qu%E1%BA%A3%20v%C3%B2ng%201" in file.headers["Content-Disposition"]
    assert file.headers["Cache-Control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(file.data)) as parts:
        assert "Vũ Thị Nhất" in parts.read("xl/sharedStrings.xml").decode()


def test_a_later_version_needs_a_reason_and_shows_what_changes(staff, contest, round):
    builders.finish_attempt(builders.make_person(contest, name="Vũ Thị Nhất"), round, right=5)
    builders.finish_attempt(builders.make_person(contest, name="Bùi Văn Nhì"), round, right=4)
    builders.close(round)
    publish(round)
    first = db.session.scalars(select(Standing).where(Standing.rank == 1)).one()
    first.points = 0
    db.session.commit()
    builders.rank(round)

    html = words(page(staff, f"/admin/rounds/{round.id}/results"))
    refused = post(staff, f"/admin/rounds/{round.id}/publications", reason="  ")
    response = post(staff, f"/admin/rounds/{round.id}/publications", reason="Sửa đáp án câu T1-001")

    assert "Khác với bản 1" in html
    assert re.search(r"Bùi Văn Nhì [^.]*? Giải Nhì Giải Nhất", html)
    assert refused.status_code == 409
    assert response.status_code == 303
    assert db.session.scalar(select(func.max(Publication.version))) == 2
    assert "Sửa đáp án câu T1-001" in page(staff, f"/admin/rounds/{round.id}/results")


@pytest.mark.parametrize("version", [0, 2, 2**31, 10**30, "abc"])
def test_a_version_that_is_not_there_is_not_found(staff, contest, round, version):
    builders.finish_attempt(builders.make_person(contest), round)
    builders.close(round)
    publish(round)

    assert staff.get(f"/admin/rounds/{round.id}/publications/{version}.xlsx").status_code == 404
