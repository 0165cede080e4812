"""Virtual participants from the command line."""

import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

import click
from flask import current_app
from sqlalchemy.exc import DBAPIError

from contest import contests
from contest.cli import with_app
from contest.cli.rounds import find_round
from contest.clock import db_now
from contest.contests import Phase
from contest.crowd import checking, preparing, removing, reporting
from contest.crowd.reporting import Report
from contest.crowd.simulating import Place, Simulation
from contest.errors import Conflict
from contest.extensions import db
from contest.models import Round
from contest.rules.crowds import SCENARIOS, Scenario
from contest.security import new_public_id
from contest.settings import Settings
from contest.signing_in import session_cookie_name

# Scoring and ranking may be at the people's rows when they are to go.
TRIES_TO_REMOVE = 10
CROWD = "simulate-"


@click.command()
@click.argument("scenario", type=click.Choice(sorted(SCENARIOS)), required=False)
@click.option("--round", "number", type=int, help="The round's number; without it the open one.")
@click.option("--contest", "slug", help="The contest's address; without it the newest.")
@click.option("--url", help="Where the site is; without it this machine's own web server.")
@click.option("--scale", type=click.FloatRange(0.0001, 20), default=1.0, help="A part of the crowd.")
@click.option("--seconds", type=click.FloatRange(1, 3600), help="How long; without it as the scenario says.")
@click.option("--register", is_flag=True, help="Who comes fills in the registration form first.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another crowd.")
@click.option("--keep", is_flag=True, help="Leave the virtual people where they are.")
@click.option("--clear", is_flag=True, help="Only take away what runs that were killed have left.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_app
def simulate(
    scenario: str | None,
    number: int | None,
    slug: str | None,
    url: str | None,
    scale: float,
    seconds: float | None,
    register: bool,
    seed: int,
    keep: bool,
    clear: bool,
    as_json: bool,
) -> None:
    """Let a crowd of virtual people take part in an open round over HTTP, and check what it was told.

    SCENARIO names the crowd. Its people are prepared in bulk, drive the site as the pages do, and are
    taken away afterwards. Every acknowledgement is held against the database. Exits with 1 if an
    acknowledged answer was lost or a goal was missed.
    """
    if clear:
        for name, people in removing.crowds(db.session()).items():
            if name.startswith(CROWD):
                take_away(name)
                click.echo(f"{people} virtual people taken away")
        return
    if scenario is None:
        raise click.UsageError(f"name a SCENARIO: {', '.join(sorted(SCENARIOS))}")
    # Ended in whatever way, it takes its people away.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    settings: Settings = current_app.config["CONTEST"]
    crowd = replace(SCENARIOS[scenario].scaled(scale, seconds=seconds), is_registering=register)
    round = find_round(number, slug) if number is not None else _open_round(slug)
    with click.progressbar(
        length=int(crowd.seconds * 10), label=scenario, file=sys.stderr, show_pos=False, hidden=as_json
    ) as bar:
        told = run_crowd(
            round.id,
            crowd,
            base=url or settings.address,
            name=f"{CROWD}{new_public_id()}",
            seed=seed,
            keep=keep,
            progress=lambda passed: bar.update(int(passed * 10)),
        )
    click.echo(json.dumps(reporting.as_record(told)) if as_json else "\n".join(reporting.lines(told)))
    raise SystemExit(0 if told.is_met else 1)


def run_crowd(
    round_id: int,
    scenario: Scenario,
    *,
    base: str,
    name: str,
    seed: int = 1,
    keep: bool = False,
    progress: Callable[[float], None] = lambda _seconds: None,
) -> Report:
    """Prepare a crowd for a round, drive it, check its acknowledgements, take it away; return how it went.

    Raises Conflict where contest.crowd.preparing refuses.
    """
    settings: Settings = current_app.config["CONTEST"]
    session = db.session()
    round = session.get_one(Round, round_id)
    if scenario.is_registering and settings.env == "prod":
        raise Conflict("Trên hệ thống chính thức không đăng ký người ảo qua biểu mẫu.")
    newcomers = 0 if scenario.is_registering else scenario.coming
    try:
        people = preparing.prepare(
            session,
            round,
            scenario.sitting + newcomers,
            sitting=scenario.sitting,
            crowd=name,
            data_key=settings.data_key,
            env=settings.env,
            now=db_now(session),
        )
        session.commit()
        phones = preparing.free_phones(
            session,
            scenario.coming - newcomers,
            data_key=settings.data_key,
            random=Random(),
        )
        simulation = Simulation(
            scenario,
            _place(round, base, settings),
            people,
            phones=phones,
            seed=seed,
            progress=progress,
        )
        session.rollback()  # no transaction is held while people are at work
        outcome = simulation.run()
        preparing.adopt(session, outcome.ledger.phones, crowd=name, data_key=settings.data_key)
        session.commit()
        return reporting.report(scenario, outcome, list(checking.faults(session, outcome.ledger)))
    finally:
        session.rollback()
        if not keep:
            take_away(name)


def take_away(crowd: str) -> None:
    """Remove a crowd, again while others are at its rows; a crowd that is not there is none."""
    session = db.session()
    for tries_left in reversed(range(TRIES_TO_REMOVE)):
        try:
            removing.remove(session, crowd)
            session.commit()
        except (Conflict, DBAPIError):
            session.rollback()
            if not tries_left:
                raise
            time.sleep(1)
        else:
            return


def _place(round: Round, base: str, settings: Settings) -> Place:
    return Place(
        base=base,
        host=settings.asked_host,
        landing="/",
        round_id=round.id,
        session_cookie=session_cookie_name(settings),
        secret_key=settings.secret_key,
    )


def _open_round(slug: str | None) -> Round:
    """Return the open round of a contest. Raises Conflict if there is none."""
    session = db.session()
    contest = (
        contests.find_contest(session, slug, with_drafts=True) if slug else contests.current_contest(session)
    )
    now = db_now(session)
    for round in contest.rounds if contest else ():
        if contests.phase(round, now=now) is Phase.OPEN:
            return contests.find_round(session, round.id)
    raise Conflict("Không có vòng thi nào đang mở. Chọn vòng bằng --round.")
