"""The bank in the database from the command line: files in and out."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from flask import current_app
from sqlalchemy import select

from contest import accounts, analyses, bank, draw_trials, duplicates, imports, item_lists, leaderboards
from contest.cli import with_app
from contest.cli.rounds import find_round
from contest.clock import db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.imports import NearPair, Plan
from contest.models import Account, BankItem, RoundAnalysis, RoundDivision
from question_bank.formats import aiken, csv, docx, gift, moodle_xml, xlsx
from question_bank.items import LEVELS, TOPICS

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


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "login", required=True, help="The staff member who brings the file.")
@click.option("--topic", type=click.Choice(list(TOPICS)), help="Of items whose file names none.")
@click.option("--level", type=click.Choice(LEVELS), help="Of items whose file names none.")
@click.option("--divisions", default=DIVISIONS, show_default=True, help="Of the new items, by commas.")
@click.option("--accept-errors", is_flag=True, help="Take the good items although others have errors.")
@click.option("--without-near", is_flag=True, help="Leave out new items that read like others.")
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
    without_near: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring the questions of FILE into the bank, as drafts for another person to review.

    Stores nothing and exits with 1 if some have errors, unless these are accepted.
    """
    session, content = db.session(), file.read_bytes()
    session.execute(leaderboards.PATIENCE)
    defaults = imports.Defaults(topic or "", level or "", tuple(divisions.split(",")), without_near)
    planned = imports.plan(session, file.name, content, defaults)
    errors = [problem for problem in planned.problems if problem.severity == "error"]
    codes = _codes(planned)
    outcome = {
        "added": len(planned.added),
        "changed": len(planned.changed),
        "skipped": len(planned.skipped),
        "problems": [problem.as_json() for problem in planned.problems],
        "near": [_near(pair, codes) for pair in planned.near],
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
        for pair in planned.near:
            like = codes[pair.like] if isinstance(pair.like, int) else dict(pair.like.where)
            click.echo(f"near {dict(pair.found.where)}: {pair.similarity:.0%} like {like}")
    if not outcome["stored"] and not dry_run:
        raise click.ClickException("Nothing was stored; --accept-errors takes the good items.")


def _codes(planned: Plan) -> Mapping[int, str]:
    """Return the codes of the bank's items that new ones read like, by id."""
    ids = {pair.like for pair in planned.near if isinstance(pair.like, int)}
    rows = db.session.execute(select(BankItem.id, BankItem.code).where(BankItem.id.in_(ids)))
    return dict(rows.all())


def _near(pair: NearPair, codes: Mapping[int, str]) -> dict[str, Any]:
    told = {"where": dict(pair.found.where), "similarity": pair.similarity}
    if isinstance(pair.like, int):
        return told | {"code": codes[pair.like]}
    return told | {"first": dict(pair.like.where)}


@click.command("duplicates")
@click.option("--json", "as_json", is_flag=True, help="Print the pairs as JSON.")
@with_app
def duplicates_(as_json: bool) -> None:
    """Show which items of the whole bank read alike and were not told apart, the most alike first."""
    session = db.session()
    session.execute(leaderboards.PATIENCE)
    count, pairs = duplicates.search(session)
    if as_json:
        told = [{"first": first, "second": second, "similarity": alike} for first, second, alike in pairs]
        click.echo(json.dumps({"items": count, "pairs": told}))
        return
    click.echo(f"{count} items, {len(pairs)} pairs that read alike")
    for first, second, alike in pairs:
        click.echo(f"  {first:<12} {second:<12} {alike:.0%}")


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--words", default="", help="Only items with these words, accents aside.")
@click.option("--topic", default="", type=click.Choice(["", *TOPICS]))
@click.option("--state", default="", type=click.Choice(["", *item_lists.STATES]))
@click.option("--json", "as_json", is_flag=True, help="Print how many as JSON.")
@with_app
def export(file: Path, words: str, topic: str, state: str, as_json: bool) -> None:
    """Write the newest version of each item to FILE; its ending chooses the format."""
    write = WRITERS.get(file.suffix.lower())
    if write is None:
        raise click.ClickException(f"The ending must be one of {', '.join(WRITERS)}.")
    query = item_lists.newest_versions(words=words, topic=topic, state=state)
    items = bank.items_of(db.session(), query)
    file.write_bytes(write(items))
    click.echo(json.dumps({"items": len(items)}) if as_json else f"{len(items)} items written")


@click.command("analyse")
@click.argument("number", type=int)
@click.option("--contest", "slug", help="The contest's address; without it the newest.")
@click.option("--division", help="Only this division, by its code.")
@click.option("--json", "as_json", is_flag=True, help="Print the analyses as JSON.")
@with_app
def analyse(number: int, slug: str | None, division: str | None, as_json: bool) -> None:
    """Show how the questions of round NUMBER did, once it is closed.

    Works out and stores what the sweeper has not come to yet.
    """
    found = find_round(number, slug)
    asked = [one for one in found.divisions if division in (None, one.division.code)]
    if not asked:
        raise NotThere("Vòng này không có bảng thi đó.")
    told = {one.division.code: _current_analysis(one) for one in asked}
    if as_json:
        click.echo(json.dumps({code: _as_json(one) for code, one in told.items()}, ensure_ascii=False))
        return
    for code, analysis in told.items():
        _print_analysis(code, analysis)


def _current_analysis(asked: RoundDivision) -> RoundAnalysis:
    session = db.session()
    analysis = analyses.find(session, asked.round_id, asked.division_id)
    if analysis is None or analyses.is_outdated(analysis, asked.round):
        analysis = analyses.work_out(session, asked, now=db_now(session))
        session.commit()
    if analysis is None:
        raise Conflict("Vòng thi đang được phân tích; hãy thử lại sau ít phút.")
    return analysis


def _as_json(analysis: RoundAnalysis) -> dict[str, Any]:
    return {
        "papers": analysis.papers,
        "computed_at": analysis.computed_at.isoformat(),
        "reliability": analysis.reliability,
        "items": list(map(asdict, analyses.items_of(analysis))),
    }


def _print_analysis(code: str, analysis: RoundAnalysis) -> None:
    reliability = analyses.reliability_of(analysis)
    told = "unknown" if reliability.coefficient is None else f"{reliability.coefficient:.2f}"
    click.echo(f"{code}: {analysis.papers} papers, reliability {told}")
    for item in analyses.items_of(analysis):
        result = item.result
        r = "    –" if result.discrimination is None else f"{result.discrimination:5.2f}"
        click.echo(
            f"  {item.code:<12} facility {result.facility:4.0%}  discrimination {r}  "
            f"exposure {result.exposure:4.0%}"
        )
        for flag in result.flags:
            click.echo(f"    {flag.text}")


@click.command("simulate-draw")
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
    reports = draw_trials.of_round(
        session, find_round(number, slug), papers=papers, seed=seed, now=db_now(session)
    )
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
        if report.spread:
            click.echo(
                f"  papers expect {report.spread.hardest:.0%} to {report.spread.easiest:.0%} of the points"
            )
        for warning in report.warnings:
            click.echo(f"  {warning}")
