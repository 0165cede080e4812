"""What holds for every answer: headers, cookies, caches, hosts; and what no request may bend."""

import ast
import json
import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from flask import abort
from sqlalchemy import Engine, event, select
from werkzeug.middleware.proxy_fix import ProxyFix

from contest import create_app, limits
from contest.extensions import db
from contest.models import Account, Registration, RoleGrant
from contest.policies import POLICIES, Who
from contest.responses import HEADERS
from contest.security import csrf_token
from contest.throttles import Verdict
from tests import builders
from tests.proofs import proof
from tests.test_crowd_over_http import site  # noqa: F401 - a fixture
from tests.test_policies import ask, routes, world  # noqa: F401 - a fixture
from tests.test_registration import fields
from tests.visiting import visit

ROOT = Path(__file__).resolve().parent.parent
SECURE = {"base_url": "https://localhost"}


@pytest.fixture
def contest(session):
    return builders.make_contest()


# --- headers -----------------------------------------------------------------------------------------

ANSWERS = {
    "a page": ("GET", "/", {}),
    "a redirect": ("GET", "/me", {}),
    "a file": ("GET", "/static/css/app.css", {}),
    "a file that is not there": ("GET", "/static/none.css", {}),
    "nothing there": ("GET", "/nowhere", {}),
    "another method": ("DELETE", "/login", {}),
    "a foreign form": ("POST", "/login", {}),
    "too much": ("POST", "/login", {"data": b"x" * 70_000, "content_type": "text/plain"}),
    "no session": ("PUT", "/attempts/x/responses", {}),
    "a question of method": ("OPTIONS", "/", {}),
    "the head": ("HEAD", "/", {}),
    "a machine's question": ("GET", "/healthz", {}),
    "an error": ("GET", "/privacy", {}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_has_the_headers(app, contest, monkeypatch, name):
    method, path, details = ANSWERS[name]
    if name == "an error":
        monkeypatch.setattr(app, "testing", False)
        monkeypatch.setitem(app.view_functions, "public.privacy", lambda: 1 / 0)
    answer = visit(app).open(path, method=method, buffered=True, **details)
    assert {key: answer.headers.get(key) for key in HEADERS} == HEADERS
    assert all(len(answer.headers.getlist(key)) == 1 for key in HEADERS)


def test_over_https_browsers_are_told_to_stay_there(settings):
    app = create_app(replace(settings, secure_cookies=True))
    for path in ("/healthz", "/nowhere", "/static/css/app.css"):
        told = app.test_client().get(path, buffered=True, **SECURE).headers["Strict-Transport-Security"]
        assert told == "max-age=31536000; includeSubDomains"


def test_the_policy_lets_nothing_in_from_elsewhere_and_nothing_inline():
    policy = HEADERS["Content-Security-Policy"]
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    assert {rules.pop(name) for name in ("base-uri", "frame-ancestors", "object-src")} == {"'none'"}
    assert set(rules.values()) == {"'self'"}
    assert set(rules) == {
        f"{kind}-src" for kind in ("script", "style", "font", "img", "connect", "worker", "manifest")
    } | {"form-action"}


def test_no_other_site_may_read_an_answer(app, world, monkeypatch):  # noqa: F811
    monkeypatch.setattr(limits, "allow", lambda *_: Verdict())
    browser = builders.sign_in(visit(app), world.organizer)
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    for safe in (True, False):
        for route in routes(app, safe=safe):
            answer = ask(app, world, browser, route, headers=headers)
            assert not [name for name, _ in answer.headers if name.startswith("Access-Control")], route


# --- cookies -----------------------------------------------------------------------------------------


def cookies_of(answer):
    for line in answer.headers.getlist("Set-Cookie"):
        pair, *attributes = [part.strip() for part in line.split(";")]
        yield pair.partition("=")[0], pair.partition("=")[2], {one.lower() for one in attributes}


def test_every_cookie_is_the_host_s_own_and_out_of_reach_of_scripts(app, contest, monkeypatch):
    """Session, visitor, device, pass, notes: over a registration, a proof, a sign-out and a sign-in."""
    own = replace(app.config["CONTEST"], secure_cookies=True, proof_work=1)
    monkeypatch.setitem(app.config, "CONTEST", own)
    monkeypatch.setitem(app.config, "SESSION_COOKIE_NAME", "__Host-notes")
    monkeypatch.setitem(app.config, "SESSION_COOKIE_SECURE", True)
    monkeypatch.setattr(limits, "allow", lambda *_: Verdict())
    browser, answers = visit(app), []

    def open(path, **data):
        if data:
            holder = browser.get_cookie("__Host-sid") or browser.get_cookie("__Host-visitor")
            data["csrf_token"] = csrf_token(own.secret_key, holder.value)
            answers.append(browser.post(path, data=data, **SECURE))
        else:
            answers.append(browser.get(path, **SECURE))
        return answers[-1]

    open("/register")
    assert open("/register", **fields(), altcha=proof(browser, **SECURE)).status_code == 303
    open("/")
    assert open("/proof", altcha=proof(browser, "pass", **SECURE)).status_code == 303
    assert open("/logout", x="").status_code == 303
    open("/login")
    found = {}
    for answer in answers:
        for name, value, attributes in cookies_of(answer):
            found[name] = True
            assert name.startswith("__Host-"), name
            assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes, (name, attributes)
            assert not any(one.startswith("domain") for one in attributes)
            assert len(value) < 1024, name
    assert set(found) == {f"__Host-{name}" for name in ("sid", "visitor", "device", "pass", "notes")}


def test_signing_out_leaves_nothing_of_the_person_in_the_browser(app, contest):
    browser = builders.sign_in(visit(app), builders.make_person(contest))
    answer = browser.post("/logout", data={"csrf_token": builders.csrf(browser)})
    assert answer.headers["Clear-Site-Data"] == '"storage"'


def test_no_page_and_no_log_line_holds_the_session_s_token(app, world, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setattr(limits, "allow", lambda *_: Verdict())
    browser = builders.sign_in(visit(app), world.organizer)
    token = browser.get_cookie("contest_sid").value
    shown = []
    for route in routes(app, safe=True):
        answer = ask(app, world, browser, route)
        if token.encode() in answer.get_data() or token in str(answer.headers):
            shown.append(route)
    assert shown == []
    assert token not in capsys.readouterr().out


# --- caches ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["participant", "organizer"])
def test_what_somebody_signed_in_sees_is_kept_by_nobody(app, world, monkeypatch, who):  # noqa: F811
    monkeypatch.setattr(limits, "allow", lambda *_: Verdict())
    browser = builders.sign_in(visit(app), getattr(world, who))
    for route in routes(app, safe=True):
        policy = POLICIES[route[0]]
        told = ask(app, world, browser, route).headers["Cache-Control"]
        if policy.public_seconds or policy.own_seconds:
            assert policy.who is Who.EVERYBODY or "private" in told or told == "no-store", route
        else:
            assert told == "no-store", route


# --- hosts and proxies ---------------------------------------------------------------------------------

HOSTS = (
    "evil.example",
    "thi.example.vn.evil.example",
    "evil.example:80",
    "thi.example.vn@evil.example",
    "[::1]",
)


@pytest.mark.parametrize("host", HOSTS)
def test_under_another_host_s_name_nothing_is_served(settings, host):
    app = create_app(replace(settings, trusted_hosts=("thi.example.vn",)))
    answer = app.test_client().get("/healthz", headers={"Host": host})
    assert answer.status_code == 400
    assert "evil" not in answer.text


@pytest.mark.parametrize("hops", [0, 1])
def test_a_forwarded_host_leads_nowhere(app, contest, monkeypatch, hops):
    """Without a proxy its headers are not read; behind one a host that is not ours is refused."""
    monkeypatch.setitem(app.config, "TRUSTED_HOSTS", ["localhost"])
    if hops:
        monkeypatch.setattr(app, "wsgi_app", ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1))
    forged = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
    }
    for path in ("/", "/me", "/receipts"):
        answer = visit(app).get(path, headers=forged)
        assert answer.status_code == (400 if hops else 303 if path == "/me" else 200)
        assert "evil.example" not in answer.text + str(answer.headers)


def test_no_address_that_somebody_gives_is_ever_fetched():
    """Nothing of ours asks another server over HTTP, but for the crowd, the supervisor and their own site."""
    asks = {"urllib.request", "http.client", "requests", "httpx", "aiohttp", "urllib3"}
    allowed = {"contest/crowd/http1.py"}
    found = set()
    for path in (*ROOT.glob("contest/**/*.py"), *ROOT.glob("question_bank/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            if asks & set(names):
                found.add(str(path.relative_to(ROOT)))
    assert found - allowed == ASKS_ITSELF


# What asks this machine's own web server, by the address in its settings.
ASKS_ITSELF = {"contest/cli/run.py"}


# --- what a request may not bend -------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_method_is_what_it_is(app, contest, header):
    browser = builders.sign_in(visit(app), builders.make_person(contest))
    answer = browser.get("/logout", headers={header: "POST"})
    assert answer.status_code in (404, 405)
    assert browser.get("/me").status_code == 200
    posted = browser.post("/me", data={"_method": "DELETE", "csrf_token": builders.csrf(browser)})
    assert posted.status_code in (404, 405)


def test_what_a_form_does_not_ask_for_changes_nothing(app, contest):
    browser = visit(app)
    browser.get("/register")
    more = {
        "role": "organizer", "roles": "organizer", "is_staff": "1", "id": "1", "account_id": "1",
        "draw_id": "x" * 22, "password_hash": "x", "login_tag": "x", "contest_id": "999", "score": "9",
        "registered_at": "2000-01-01",
    }  # fmt: skip
    answer = browser.post("/register", data={"csrf_token": builders.csrf(browser), **fields(), **more})
    assert answer.status_code == 303
    account = db.session.scalars(select(Account)).one()
    assert account.draw_id != "x" * 22
    assert db.session.scalars(select(RoleGrant)).all() == []
    entry = db.session.scalars(select(Registration)).one()
    assert (entry.contest_id, entry.account_id) == (contest.id, account.id)


def test_a_log_line_is_one_line_whatever_is_asked(app, contest, capsys):
    bad = 'x\r\n{"event": "forged"}\u2028\x1b[31m'
    browser = visit(app)
    browser.get("/login")
    token = builders.csrf(browser)
    browser.post("/login", data={"csrf_token": token, "login": bad, "password": bad, "next": bad})
    browser.get("/receipts", query_string={"code": bad}, headers={"User-Agent": "x{{7*7}}"})
    browser.get("/nowhere%0d%0aforged")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 4
    for line in lines:
        assert json.loads(line)["event"] == "request"
    assert "forged" not in "".join(lines)


def test_an_error_page_tells_a_number_and_nothing_of_the_inside(app, contest, monkeypatch):
    monkeypatch.setattr(app, "testing", False)
    monkeypatch.setitem(app.view_functions, "public.privacy", lambda: {}["geheim"])
    page = visit(app).get("/privacy").text
    assert re.search(r"số tra cứu <span class=\"code\">[0-9A-F]{8}</span>", page)
    for inside in ("geheim", "KeyError", "Traceback", "werkzeug", "/contest/"):
        assert inside not in page
    assert not app.debug


@pytest.mark.parametrize("code", [400, 401, 403, 405, 406, 411, 414, 415, 418, 422, 428, 431, 501])
def test_an_error_of_the_server_s_own_making_is_a_page_of_ours(app, contest, monkeypatch, code):
    monkeypatch.setitem(app.view_functions, "public.privacy", lambda: abort(code))
    answer = visit(app).get("/privacy")
    assert answer.status_code == code
    assert 'lang="vi"' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


# --- over a socket -----------------------------------------------------------------------------------

HEAD = "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
HIDDEN = "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SMUGGLED = {
    "two lengths": f"{HEAD}Content-Length: 0\r\nContent-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "length and chunks": f"{HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "odd chunks": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n{HIDDEN}",
    "unknown coding": f"{HEAD}Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc{HIDDEN}",
    "blank before the colon": f"{HEAD}Content-Length : {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "signed length": f"{HEAD}Content-Length: +{len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "a header's line folded": f"{HEAD}X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a header": f"{HEAD}X: a\x00b\r\n\r\n",
    "huge headers": f"{HEAD}X: {'a' * 1_500_000}\r\n\r\n",
    "very many headers": HEAD + "".join(f"X{n}: a\r\n" for n in range(5000)) + "\r\n",
    "no request": "\x16\x03\x01\x02\x00\x01\x00",
    "an absolute address": "GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}


def exchange(port, text):
    """Send bytes as they are and return all that comes back within two seconds."""
    told = b""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as line:
        try:
            line.sendall(text.encode("latin-1"))
            while chunk := line.recv(65_536):
                told += chunk
        except (TimeoutError, ConnectionError):
            pass
    return told.decode("latin-1")


def test_no_request_hides_within_another(site):  # noqa: F811
    """Whatever the server makes of it, what stands in a body is never answered as a request of its own."""
    here = site()
    for name, text in SMUGGLED.items():
        told = exchange(here.port, text)
        statuses = re.findall(r"HTTP/1\.1 (\d{3})", told)
        if "length and chunks" in name:
            # Chunks win, by the standard; then the rest is a request that was sent openly, or is refused.
            assert statuses[:1] in ([], ["400"], ["403"], ["303"]), (name, statuses)
            continue
        assert len(statuses) <= 1, (name, statuses)
        assert '"warnings"' not in told, name
        assert "500" not in statuses, name
        assert "evil" not in told, name
    assert (
        exchange(here.port, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")[9:12]
        == "200"
    )


# --- reading writes nothing ------------------------------------------------------------------------------

WRITES = re.compile(r"^\s*(?:WITH\b.*?\b)?(INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)", re.S | re.I)


@pytest.mark.parametrize("world", ["open", "published"], indirect=True)
@pytest.mark.parametrize("who", ["visitor", "participant", "organizer"])
def test_to_look_changes_nothing(app, world, monkeypatch, who):  # noqa: F811
    """But for the turns that are counted, which `limits.allow` takes."""
    monkeypatch.setattr(limits, "allow", lambda *_: Verdict())
    browser = visit(app)
    if who != "visitor":
        builders.sign_in(browser, getattr(world, who))
    written, route, read = {}, None, set()

    def note(_connection, _cursor, statement, *_):
        read.add(route[0])
        if match := WRITES.match(statement):
            written.setdefault(match[2], set()).add(route[0])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        for route in routes(app, safe=True):
            ask(app, world, browser, route)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert written == {}
    assert len(read) > 20


def test_the_rule_for_reading_sees():
    assert WRITES.match("\nWITH a AS (SELECT 1) INSERT INTO answers VALUES (1)")[2] == "answers"
    assert WRITES.match("UPDATE accounts SET name = 'x'")
    assert not WRITES.match("SELECT updated FROM t FOR UPDATE")


# --- what is installed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_package_is_locked_by_version_and_digest(name):
    packages = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text().strip())
    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[A-Za-z0-9._\[\]-]+==[0-9]", package), package[:60]
        assert "--hash=sha256:" in package, package[:60]
    assert "://" not in (ROOT / name).read_text()
