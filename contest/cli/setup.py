"""Bringing a deployment up: migrate, doctor, the demo."""

import json
from pathlib import Path

import click
import flask_migrate
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from contest import MIGRATIONS, demo, heartbeats, jobs
from contest.cli import with_app
from contest.clock import db_now
from contest.extensions import db
from contest.models import Contest


@click.command()
@with_app
def migrate() -> None:
    """Bring the database's tables to this version."""
    flask_migrate.upgrade()


@click.command("seed-demo")
@click.option("--if-empty", is_flag=True, help="Do nothing if there is a contest already.")
@with_app
def seed_demo(if_empty: bool) -> None:
    """Fill the database with the demo contest; refused in prod."""
    settings = current_app.config["CONTEST"]
    if settings.env == "prod":
        raise click.ClickException("The demo contest is refused in prod.")
    if db.session.scalar(select(Contest.id).limit(1)) is not None:
        if if_empty:
            return
        raise click.ClickException("There is a contest already; the demo goes into an empty database only.")
    with click.progressbar(length=demo.STEPS, label="Seeding the demo contest") as bar:
        sign_ins = demo.seed(db.session(), data_key=settings.data_key, progress=bar.update)
    db.session.commit()
    path = Path(settings.data_dir) / "demo-sign-ins.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sign_ins, encoding="utf-8")
    path.chmod(0o600)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@with_app
def doctor(as_json: bool) -> None:
    """Look whether this deployment can serve: database, tables, Redis, processes."""
    findings = {"database": _database(), "tables": _tables(), "redis": _redis(), "processes": _processes()}
    if as_json:
        click.echo(json.dumps(findings))
    else:
        for what, finding in findings.items():
            click.echo(f"{what:10} {finding}")
    if findings["database"] != "ok" or findings["tables"] != "ok":
        raise SystemExit(1)


def _database() -> str:
    try:
        version = int(db.session.scalar(text("SHOW server_version_num")) or 0)
    except SQLAlchemyError as error:
        return f"does not answer ({type(error).__name__})"
    return "ok" if version >= 150_000 else f"is version {version // 10_000}; 15 or newer is needed"


def _tables() -> str:
    try:
        present = MigrationContext.configure(db.session.connection()).get_current_revision()
    except SQLAlchemyError:
        return "unknown"
    wanted = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    return "ok" if present == wanted else f"are at {present}, this version needs {wanted}: contest migrate"


def _redis() -> str:
    return "ok" if jobs.is_redis_there() else "does not answer; scoring is left to the sweeper"


def _processes() -> str:
    try:
        silent = heartbeats.silent(db.session(), now=db_now(db.session()))
        missing = {heartbeats.WEB, heartbeats.WORKER, heartbeats.SWEEP} - heartbeats.known(db.session())
    except SQLAlchemyError:
        return "unknown"
    found = [f"{kind} has been silent since {last:%Y-%m-%d %H:%M:%S}" for kind, last in silent.items()]
    return "; ".join([*found, *(f"{kind} was never seen" for kind in sorted(missing))]) or "ok"
