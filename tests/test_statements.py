"""How many SQL statements and Redis round trips each of the main requests takes: counted, and kept so.

Each is asked by a process that has just answered the same: pools and templates are loaded, and no
session has anything in its identity map.
"""

import contextvars
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from flask import current_app
from redis.connection import AbstractConnection
from sqlalchemy import select

from contest.extensions import db
from contest.jobs import Doorbell
from contest.models import Attempt
from tests import builders

DOCUMENT = Path(__file__).parent.parent / "docs/performance.md"
BOARD = "/contests/thi/leaderboard"
ENTRY = {
    "name": "Nguyễn Thị Bưởi",
    "birth_date": "05/03/1990",
    "password": "con mèo vàng",
    "division": "citizens",
    "commune": "09187",
    "unit": "",
    "participation": "y",
}


class Counts(NamedTuple):
    """What one request sends: not BEGIN and COMMIT, but the engine asking whether its connection lives."""

    sql: int
    redis: int


TABLE = {
    "start": (3, 1),
    "start where one is open": (2, 1),
    "save": (1, 0),
    "save after another page's": (2, 0),
    "paper": (7, 0),
    "submit": (1, 2),
    "submit again": (2, 0),
    "result": (7, 0),
    "landing page, signed in": (13, 0),
    "people with the own rank": (15, 0),
    "own page": (15, 0),
    "landing page": (8, 0),
    "rules": (10, 0),
    "leaderboard of units": (8, 0),
    "search of a unit": (9, 1),
    "leaderboard of people": (10, 0),
    "winners": (9, 0),
    "healthz": (0, 0),
    "sign-in page": (3, 0),
    "sign-in": (17, 1),
    "registration page": (7, 0),
    "registration": (22, 1),
    "dashboard": (23, 0),
    "figures of the dashboard": (14, 0),
}

PHONES = ("0912345671", "0912345672")


@pytest.fixture
def world(live_app):
    """An open round, a closed one with results in which two people sat, and an organizer."""
    builders.make_items()
    contest = builders.make_contest("thi")
    first, second = builders.SPECIFICATION  # an item is in one round of a contest alone
    closed = builders.open_now(builders.make_round(contest, specification=[first]))
    opened = builders.open_now(builders.make_round(contest, specification=[second]))
    people = [builders.make_person(contest, phone=phone) for phone in PHONES]
    for person in people:
        builders.finish_attempt(person, closed, right=1)
    builders.close(closed)
    builders.publish(closed, by=builders.make_staff())
    db.session.commit()
    live_app.extensions["doorbell"] = doorbell = Doorbell(live_app.extensions["redis"])
    doorbell.queue.connection.ping()
    yield live_app, opened, people
    doorbell.queue.delete(delete_jobs=True)
    doorbell.queue.connection.close()


class Counter:
    """Counts what requests send to the two servers."""

    def __init__(self, patch):
        self.now = Counts(0, 0)
        self.counts = {}
        patch.setattr(psycopg.Cursor, "execute", self._counting(psycopg.Cursor.execute, Counts(1, 0)))
        send = AbstractConnection.send_packed_command
        patch.setattr(AbstractConnection, "send_packed_command", self._counting(send, Counts(0, 1)))

    def _counting(self, real, each):
        def counting(*args, **kwargs):
            self.now = Counts(self.now.sql + each.sql, self.now.redis + each.redis)
            return real(*args, **kwargs)

        return counting

    def ask(self, what, ask, *args, status=200, **kwargs):
        """Ask in an empty context, as a server does: no session of an earlier request is in it."""
        self.now = Counts(0, 0)
        current_app.extensions.pop("readings", None)  # what a process reads for all and keeps a while
        answer = contextvars.Context().run(ask, *args, **kwargs)
        assert answer.status_code == status, (what, answer.status_code, answer.text[:300])
        self.counts[what] = self.now


def walk(app, round, person, counter, *, registering):
    """Ask for everything in the table, once."""
    browser = builders.sign_in(app.test_client(), person)
    token = builders.csrf(browser)
    form = {"csrf_token": token}
    starting = f"/rounds/{round.id}/attempts"
    counter.ask("start", browser.post, starting, data=form, status=303)
    counter.ask("start where one is open", browser.post, starting, data=form, status=303)
    db.session.rollback()
    attempt = db.session.scalars(select(Attempt).filter_by(account_id=person.id, submitted_at=None)).one()
    address, shape = f"/attempts/{attempt.public_id}", attempt.paper_shape
    sheet = {"seq": 1, "base": 0, "editor": "page", "shape": shape, "responses": {"1": ["a"]}}
    for what, editor in (("save", "page"), ("save after another page's", "other")):
        sending = {"json": sheet | {"editor": editor}, "headers": {"X-CSRFToken": token}}
        counter.ask(what, browser.put, f"{address}/responses", **sending)
    counter.ask("paper", browser.get, address)
    app.extensions["doorbell"]._rang_at.clear()  # more than a second has passed since the last ring
    counter.ask("submit", browser.post, f"{address}/submission", data=form, status=303)
    counter.ask("submit again", browser.post, f"{address}/submission", data=form, status=303)
    counter.ask("result", browser.get, f"{address}/result")
    counter.ask("landing page, signed in", browser.get, "/")
    counter.ask("people with the own rank", browser.get, f"{BOARD}/individuals?round=1")
    counter.ask("own page", browser.get, "/me")
    visitor = app.test_client()
    counter.ask("landing page", visitor.get, "/")
    counter.ask("rules", visitor.get, "/contests/thi/rules")
    counter.ask("leaderboard of units", visitor.get, f"{BOARD}?round=1")
    counter.ask("search of a unit", visitor.get, f"{BOARD}?round=1&q=kinh")
    counter.ask("leaderboard of people", visitor.get, f"{BOARD}/individuals?round=1")
    counter.ask("winners", visitor.get, "/contests/thi/winners")
    counter.ask("healthz", visitor.get, "/healthz")
    counter.ask("sign-in page", visitor.get, "/login")
    form = {"csrf_token": builders.csrf(visitor), "login": PHONES[0], "password": builders.PASSWORD}
    counter.ask("sign-in", visitor.post, "/login", data=form, status=303)
    visitor = app.test_client()
    counter.ask("registration page", visitor.get, "/register")
    form = ENTRY | {"csrf_token": builders.csrf(visitor), "phone": registering}
    counter.ask("registration", visitor.post, "/register", data=form, status=303)
    staff = builders.sign_in(app.test_client(), builders.make_staff())
    counter.ask("dashboard", staff.get, f"/admin/rounds/{round.id}/dashboard")
    counter.ask("figures of the dashboard", staff.get, f"/admin/rounds/{round.id}/figures")


def test_no_request_takes_another_statement(world):
    app, round, people = world
    with pytest.MonkeyPatch.context() as patch:
        counter = Counter(patch)
        for person, phone in zip(people, ("0987654321", "0987654322"), strict=True):
            walk(app, round, person, counter, registering=phone)  # the second time counts

    changed = {what: tuple(counts) for what, counts in counter.counts.items() if counts != TABLE.get(what)}
    assert changed == {}, (
        "These requests send another number of (SQL statements, Redis commands) than the table says. "
        "One more is a round trip for everybody: join it to a statement that is there, or read it once "
        "per process. If it has to be, change TABLE here and the table in docs/performance.md, and say why."
    )
    assert counter.counts.keys() == TABLE.keys()


def test_the_table_is_in_the_documentation():
    text = DOCUMENT.read_text()
    missing = [f"| {what} | {sql} | {redis} |" for what, (sql, redis) in TABLE.items()]
    missing = [line for line in missing if line not in text]
    assert not missing, "docs/performance.md lacks these rows:\n" + "\n".join(missing)
