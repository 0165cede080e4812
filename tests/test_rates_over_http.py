"""The rates as people and attackers meet them: who waits, who never does, and what it costs."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import g
from redis.connection import AbstractConnection
from sqlalchemy import select
from werkzeug.middleware.proxy_fix import ProxyFix

from contest import create_app, devices, jobs, signing_in
from contest.errors import TryAgain
from contest.extensions import db
from contest.limits import Limiter
from contest.models import Attempt, Throttle
from contest.page_cache import PageCache
from contest.policies import POLICIES, Who
from contest.redis_connection import QuickRedis
from contest.rules.rates import CHANGE, MINUTE, By, Step
from contest.security import csrf_token, new_token
from tests import builders
from tests.own_valkey import OwnValkey
from tests.visiting import visit

PHONE = "0987654321"
EXPORT = "/admin/bank/export?format=gift"
NOWHERE = "unix:///nowhere/valkey.sock"


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def person(contest):
    return builders.make_person(contest, phone=PHONE)


@pytest.fixture
def limiter(app):
    """A limiter of the test's own counts, on the real Redis."""
    app.extensions["limiter"] = Limiter(app.extensions["redis"])
    yield app.extensions["limiter"]
    app.extensions["limiter"] = Limiter(app.extensions["redis"])


@pytest.fixture
def redis_away(limiter, app):
    """Redis refuses every connection."""
    app.extensions["limiter"] = Limiter(QuickRedis(NOWHERE))
    return app.extensions["limiter"]


@pytest.fixture(params=["redis", "redis away"])
def either(request):
    """The test holds with Redis, and without."""
    return request.getfixturevalue("limiter" if request.param == "redis" else "redis_away")


@pytest.fixture
def commands(monkeypatch):
    """Everything that is sent to Redis."""
    sent, send = [], AbstractConnection.send_packed_command

    def noted(self, command, *args, **kwargs):
        sent.append(command)
        return send(self, command, *args, **kwargs)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", noted)
    return sent


def stranger(app):
    """A browser that looked at a form, and that nobody is known on."""
    browser = visit(app)
    browser.set_cookie("contest_visitor", new_token())
    return browser


def guess(browser, login=PHONE, password="sai mật khẩu", **details):
    data = {"csrf_token": builders.csrf(browser), "login": login, "password": password}
    return browser.post("/login", data=data, **details)


def refused_after(ask, turns, *, otherwise):
    """Ask until refused: not before so many turns, and soon thereafter, though time goes by meanwhile."""
    assert {ask().status_code for _ in range(turns)} == {otherwise}
    answers = (ask() for _ in range(5 * turns))
    return next((one for one in answers if one.status_code == 429), None)


def quick_guesses(monkeypatch):
    """Spare the tests most of a password's cost."""
    monkeypatch.setattr("contest.signing_in.verify_password", lambda known, given: given == "đúng")


# --- sign-in: who guesses waits ----------------------------------------------------------------------


@pytest.mark.usefixtures("either")
def test_after_five_wrong_passwords_a_device_waits(app, person):
    browser = stranger(app)
    assert [guess(browser).status_code for _ in range(6)] == [422] * 5 + [429]
    refused = guess(browser, password=builders.PASSWORD)
    assert refused.status_code == 429
    assert 170 < int(refused.headers["Retry-After"]) <= 180
    assert "Bạn vui lòng thử lại sau 3 phút." in refused.text
    assert refused.headers["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("either")
def test_a_name_that_nobody_has_is_counted_alike(app, person):
    answers = [
        [guess(browser, login=login) for _ in range(7)]
        for browser, login in [
            (stranger(app), PHONE),
            (stranger(app), "0911111111"),
            (stranger(app), "khong-co-ai"),
        ]
    ]
    codes = [[answer.status_code for answer in one] for one in answers]
    assert codes == [[422] * 5 + [429] * 2] * 3


def test_however_the_phone_is_typed_it_is_the_same(app, person, limiter):
    browser = stranger(app)
    ways = ["0987654321", "+84 987 654 321", "0987.654.321", " 0987654321 ", "84987654321", "0987-654-321"]
    assert [guess(browser, login=way).status_code for way in ways] == [422] * 5 + [429]


@pytest.mark.usefixtures("either")
def test_waiting_helps(app, person, session):
    browser = stranger(app)
    for _ in range(6):
        guess(browser)
    assert guess(browser, password=builders.PASSWORD).status_code == 429
    for row in session.scalars(select(Throttle)):
        row.due_at -= timedelta(minutes=3)
    session.commit()
    assert guess(browser, password=builders.PASSWORD).status_code == 303


@pytest.mark.usefixtures("either")
def test_right_passwords_are_not_counted_as_failures(app, person):
    browser = stranger(app)
    assert {guess(browser, password=builders.PASSWORD).status_code for _ in range(9)} == {303}
    assert guess(browser).status_code == 422


def test_a_forgotten_redis_gives_no_new_guesses(app, person, monkeypatch):
    with OwnValkey() as valkey:
        monkeypatch.setitem(app.extensions, "limiter", Limiter(QuickRedis(valkey.url)))
        browser = stranger(app)
        for _ in range(5):
            assert guess(browser).status_code == 422
        QuickRedis(valkey.url).client.flushall()
        assert guess(browser).status_code == 429
        valkey.kill()
        assert guess(browser).status_code == 429


@pytest.mark.usefixtures("either")
def test_a_strangers_failures_do_not_lock_the_owner_out(app, person, monkeypatch):
    """Not on a device where they were signed in before, however many guess, from wherever."""
    quick_guesses(monkeypatch)
    own = stranger(app)
    assert guess(own, password="đúng").status_code == 303
    codes = [guess(stranger(app)).status_code for _ in range(40)]
    assert codes == [422] * 20 + [429] * 20
    own.delete_cookie("contest_sid")
    own.get("/login")
    assert guess(own, password="đúng").status_code == 303


def test_the_owners_own_failures_are_not_charged_to_others(app, person, limiter, monkeypatch):
    quick_guesses(monkeypatch)
    own = stranger(app)
    guess(own, password="đúng")
    own.delete_cookie("contest_sid")
    own.get("/login")
    assert [guess(own).status_code for _ in range(7)] == [422] * 5 + [429] * 2
    assert guess(stranger(app), password="đúng").status_code == 303


def test_whoever_registers_is_known_on_that_device(app, contest, limiter):
    browser = visit(app)
    browser.get("/register")
    answer = browser.post("/register", data=registration(browser))
    assert answer.status_code == 303, answer.text
    cookie = browser.get_cookie("contest_device").value
    assert len(cookie.split(".")[1]) == 8


def registration(browser, phone="0912345678"):
    return {
        "csrf_token": builders.csrf(browser),
        "name": "Trần Văn Bình",
        "birth_date": "05/03/1990",
        "phone": phone,
        "password": "bí mật của tôi 9",
        "division": "citizens",
        "commune": db.session.scalar(select(builders.Unit.code).where(builders.Unit.kind == "commune")),
        "participation": "y",
    }


@pytest.mark.usefixtures("either")
def test_a_rush_that_leaves_a_password_unread_is_no_failure(app, person, monkeypatch):
    def crowded(*_):
        raise TryAgain("Đang có rất nhiều người đăng nhập.")

    browser = stranger(app)
    with monkeypatch.context() as patch:
        patch.setattr("contest.signing_in.verify_password", crowded)
        assert {guess(browser).status_code for _ in range(8)} == {503}
    assert guess(browser, password=builders.PASSWORD).status_code == 303


@pytest.mark.usefixtures("either")
def test_guesses_at_the_same_moment_are_counted_one_by_one(live_app, monkeypatch):
    """Each is charged before its password is looked at, so none slips in while others are hashed."""
    verified, crowd = [], threading.Barrier(12)

    def slow(*_):
        verified.append(1)
        time.sleep(0.3)
        return False

    monkeypatch.setattr("contest.signing_in.verify_password", slow)
    builders.make_contest()
    device, visitor = devices.new_device(), new_token()
    cookie = devices.written(live_app.config["CONTEST"].secret_key, device)
    token = csrf_token(live_app.config["CONTEST"].secret_key, visitor)
    codes = []

    def attack():
        browser = live_app.test_client()
        browser.set_cookie("contest_visitor", visitor)
        browser.set_cookie("contest_device", cookie)
        crowd.wait()
        data = {"csrf_token": token, "login": PHONE, "password": "x"}
        codes.append(browser.post("/login", data=data).status_code)

    threads = [threading.Thread(target=attack) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(codes), len(verified)) == ([422] * 5 + [429] * 7, 5)


def test_a_device_tries_twenty_names_and_then_waits(app, person, monkeypatch):
    quick_guesses(monkeypatch)
    browser = stranger(app)
    codes = [guess(browser, login=f"09000000{number:02}").status_code for number in range(22)]
    assert codes == [422] * 20 + [429] * 2


def test_forged_requests_cost_their_victim_nothing(app, person, limiter):
    browser = stranger(app)
    for _ in range(30):
        assert browser.post("/login", data={"login": PHONE, "password": "x"}).status_code == 403
    assert guess(browser, password=builders.PASSWORD).status_code == 303


def test_to_look_at_the_form_is_free(app, contest, limiter):
    browser = visit(app)
    assert {browser.get("/login").status_code for _ in range(40)} == {200}


# --- networks --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("either")
def test_three_hundred_people_behind_one_address_are_not_refused(app, person, monkeypatch):
    quick_guesses(monkeypatch)
    monkeypatch.setattr(signing_in.accounts, "find", lambda *_, **__: None)
    codes = [guess(stranger(app), login=f"0901{number:06}").status_code for number in range(300)]
    assert codes == [422] * 300


def test_beyond_its_limit_an_address_is_asked_for_proof_and_that_is_counted(
    app, contest, limiter, monkeypatch
):
    few = replace(POLICIES["attempts.receipt"].rate, steps=(Step(By.ADDRESS, 2, MINUTE, only_proves=True),))
    monkeypatch.setitem(POLICIES, "attempts.receipt", replace(POLICIES["attempts.receipt"], rate=few))
    network = {"REMOTE_ADDR": "203.0.113.77"}
    codes = [visit(app).get("/receipts/X", environ_base=network).status_code for _ in range(5)]
    assert codes == [404] * 5
    assert limiter.counts["proof_wanted", "look_up"] == 3


@pytest.mark.parametrize("hops", [0, 1])
def test_a_forged_forwarding_header_makes_nobody_somebody_else(app, contest, hops, monkeypatch):
    """Without a proxy the header is not read; behind one, only what that proxy wrote at its end."""
    few = replace(POLICIES["attempts.receipt"].rate, steps=(Step(By.ADDRESS, 2, MINUTE, only_proves=True),))
    monkeypatch.setitem(POLICIES, "attempts.receipt", replace(POLICIES["attempts.receipt"], rate=few))
    monkeypatch.setitem(app.extensions, "limiter", Limiter(app.extensions["redis"]))
    if hops:
        monkeypatch.setattr(app, "wsgi_app", ProxyFix(app.wsgi_app, x_for=hops))
    peer = f"198.51.100.{10 + hops}"
    for number in range(6):
        forged = f"10.0.0.{number}"
        header = f"{forged}, {peer}" if hops else forged
        visit(app).get("/receipts/X", headers={"X-Forwarded-For": header}, environ_base={"REMOTE_ADDR": peer})
    assert app.extensions["limiter"].counts["proof_wanted", "look_up"] == 4


@pytest.mark.parametrize("address", ["", "unix:", "not an address"])
def test_without_an_address_it_works_all_the_same(app, contest, limiter, address):
    assert visit(app).get("/receipts/X", environ_base={"REMOTE_ADDR": address}).status_code == 404


# --- look-ups, and the device's cookie ----------------------------------------------------------------


@pytest.mark.usefixtures("either")
def test_look_ups_of_one_device_are_slowed_down(app, contest):
    browser = visit(app)
    refused = refused_after(lambda: browser.get("/receipts/0123456789AB"), 30, otherwise=404)
    assert int(refused.headers["Retry-After"]) <= 2
    assert "Bạn vui lòng thử lại sau" in refused.text


def test_the_page_that_asks_for_a_code_is_free_and_its_answer_is_not(app, contest, limiter):
    browser = visit(app)
    assert {browser.get("/receipts").status_code for _ in range(40)} == {200}
    assert refused_after(lambda: browser.get("/receipts?code=X"), 30, otherwise=404)


def test_a_leaderboard_is_free_and_a_search_in_it_is_not(app, contest, limiter):
    browser, address = visit(app), f"/contests/{contest.slug}/leaderboard"
    assert {browser.get(address).status_code for _ in range(40)} == {200}
    assert browser.get_cookie("contest_device") is None
    assert refused_after(lambda: browser.get(f"{address}?q=lang"), 30, otherwise=200)


def test_a_page_made_for_everybody_is_nobodys_turn(app, contest, limiter, commands, monkeypatch):
    """It is made once and kept; a name given with it would be everybody's, and replace the one they had."""
    monkeypatch.setattr(app, "wsgi_app", PageCache(app))
    browser, address = visit(app), f"/contests/{contest.slug}/leaderboard?q=lang"
    browser.get("/receipts/X")
    device = browser.get_cookie("contest_device").value
    commands.clear()
    answers = [browser.get(address) for _ in range(40)]
    assert {answer.status_code for answer in answers} == {200}
    assert commands == []
    assert "Set-Cookie" not in answers[0].headers
    assert browser.get_cookie("contest_device").value == device


def test_practice_at_a_readers_pace_is_never_refused(app, contest, limiter):
    browser = visit(app)
    assert refused_after(lambda: browser.get("/practice/questions?item=a"), 90, otherwise=404)


def test_public_pages_give_no_device_a_name(app, contest, limiter):
    browser = visit(app)
    for path in ("/", "/login", "/register", "/receipts", "/certificates", "/practice", "/healthz"):
        browser.get(path)
    assert browser.get_cookie("contest_device") is None


def test_the_devices_cookie_lasts_a_year_out_of_reach_of_scripts(app, contest, limiter):
    header = visit(app).get("/receipts/X").headers["Set-Cookie"]
    assert header.startswith("contest_device=")
    for part in ("Max-Age=31536000", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in header


def test_over_https_no_other_host_can_plant_it(settings):
    safe = create_app(replace(settings, secure_cookies=True))
    with safe.test_request_context("/receipts/X"):
        g.policy = POLICIES["attempts.receipt"]
        signing_in._device()
        header = signing_in._give_device_cookie(safe.response_class()).headers["Set-Cookie"]
    assert header.startswith("__Host-device=")
    assert "Secure" in header


def test_a_page_that_gives_a_device_its_name_is_kept_by_no_shared_cache(app, contest, limiter, monkeypatch):
    shared = replace(POLICIES["leaderboards.units"], public_seconds=60)
    monkeypatch.setitem(POLICIES, "leaderboards.units", shared)
    browser, address = visit(app), f"/contests/{contest.slug}/leaderboard?q=lang"
    first = browser.get(address)
    assert "Set-Cookie" in first.headers
    assert first.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in browser.get(address).headers


def test_a_forged_device_is_a_new_one(app, contest, limiter):
    browser = visit(app)
    browser.set_cookie("contest_device", "a" * 22 + ".." + "a" * 22)
    assert "contest_device=" in browser.get("/receipts/X").headers["Set-Cookie"]


# --- taking part -----------------------------------------------------------------------------------


@pytest.fixture
def sitting(live_app):
    """Somebody's browser before an open round, with real commits."""
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    return builders.sign_in(live_app.test_client(), builders.make_person(contest)), round


def start(browser, round):
    return browser.post(f"/rounds/{round.id}/attempts", data={"csrf_token": builders.csrf(browser)})


def save(browser, attempt, seq):
    sheet = {"seq": seq, "base": seq - 1, "editor": "e", "shape": attempt.paper_shape}
    return browser.put(
        f"/attempts/{attempt.public_id}/responses",
        json=sheet | {"responses": {}, "prediction": None},
        headers={"X-CSRFToken": builders.csrf(browser)},
    )


def test_six_starts_a_minute_and_then_a_short_wait(live_app, sitting):
    browser, round = sitting
    codes = [start(browser, round) for _ in range(7)]
    assert [answer.status_code for answer in codes] == [303] * 6 + [429]
    assert 1 <= int(codes[-1].headers["Retry-After"]) <= 10


def test_without_redis_people_start_save_and_submit(live_app, sitting):
    browser, round = sitting
    redis = QuickRedis(NOWHERE)
    live_app.extensions["limiter"] = Limiter(redis)
    live_app.extensions["doorbell"] = jobs.Doorbell(redis)
    assert start(browser, round).status_code == 303
    attempt = db.session.scalars(select(Attempt)).one()
    assert save(browser, attempt, 1).status_code == 200
    data = {"csrf_token": builders.csrf(browser)}
    assert browser.post(f"/attempts/{attempt.public_id}/submission", data=data).status_code == 303
    assert live_app.extensions["limiter"].counts["redis_away", "start"] == 1


def test_a_save_and_a_submission_send_redis_nothing_and_a_start_one_command(live_app, sitting, commands):
    """The doorbell of a submission is rung once a second for all, whoever submits."""
    browser, round = sitting
    start(browser, round)
    commands.clear()
    start(browser, round)
    assert len(commands) == 1
    attempt = db.session.scalars(select(Attempt)).one()
    commands.clear()
    assert save(browser, attempt, 1).status_code == 200
    data = {"csrf_token": builders.csrf(browser)}
    assert browser.post(f"/attempts/{attempt.public_id}/submission", data=data).status_code == 303
    assert commands == []


def test_no_request_sends_redis_more_than_one_command(app, person, limiter, commands):
    browser, organizer = stranger(app), builders.sign_in(visit(app), builders.make_staff())
    token = {"csrf_token": builders.csrf(organizer)}
    requests = {
        "/": (lambda: browser.get("/"), 0),
        "/login": (lambda: browser.get("/login"), 0),
        "signing in": (lambda: guess(browser), 1),
        "registering": (lambda: browser.post("/register", data={"csrf_token": builders.csrf(browser)}), 1),
        "a receipt": (lambda: browser.get("/receipts/X"), 1),
        "a search": (lambda: browser.get("/contests/x/leaderboard?q=a"), 1),
        "an admin page": (lambda: organizer.get("/admin/"), 0),
        "a change": (lambda: organizer.post("/admin/rounds/0/opening", data=token), 1),
        "an export": (lambda: organizer.get(EXPORT), 1),
    }
    for ask, _ in requests.values():
        ask()
    counted = {}
    for name, (ask, _) in requests.items():
        commands.clear()
        ask()
        counted[name] = len(commands)
    assert counted == {name: most for name, (_, most) in requests.items()}


# --- staff -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("either")
def test_an_account_exports_a_list_ten_times_and_another_list_still(app, contest):
    organizer = builders.sign_in(visit(app), builders.make_staff())
    codes = [organizer.get(EXPORT).status_code for _ in range(12)]
    assert codes == [200] * 10 + [429] * 2
    assert organizer.get(f"/admin/contests/{contest.id}/headcounts.csv").status_code == 200


@pytest.mark.usefixtures("either")
def test_another_account_exports_meanwhile(app, contest):
    one, other = (builders.sign_in(visit(app), builders.make_staff()) for _ in range(2))
    for _ in range(11):
        answer = one.get(EXPORT)
    assert answer.status_code == 429
    assert other.get(EXPORT).status_code == 200


@pytest.mark.usefixtures("either")
def test_a_change_is_made_and_kept_whether_redis_is_there_or_not(app, contest):
    round = builders.make_round(contest, opens_in=timedelta(hours=1))
    builders.make_items()
    builders.lock_headcounts(contest)
    organizer = builders.sign_in(visit(app), builders.make_staff())
    data = {"csrf_token": builders.csrf(organizer)}
    codes = [organizer.post(f"/admin/rounds/{round.id}/opening", data=data).status_code for _ in range(2)]
    assert codes == [303, 409]
    db.session.refresh(round)
    assert round.opened_at is not None


def test_whoever_may_not_is_refused_as_before_and_costs_nothing(app, person, limiter):
    browser = builders.sign_in(visit(app), person)
    assert {browser.get(EXPORT).status_code for _ in range(15)} == {404}
    assert limiter.counts == {}


def test_an_outage_of_redis_is_quick_for_everybody(app, person, monkeypatch):
    with OwnValkey() as valkey:
        monkeypatch.setitem(app.extensions, "limiter", Limiter(QuickRedis(valkey.url)))
        browser = visit(app)
        browser.get("/receipts/X")
        valkey.stall()
        took = []
        for _ in range(12):
            began = time.monotonic()
            assert browser.get("/receipts/X").status_code == 404
            took.append(time.monotonic() - began)
        valkey.go_on()
    assert max(took) < 1
    assert sorted(took)[8] < 0.2


# --- the table -------------------------------------------------------------------------------------

# Routes that change something, or that anybody may ask for, and have no rate: why not.
WITHOUT_RATE = {
    "attempts.save": "the flood limit is in the statement, and nothing may stand before an answer sheet",
    "attempts.save_form": "as attempts.save",
    "attempts.submit": "one statement, the same receipt however often; nothing may stand before it",
    "proofs.give": "nothing without a proof, and each of those took a turn of proofs.puzzle or the slow lane",
    "accounts.logout": "one statement; nobody is ever kept signed in",
    "static": "files, immutable",
    "bundles.bundle": "the same for everybody, kept by caches",
    "bundles.file": "the same for everybody, kept by caches, immutable",
    "pictures.show": "one row by its digest, kept by the browser",
    "health.healthz": "asks nothing",
    "health.readyz": "for the machines that watch us",
    "metrics.show": "for the machines that watch us, with a token",
    "waiting_room.place": "asks no database, and a whole crowd asks it every few seconds",
    "public.landing": "the same for everybody",
    "public.contest_page": "the same for everybody",
    "public.rules": "the same for everybody",
    "public.headcounts_file": "the same for everybody",
    "public.privacy": "the same for everybody",
    "practice.index": "a few counts",
    "leaderboards.individuals": "the same for everybody: ready-made rows of one page",
    "leaderboards.winners": "the same for everybody: a stored publication",
    "contest_standings.show": "the same for everybody: ready-made rows of one page",
    "statistics.show": "the same for everybody",
    "certificates.check": "leads to certificates.show, which has one",
}
SAFE = {"GET", "HEAD", "OPTIONS"}


def test_every_unsafe_or_public_route_has_a_rate_or_a_reason(app):
    asked = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.methods - SAFE or POLICIES[rule.endpoint].who is Who.EVERYBODY
    }
    bare = {endpoint for endpoint in asked if POLICIES[endpoint].rate is None}
    assert bare - set(WITHOUT_RATE) == set(), "give it a rate in contest/policies.py, or a reason here"
    assert set(WITHOUT_RATE) - bare == set(), "it has a rate now: take it out here"


def test_whatever_makes_a_file_for_staff_has_a_rate_for_that(app):
    """A file is made anew for each who asks: PDFs, workbooks, archives."""
    makes_files = [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/admin")
        and (rule.rule.rpartition(".")[2] in ("pdf", "xlsx", "csv", "zip") or "export" in rule.endpoint)
    ]
    assert len(makes_files) > 5
    assert {one for one in makes_files if POLICIES[one].rate in (None, CHANGE)} == set()
