"""Units and headcounts from the command line."""

import json
from pathlib import Path

import click

from contest import contests, headcounts
from contest.cli import with_app
from contest.clock import db_now
from contest.errors import NotThere
from contest.extensions import db
from contest.models import Contest


@click.group("units")
def units_group() -> None:
    """Bring in units and how many people they have, or give them out."""


_slug = click.option("--contest", "slug", help="The contest's address; without it the newest.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")


def _contest(slug: str | None) -> Contest:
    session = db.session()
    contest = (
        contests.find_contest(session, slug, with_drafts=True) if slug else contests.current_contest(session)
    )
    if contest is None:
        raise NotThere("Chưa có cuộc thi nào.")
    return contest


@units_group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", required=True, help="Where the figures come from; it is published with them.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--skip-problems", is_flag=True, help="Bring in the good rows of a list with problems.")
@_slug
@_json
@with_app
def bring(
    file: Path, source: str, dry_run: bool, skip_problems: bool, slug: str | None, as_json: bool
) -> None:
    """Add the units of a CSV FILE and set their headcounts, all in one transaction.

    Exits with 1 if rows have problems, unless told to skip them.
    """
    session, contest = db.session(), _contest(slug)
    plan = headcounts.plan(session, contest, *headcounts.read(file.read_bytes(), contest.divisions))
    is_done = not dry_run and (skip_problems or not plan.problems)
    if is_done:
        headcounts.bring_in(session, contest, plan, source=source, now=db_now(session), actor_id=None)
        session.commit()
    told = {
        "new_units": [row.code for row in plan.new_units],
        "changes": len(plan.changes),
        "same": plan.same,
        "problems": plan.problems,
        "is_done": is_done,
    }
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        for line in plan.problems:
            click.echo(line, err=True)
        done = "Brought in" if is_done else "Would bring in"
        click.echo(
            f"{done} {len(plan.new_units)} new units, {len(plan.changes)} figures; {plan.same} unchanged"
        )
    if plan.problems and not is_done and not dry_run:
        raise SystemExit(1)


@units_group.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_slug
@with_app
def export(file: Path, slug: str | None) -> None:
    """Write all units and their headcounts to a CSV FILE that `import` takes."""
    content = headcounts.write(db.session(), _contest(slug))
    file.write_bytes("\ufeff".encode() + content)
    click.echo(f"{file}: {content.count(bytes([10])) - 1} units")


@units_group.command("lock")
@_slug
@with_app
def lock(slug: str | None) -> None:
    """Lock the headcounts of a contest and print the digest that is published."""
    session = db.session()
    click.echo(headcounts.lock(session, _contest(slug), now=db_now(session), actor_id=None))
    session.commit()
