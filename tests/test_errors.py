"""When something goes wrong: a calm page in Vietnamese, an incident code, no personal data in the log."""

import json
from dataclasses import replace

import pytest

from contest import contests, create_app
from contest.extensions import db
from tests import builders


@pytest.fixture
def production_like(app):
    """The application as it answers when nobody is debugging."""
    app.testing = False
    yield app
    app.testing = True


@pytest.mark.usefixtures("production_like")
def test_a_bug_shows_an_incident_code_that_is_in_the_log(client, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("hỏng")

    monkeypatch.setattr(contests, "current_contest", fail)

    answer = client.get("/")

    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (incident,) = [line["incident"] for line in logged if line["event"] == "bug"]
    assert answer.status_code == 500
    assert incident in answer.text
    assert "RuntimeError" not in answer.text
    assert "Những gì bạn đã lưu vẫn an toàn" in answer.text


@pytest.mark.usefixtures("production_like")
def test_an_error_carries_nobodys_data_into_the_log(client, capsys):
    contest = builders.make_contest()
    client.get("/register")
    builders.make_person(contest, name="Trần Bí Mật", phone="0987123456")
    db.session.execute(db.text("ALTER TABLE accounts ADD CONSTRAINT broken CHECK (name <> 'Lê Kín Đáo')"))
    db.session.commit()

    answer = client.post(
        "/register",
        data={
            "csrf_token": builders.csrf(client),
            "name": "Lê Kín Đáo",
            "birth_date": "05/03/1990",
            "phone": "0987123457",
            "password": "con trâu đi cày",
            "division": "citizens",
            "commune": "09187",
            "participation": "y",
        },
    )

    log = capsys.readouterr().out
    assert answer.status_code == 500
    assert "broken" in log
    for secret in ("Kín Đáo", "Bí Mật", "0987123457", "con trâu đi cày"):
        assert secret not in log


def test_while_the_database_is_away_people_are_asked_to_try_again(settings, capsys):
    away = create_app(replace(settings, database_url="postgresql+psycopg://x@/x?host=/nowhere"))
    browser = away.test_client()

    page = browser.get("/")
    ready = browser.get("/readyz")
    alive = browser.get("/healthz")

    assert (page.status_code, page.headers["Retry-After"]) == (503, "2")
    assert "vẫn an toàn" in page.text
    assert (ready.status_code, alive.status_code) == (503, 200)


def test_a_save_while_the_database_is_away_is_answered_503(settings):
    away = create_app(replace(settings, database_url="postgresql+psycopg://x@/x?host=/nowhere"))
    browser = away.test_client()
    browser.set_cookie("contest_sid", "a token")
    body = {"seq": 1, "base": 0, "editor": "e", "shape": "4s", "responses": {}}
    with away.app_context():
        token = builders.csrf(browser)

    answer = browser.put("/attempts/x/responses", json=body, headers={"X-CSRFToken": token})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize("address", ["/no-such-page", "/attempts/", "/contests/x", "/receipts/%00", "/%00"])
def test_what_is_not_there_is_not_found_in_vietnamese(client, address):
    answer = client.get(address)

    assert answer.status_code == 404
    assert 'lang="vi"' in answer.text


def test_readiness_warns_when_redis_is_away_and_serves_on(app, client):
    from contest import jobs
    from contest.redis_connection import QuickRedis

    app.extensions["doorbell"] = jobs.Doorbell(QuickRedis("unix:///nowhere/valkey.sock"))

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json["warnings"] == ["redis is away: scoring is left to the sweeper"]


@pytest.mark.parametrize("address", ["/", "/healthz", "/nowhere"])
def test_under_a_name_that_is_not_ours_there_is_no_page_and_no_bug(settings, address):
    app = create_app(replace(settings, trusted_hosts=("thi.example.vn",)))

    answer = app.test_client().get(address, headers={"Host": "evil.example"})

    assert (answer.status_code, answer.mimetype) == (400, "text/plain")
    assert "Content-Security-Policy" in answer.headers
