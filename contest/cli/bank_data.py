"""The bank in the database from the command line: files in and out."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import click
from flask import current_app

from contest import accounts, bank, imports, pools
from contest.cli import with_app
from contest.cli.bank import bank_group
from contest.cli.rounds import find_round
from contest.clock import db_now
from contest.extensions import db
from contest.models import Account
from question_bank.formats import aiken, csv, docx, gift, moodle_xml, xlsx
from question_bank.items import LEVELS, TOPICS
from question_bank.simulation import simulate_draw

WRITERS = {
    ".xlsx": xlsx.write,
    ".csv": csv.write,
    ".docx": docx.write,
    ".gift": gift.write,
    ".xml": moodle_xml.write,
    ".txt": aiken.write,
}
DIVISIONS = "officials,citizens"


def _staff(login: str) -> Account:
    account = accounts.find(db.session(), login, data_key=current_app.config["CONTEST"].data_key)
    if account is None or not account.roles:
        raise click.ClickException(f"{login} is no staff account: contest create-staff makes one.")
    return account


@bank_group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "login", required=True, help="The staff member who brings the file.")
@click.option("--topic", type=click.Choice(list(TOPICS)), help="Of items whose file names none.")
@click.option("--level", type=click.Choice(LEVELS), help="Of items whose file names none.")
@click.option("--divisions", default=DIVISIONS, show_default=True, help="Of the new items, by commas.")
@click.option("--accept-errors", is_flag=True, help="Take the good items although others have errors.")
@click.option("--dry-run", is_flag=True, help="Say what would happen and store nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@with_app
def import_(
    file: Path,
    login: str,
    topic: str | None,
    level: str | None,
    divisions: str,
    accept_errors: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring the questions of FILE into the bank, as drafts for another person to review.

    Stores nothing and exits with 1 if some have errors, unless these are accepted.
    """
    session, content = db.session(), file.read_bytes()
    defaults = imports.Defaults(topic or "", level or "", tuple(divisions.split(",")))
    planned = imports.plan(session, file.name, content, defaults)
    errors = [problem for problem in planned.problems if problem.severity == "error"]
    outcome = {
        "added": len(planned.added),
        "changed": len(planned.changed),
        "skipped": len(planned.skipped),
        "problems": [problem.as_json() for problem in planned.problems],
        "stored": not dry_run and (accept_errors or not errors),
    }
    if outcome["stored"]:
        actor, now = _staff(login), db_now(session)
        brought = imports.keep(session, file.name, content, brought_by_id=actor.id, now=now)
        imports.apply(session, brought, defaults, actor_id=actor.id, now=now)
        session.commit()
    if as_json:
        click.echo(json.dumps(outcome, ensure_ascii=False, indent=2))
    else:
        click.echo(f"added {outcome['added']}, changed {outcome['changed']}, skipped {outcome['skipped']}")
        for problem in planned.problems:
            click.echo(f"{problem.severity} {dict(problem.where)}: {problem.reason}")
    if not outcome["stored"] and not dry_run:
        raise click.ClickException("Nothing was stored; --accept-errors takes the good items.")


@bank_group.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--words", default="", help="Only items with these words, accents aside.")
@click.option("--topic", default="", type=click.Choice(["", *TOPICS]))
@click.option("--state", default="", type=click.Choice(["", *bank.STATES]))
@click.option("--json", "as_json", is_flag=True, help="Print how many as JSON.")
@with_app
def export(file: Path, words: str, topic: str, state: str, as_json: bool) -> None:
    """Write the newest version of each item to FILE; its ending chooses the format."""
    write = WRITERS.get(file.suffix.lower())
    if write is None:
        raise click.ClickException(f"The ending must be one of {', '.join(WRITERS)}.")
    query = bank.newest_versions(words=words, topic=topic, state=state)
    items = bank.items_of(db.session(), query)
    file.write_bytes(write(items))
    click.echo(json.dumps({"items": len(items)}) if as_json else f"{len(items)} items written")


@bank_group.command("simulate-draw")
@click.argument("number", type=int)
@click.option("--contest", "slug", help="The contest's address; without it the newest.")
@click.option("--papers", default=10_000, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--seed", default="trial", show_default=True, help="Any text; the same gives the same trial.")
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON.")
@with_app
def simulate(number: int, slug: str | None, papers: int, seed: str, as_json: bool) -> None:
    """Draw many papers of round NUMBER, from its pools as frozen or as opening would freeze them now.

    Nothing is stored. Shows for each division how often items come up and how much papers share.
    """
    session = db.session()
    found = find_round(number, slug)
    items = pools.items_of_round(session, found, now=db_now(session))
    reports = {
        asked.division.code: simulate_draw(
            items[asked.division_id],
            pools.specification_cells(asked.specification),
            papers,
            sha256(seed.encode()).digest(),
        )
        for asked in found.divisions
    }
    if as_json:
        click.echo(json.dumps({code: asdict(one) for code, one in reports.items()}, ensure_ascii=False))
        return
    for code, report in reports.items():
        click.echo(f"{code}: {report.papers} papers of {report.items_per_paper} items")
        if report.exposures:
            drawn = [one.drawn for one in report.exposures]
            click.echo(f"  an item is in {min(drawn)} to {max(drawn)} papers")
        if report.overlap:
            click.echo(f"  two papers share {report.overlap.mean:.2f} items on average")
        for warning in report.warnings:
            click.echo(f"  {warning}")
