"""Bringing a deployment up: migrate, doctor, the demo."""

import json
from pathlib import Path

import click
import flask_migrate
import psycopg
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, LockNotAvailable
from sqlalchemy import select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from contest import MIGRATIONS, SESSION_TIMEOUTS, backups, demo, heartbeats, jobs
from contest.cli import with_app
from contest.clock import db_now
from contest.extensions import db
from contest.models import Contest
from contest.settings import Settings

_SETTING = text("SELECT setting FROM pg_settings WHERE name = :name")


@click.command()
@with_app
def migrate() -> None:
    """Bring the database's tables to this version, while the version before it goes on serving.

    Behind a pooler it also gives the site's role the timeouts that a connection can't bring along.
    """
    settings: Settings = current_app.config["CONTEST"]
    try:
        flask_migrate.upgrade()
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        raise click.ClickException(
            "Somebody kept a table locked all the time; what was done stays, call it again later."
        ) from None
    if settings.is_pooled:
        _set_timeouts(settings)


def _set_timeouts(settings: Settings) -> None:
    """Make the timeouts the defaults of the role that the pooler signs in with, in this database."""
    url = make_url(settings.database_url)
    with psycopg.connect(backups.programs.plain(settings.server_url), autocommit=True) as server:
        role, database = url.username or server.info.user, server.info.dbname
        for name, milliseconds in SESSION_TIMEOUTS.items():
            change = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                sql.Identifier(role), sql.Identifier(database), sql.Identifier(name), milliseconds
            )
            try:
                server.execute(change)
            except InsufficientPrivilege:
                raise click.ClickException(
                    f"The timeouts have to be set by a superuser: {change.as_string(server)}"
                ) from None


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
    findings = {
        "database": _database(),
        "tables": _tables(),
        "timeouts": _timeouts(),
        "redis": _redis(),
        "processes": _processes(),
    }
    if as_json:
        click.echo(json.dumps(findings))
    else:
        for what, finding in findings.items():
            click.echo(f"{what:10} {finding}")
    if any(findings[name] != "ok" for name in ("database", "tables", "timeouts")):
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
        db.session.rollback()  # or the next finding would be unknown too
        return "unknown"
    wanted = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    return "ok" if present == wanted else f"are at {present}, this version needs {wanted}: contest migrate"


def _timeouts() -> str:
    """Tell whether connections have the timeouts that keep one slow statement from stopping everybody."""
    try:
        lacking = [
            name
            for name, milliseconds in SESSION_TIMEOUTS.items()
            if db.session.scalar(_SETTING, {"name": name}) != str(milliseconds)
        ]
    except SQLAlchemyError:
        db.session.rollback()  # or the next finding would be unknown too
        return "unknown"
    if not lacking:
        return "ok"
    return f"{', '.join(lacking)} not as they should be: contest migrate, then reconnect the pooler's servers"


def _redis() -> str:
    return "ok" if jobs.is_redis_there() else "does not answer; scoring is left to the sweeper"


def _processes() -> str:
    try:
        silent = heartbeats.silent(db.session(), now=db_now(db.session()))
        missing = {heartbeats.WEB, heartbeats.WORKER, heartbeats.SWEEP} - heartbeats.known(db.session())
    except SQLAlchemyError:
        db.session.rollback()  # or the next finding would be unknown too
        return "unknown"
    found = [f"{kind} has been silent since {last:%Y-%m-%d %H:%M:%S}" for kind, last in silent.items()]
    return "; ".join([*found, *(f"{kind} was never seen" for kind in sorted(missing))]) or "ok"
