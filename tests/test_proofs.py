"""Proof of work as people and attackers meet it: solved once, used once, never asked of who sits."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe

import altcha
import pytest
from sqlalchemy import func, select, text, update

from contest import jobs, proofs
from contest.crowd.participants import solved
from contest.extensions import db
from contest.limits import Limiter
from contest.models import Account, Attempt, UsedProof
from contest.policies import POLICIES
from contest.rules.rates import MINUTE, SIGN_IN, By, Step
from tests import builders
from tests.proofs import proof
from tests.test_registration import fields
from tests.visiting import visit

SECRET = "s" * 40
NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
ONE = (Step(By.ADDRESS, 1, MINUTE, only_proves=True),)


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def proving(app, monkeypatch):
    """The site asks for proof, of little work; the limiter counts this test alone."""
    own = replace(app.config["CONTEST"], proof_work=2, secret_key=token_urlsafe(32))
    monkeypatch.setitem(app.config, "CONTEST", own)
    monkeypatch.setitem(app.extensions, "limiter", Limiter(app.extensions["redis"]))
    return app


@pytest.fixture
def visitor(proving, contest):
    browser = visit(proving)
    browser.get("/register")
    return browser


def register(browser, *, phone="0987654321", **more):
    data = {"csrf_token": builders.csrf(browser), **fields(phone=phone), **more}
    return browser.post("/register", data=data)


def slow_ticket(app, *, age, purpose="register"):
    secret = app.config["CONTEST"].secret_key
    return proofs.slow_ticket(secret, purpose, now=datetime.now(UTC) - timedelta(seconds=age))


def people():
    return db.session.scalar(select(func.count()).select_from(Account))


# --- registration ------------------------------------------------------------------------------------


def test_whoever_brings_a_proof_is_registered(visitor):
    assert register(visitor, altcha=proof(visitor)).status_code == 303


def test_whoever_brings_none_is_told_what_to_do_and_keeps_what_was_typed(visitor):
    answer = register(visitor)
    assert (answer.status_code, people()) == (422, 0)
    assert "Bước kiểm tra tự động chưa xong" in answer.text
    assert "Nguyễn Thị Bưởi" in answer.text


def test_a_proof_counts_once(visitor, proving):
    used = proof(visitor)
    assert register(visitor, altcha=used).status_code == 303
    again = visit(proving)
    again.get("/register")
    assert register(again, phone="0912345678", altcha=used).status_code == 422
    assert people() == 1


def test_a_form_that_was_refused_has_used_its_proof(visitor):
    """Otherwise one proof would ask of a thousand phones whether they have an account."""
    used = proof(visitor)
    assert register(visitor, altcha=used, phone="12").status_code == 422
    assert register(visitor, altcha=used).status_code == 422
    assert people() == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload["challenge"]["parameters"].update(cost=1),
        lambda payload: payload["challenge"]["parameters"].update(keyPrefix="00"),
        lambda payload: payload["challenge"]["parameters"].update(expiresAt=4_000_000_000),
        lambda payload: payload["challenge"].update(signature="0" * 64),
        lambda payload: payload["challenge"].update(signature=None),
        lambda payload: payload["solution"].update(counter=0),
        lambda payload: payload["solution"].update(derivedKey="00" * 32),
        lambda payload: payload.update(solution=[]),
        lambda payload: payload.pop("challenge"),
    ],
)
def test_a_proof_that_was_changed_is_none(visitor, change):
    payload = json.loads(altcha.v2.base64.b64decode(proof(visitor)))
    change(payload)
    changed = altcha.v2.base64.b64encode(json.dumps(payload).encode()).decode()
    assert register(visitor, altcha=changed).status_code == 422
    assert people() == 0


@pytest.mark.parametrize(
    "payload", ["", "x", "=", "[]", "bnVsbA==", "W10=", "e30=", "\x00", "é" * 50, "A" * 100_00]
)
def test_rubbish_is_no_proof(payload):
    assert proofs.read(SECRET, payload, "register") is None


def made(purpose="register", *, now=None, secret=SECRET, level=1):
    return proofs.puzzle(secret, purpose, work=1, level=level, now=now or datetime.now(UTC))


def test_a_proof_is_good_for_one_purpose_one_key_and_half_an_hour():
    late = datetime.now(UTC) - timedelta(minutes=31)
    assert proofs.read(SECRET, solved(json.dumps(made())), "register")
    assert proofs.read(SECRET, solved(json.dumps(made("pass"))), "register") is None
    assert proofs.read(SECRET, solved(json.dumps(made(secret="t" * 40))), "register") is None
    assert proofs.read(SECRET, solved(json.dumps(made(now=late))), "register") is None


def test_each_level_doubles_the_work_up_to_the_highest():
    def work(level):
        puzzle = proofs.puzzle(SECRET, "pass", work=30, level=level, now=datetime.now(UTC))
        return altcha.solve_challenge(altcha.Challenge.from_dict(puzzle)).counter

    for level, (least, most) in {1: (20, 40), 2: (40, 80), 3: (80, 160), 9: (80, 160)}.items():
        assert least <= work(level) <= most


def test_the_more_come_from_an_address_the_harder_the_puzzles(proving, contest, monkeypatch):
    rate = POLICIES["proofs.puzzle"].rate
    few = replace(rate, steps=(*ONE, Step(By.ADDRESS, 2, MINUTE, only_proves=True)))
    monkeypatch.setitem(POLICIES, "proofs.puzzle", replace(POLICIES["proofs.puzzle"], rate=few))
    levels, puzzle = [], proofs.puzzle
    monkeypatch.setattr(
        proofs,
        "puzzle",
        lambda *args, level, **rest: levels.append(level) or puzzle(*args, level=level, **rest),
    )
    for _ in range(4):
        assert visit(proving).get("/proof?for=register").status_code == 200
    assert levels == [1, 2, 3, 3]


@pytest.mark.parametrize("purpose", ["", "sms", "register'", "REGISTER"])
def test_there_are_no_puzzles_for_other_purposes(proving, contest, purpose):
    assert visit(proving).get("/proof", query_string={"for": purpose}).status_code == 404


def test_a_site_that_asks_for_none_shows_none(client, contest):
    page = client.get("/register").text
    assert "data-proof" not in page
    assert "proof.js" not in page
    assert client.get("/proof?for=register").status_code == 404


def test_somebody_signed_in_enters_the_next_contest_without_proof(proving, contest):
    browser = builders.sign_in(visit(proving), builders.make_person())
    assert "data-proof" not in browser.get("/register").text
    assert register(browser).status_code == 303


def test_used_proofs_are_forgotten_when_they_are_of_no_use_any_more(session):
    old, young = (proofs.read(SECRET, solved(json.dumps(made())), "register") for _ in range(2))
    assert proofs.take(db.session(), old)
    assert proofs.take(db.session(), young)
    assert not proofs.take(db.session(), old)
    session_time = text("statement_timestamp() - interval '2 hours'")
    db.session.execute(update(UsedProof).where(UsedProof.key == old.key).values(expires_at=session_time))
    jobs.sweep()
    assert db.session.scalars(select(UsedProof.key)).all() == [young.key]


# --- without JavaScript ------------------------------------------------------------------------------


def test_the_page_says_what_to_do_without_javascript(visitor):
    page = visitor.get("/register").text
    assert "không chạy JavaScript" in page
    assert 'name="slow"' in page


def test_who_can_not_prove_waits_and_is_served(visitor, proving):
    young = register(visitor, slow=slow_ticket(proving, age=20))
    assert young.status_code == 422
    assert "10 giây rồi bấm lại" in young.text
    assert register(visitor, slow=slow_ticket(proving, age=31)).status_code == 303


def test_the_wait_goes_on_while_the_form_comes_back(visitor, proving):
    ticket = slow_ticket(proving, age=20)
    assert f'value="{ticket}"' in register(visitor, slow=ticket).text


def test_a_place_in_the_slow_lane_is_taken_once(visitor, proving):
    ticket = slow_ticket(proving, age=31)
    refused = register(visitor, slow=ticket, phone="12")
    assert refused.status_code == 422
    assert ticket not in refused.text
    assert register(visitor, slow=ticket).status_code == 422
    assert people() == 0


def test_the_slow_lane_lets_few_through_from_one_address(proving, contest):
    codes = []
    for number in range(10):
        browser = visit(proving)
        browser.get("/register")
        answer = register(browser, phone=f"09876543{number:02}", slow=slow_ticket(proving, age=31))
        codes.append(answer.status_code)
    assert codes == [303] * 6 + [422] * 4
    assert "Bạn vui lòng thử lại sau 10 phút" in answer.text
    elsewhere = visit(proving)
    elsewhere.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    elsewhere.get("/register")
    assert register(elsewhere, slow=slow_ticket(proving, age=31)).status_code == 303


@pytest.mark.parametrize("ticket", ["", "1", "1.2.3", "x.y.z", "1.é.3", "." * 50, "9" * 400 + ".a.b"])
def test_nobody_writes_their_own_ticket_or_pass(ticket):
    assert proofs.read_slow_ticket(SECRET, ticket, "register", now=NOW) is None
    assert not proofs.is_pass(SECRET, ticket, "device", now=NOW)


def test_a_ticket_is_for_one_purpose_and_a_day():
    ticket = proofs.slow_ticket(SECRET, "register", now=NOW)
    assert proofs.read_slow_ticket(SECRET, ticket, "register", now=NOW)[1] == 30
    assert proofs.read_slow_ticket(SECRET, ticket, "pass", now=NOW) is None
    assert proofs.read_slow_ticket(SECRET, ticket, "register", now=NOW + timedelta(days=2)) is None


# --- what is asked for very often from one address -------------------------------------------------------


@pytest.fixture
def crowded(proving, contest, monkeypatch):
    """Beyond one a minute, look-ups and sign-ins from one address ask for proof."""
    for endpoint in ("attempts.receipt", "accounts.login"):
        policy = POLICIES[endpoint]
        others = [step for step in policy.rate.steps if step.by is not By.ADDRESS]
        few = replace(policy.rate, steps=(*others, *ONE))
        monkeypatch.setitem(POLICIES, endpoint, replace(policy, rate=few))
    return proving


def give(browser, target="/receipts/X", **fields):
    return browser.post("/proof", data={"csrf_token": builders.csrf(browser), "next": target, **fields})


def test_beyond_its_limit_an_address_is_asked_for_proof_and_led_on(crowded):
    assert visit(crowded).get("/receipts/X").status_code == 404
    browser = visit(crowded)
    asked = browser.get("/receipts/X")
    assert asked.status_code == 429
    assert asked.headers["Retry-After"] == "60"
    assert "Kiểm tra nhanh" in asked.text
    assert 'value="/receipts/X"' in asked.text
    answer = give(browser, altcha=proof(browser, "pass"))
    assert (answer.status_code, answer.location) == (303, "/receipts/X")
    assert [browser.get("/receipts/X").status_code for _ in range(5)] == [404] * 5


def test_a_pass_is_the_device_s_own_and_ends(crowded):
    visit(crowded).get("/receipts/X")
    browser = visit(crowded)
    browser.get("/receipts/X")
    give(browser, altcha=proof(browser, "pass"))
    stolen = visit(crowded)
    stolen.set_cookie("contest_pass", browser.get_cookie("contest_pass").value)
    assert stolen.get("/receipts/X").status_code == 429
    given = proofs.new_pass(SECRET, "device", now=NOW)
    assert proofs.is_pass(SECRET, given, "device", now=NOW + timedelta(minutes=4))
    assert not proofs.is_pass(SECRET, given, "device", now=NOW + timedelta(minutes=6))


def test_without_proof_there_is_no_pass(crowded):
    browser = visit(crowded)
    browser.get("/login")
    answer = give(browser)
    assert answer.status_code == 422
    assert browser.get_cookie("contest_pass") is None
    assert give(browser, altcha=proof(browser, "register")).status_code == 422


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil", "javascript:1", ""])
def test_a_pass_leads_to_this_site_alone(crowded, target):
    browser = visit(crowded)
    browser.get("/login")
    assert give(browser, target, altcha=proof(browser, "pass")).location == "/"


def sign_in(browser, password=builders.PASSWORD, phone="0987654321"):
    token = builders.csrf(browser)
    data = {"csrf_token": token, "login": phone, "password": password, "next": "/me"}
    return browser.post("/login", data=data)


def test_in_a_rush_of_sign_ins_only_a_strange_device_is_asked_for_proof(crowded, contest):
    builders.make_person(contest, phone="0987654321")
    own, strange = visit(crowded), visit(crowded)
    own.get("/login")
    assert sign_in(own).status_code == 303
    own.delete_cookie("contest_sid")
    own.get("/login")
    assert sign_in(own).status_code == 303
    strange.get("/login")
    asked = sign_in(strange)
    assert asked.status_code == 429
    assert 'value="/login?next=/me"' in asked.text
    assert give(strange, "/login?next=/me", altcha=proof(strange, "pass")).location == "/login?next=/me"
    assert sign_in(strange).status_code == 303


def test_who_was_asked_for_proof_has_not_used_up_a_guess(crowded, contest):
    builders.make_person(contest, phone="0987654321")
    browser = visit(crowded)
    browser.get("/login")
    sign_in(browser)
    browser.delete_cookie("contest_sid")
    stranger = visit(crowded)
    stranger.get("/login")
    assert [sign_in(stranger).status_code for _ in range(12)] == [429] * 12
    give(stranger, "/login", altcha=proof(stranger, "pass"))
    assert sign_in(stranger).status_code == 303
    assert any(step.is_failures for step in SIGN_IN.steps)


def test_who_sits_is_never_asked(live_app, monkeypatch):
    """Whatever comes from the address: starting, saving and submitting need no proof."""
    monkeypatch.setitem(live_app.config, "CONTEST", replace(live_app.config["CONTEST"], proof_work=2))
    for name in ("attempts.start", "attempts.save", "attempts.save_form", "attempts.submit", "attempts.show"):
        rate = POLICIES[name].rate
        assert rate is None or not any(step.only_proves for step in rate.steps)
    contest = builders.make_contest()
    round = builders.make_round(contest)
    builders.open_now(round)
    browser = builders.sign_in(visit(live_app), builders.make_person(contest))
    started = browser.post(f"/rounds/{round.id}/attempts", data={"csrf_token": builders.csrf(browser)})
    assert started.status_code == 303
    attempt = db.session.scalars(select(Attempt)).one()
    data = {"csrf_token": builders.csrf(browser)}
    submitted = browser.post(f"/attempts/{attempt.public_id}/submission", data=data)
    assert submitted.location.endswith("/result")
