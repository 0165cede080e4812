"""What nobody should send is refused or shown as text: no 500, nothing that runs, nothing of our inside.

3,000 requests in all, in every phase of a round.
"""

import pytest

from contest import jobs, limits
from contest.throttles import Verdict
from tests import builders
from tests.fuzzing import Walker
from tests.test_policies import world  # noqa: F401 - a fixture
from tests.visiting import visit

PHASES = ("no contest", "planned", "open", "closed", "published")


@pytest.fixture
def production_like(app, monkeypatch):
    """Errors become pages, as for people; nobody is slowed down; saying the same again needs no trail."""
    checks = [one for one in app.after_request_funcs[None] if one.__name__ != "look_after"]
    monkeypatch.setitem(app.after_request_funcs, None, checks)
    monkeypatch.setattr(app, "testing", False)
    monkeypatch.setattr(limits, "allow", lambda *_: Verdict())
    monkeypatch.setattr(jobs, "is_redis_there", lambda: True)
    return app


def walk(app, world, *, seed, requests):  # noqa: F811
    """Send requests and return the walker and what came back wrong."""
    visitor = visit(app)
    visitor.get("/login")
    browsers = {
        "visitor": visitor,
        "participant": builders.sign_in(visit(app), world.participant),
        "organizer": builders.sign_in(visit(app), world.organizer),
    }
    walker = Walker(app, browsers, world.fields, seed)
    walker.learn()
    faults = []
    for asked, details in walker.requests(requests):
        faults += walker.ask(asked, details)
    return walker, faults


def bugs_in(log):
    """Return what the log says of errors."""
    return "\n".join(line for line in log.splitlines() if '"event": "bug"' in line)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("world", PHASES, indirect=True)
def test_nothing_hostile_gets_through(production_like, world, request, capsys):  # noqa: F811
    seed = PHASES.index(request.node.callspec.params["world"])
    walker, faults = walk(production_like, world, seed=seed, requests=600)
    assert faults == [], bugs_in(capsys.readouterr().out)
    assert walker.asked == 600
    assert len(walker.statuses) >= 5, walker.statuses


@pytest.mark.parametrize(
    "body", ["[" * 3000, '{"login": ["a"], "password": {"a": 1}}', "null", '[["login", 7]]']
)
def test_a_form_is_never_read_from_json(production_like, world, body):  # noqa: F811
    browser = visit(production_like)
    browser.get("/login")
    token = {"X-CSRFToken": builders.csrf(browser)}
    answer = browser.post("/login", data=body, content_type="application/json", headers=token)
    assert answer.status_code == 422
    assert "Bạn hãy ghi số điện thoại" in answer.text
