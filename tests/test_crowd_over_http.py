"""Virtual participants before a site that really runs: honest, lying, and killed in the middle."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from contest.cli.simulate import run_crowd, simulate
from contest.crowd import removing, reporting
from contest.extensions import db
from contest.models import Account, Attempt, Registration
from contest.rules.crowds import SCENARIOS, Scenario
from tests.builders import make_contest, make_round, open_now
from tests.test_run import answers, free_port, until

ROOT = Path(__file__).resolve().parent.parent
SMALL = Scenario(
    "thu", sitting=8, saves=16, starts=2, seconds=3, warm_up=0.5, p95_ms={"save": 5000, "start": 5000}
)


class Site:
    """A web server in processes of its own, on the test's database."""

    def __init__(self, app, wsgi: str) -> None:
        settings = app.config["CONTEST"]
        self.round = open_now(make_round(make_contest()))
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.wsgi = wsgi
        self.env = {name: text for name, text in os.environ.items() if not name.startswith("CONTEST_")} | {
            "PYTHONPATH": str(ROOT),
            "CONTEST_ENV": "test",
            "CONTEST_DATABASE_URL": settings.database_url.replace("+psycopg", ""),
            "CONTEST_REDIS_URL": settings.redis_url,
            "CONTEST_SECRET_KEY": settings.secret_key,
            "CONTEST_DATA_KEY": settings.data_key,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **env: str) -> None:
        self.process = subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-m",
                    "granian",
                    self.wsgi,
                    "--interface",
                    "wsgi",
                    "--port",
                    str(self.port),
                ),
                *("--blocking-threads", "4", "--log-level", "critical"),
            ],
            cwd=ROOT,
            env=self.env | env,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: answers(self.port))

    def kill(self) -> None:
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def crowd(self, scenario: Scenario = SMALL, **settings) -> reporting.Report:
        return run_crowd(self.round.id, scenario, base=self.base, name="thu", **settings)


@pytest.fixture
def site(live_app) -> Iterator[Callable[..., Site]]:
    sites = []

    def start(wsgi: str = "wsgi:app", **env: str) -> Site:
        sites.append(Site(live_app, wsgi))
        sites[-1].start(**env)
        return sites[-1]

    yield start
    for one in sites:
        one.kill()


def goals_missed(told: reporting.Report) -> list[str]:
    return [f"{one.goal}: {one.value}" for one in told.findings if not one.is_met]


def test_a_small_crowd_finds_what_it_should_and_leaves_nothing(site):
    site = site()
    told = site.crowd()

    assert goals_missed(told) == []
    assert told.timings["save"].count >= 10
    assert told.timings["start"].count == told.timings["paper"].count == 6
    assert told.timings["submit"].count == told.timings["result"].count == 6
    assert len(told.outcome.ledger.entries) == 14
    assert removing.crowds(db.session()) == {}
    assert db.session.scalar(select(func.count()).select_from(Attempt)) == 0


def test_everybody_hands_in_at_the_deadline(site):
    scenario = SCENARIOS["deadline"].scaled(0.01, seconds=2)
    told = site().crowd(replace(scenario, handing_in=2), keep=True)

    assert goals_missed(told) == []
    db.session.rollback()
    attempts = db.session.scalars(select(Attempt)).all()
    assert len(attempts) == 30
    assert all(one.how == "person" and len(one.responses) >= 1 for one in attempts)
    assert {one.receipt for one in told.outcome.ledger.entries.values()} == {
        one.receipt_code for one in attempts
    }


def test_who_comes_can_fill_in_the_form(site):
    told = site().crowd(
        Scenario("thu", sitting=0, saves=4, starts=2, seconds=2, is_registering=True), keep=True
    )

    assert goals_missed(told) == []
    db.session.rollback()
    assert removing.crowds(db.session()) == {"thu": 4}
    assert db.session.scalar(select(func.count()).select_from(Registration)) == 4


@pytest.mark.parametrize(
    "lie, said",
    [("save", "acknowledged, "), ("submit", "submission acknowledged, and still open")],
)
def test_a_site_that_acknowledges_what_it_does_not_store_is_found_out(site, lie, said):
    told = site("tests.lying_site:app", LIE=lie).crowd(replace(SMALL, seconds=5, saves=24))

    assert not told.is_met
    assert told.faults
    assert any(said in fault for fault in told.faults)


def test_a_site_that_fails_is_found_out_though_nothing_is_lost(site):
    told = site("tests.lying_site:app", LIE="error").crowd()

    assert not told.is_met
    assert told.faults == []
    assert told.outcome.ledger.errors["save 500"] > 0


def test_who_is_told_to_wait_for_a_turn_waits_and_starts(site):
    told = site("tests.lying_site:app", LIE="line").crowd()

    ledger = told.outcome.ledger
    assert not ledger.errors
    assert told.faults == []
    # Who came last may still be waiting at the end.
    assert 4 <= ledger.started == len(ledger.waited)
    assert ledger.statuses["place", 200] >= 3 * ledger.started
    assert ledger.statuses["start", 303] == 6 + ledger.started


def test_who_still_waits_at_the_end_is_no_error_but_has_not_started(site):
    told = site("tests.lying_site:app", LIE="long line").crowd()

    assert goals_missed(told) == ["6 lượt vào thi: 0 lượt"]
    assert not told.outcome.ledger.errors
    assert told.outcome.unfinished == 0


def test_killed_in_the_middle_it_loses_nothing(site):
    site = site()

    def kill_and_start() -> None:
        time.sleep(1.5)
        site.kill()
        time.sleep(0.5)
        site.start()

    trouble = threading.Thread(target=kill_and_start)
    trouble.start()
    told = site.crowd(replace(SMALL, seconds=6))
    trouble.join()

    assert told.faults == []
    assert not told.outcome.ledger.errors
    assert told.outcome.ledger.statuses["save", 0] > 0
    assert told.timings["save"].count > 10


def test_what_a_killed_run_left_is_taken_away_by_the_command(site, live_app, monkeypatch):
    site = site()
    monkeypatch.setattr("contest.create_app", lambda: live_app)
    for name in ("simulate-killed", "rehearsal-7"):
        run_crowd(site.round.id, replace(SMALL, seconds=1), base=site.base, name=name, keep=True)
    db.session.remove()

    assert live_app.test_cli_runner().invoke(simulate, []).exit_code == 2
    run = live_app.test_cli_runner().invoke(simulate, ["--clear"])

    assert (run.exit_code, run.stdout) == (0, "10 virtual people taken away\n")
    assert removing.crowds(db.session()) == {"rehearsal-7": 10}


def test_the_command_says_it_and_exits_with_one_when_a_goal_is_missed(site, live_app, monkeypatch):
    site = site("tests.lying_site:app", LIE="error")
    monkeypatch.setattr("contest.create_app", lambda: live_app)
    db.session.remove()
    run = live_app.test_cli_runner().invoke(
        simulate, ["burst", "--scale", "0.1", "--seconds", "2", "--url", site.base, "--json"]
    )

    assert run.exit_code == 1
    record = json.loads(run.stdout)
    assert record["is_met"] is False
    assert record["lost"] == 0
    assert record["errors"]["save 500"] >= 1
    assert db.session.scalar(select(func.count(Account.id)).where(Account.crowd.is_not(None))) == 0
