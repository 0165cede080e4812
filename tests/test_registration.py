"""Registering: what is asked, what is forgiven, and every refusal naming its field."""

import io
import time
from datetime import date

import pytest
from sqlalchemy import func, select

from contest import accounts, registrations
from contest.blueprints.accounts import typed_day
from contest.clock import db_now
from contest.extensions import db
from contest.models import Account, Consent, Registration, Session
from tests import builders

PHONE = "0987654321"


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def visitor(client, contest):
    client.get("/register")
    return client


def fields(**changes):
    filled = {
        "name": "Nguyễn Thị Bưởi",
        "birth_date": "05/03/1990",
        "phone": PHONE,
        "password": "con mèo vàng",
        "division": "citizens",
        "commune": "09187",
        "unit": "",
        "participation": "y",
    }
    return {name: value for name, value in {**filled, **changes}.items() if value is not None}


def register(client, **changes):
    return client.post("/register", data={"csrf_token": builders.csrf(client), **fields(**changes)})


def refused(response, sentence):
    """Tell whether the form came back with this sentence beside its field and above the form."""
    page = response.get_data(as_text=True)
    return response.status_code == 422 and page.count(sentence) >= 2


def entry():
    return db.session.scalars(select(Registration)).one()


# --- taking part ---------------------------------------------------------------------------------


def test_a_citizen_registers_and_is_signed_in(visitor):
    response = register(visitor, contact="y")

    assert (response.status_code, response.location) == (303, "/")
    assert entry().account.name == "Nguyễn Thị Bưởi"
    assert entry().unit.name == entry().commune.name == "Phường Kinh Bắc"
    page = visitor.get("/").get_data(as_text=True)
    assert "Bạn đã đăng ký dự thi" in page
    assert "Đăng xuất" in page


def test_only_the_ticked_consents_are_recorded(visitor):
    register(visitor, contact="y")

    given = db.session.scalars(select(Consent.purpose).order_by(Consent.purpose))
    assert list(given) == ["contact", "participation"]


def test_no_consent_is_ticked_beforehand(visitor):
    page = visitor.get("/register").get_data(as_text=True)

    assert " checked" not in page


def test_an_official_counts_for_the_unit_and_lives_in_the_commune(visitor):
    register(visitor, division="officials", unit="H05.02", commune="07582")

    assert (entry().unit.name, entry().commune.name) == ("Sở Nội vụ", "Xã Lục Ngạn")


def test_an_official_may_work_for_a_commune(visitor):
    register(visitor, division="officials", unit="07582")

    assert entry().unit.name == "Xã Lục Ngạn"


def test_a_citizen_counts_for_the_commune_whatever_unit_was_chosen(visitor):
    register(visitor, unit="H05.02")

    assert entry().unit.name == "Phường Kinh Bắc"


def test_the_name_is_composed_and_its_blanks_are_collapsed(visitor):
    register(visitor, name="  Nguye\u0302\u0303n\u00a0 Thi\u0323\x00  Bưởi ")

    assert entry().account.name == "Nguyễn Thị Bưởi"


@pytest.mark.parametrize(
    "phone",
    [
        "0987654321",
        "0987 654 321",
        "0987.654.321",
        "0987-654-321",
        "(098) 765 4321",
        "+84987654321",
        "+84 987 654 321",
        "84987654321",
        "0084987654321",
        "(+84)0987654321",
    ],
)
def test_a_phone_is_understood_in_every_usual_form(visitor, phone):
    assert register(visitor, phone=phone).status_code == 303

    assert accounts.login_of(entry().account, data_key=builders.data_key()) == PHONE


@pytest.mark.parametrize(
    "text",
    [
        "05/03/1990",
        "5/3/1990",
        "05-03-1990",
        "5.3.1990",
        "05031990",
        "1990-03-05",
        " 05 / 03 / 1990 ".replace(" / ", "/"),
        "5 3 1990",
    ],
)
def test_a_birth_date_is_understood_in_every_usual_form(text):
    assert typed_day(text) == date(1990, 3, 5)


def test_registering_leads_on_to_where_the_person_was_going_but_never_off_the_site(visitor):
    assert register(visitor, next="/me").location == "/me"


def test_another_site_is_no_place_to_lead_on_to(visitor):
    assert register(visitor, next="//elsewhere.example/").location == "/"


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"name": ""}, "Bạn hãy ghi họ và tên."),
        ({"name": None}, "Bạn hãy ghi họ và tên."),
        ({"name": "Bưởi"}, "Bạn hãy ghi đầy đủ họ và tên"),
        ({"name": "Nguyễn V4n An"}, "Bạn hãy ghi đầy đủ họ và tên"),
        ({"name": "Nguyễn " + "A" * 80}, "Họ và tên chỉ được dài tối đa 80 ký tự."),
        ({"name": "<b>An</b> Bưởi"}, "Bạn hãy ghi đầy đủ họ và tên"),
        ({"birth_date": ""}, "Bạn hãy ghi ngày sinh."),
        ({"birth_date": "hôm qua"}, "Bạn hãy ghi ngày sinh theo thứ tự"),
        ({"birth_date": "5/3/90"}, "Bạn hãy ghi đủ bốn chữ số của năm sinh"),
        ({"birth_date": "30/02/1990"}, "Ngày sinh này không có trong lịch."),
        ({"birth_date": "05/03/2990"}, "Ngày sinh không thể ở trong tương lai."),
        ({"birth_date": "05/03/1790"}, "Bạn vui lòng kiểm tra lại năm sinh."),
        ({"birth_date": "00000000"}, "Ngày sinh này không có trong lịch."),
        ({"birth_date": "\x00"}, "Bạn hãy ghi ngày sinh"),
        ({"phone": ""}, "Bạn hãy ghi số điện thoại."),
        ({"phone": "0241234567"}, "Số điện thoại cần là số di động 10 chữ số"),
        ({"phone": "09876543210"}, "Số điện thoại cần là số di động 10 chữ số"),
        ({"phone": "bantochuc"}, "Số điện thoại cần là số di động 10 chữ số"),
        ({"password": ""}, "Bạn hãy đặt mật khẩu."),
        ({"password": "ngắn"}, "Mật khẩu cần có ít nhất 8 ký tự."),
        ({"password": "p" * 129}, "Mật khẩu chỉ được dài tối đa 128 ký tự."),
        ({"password": "matkhau123"}, "Mật khẩu này quá dễ đoán."),
        ({"password": PHONE}, "Mật khẩu không được chứa số điện thoại của bạn."),
        ({"division": None}, "Bạn hãy chọn bảng thi."),
        ({"division": "1"}, "Bạn hãy chọn một bảng thi trong danh sách."),
        ({"commune": ""}, "Bạn hãy chọn xã, phường nơi cư trú."),
        ({"commune": "99999"}, "Bạn hãy chọn xã, phường nơi cư trú trong danh sách."),
        ({"commune": "H05.02"}, "Bạn hãy chọn xã, phường nơi cư trú trong danh sách."),
        ({"division": "officials"}, "Bạn hãy chọn đơn vị công tác trong danh sách."),
        ({"division": "officials", "unit": "1"}, "Bạn hãy chọn đơn vị công tác trong danh sách."),
        ({"participation": None}, "Bạn cần đồng ý với mục này thì mới dự thi được."),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(visitor, changes, sentence):
    response = register(visitor, **changes)

    assert refused(response, sentence), response.get_data(as_text=True)
    assert db.session.scalar(select(func.count()).select_from(Account)) == 0


def test_somebody_under_sixteen_is_refused_politely(visitor):
    today = db_now(db.session()).date()

    response = register(visitor, birth_date=f"01/01/{today.year - 15}")

    assert refused(response, "Hiện cuộc thi nhận người từ đủ 16 tuổi. Cảm ơn bạn đã quan tâm")


def test_what_was_typed_is_kept_but_the_password_is_not(visitor):
    page = register(visitor, phone="12", contact="y").get_data(as_text=True)

    for kept in ("Nguyễn Thị Bưởi", "05/03/1990", 'value="12"'):
        assert kept in page
    assert page.count(" checked") == 3  # the division and two consents
    assert 'selected value="09187"' in page
    assert "con mèo vàng" not in page


def test_a_phone_has_one_account(visitor, contest):
    builders.make_person(contest, phone=PHONE)

    response = register(visitor, phone="+84 987 654 321")

    assert refused(response, "Số điện thoại này đã có tài khoản.")
    assert db.session.scalar(select(func.count()).select_from(Session)) == 0


@pytest.mark.parametrize("name", ["a" * 79 + "1", "a" * 80, ("ab" * 8 + " ") * 4 + "1"])
def test_a_long_text_that_is_no_name_is_refused_at_once(visitor, name):
    began = time.monotonic()

    response = register(visitor, name=name)

    assert response.status_code == 422
    assert time.monotonic() - began < 20, "exponential time: a regular expression backtracks"


@pytest.mark.parametrize("text", ["x" * 60_000, "\x00" * 100, "\ud7ff\uffff", "'; DROP TABLE accounts; --"])
@pytest.mark.parametrize("field", ["name", "birth_date", "phone", "division", "commune"])
def test_no_text_makes_the_server_stumble(visitor, field, text):
    assert register(visitor, **{field: text}).status_code == 422


def test_a_body_that_is_too_large_is_refused(visitor):
    assert register(visitor, name="x" * 10_000_000).status_code == 413


def test_fields_sent_twice_count_once(visitor):
    response = register(
        visitor, division=["citizens", "officials"], commune=["09187", "07582"], name=["Lê Thị Na", "x"]
    )

    assert response.status_code == 303
    assert entry().account.name == "Lê Thị Na"


def test_a_file_under_a_fields_name_is_no_text(visitor):
    response = visitor.post(
        "/register",
        data={
            "csrf_token": builders.csrf(visitor),
            **fields(name=None),
            "name": (io.BytesIO(b"An"), "an.txt"),
        },
        content_type="multipart/form-data",
    )

    assert refused(response, "Bạn hãy ghi họ và tên.")


def test_a_form_without_the_token_is_refused(visitor):
    assert visitor.post("/register", data=fields()).status_code == 403


# --- states --------------------------------------------------------------------------------------


def test_without_a_contest_there_is_nothing_to_register_for(client):
    assert client.get("/register").status_code == 404


def test_after_the_last_round_nobody_is_registered(visitor, contest):
    builders.close(builders.open_now(builders.make_round(contest)))

    assert register(visitor).status_code == 409
    assert "Cuộc thi đã kết thúc" in visitor.get("/register").get_data(as_text=True)


def test_who_is_registered_is_led_to_the_contest(client, contest):
    builders.sign_in(client, builders.make_person(contest))

    assert client.get("/register").location == "/"


def test_who_has_an_account_from_before_only_enters(client, contest):
    person = builders.make_person()
    builders.sign_in(client, person)
    assert 'name="password"' not in client.get("/register").get_data(as_text=True)

    response = register(client, division="citizens")

    assert response.status_code == 303
    assert registrations.of_account(db.session(), person.id, contest.id).unit.name == "Phường Kinh Bắc"


def test_staff_do_not_take_part(client, contest):
    builders.sign_in(client, builders.make_staff())

    assert register(client).status_code == 303
    assert db.session.scalar(select(func.count()).select_from(Registration)) == 0


def test_old_names_of_a_commune_are_there_to_search(client, contest, tmp_path):
    from contest import units

    rows = (
        "code,type,name,area_km2,old_district,old_units\n07228,Phường,Đa Mai,33.1,Bắc Giang,Phường Song Mai\n"
    )
    (tmp_path / "communes.csv").write_text(rows, encoding="utf-8")
    with (tmp_path / "communes.csv").open(encoding="utf-8") as file:
        units.import_communes(db.session(), file)
    db.session.commit()

    page = client.get("/register").get_data(as_text=True)

    assert "Phường Song Mai" in page


def test_somebody_too_young_for_a_later_contest_does_not_enter_it(app, client):
    earlier = builders.make_contest()
    person = builders.make_person(earlier, birth_date=date(2012, 1, 1))
    builders.make_round(builders.make_contest())
    builders.sign_in(client, person)

    answer = client.get("/register")

    assert answer.status_code == 422
    assert "từ đủ 16 tuổi" in answer.get_data(as_text=True)
