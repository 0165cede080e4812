"""The way through the organizers' area: what exists is reached by links, and no link leads to a refusal."""

import re
from collections import Counter
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import update
from werkzeug.exceptions import HTTPException

from contest import complaints, contests, jobs, rehearsals, winner_checks
from contest.clock import db_now
from contest.extensions import db
from contest.models import Attempt, Task
from contest.navigation import ROUND_TABS, SITE_TABS, is_of_round, tab_of
from contest.policies import POLICIES
from tests import builders
from tests.visiting import visit

MOST_STATEMENTS = 40
# So many pages of each kind are asked for: they differ by round and division.
MOST_OF_A_KIND = 8
# Scripts ask for these, or somebody must bring a file first.
NO_PAGES = {
    "admin_dashboard.figures",
    "admin_tasks.progress",
    "admin_rehearsals.progress",
    "admin_imports.show",
    "pictures.of_import",
    "admin_certificates.files",
}
TABS = [*SITE_TABS, *(tab for tabs in ROUND_TABS.values() for tab in tabs)]


@pytest.fixture
def round(app):
    """A published round with everything that pages lead to, one that is open, and one that is planned."""
    contest = builders.make_contest()
    contest.has_standing = True
    organizer = builders.make_staff("organizer")
    # Published, the winners invited, one complaint filed.
    round = builders.open_now(builders.make_round(contest))
    for right in (5, 4, 3):
        person = builders.make_person(contest, consents=("participation", "publication"))
        builders.finish_attempt(person, round, right=right, prediction=1)
    builders.make_incidents(round, person, by=organizer)
    builders.close(round)
    builders.publish(round, by=organizer)
    # What closed longer ago is analysed.
    db.session.execute(update(Attempt).values(scored_at=Attempt.scored_at - timedelta(minutes=2)))
    db.session.commit()
    while jobs.analyse_what_closed():
        pass
    db.session.expire_all()
    now, session = db_now(db.session()), db.session()
    round = contests.find_round(session, round.id)
    winner_checks.open_checks(session, round, [person.id], actor_id=organizer.id, now=now)
    complaints.file(session, round, topic="item", text="Xem lại câu 1", account_id=person.id, now=now)
    session.add(Task(kind=rehearsals.KIND, subject=f"round/{round.id}", title="Diễn tập"))
    session.add(Task(kind="certificates.print", subject=f"round/{round.id}", title="In giấy"))
    session.commit()
    # Open, with somebody whom it is proposed to keep out.
    builders.make_items(per_cell=12)
    open_one = builders.open_now(builders.make_round(contest))
    other = builders.make_person(contest)
    builders.finish_attempt(other, open_one, right=2)
    builders.rank(open_one)
    builders.propose_exclusion(open_one, other, by=organizer)
    builders.make_round(contest)
    builders.make_contest()  # its headcounts are not locked yet
    return round


def pages_of(app, round, statements, *roles):
    """Follow the links of the organizers' area: by endpoint what was answered, and by how many statements."""
    browser = builders.sign_in(visit(app), builders.make_staff(*roles, name="Người xem"))
    addresses = app.url_map.bind("localhost")
    # The list of questions answers a search form.
    waiting = ["/admin/", f"/admin/rounds/{round.id}/corrections?q=1"]
    seen, kinds, answers = set(waiting), Counter(), []
    while waiting:
        address = waiting.pop(0)
        try:
            endpoint, _ = addresses.match(address.partition("?")[0], method="GET")
        except HTTPException as refusal:
            answers.append(("", address, refusal.code, 0))
            continue
        kinds[endpoint] += 1
        if kinds[endpoint] > MOST_OF_A_KIND:
            continue
        with statements() as noted:
            answer = browser.get(address)
        answers.append((endpoint, address, answer.status_code, len(noted)))
        found = [answer.location] if answer.location else []
        if answer.mimetype == "text/html":
            found += [unescape(link) for link in re.findall(r'href="(/admin[^"#]*)', answer.text)]
        for link in found:
            if link not in seen:
                seen.add(link)
                waiting.append(link)
    return answers


def staff_pages(app):
    return {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/admin") and "GET" in rule.methods
    }


def test_links_lead_an_organizer_to_every_page_by_few_statements(app, round, statements):
    answers = pages_of(app, round, statements, "organizer")

    assert [one for one in answers if one[2] not in (200, 302, 303)] == []
    assert staff_pages(app) - NO_PAGES - {endpoint for endpoint, *_ in answers} == set(), "link to them"
    assert [one for one in answers if one[3] > MOST_STATEMENTS] == []


def test_no_link_leads_an_approver_to_a_refusal(app, round, statements):
    answers = pages_of(app, round, statements, "approver")

    assert [one for one in answers if one[2] not in (200, 302, 303)] == []
    theirs = {endpoint for endpoint in staff_pages(app) if "organizer" not in POLICIES[endpoint].roles}
    assert theirs - NO_PAGES - {endpoint for endpoint, *_ in answers} == set(), "link to them"


def test_an_approver_sees_no_button_of_an_organizer(app, round):
    page = f"/admin/rounds/{round.id}/results"
    organizer = builders.sign_in(visit(app), builders.make_staff("organizer"))
    approver = builders.sign_in(visit(app), builders.make_staff("approver"))

    assert f'action="/admin/rounds/{round.id}/publications"' in organizer.get(page).text
    text = approver.get(page).text
    assert "/publications" not in re.sub(r'href="[^"]*"', "", text)
    assert "chưa được giao vai trò" in text


@pytest.mark.parametrize(
    "endpoint, tab",
    [
        ("admin_complaints.show", "admin_complaints.index"),
        ("admin_configuration.prizes", "admin_rounds.show"),
        ("admin_configuration.new", "admin_contests.index"),
        ("admin_winner_checks.show", "admin_results.show"),
        ("admin_analysis.item", "admin_analysis.show"),
        ("admin_participant.show", "admin_participants.index"),
        ("admin_imports.show", "admin_bank.index"),
        ("public.landing", ""),
    ],
)
def test_a_page_stands_under_a_tab(endpoint, tab):
    assert tab_of(endpoint) == tab


def test_a_page_of_a_round_has_its_tabs_and_no_other_has():
    assert is_of_round("admin_complaints.show")
    assert is_of_round("admin_dashboard.show")
    assert not is_of_round("admin_participants.index")
    assert not is_of_round("admin_bank.index")


def test_every_tab_is_a_page_once(app):
    endpoints = [tab.endpoint for tab in TABS]
    assert len(endpoints) == len(set(endpoints))
    assert set(endpoints) <= staff_pages(app)
