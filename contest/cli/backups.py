"""`contest backup` and `contest restore`."""

import json
import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click
import flask_migrate
from alembic.script import ScriptDirectory
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from contest import MIGRATIONS, audit, backups, create_app, readiness, verifying_results
from contest.backups import BackupError, Manifest
from contest.clock import db_now
from contest.embedded import EmbeddedError, EmbeddedServers
from contest.errors import ContestError
from contest.extensions import db
from contest.models import Round
from contest.settings import Settings, SettingsError

MOST_FAULTS = 20
RESTORED = "backup.restore"


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--keep", type=click.IntRange(min=1), help="In a folder: keep only so many, the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def backup(target: Path, keep: int | None, as_json: bool) -> None:
    """Write a backup of the database to the new file TARGET, or under its moment into the folder TARGET.

    People can go on saving meanwhile. CONTEST_DATA_KEY is not in it: keep that apart.
    """
    if keep is not None and not target.is_dir():
        raise click.ClickException("--keep needs a folder, and TARGET is none.")
    with _refusals(), _database() as settings:
        app = create_app(settings)
        with app.app_context():
            path = backups.name_for(target, db_now(db.session())) if target.is_dir() else target
            db.session.remove()
            with _counted("Backing up") as progress:
                manifest = backups.make(
                    path,
                    url=settings.server_url,
                    data_key=settings.data_key,
                    software=_software(),
                    progress=progress,
                )
            is_noted = _note(manifest)
            db.engine.dispose()
        removed = backups.keep_newest(path.parent, keep) if keep else []
    if as_json:
        told = {"file": str(path), "bytes": path.stat().st_size, "noted": is_noted}
        click.echo(json.dumps(told | {"removed": [str(one) for one in removed]} | asdict(manifest)))
        return
    click.echo(f"{path}: {path.stat().st_size:,} bytes, as of {manifest.made_at}")
    click.echo(f"SHA-256 of the dump: {manifest.dump_sha256}")
    for one in removed:
        click.echo(f"removed {one}")
    if not is_noted:
        click.echo("The backup is good, but could not be noted in the database.", err=True)


def _note(manifest: Manifest) -> bool:
    """Note the backup for the go/no-go list; tell whether that was possible."""
    session = db.session()
    try:
        readiness.note_backup(
            session,
            backed_up_at=datetime.fromisoformat(manifest.made_at),
            sha256=manifest.dump_sha256,
            now=db_now(session),
        )
        session.commit()
    except SQLAlchemyError:
        session.rollback()
        return False
    return True


@click.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", "is_check", is_flag=True, help="Only look whether SOURCE could be restored.")
@click.option("--any-key", is_flag=True, help="Restore although CONTEST_DATA_KEY is another than it was.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def restore(source: Path, is_check: bool, any_key: bool, as_json: bool) -> None:
    """Fill an empty database from the backup SOURCE, and derive all its results again.

    Exits with 1, and leaves the database empty, where SOURCE is damaged or does not fit; exits with 1
    too where a result does not follow from its facts.
    """
    script = ScriptDirectory(str(MIGRATIONS))
    with _refusals(), _database(is_needed=not is_check) as settings:
        with _counted("Checking") as progress:
            manifest = backups.check(
                source,
                data_key=settings.data_key,
                revisions={one.revision for one in script.walk_revisions()},
                any_key=any_key,
                progress=progress,
            )
        if is_check:
            click.echo(manifest.to_json() if as_json else f"{source} is whole, as of {manifest.made_at}.")
            return
        with _counted("Restoring") as progress:
            backups.restore(source, manifest, url=settings.server_url, progress=progress)
        app = create_app(settings)
        with app.app_context():
            if manifest.revision != script.get_current_head():
                flask_migrate.upgrade()
            rounds = [] if any_key else list(_verified(settings))
            _log(manifest)
            db.engine.dispose()
    faults = [fault for one in rounds for fault in one["faults"]]
    if as_json:
        told = {"file": str(source), "made_at": manifest.made_at, "rounds": rounds, "ok": not faults}
        click.echo(json.dumps(told, ensure_ascii=False, default=str))
    else:
        _tell(manifest, rounds)
    raise SystemExit(1 if faults else 0)


def _verified(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield, round by round, what does not follow from its facts, or why that can't be told."""
    session = db.session()
    for round in session.scalars(select(Round).order_by(Round.contest_id, Round.number)):
        told: dict[str, Any] = {"contest": round.contest.slug, "round": round.number, "faults": []}
        click.echo(f"... verifying {round.contest.slug}, round {round.number}", err=True)
        try:
            found = verifying_results.faults(session, round, data_key=settings.data_key)
            told["faults"] = [asdict(fault) for fault in islice(found, MOST_FAULTS)]
        except ContestError as error:
            told["not_verified"] = error.sentence
        yield told
    session.rollback()


def _log(manifest: Manifest) -> None:
    """Note the restore in the log: what was done after the backup is missing from here on."""
    session = db.session()
    audit.record(
        session,
        RESTORED,
        "restore",
        now=db_now(session),
        after={"made_at": manifest.made_at, "sha256": manifest.dump_sha256},
    )
    session.commit()


def _tell(manifest: Manifest, rounds: list[dict[str, Any]]) -> None:
    rows = sum(manifest.facts["rows"].values())
    click.echo(f"Restored: {rows:,} rows as of {manifest.made_at}, every table counted again.")
    for one in manifest.facts["standings"]:
        click.echo(f"Winners identical: {one['contest']}, round {one['round']}, standings {one['sha256']}")
    for one in manifest.facts["publications"]:
        name = f"{one['contest']}, round {one['round']}, version {one['version']}"
        click.echo(f"Publication identical: {name}, {one['sha256']}")
    for one in rounds:
        name = f"{one['contest']}, round {one['round']}"
        if "not_verified" in one:
            click.echo(f"Not verified: {name}: {one['not_verified']}")
        elif not one["faults"]:
            click.echo(f"KHỚP: {name}: all results follow again from the facts.")
        for fault in one["faults"]:
            click.echo(f"KHÔNG KHỚP: {name}: {fault['table']}, {fault['row']}, {fault['column']}")


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what may go wrong into one sentence and exit code 1."""
    try:
        yield
    except (BackupError, ContestError, SettingsError, EmbeddedError) as error:
        raise click.ClickException(str(error)) from None
    except SQLAlchemyError as error:
        raise click.ClickException(f"The database does not answer ({type(error).__name__}).") from None


@contextmanager
def _database(*, is_needed: bool = True) -> Iterator[Settings]:
    """Yield the settings; the embedded servers run meanwhile if they are meant and do not run already."""
    has_address = any(os.environ.get(f"CONTEST_{name}_URL", "").strip() for name in ("DATABASE", "REDIS"))
    data_dir = Path(os.environ.get("CONTEST_DATA_DIR", "").strip() or "var")
    is_prod = os.environ.get("CONTEST_ENV", "").strip() == "prod"
    if not is_needed:
        stand_ins = {"CONTEST_DATABASE_URL": "postgresql://", "CONTEST_REDIS_URL": "unix://"}
        yield Settings.from_env(stand_ins | dict(os.environ))
    elif has_address or is_prod or EmbeddedServers.are_running(data_dir):
        yield Settings.from_env()
    else:
        with EmbeddedServers(data_dir) as servers:
            own = {"CONTEST_DATABASE_URL": servers.database_url, "CONTEST_REDIS_URL": servers.redis_url}
            yield Settings.from_env(dict(os.environ) | own)


@contextmanager
def _counted(what: str) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how much has been worked through."""
    done = 0

    def progress(size: int) -> None:
        nonlocal done
        done += size
        if sys.stderr.isatty():
            click.echo(f"\r{what}: {done // 1_000_000:,} MB", nl=False, err=True)

    yield progress
    if sys.stderr.isatty():
        click.echo(err=True)


def _software() -> str:
    """Return the version of the software, as its project file tells it."""
    project = tomllib.loads((MIGRATIONS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])
