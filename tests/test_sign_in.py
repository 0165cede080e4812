"""Signing in and out, and a person's own page."""

from datetime import timedelta

import pytest
from argon2 import extract_parameters
from sqlalchemy import select

from contest import accounts, security
from contest.clock import db_now
from contest.extensions import db
from contest.models import Session
from tests import builders

PHONE = "0987654321"
WRONG = "Số điện thoại hoặc mật khẩu chưa đúng."


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def person(contest):
    return builders.make_person(contest, phone=PHONE, name="Phan Thị Huyền")


@pytest.fixture
def visitor(client):
    client.get("/login")
    return client


def sign_in(client, login=PHONE, password=builders.PASSWORD, **more):
    data = {"csrf_token": builders.csrf(client), "login": login, "password": password, **more}
    return client.post("/login", data=data)


def is_signed_in(client):
    return client.get("/me").status_code == 200


def test_a_person_signs_in_by_phone_in_any_form(visitor, person):
    response = sign_in(visitor, login="+84 987.654.321")

    assert (response.status_code, response.location) == (303, "/")
    assert is_signed_in(visitor)


def test_a_password_typed_with_other_accents_code_points_is_the_same(visitor, person):
    import unicodedata

    assert sign_in(visitor, password=unicodedata.normalize("NFD", builders.PASSWORD)).status_code == 303


def test_staff_sign_in_by_name_and_are_led_to_their_pages(visitor, contest):
    builders.make_staff(login="bantochuc")

    assert sign_in(visitor, login=" BanToChuc ").location == "/admin/"


@pytest.mark.parametrize(
    "login, password",
    [
        (PHONE, "sai mật khẩu"),
        ("0911111111", builders.PASSWORD),
        ("khong-co-ai", builders.PASSWORD),
        (PHONE, builders.PASSWORD + "\x00"),
        (PHONE, "x" * 50_000),
        ("x" * 50_000, "x"),
        ("\x00", "\x00x"),
    ],
)
def test_a_wrong_phone_and_a_wrong_password_are_told_alike(visitor, person, login, password):
    response = sign_in(visitor, login=login, password=password)

    assert response.status_code == 422
    page = response.get_data(as_text=True)
    assert WRONG in page or "Bạn hãy ghi số điện thoại." in page
    assert not is_signed_in(visitor)


@pytest.mark.parametrize("login", ["0911111111", PHONE])
def test_an_unknown_phone_costs_one_verification_like_a_wrong_password(visitor, person, monkeypatch, login):
    verified = []

    def noted(password_hash, password):
        verified.append(extract_parameters(password_hash or security.NOBODYS_HASH))
        return security.verify_password(password_hash, password)

    monkeypatch.setattr("contest.signing_in.verify_password", noted)

    sign_in(visitor, login=login, password="sai mật khẩu")

    assert verified == [extract_parameters(person.password_hash)]


@pytest.mark.parametrize("data", [{}, {"login": PHONE}, {"password": "x"}])
def test_an_empty_field_is_named(visitor, person, data):
    response = visitor.post("/login", data={"csrf_token": builders.csrf(visitor), **data})

    assert response.status_code == 422
    assert "Bạn hãy ghi" in response.get_data(as_text=True)


def test_the_phone_that_was_typed_is_kept_and_the_password_is_not(visitor, person):
    page = sign_in(visitor, password="sai mật khẩu").get_data(as_text=True)

    assert PHONE in page
    assert "sai mật khẩu" not in page


def test_a_locked_account_does_not_sign_in(visitor, person):
    person.locked_at = db_now(db.session())
    db.session.commit()

    assert sign_in(visitor).status_code == 422


@pytest.mark.parametrize(
    "target, location",
    [
        ("/me", "/me"),
        ("/contests/x/leaderboard?round=1&q=b%C3%A1", "/contests/x/leaderboard?round=1&q=b%C3%A1"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_signing_in_leads_on_within_the_site_only(visitor, person, target, location):
    assert sign_in(visitor, next=target).location == location


def test_a_page_for_the_signed_in_asks_to_sign_in_and_comes_back(client, person):
    asked = client.get("/me")
    assert (asked.status_code, asked.location) == (303, "/login?next=/me")
    page = client.get(asked.location).get_data(as_text=True)

    assert '<input type="hidden" name="next" value="/me">' in page


def test_a_new_sign_in_gets_a_new_session_and_ends_the_old_one(client, person):
    builders.sign_in(client, person)
    before = client.get_cookie("contest_sid").value

    sign_in(client)

    assert client.get_cookie("contest_sid").value != before
    assert accounts.live_session(db.session(), before) is None
    assert is_signed_in(client)


def test_the_session_cookie_is_out_of_reach_of_scripts(visitor, person):
    cookie = sign_in(visitor).headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_who_is_signed_in_is_led_past_the_form(client, person):
    builders.sign_in(client, person)

    assert client.get("/login").location == "/"
    assert client.get("/login?next=/me").location == "/me"


def test_an_expired_session_may_sign_in_again(client, person):
    builders.sign_in(client, person)
    opened = db.session.scalars(select(Session)).one()
    opened.created_at -= timedelta(days=60)
    opened.expires_at = opened.created_at + timedelta(days=1)
    db.session.commit()
    client.get("/login")

    assert sign_in(client).status_code == 303


def test_signing_out_ends_the_session(client, person):
    builders.sign_in(client, person)
    token = client.get_cookie("contest_sid").value

    response = client.post("/logout", data={"csrf_token": builders.csrf(client)})

    assert (response.status_code, response.location) == (303, "/")
    assert client.get_cookie("contest_sid") is None
    assert accounts.live_session(db.session(), token) is None


def test_signing_out_needs_the_token(client, person):
    builders.sign_in(client, person)

    assert client.post("/logout").status_code == 403
    assert is_signed_in(client)


# --- one's own page ------------------------------------------------------------------------------


def test_the_own_page_shows_the_entry_the_consents_and_no_whole_phone(client, person, contest):
    page = builders.sign_in(client, person).get("/me").get_data(as_text=True)

    for shown in ("Phan Thị Huyền", "*******321", "Người dân", "Xã Lục Ngạn", "bản 2026-11"):
        assert shown in page
    assert PHONE not in page
    assert PHONE[:7] not in page


def test_the_own_page_lists_the_attempts_with_result_and_receipt(client, person, contest):
    round = builders.open_now(builders.make_round(contest))
    attempt = builders.finish_attempt(person, round)

    page = builders.sign_in(client, person).get("/me").get_data(as_text=True)

    assert f"/attempts/{attempt.public_id}/result" in page
    assert f"/receipts/{attempt.receipt_code}" in page


def test_an_open_attempt_is_there_to_go_on_with(client, person, contest):
    attempt = builders.start(person, builders.open_now(builders.make_round(contest)))

    page = builders.sign_in(client, person).get("/me").get_data(as_text=True)

    assert f'href="/attempts/{attempt.public_id}"' in page


def test_staff_have_a_page_too(client, contest):
    staff = builders.make_staff(login="bantochuc")

    page = builders.sign_in(client, staff).get("/me").get_data(as_text=True)

    assert "bantochuc" in page


def test_without_any_contest_the_own_page_still_opens(client, session):
    assert builders.sign_in(client, builders.make_person()).get("/me").status_code == 200
