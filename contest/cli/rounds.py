"""Rounds from the command line."""

import json
import time
from dataclasses import asdict
from itertools import islice
from typing import Any

import click
from flask import current_app
from sqlalchemy import select

from contest import contests, jobs, publishing, readiness, regrading, verifying_results
from contest.cli import with_app
from contest.clock import LOCAL_ZONE, db_now
from contest.extensions import db
from contest.models import Round
from contest.security import new_round_seed


@click.group("round")
def round_group() -> None:
    """Open a round, rank it, verify it."""


def find_round(number: int, slug: str | None) -> Round:
    """Return a round of a contest by its number; of the newest contest if none is named."""
    session = db.session()
    contest = (
        contests.find_contest(session, slug, with_drafts=True) if slug else contests.current_contest(session)
    )
    round_id = session.scalar(
        select(Round.id).where(Round.contest_id == (contest.id if contest else 0), Round.number == number)
    )
    return contests.find_round(session, round_id or 0)


_number = click.argument("number", type=int)
_slug = click.option("--contest", "slug", help="The contest's address; without it the newest.")


@round_group.command("list")
@_slug
@click.option("--json", "as_json", is_flag=True, help="Print the rounds as JSON.")
@with_app
def list_rounds(slug: str | None, as_json: bool) -> None:
    """Print the rounds of a contest: number, phase, times, title, divisions."""
    session = db.session()
    contest = (
        contests.find_contest(session, slug, with_drafts=True) if slug else contests.current_contest(session)
    )
    now = db_now(session)
    rows: list[dict[str, Any]] = [
        {
            "number": round.number,
            "phase": contests.phase(round, now=now).value,
            "opens_at": round.opens_at.astimezone(LOCAL_ZONE).isoformat(),
            "closes_at": round.closes_at.astimezone(LOCAL_ZONE).isoformat(),
            "is_locked": round.opened_at is not None,
            "commitment": round.seed_commitment,
            "title": round.title,
            "divisions": [
                asked.division.code
                for asked in sorted(round.divisions, key=lambda one: one.division.position)
            ],
        }
        for round in (contest.rounds if contest else ())
    ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        click.echo(
            f"{row['number']:3}  {row['phase']:13}{row['opens_at']}  {row['closes_at']}  {row['title']}"
            f" ({', '.join(row['divisions'])})"
        )


@round_group.command("check")
@_number
@_slug
@with_app
def check(number: int, slug: str | None) -> None:
    """Print the go/no-go list of round NUMBER; exits with 1 if a red line keeps it from being opened."""
    session = db.session()
    found = readiness.checks(session, find_round(number, slug), now=db_now(session))
    for one in found:
        click.echo(f"{one.kind:8} {one.title}: {one.text}")
    if any(one.kind == "error" for one in found):
        raise SystemExit(1)


@round_group.command("open")
@_number
@_slug
@with_app
def open_round(number: int, slug: str | None) -> None:
    """Freeze the pools of round NUMBER and lock its configuration."""
    round = find_round(number, slug)
    data_key = current_app.config["CONTEST"].data_key
    contests.open_round(
        db.session(), round, seed=new_round_seed(), data_key=data_key, now=db_now(db.session()), actor_id=None
    )
    db.session.commit()
    click.echo(f"Opened; commitment {round.seed_commitment}")


@round_group.command("rescore")
@_number
@_slug
@with_app
def rescore(number: int, slug: str | None) -> None:
    """Score all attempts of round NUMBER again and rank it; catches up on corrections that wait."""
    session = db.session()
    task = regrading.rescore(session, find_round(number, slug), now=db_now(session))
    session.commit()
    while task.finished_at is None:
        if not jobs.do_tasks():
            time.sleep(1)  # a worker is at it
        session.refresh(task)
        click.echo(f"{task.done}/{task.total} attempts", err=True)
    if task.error is not None:
        raise click.ClickException("the regrade was given up; the log says why")
    click.echo(f"{task.done} attempts scored again, {task.result['changed']} changed")


@round_group.command("standings")
@_number
@_slug
@with_app
def standings(number: int, slug: str | None) -> None:
    """Rank round NUMBER again and print how many people that were."""
    round = find_round(number, slug)
    data_key = current_app.config["CONTEST"].data_key
    people = publishing.rank_round(db.session(), round, data_key=data_key, now=db_now(db.session()))
    db.session.commit()
    click.echo(f"{people} people ranked")


@round_group.command("verify")
@_number
@_slug
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--most", default=20, show_default=True, help="Stop after so many differences.")
@with_app
def verify(number: int, slug: str | None, as_json: bool, most: int) -> None:
    """Derive all of round NUMBER again from its facts and name what differs; exits with 1 if anything does.

    It checks the audit chain, seed, pools, papers, points, durations, receipts, standings, units,
    prizes, and every published byte. Nothing is changed.
    """
    session = db.session()
    round = find_round(number, slug)
    found = verifying_results.faults(
        session,
        round,
        data_key=current_app.config["CONTEST"].data_key,
        progress=lambda part: click.echo(f"... {part}", err=True),
    )
    faults = list(islice(found, most))
    session.rollback()
    if as_json:
        told = {"round": number, "ok": not faults, "faults": [asdict(fault) for fault in faults]}
        click.echo(json.dumps(told, ensure_ascii=False, default=str))
    elif not faults:
        click.echo("KHỚP: mọi kết quả của vòng thi tính lại được từ dữ liệu gốc.")
    else:
        for fault in faults:
            click.echo(f"KHÔNG KHỚP: {fault.table}, {fault.row}, {fault.column}")
            click.echo(f"  tính lại được: {fault.expected}\n  đang lưu:      {fault.stored}")
    raise SystemExit(1 if faults else 0)
