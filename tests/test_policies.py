"""The table of routes holds for every route there is, and every page is a whole page."""

from collections import Counter
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from contest.extensions import db
from contest.models import AuditEvent
from contest.models.accounts import ROLES
from contest.policies import POLICIES, Who
from contest.responses import CONTENT_SECURITY_POLICY
from tests import builders
from tests.visiting import visit

SAFE = {"GET", "HEAD", "OPTIONS"}
# They ask the real Redis, and they are no pages.
NOT_VISITED = {"health.readyz", "metrics.show"}
PHASES = ("no contest", "planned", "open", "closed", "published")
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


# --- a world to walk through -----------------------------------------------------------------------


@pytest.fixture
def world(app, request):
    """A contest in some phase, an organizer, two participants, and what each address is to name.

    `fields` fills the variable parts of addresses; a route with a new one needs it here.
    """
    phase = getattr(request, "param", "open")
    fields = {"filename": "css/app.css", "slug": "none", "round_id": 0, "version": 1, "public_id": "x" * 22}
    fields |= {
        "code": "0123456789AB",
        "import_id": 0,
        "round_number": 1,
        "version_number": 1,
        "name": "books.json",
    }
    fields |= {"task_id": 0}
    fields |= {"proposal_id": 0, "account_id": 0}
    fields |= {"outage_id": 0, "extra_time_id": 0, "registration_id": 0}
    fields |= {"contest_id": 0, "division": "citizens", "person_id": 0}
    fields |= {"check_id": 0, "number": 0}
    fields |= {"sha256": "0" * 64}
    fields |= {"certificate_code": "0123456789AB"}
    organizer = builders.make_staff("organizer", "approver")
    people = SimpleNamespace(organizer=organizer, contest=None, fields=fields)
    if phase == "no contest":
        people.participant, people.other = builders.make_person(), builders.make_person()
        return people
    contest = people.contest = builders.make_contest()
    people.participant, people.other = builders.make_person(contest), builders.make_person(contest)
    fields |= {"account_id": people.participant.id}
    round = builders.make_round(contest)
    fields |= {"slug": contest.slug, "round_id": round.id}
    fields |= builders.make_incidents(round, people.participant, by=organizer)
    fields |= {"contest_id": contest.id}
    if phase == "planned":
        return people
    builders.open_now(round)
    if phase == "open":
        attempt = builders.start(people.participant, round)
    else:
        attempt = builders.finish_attempt(people.participant, round, prediction=1)
        builders.finish_attempt(people.other, round, right=3)
        builders.close(round, with_books=phase == "published")
    # The books do not close over one that waits.
    proposed_by = builders.make_staff()
    fields |= {"proposal_id": builders.propose_exclusion(round, people.other, by=proposed_by).id}
    if phase == "published":
        builders.publish(round, by=people.organizer)
        db.session.commit()
    fields |= {"public_id": attempt.public_id, "code": attempt.receipt_code}
    return people


@pytest.fixture
def visitor(app):
    """A browser that nobody is signed in with, and that has been here before."""
    browser = visit(app)
    browser.get("/login")
    return browser


@pytest.fixture
def participant(app, world):
    return builders.sign_in(visit(app), world.participant)


@pytest.fixture
def organizer(app, world):
    return builders.sign_in(visit(app), world.organizer)


def routes(app, *, safe):
    """Every (endpoint, method, arguments) that changes nothing, or that may."""
    return [
        (rule.endpoint, method, tuple(sorted(rule.arguments)))
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
        if (method in SAFE) is safe and rule.endpoint not in NOT_VISITED
    ]


def address(app, world, endpoint, arguments):
    fields = {name: world.fields[name] for name in arguments}
    return app.url_map.bind("localhost").build(endpoint, fields)


def ask(app, world, browser, route, **details):
    endpoint, method, arguments = route
    return browser.open(address(app, world, endpoint, arguments), method=method, buffered=True, **details)


# --- the table -------------------------------------------------------------------------------------


def test_every_route_has_a_policy_and_every_policy_a_route(app):
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert endpoints - set(POLICIES) == set(), "say in contest/policies.py who may use them"
    assert set(POLICIES) - endpoints == set(), "no such route: take them out of contest/policies.py"


def test_everything_under_admin_is_for_staff_and_nothing_else_is(app):
    for rule in app.url_map.iter_rules():
        assert (POLICIES[rule.endpoint].who is Who.STAFF) is rule.rule.startswith("/admin"), rule.rule


def test_only_what_is_the_same_for_everybody_may_be_kept_by_others():
    shared = {endpoint for endpoint, policy in POLICIES.items() if policy.public_seconds}
    assert all(POLICIES[endpoint].who is Who.EVERYBODY for endpoint in shared)
    assert "static" in shared


def test_a_route_without_a_policy_is_not_found(world, visitor, monkeypatch):
    assert visitor.get("/").status_code == 200
    monkeypatch.delitem(POLICIES, "public.landing")
    assert visitor.get("/").status_code == 404


# --- who ------------------------------------------------------------------------------------------


def test_staff_routes_do_not_exist_for_participants(app, world, participant):
    token = {"X-CSRFToken": builders.csrf(participant)}
    staff_routes = [
        route
        for safe in (True, False)
        for route in routes(app, safe=safe)
        if POLICIES[route[0]].who is Who.STAFF
    ]
    assert len(staff_routes) > 5
    answers = {
        route: ask(app, world, participant, route, headers=token).status_code for route in staff_routes
    }
    assert {route: status for route, status in answers.items() if status != 404} == {}


def test_staff_without_the_role_may_not(app, world):
    for role in ROLES:
        browser = builders.sign_in(visit(app), builders.make_staff(role))
        token = {"X-CSRFToken": builders.csrf(browser)}
        for safe in (True, False):
            for route in routes(app, safe=safe):
                roles = POLICIES[route[0]].roles
                if roles and role not in roles:
                    answer = ask(app, world, browser, route, headers=token)
                    assert (answer.status_code, "vai trò khác" in answer.text) == (403, True), (role, route)


def test_whoever_only_watches_changes_nothing(app, world):
    """An administrator looks after the machines: no step of a round and no item is theirs."""
    changing = {route[0] for route in routes(app, safe=False) if POLICIES[route[0]].who is Who.STAFF}
    assert {endpoint for endpoint in changing if not POLICIES[endpoint].roles} == set()


def test_visitors_are_asked_to_sign_in_and_led_back(app, world, visitor):
    for route in routes(app, safe=True):
        if POLICIES[route[0]].who in (Who.STAFF, Who.SIGNED_IN):
            answer = ask(app, world, visitor, route)
            assert answer.status_code == 303, route
            assert answer.location == f"/login?next={address(app, world, route[0], route[2])}"


def test_what_a_program_asks_for_is_answered_401(app, world, visitor):
    for route in routes(app, safe=True):
        if POLICIES[route[0]].who in (Who.STAFF, Who.SIGNED_IN):
            answer = ask(app, world, visitor, route, headers={"Accept": "application/json"})
            assert (answer.status_code, answer.json) == (401, {"code": "not_signed_in"}), route


# --- unsafe methods --------------------------------------------------------------------------------


def is_refused(answer):
    """Whether a request was refused, or a visitor asked to sign in."""
    is_sent_away = answer.status_code == 303 and urlsplit(answer.location).path == "/login"
    return answer.status_code in (401, 403, 404) or is_sent_away


def unsafe_answers(app, world, browser, **details):
    return {route: ask(app, world, browser, route, **details) for route in routes(app, safe=False)}


def last_event():
    return db.session.scalar(select(AuditEvent.id).order_by(AuditEvent.id.desc()).limit(1))


@pytest.mark.parametrize("who", ["visitor", "participant", "organizer"])
def test_without_a_token_nothing_is_done(app, world, who, request):
    browser, before = request.getfixturevalue(who), last_event()
    answers = unsafe_answers(app, world, browser)
    assert len(answers) > 5
    assert [route for route, answer in answers.items() if not is_refused(answer)] == []
    assert last_event() == before


def test_who_may_use_a_route_is_told_that_the_token_is_missing(app, world, participant, organizer):
    staff = {route for route in routes(app, safe=False) if POLICIES[route[0]].who is Who.STAFF}
    for route, answer in unsafe_answers(app, world, organizer).items():
        assert answer.status_code == 403, route
    for route, answer in unsafe_answers(app, world, participant).items():
        assert answer.status_code == (404 if route in staff else 403), route


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_from_another_site_even_the_right_token_does_nothing(app, world, organizer, headers):
    headers = headers | {"X-CSRFToken": builders.csrf(organizer)}
    answers = unsafe_answers(app, world, organizer, headers=headers)
    assert {route: answer.status_code for route, answer in answers.items() if answer.status_code != 403} == {}


def test_the_token_of_another_session_does_nothing(app, world, organizer):
    others = builders.csrf(builders.sign_in(visit(app), world.other))
    answers = unsafe_answers(app, world, organizer, headers={"X-CSRFToken": others})
    assert {route: answer.status_code for route, answer in answers.items() if answer.status_code != 403} == {}


def test_a_token_in_the_address_does_nothing(app, world, organizer):
    answers = unsafe_answers(app, world, organizer, query_string={"csrf_token": builders.csrf(organizer)})
    assert [route for route, answer in answers.items() if not is_refused(answer)] == []


# --- pages -----------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page has, as far as it is to be counted."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.ids, self.labelled = Counter(), Counter(), set()
        self.open_pictures = 0
        self.fields, self.open_labels, self.faults, self.language, self.title = [], 0, [], None, ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.open_pictures += tag == "svg"
        # A picture's titles are its own.
        self.tags[tag] += not (tag == "title" and self.open_pictures)
        if "id" in attributes:
            self.ids[attributes["id"]] += 1
        if tag == "html":
            self.language = attributes.get("lang")
        elif tag == "label":
            self.open_labels += 1
            self.labelled.add(attributes.get("for", ""))
        elif tag in ("input", "select", "textarea"):
            if attributes.get("type") not in ("hidden", "submit", "button"):
                has_own = self.open_labels or "aria-label" in attributes or "aria-labelledby" in attributes
                self.fields.append((attributes.get("id"), bool(has_own), attributes.get("name")))
        elif tag == "img" and "alt" not in attributes:
            self.faults.append(f"an image without alt: {attributes.get('src')}")
        if tag == "style" or "style" in attributes or (tag == "script" and "src" not in attributes):
            self.faults.append(f"something inline in {self.getpos()}")
        self.faults += [f"{name}= in {self.getpos()}" for name in attributes if name.startswith("on")]

    def handle_endtag(self, tag):
        self.open_labels -= tag == "label"
        self.open_pictures -= tag == "svg"

    def handle_data(self, data):
        if self.lasttag == "title":
            self.title += data


def faults_of(answer):
    """What is missing from an answered page."""
    page = Page(answer.get_data(as_text=True))
    yield from page.faults
    yield from (
        f"{name} is not {value}" for name, value in HEADERS.items() if answer.headers.get(name) != value
    )
    if page.language != "vi":
        yield f"its language is {page.language}"
    for tag in ("h1", "main", "title"):
        if page.tags[tag] != 1:
            yield f"it has {page.tags[tag]} {tag}"
    if not page.title.strip(" –\n"):
        yield "its title is empty"
    for identity, has_own, name in page.fields:
        if not has_own and identity not in page.labelled:
            yield f"the field {name} has no label"
    yield from (f"the id {identity} comes {count} times" for identity, count in page.ids.items() if count > 1)
    if "no-store" not in answer.headers.get("Cache-Control", ""):
        yield "it may be kept by caches"


@pytest.mark.parametrize("world", PHASES, indirect=True)
@pytest.mark.parametrize("who", ["visitor", "participant", "organizer"])
def test_every_page_in_every_phase_is_a_whole_page(app, world, who, request):
    browser, faults, pages = request.getfixturevalue(who), [], 0
    for route in routes(app, safe=True):
        answer = ask(app, world, browser, route)
        assert answer.status_code in (200, 302, 303, 308, 404, 409), (route, answer.status_code)
        if answer.status_code in (302, 303, 308):
            assert not urlsplit(answer.location).netloc, route
        if answer.mimetype == "text/html" and answer.status_code in (200, 404, 409):
            pages += 1
            faults += [f"{route[0]} ({answer.status_code}): {fault}" for fault in faults_of(answer)]
    assert pages > 5
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize("path", ["/nothing-here", "/contests/none", "/attempts/none", "/admin/nothing"])
def test_what_is_not_there_is_a_whole_page_too(world, organizer, path):
    answer = organizer.get(path)
    assert answer.status_code == 404
    assert list(faults_of(answer)) == []


def test_a_refusal_is_a_whole_page_too(world, organizer):
    answer = organizer.post("/logout")
    assert answer.status_code == 403
    assert list(faults_of(answer)) == []


def test_static_files_may_be_kept_for_a_year(world, visitor):
    answer = visitor.get("/static/css/app.css", buffered=True)
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    assert "no-store" not in answer.headers["Cache-Control"]


def test_the_page_check_sees_what_is_wrong(app):
    answer = app.response_class(
        "<html lang=en><title> – </title><h1></h1><h1></h1><input name=a><select name=b id=b></select>"
        '<label for=c>C</label><input id=c><label>D <input></label><p id=c style="x" onclick=y><img>'
        "<script>z</script>"
    )
    expected = [
        "alt",
        "inline",
        "onclick=",
        "language",
        "2 h1",
        "0 main",
        "title is empty",
        "field a",
        "field b",
    ]
    found = "\n".join(faults_of(answer))
    assert [word for word in [*expected, "id c comes 2 times", "kept by caches"] if word not in found] == []
    assert "field None" not in found
