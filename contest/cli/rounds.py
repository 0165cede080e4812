"""Rounds from the command line."""

import click
from flask import current_app
from sqlalchemy import select

from contest import contests, leaderboards
from contest.cli import with_app
from contest.clock import db_now
from contest.extensions import db
from contest.models import Round
from contest.security import new_round_seed


@click.group("round")
def round_group() -> None:
    """Open a round, close its books, rank it."""


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


@round_group.command("standings")
@_number
@_slug
@with_app
def standings(number: int, slug: str | None) -> None:
    """Rank round NUMBER again and print how many people that were."""
    round = find_round(number, slug)
    people = leaderboards.rank_round(db.session(), round, now=db_now(db.session()))
    db.session.commit()
    click.echo(f"{people} people ranked")
