"""Contests and rounds in forms: what is typed is stored, what is wrong stands at its field."""

import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from contest import contests, round_settings
from contest.extensions import db
from contest.fields import moment
from contest.formatting import vn_datetime
from contest.models import Contest, Exclusion, Headcount, Round, UnrankedPerson
from tests import builders
from tests.test_admin import check_page, words


@pytest.fixture
def contest(session):
    builders.make_items()
    return builders.make_contest()


@pytest.fixture
def round(contest):
    return contests.find_round(db.session(), builders.make_round(contest, opens_in=timedelta(days=2)).id)


@pytest.fixture
def staff(client):
    return builders.sign_in(client, builders.make_staff())


def page(browser, address, status=200):
    answer = browser.get(address)
    assert answer.status_code == status
    html = answer.get_data(as_text=True)
    check_page(html)
    return html


def fields_of(html):
    """The form of a page as a browser would send it back."""
    sent = {}
    for tag in re.findall(r"<input[^>]*>", html):
        attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if attributes.get("type") in ("checkbox", "radio") and not re.search(r"\schecked\b", tag):
            continue
        if attributes.get("type") == "checkbox" and "value" in attributes:
            sent.setdefault(attributes["name"], []).append(attributes["value"])
        elif "name" in attributes:
            sent[attributes["name"]] = attributes.get("value", "y")
    for name, inner in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', html, re.DOTALL):
        chosen = re.findall(
            r'<option[^>]*selected[^>]*value="([^"]*)"|<option[^>]*value="([^"]*)"[^>]*selected', inner
        )
        sent[name] = "".join(chosen[0]) if chosen else ""
    for name, inner in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', html, re.DOTALL):
        sent[name] = inner.strip()
    return sent


def send(browser, address, *, drop=(), **changed):
    sent = fields_of(page(browser, address)) | changed
    sent = {name: value for name, value in sent.items() if name not in drop}
    return browser.post(address, data=sent | {"csrf_token": builders.csrf(browser)})


def post(browser, address, **fields):
    return browser.post(address, data={"csrf_token": builders.csrf(browser), **fields})


def fresh(round):
    db.session.expire_all()
    return contests.find_round(db.session(), round.id)


# --- a round -------------------------------------------------------------------------------------


def test_a_round_comes_back_from_its_form_as_it_was(staff, round):
    address = f"/admin/rounds/{round.id}/configuration"
    # The builder's moments have seconds, which nobody types.
    round.opens_at = moment(vn_datetime(round.opens_at))
    round.closes_at = moment(vn_datetime(round.closes_at))
    db.session.commit()

    answer = send(staff, address)

    assert answer.status_code == 303
    assert fresh(round).configuration_version == 1


def test_what_is_typed_is_stored(staff, round):
    answer = send(
        staff,
        f"/admin/rounds/{round.id}/configuration",
        title="  Tuần   đầu ",
        opens_at="8h 01/12/2026",
        closes_at="22:30 ngày 06/12/2026",
        duration_ms="20",
        grace_ms="5",
        attempts_allowed="3",
        counts="last",
        cooldown_ms="1.440",
        is_partial="y",
        score_shown="after_closing",
        is_skipping_earlier_winners="y",
        lot_text_source="Xổ số miền Bắc ngày 07/12/2026",
    )

    stored = fresh(round)
    assert answer.status_code == 303
    assert (stored.title, stored.duration_ms, stored.grace_ms) == ("Tuần đầu", 1_200_000, 5_000)
    assert vn_datetime(stored.opens_at) == "08:00 ngày 01/12/2026"
    assert vn_datetime(stored.closes_at) == "22:30 ngày 06/12/2026"
    assert (stored.attempts_allowed, stored.counts, stored.cooldown_ms) == (3, "last", 86_400_000)
    assert (stored.is_partial, stored.is_leaderboard_live, stored.is_skipping_earlier_winners) == (
        True,
        False,
        True,
    )
    assert (stored.seed_text_source, stored.lot_text_source) == (None, "Xổ số miền Bắc ngày 07/12/2026")
    shown = words(page(staff, answer.location))
    assert "Bản 2" in shown
    assert "khoảng cách giữa hai lượt" in shown


@pytest.mark.parametrize(
    "name, typed, sentence",
    [
        ("opens_at", "ngày mai", "Bạn hãy ghi giờ và ngày"),
        ("opens_at", "08:00 ngày 31/02/2027", "Ngày giờ này không có"),
        ("opens_at", "", "Bạn hãy điền mục này."),
        ("closes_at", "08:00 ngày 01/01/2020", "Thời điểm đóng cần sau"),
        ("duration_ms", "mười lăm", "một số nguyên"),
        ("duration_ms", "0", "từ 1 phút"),
        ("attempts_allowed", "999999999999", "một số nguyên"),
        ("counts", "worst", "chọn trong danh sách"),
        ("score_shown", "never", "chọn trong danh sách"),
        ("number", "0", "từ 1 đến 999"),
    ],
)
def test_what_is_wrong_stands_at_its_field_with_what_was_typed(staff, round, name, typed, sentence):
    answer = send(staff, f"/admin/rounds/{round.id}/configuration", **{name: typed})

    html = answer.get_data(as_text=True)
    check_page(html)
    assert answer.status_code == 422
    assert html.count(sentence) >= 2  # above the form and at the field
    if name not in ("counts", "score_shown"):
        assert f'value="{typed}"' in html
    assert fresh(round).configuration_version == 1


def test_a_preview_says_what_it_means_and_stores_nothing(staff, round):
    answer = send(
        staff,
        f"/admin/rounds/{round.id}/configuration",
        attempts_allowed="2",
        cooldown_ms="30",
        preview="yes",
    )

    assert answer.status_code == 200
    assert "Hai lượt cách nhau ít nhất 30 phút" in words(answer.get_data(as_text=True))
    assert fresh(round).configuration_version == 1


def test_of_two_organizers_the_second_is_told_and_keeps_what_was_typed(staff, round):
    address = f"/admin/rounds/{round.id}/configuration"
    stale = fields_of(page(staff, address))
    assert send(staff, address, attempts_allowed="2").status_code == 303

    told = post(staff, address, **{**stale, "title": "Tên của người thứ hai"})

    html = told.get_data(as_text=True)
    check_page(html)
    assert told.status_code == 409
    assert "Ban Tổ chức đã lưu lúc" in html
    assert 'value="Tên của người thứ hai"' in html
    assert fresh(round).title == "Vòng thử"
    again = fields_of(html)
    assert post(staff, address, **again).status_code == 303
    assert fresh(round).title == "Tên của người thứ hai"


def test_a_round_is_for_the_divisions_that_are_ticked(staff, round):
    address = f"/admin/rounds/{round.id}/configuration"
    html = page(staff, address)
    assert fields_of(html)["divisions"] == ["officials", "citizens"]
    assert "Dành cho mọi bảng thi." in words(html)

    refused = send(staff, address, divisions=["officials"])
    html = refused.get_data(as_text=True)
    check_page(html)
    assert refused.status_code == 422
    assert html.count("Vòng này còn giải thưởng của bảng Người dân") == 2  # above the form and at the boxes
    assert fields_of(html)["divisions"] == ["officials"]

    prizes = f"/admin/rounds/{round.id}/prizes"
    places = [
        place for place in range(4) if fields_of(page(staff, prizes))[f"prize-{place}-division"] == "citizens"
    ]
    assert send(staff, prizes, **{f"prize-{place}-title": "" for place in places}).status_code == 303
    left_out = send(staff, address, divisions=["officials"])

    assert left_out.status_code == 303
    assert [one.division.code for one in fresh(round).divisions] == ["officials"]
    shown = words(page(staff, left_out.location))
    assert "Không dành cho bảng Người dân." in shown
    assert "bảng dự thi (bản 3)" in shown
    assert staff.get(division(round)).status_code == 404

    assert send(staff, address, divisions=["officials", "citizens"]).status_code == 303
    added = asked(round)
    assert (added.specification, added.prediction_counted, added.unit_threshold_percent) == ([], "full", 0)


@pytest.mark.parametrize("chosen", [(), ("guests",), ("",)])
def test_a_round_for_nobody_is_refused_at_the_boxes(staff, round, chosen):
    address = f"/admin/rounds/{round.id}/configuration"

    answer = send(staff, address, drop=() if chosen else ("divisions",), divisions=list(chosen))

    html = answer.get_data(as_text=True)
    check_page(html)
    assert answer.status_code == 422
    assert html.count("Vòng thi cần ít nhất một bảng thi.") == 2
    assert len(fresh(round).divisions) == 2


def test_a_new_round_leaves_the_prizes_of_those_behind_whom_it_is_not_for(staff, contest, round):
    address = f"/admin/contests/{contest.id}/rounds/new"
    assert "không được chép từ vòng trước" in words(page(staff, address))

    answer = send(staff, address, divisions=["citizens"])

    assert answer.status_code == 303
    made = db.session.scalars(select(Round).where(Round.contest_id == contest.id, Round.number == 2)).one()
    settings = round_settings.settings_of_round(db.session(), made)
    assert [one.division for one in settings.divisions] == ["citizens"]
    assert {one.division for one in settings.prizes} == {"citizens"}


def test_pages_of_a_round_for_one_division_show_that_one(staff, contest, round):
    builders.take_out(builders.make_round(contest, prizes=()), "citizens")
    only = contest.rounds[-1]

    for path in ("", "/dashboard", "/prizes", "/configuration"):
        assert "Cán bộ, công chức, viên chức" in page(staff, f"/admin/rounds/{only.id}{path}")
    for path in (
        "/results",
        "/standings",
        "/standings/units",
        "/analysis",
        "/draw-trial",
        "/statistics?division=citizens",
    ):
        page(staff, f"/admin/rounds/{only.id}{path}")


def test_an_opened_rounds_form_changes_nothing(staff, round):
    address = f"/admin/rounds/{round.id}/configuration"
    sent = fields_of(page(staff, address)) | {"title": "Muộn"}
    builders.open_now(round)

    assert post(staff, address, **sent).status_code == 409

    assert fresh(round).title == "Vòng thử"
    assert "Sửa cấu hình" not in page(staff, f"/admin/rounds/{round.id}")


# --- the paper -----------------------------------------------------------------------------------


def division(round, code="citizens"):
    return f"/admin/rounds/{round.id}/divisions/{code}/configuration"


def asked(round, code="citizens"):
    return next(one for one in fresh(round).divisions if one.division.code == code)


def test_the_paper_is_typed_as_a_matrix_with_the_banks_counts_beside_it(staff, round):
    html = page(staff, division(round))
    assert re.search(r'name="n-T1-NB"[^>]*value="3"', html)
    assert '<span class="has" data-live="has-n-T1-NB">/ 6</span>' in html

    answer = send(
        staff,
        division(round),
        **{"n-T1-NB": "2", "n-T2-TH": "", "required": "T2-TH-001 T2-TH-002", "barred": "T1-NB-003"},
    )

    assert answer.status_code == 303
    stored = asked(round)
    assert stored.specification == [
        {"topic": "T2", "level": "TH", "count": 1, "tags": ["code:T2-TH-001"]},
        {"topic": "T2", "level": "TH", "count": 1, "tags": ["code:T2-TH-002"]},
        {"topic": "T1", "level": "NB", "count": 2, "tags": []},
    ]
    assert stored.barred == ["T1-NB-003"]
    assert asked(round, "officials").barred == []


def test_too_few_items_are_said_at_once_and_the_paper_is_saved(staff, round):
    html = send(staff, division(round), **{"n-T6-VD": "4", "preview": "yes"}).get_data(as_text=True)
    assert "T6/VD cần 4, có 0" in words(html)
    assert 'class="has is-short" data-live="has-n-T6-VD"' in html
    assert asked(round).specification[0]["topic"] == "T1"

    assert send(staff, division(round), **{"n-T6-VD": "4"}).status_code == 303
    assert "T6/VD cần 4, có 0" in words(page(staff, f"/admin/rounds/{round.id}"))


def test_cells_with_tags_are_written_below_the_matrix(staff, round):
    answer = send(
        staff,
        division(round),
        **{
            "cell-0-topic": "T1",
            "cell-0-level": "NB",
            "cell-0-count": "1",
            "cell-0-tags": "luật, code:x, mới",
        },
    )

    assert answer.status_code == 303
    assert asked(round).specification[0] == {
        "topic": "T1",
        "level": "NB",
        "count": 1,
        "tags": ["luật", "mới"],
    }
    assert 'value="luật, mới"' in page(staff, division(round))


@pytest.mark.parametrize(
    "typed, sentence",
    [
        ({"required": "T9-XX-999"}, "Câu T9-XX-999 không dùng được"),
        ({"required": "T1-NB-001", "barred": "T1-NB-001"}, "vừa bắt buộc vừa bị loại"),
        ({"n-T1-NB": "nhiều"}, "một số nguyên"),
        ({"n-T1-NB": "500"}, "nhiều nhất 200 câu"),
        ({"cell-0-count": "2", "cell-0-tags": "luật"}, "chọn chủ đề, mức độ"),
        ({"chain_points": "9"}, "Điểm phải là tiêu chí đầu tiên"),
        ({"chain_prediction_error": ""}, "dự đoán cần có trong thứ tự xét"),
        ({"unit_threshold_percent": "101"}, "từ 0 đến 100"),
        ({"unit_formula": "luck"}, "chọn trong danh sách"),
        ({"prediction_counted": "luck"}, "chọn trong danh sách"),
    ],
)
def test_what_is_wrong_with_a_division_is_said(staff, round, typed, sentence):
    answer = send(staff, division(round), **typed)

    html = answer.get_data(as_text=True)
    check_page(html)
    assert answer.status_code == 422
    assert sentence in html
    assert fresh(round).configuration_version == 1


def test_the_chain_is_ordered_by_numbers(staff, round):
    send(
        staff,
        division(round),
        chain_points="1",
        chain_prediction_error="",
        chain_attempts_used="2",
        chain_submitted_at="3",
        chain_duration_ms="4",
        prediction_counted="",
        unit_formula="points",
        unit_threshold_percent="20",
    )

    stored = asked(round)
    assert stored.chain == ["points", "attempts_used", "submitted_at", "duration_ms"]
    assert (stored.prediction_counted, stored.unit_formula, stored.unit_threshold_percent) == (
        None,
        "points",
        20,
    )


def test_a_division_that_the_round_does_not_ask_has_no_page(staff, round):
    assert staff.get(division(round, "guests")).status_code == 404


# --- prizes --------------------------------------------------------------------------------------


def prizes(round):
    from contest import round_settings

    return [
        (one.title, one.division, one.count, one.worth)
        for one in round_settings.settings_of_round(db.session(), fresh(round)).prizes
    ]


def test_prizes_are_ordered_by_number_added_and_struck_out(staff, round):
    before = prizes(round)
    assert len(before) == 4

    answer = send(
        staff,
        f"/admin/rounds/{round.id}/prizes",
        **{
            "prize-0-order": "9",
            "prize-1-title": "",
            "prize-4-title": "Giải Đặc biệt",
            "prize-4-order": "0",
            "prize-4-division": "citizens",
            "prize-4-count": "1",
            "prize-4-worth": "10.000.000",
        },
    )

    assert answer.status_code == 303
    after = prizes(round)
    assert after[0] == ("Giải Đặc biệt", "citizens", 1, 10_000_000)
    assert after[1:] == [*before[2:], before[0]]


@pytest.mark.parametrize(
    "typed, sentence",
    [
        ({"prize-0-count": "0"}, "Số giải từ 1"),
        ({"prize-0-worth": "nhiều"}, "một số nguyên"),
        ({"prize-0-division": "guests"}, "chọn bảng thi có trong vòng"),
    ],
)
def test_a_wrong_prize_is_told_in_its_row(staff, round, typed, sentence):
    answer = send(staff, f"/admin/rounds/{round.id}/prizes", **typed)

    html = answer.get_data(as_text=True)
    check_page(html)
    assert (answer.status_code, sentence in html) == (422, True)
    assert len(prizes(round)) == 4


# --- steps ---------------------------------------------------------------------------------------


def test_from_an_empty_site_to_an_open_round_by_forms_alone(staff, session):
    builders.make_items()
    for name, code, kind, group in (
        ("Xã A", "1", "commune", "commune"),
        ("Sở B", "2", "agency", "department"),
    ):
        builders.make_unit(name, code, kind=kind, group=group)
    answer = send(staff, "/admin/contests/new", title="Hội thi", slug="hoi-thi-2026")
    assert answer.status_code == 303
    home = answer.location
    contest_id = int(home.rpartition("/")[2])
    answer = send(staff, f"/admin/contests/{contest_id}/rounds/new")
    assert answer.status_code == 303, answer.get_data(as_text=True)
    round_page = answer.location
    round_id = int(round_page.rpartition("/")[2])
    for code in ("officials", "citizens"):
        edit = f"/admin/rounds/{round_id}/divisions/{code}/configuration"
        assert send(staff, edit, **{"n-T1-NB": "2", "n-T2-TH": "1"}).status_code == 303
    assert "chưa đạt" in page(staff, round_page)
    assert post(staff, f"{round_page}/opening").status_code == 409

    assert post(staff, f"{home}/announcement").status_code == 303
    assert post(staff, f"{home}/headcounts/lock").status_code == 303
    assert post(staff, f"{round_page}/commitment").status_code == 303
    assert post(staff, f"{round_page}/backup", reason="07:00 ngày 01/01/2026").status_code == 303
    assert post(staff, f"{round_page}/opening").status_code == 303

    assert db.session.get_one(Round, round_id).opened_at is not None
    assert staff.get("/contests/hoi-thi-2026").status_code == 200


def test_a_round_is_cloned_and_deleted(staff, contest, round):
    made = post(staff, f"/admin/rounds/{round.id}/clone")
    assert made.status_code == 303
    page(staff, made.location)

    assert post(staff, f"{made.location}/deletion", reason=" ").status_code == 409
    assert post(staff, f"{made.location}/deletion", reason="Thừa").status_code == 303

    assert db.session.scalars(select(Round.number)).all() == [1]


def test_texts_are_written_on_the_rounds_page(staff, contest):
    made = builders.make_round(contest, opens_in=timedelta(days=1), seed_text_source="Xổ số")
    address = f"/admin/rounds/{made.id}"
    post(staff, f"{address}/commitment")

    assert post(staff, f"{address}/seed-text", reason="  ").status_code == 422
    assert post(staff, f"{address}/seed-text", reason="12345").status_code == 303

    assert "12345" in page(staff, address)
    assert post(staff, f"{address}/lot-text", reason="1").status_code == 409


# --- a contest -----------------------------------------------------------------------------------


def test_a_contest_is_changed_in_its_form(staff, contest):
    answer = send(
        staff,
        f"/admin/contests/{contest.id}/configuration",
        title="Tên mới",
        minimum_age="18",
        **{
            "division-0-name": "Cán bộ",
            "division-0-groups": "department",
            "division-2-name": "Khách",
            "division-2-code": "guests",
        },
    )

    db.session.expire_all()
    stored = db.session.get_one(Contest, contest.id)
    assert answer.status_code == 303
    assert (stored.title, stored.minimum_age) == ("Tên mới", 18)
    assert [(one.code, one.unit_groups) for one in stored.divisions] == [
        ("officials", ["department"]),
        ("citizens", []),
        ("guests", []),
    ]
    assert "thuộc nhóm Cơ quan chuyên môn thuộc UBND" in words(page(staff, answer.location))


def test_an_age_below_16_is_refused_at_its_field_with_the_reason(staff, contest):
    answer = send(staff, f"/admin/contests/{contest.id}/configuration", minimum_age="14")

    html = answer.get_data(as_text=True)
    check_page(html)
    assert answer.status_code == 422
    assert html.count("khi cả người đó và người giám hộ đồng ý") >= 2


def test_a_wrong_contest_is_told_at_its_fields(staff, contest):
    answer = send(
        staff,
        f"/admin/contests/{contest.id}/configuration",
        slug="Hội thi",
        **{"division-2-name": "Khách", "division-2-code": "1?"},
    )

    html = answer.get_data(as_text=True)
    check_page(html)
    assert answer.status_code == 422
    assert "chữ thường không dấu" in html
    assert "Mã bảng bắt đầu bằng chữ" in html


def test_headcounts_are_read_shown_and_then_stored(staff, contest):
    address = f"/admin/contests/{contest.id}/headcounts"
    file = (io.BytesIO("Mã;Người dân\n09187;52.100\nX;1\n".encode("utf-16")), "so-nguoi.csv")

    shown = post(staff, address, file=file).get_data(as_text=True)
    check_page(shown)
    assert "1 số liệu thay đổi" in shown
    assert "Mã X chưa có trong danh mục" in shown
    assert db.session.scalar(select(Headcount.id)) is None

    content = fields_of(shown)["content"]
    assert post(staff, address, content=content, apply="yes", source="Thống kê").status_code == 200
    assert db.session.scalar(select(Headcount.id)) is None, "its problems were not accepted"
    assert post(staff, address, content=content, apply="yes", accept="yes", source=" ").status_code == 422
    stored = post(staff, address, content=content, apply="yes", accept="yes", source="Thống kê")
    assert stored.status_code == 303
    assert db.session.scalar(select(Headcount.headcount)) == 52_100
    assert staff.get(f"{address}.csv").get_data(as_text=True).startswith("\ufeffcode,name,group")


def test_a_person_is_named_and_struck_out(staff, contest, round):
    home = f"/admin/contests/{contest.id}"
    assert post(staff, f"{home}/unranked", phone="0987 111 222", note="Anh Ba").status_code == 303
    assert "Anh Ba" in page(staff, home)
    assert post(staff, f"{home}/unranked", phone="12", note="x").status_code == 422
    person = builders.make_person(contest, phone="0987111222")
    builders.lock_headcounts(contest)
    assert post(staff, f"/admin/rounds/{round.id}/opening").status_code == 303
    assert db.session.scalars(select(Exclusion.account_id)).all() == [person.id]

    named = db.session.scalars(select(UnrankedPerson)).one()
    assert post(staff, f"{home}/unranked/{named.id}/removal").status_code == 303
    assert "Anh Ba" not in page(staff, home)
