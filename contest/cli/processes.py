"""The processes of a deployment: web, worker, sweep. Any number of each, on any number of hosts."""

import os
import signal
import sys
import threading
import time

import click
import structlog
from flask import Flask, current_app
from redis.exceptions import RedisError
from rq import SimpleWorker
from sqlalchemy.exc import SQLAlchemyError

from contest import heartbeats, jobs
from contest.cli import with_app
from contest.collector import collect_apart
from contest.extensions import db
from contest.pulse import Pulse, beat
from contest.redis_connection import waiting_redis
from contest.settings import Settings, SettingsError

logger = structlog.get_logger()

SWEEP_SECONDS = 3.0
# Ranking a round again waits this long, and this many times as long as the last ranking took.
RANK_SECONDS = 3.0
RANK_SHARE = 20
# Else glibc keeps freed memory apart for each thread.
GRANIAN_ENV = {"MALLOC_ARENA_MAX": "2"}


@click.command()
def web() -> None:
    """Serve the site (granian; its workers are started again when one dies)."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    for name, value in GRANIAN_ENV.items():
        os.environ.setdefault(name, value)
    command = granian_command(settings)
    os.execv(command[0], command)  # noqa: S606  (no shell; the arguments are numbers and a host name)


def granian_command(settings: Settings, target: str = "wsgi:app") -> list[str]:
    """Return the command that serves an application as the site is served."""
    return [
        sys.executable,
        "-m",
        "granian",
        target,
        *("--interface", "wsgi"),
        *("--host", settings.host),
        *("--port", str(settings.port)),
        *("--workers", str(settings.web_workers)),
        *("--blocking-threads", str(settings.web_threads)),
        # Phones keep their connections open, and each counts: with the server's own 512 a worker would be
        # full of people who think, and newcomers would wait until they time out.
        *("--backpressure", "16384"),
        *("--workers-kill-timeout", "10"),
        "--respawn-failed-workers",
        "--no-ws",
        *("--log-level", "warning"),
    ]


@click.command()
@click.option("--burst", is_flag=True, help="Stop when the queue is empty.")
@with_app
def worker(burst: bool) -> None:
    """Score submitted attempts when the doorbell rings."""
    settings: Settings = current_app.config["CONTEST"]
    connection = waiting_redis(settings.redis_url)
    # No fork per job: a job is a batch from the database, and the database is the truth if it dies.
    rq_worker = SimpleWorker(
        [jobs.QUEUE], connection=connection, serializer=jobs.SERIALIZER, job_class=jobs.OurJob
    )
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    Pulse(app, heartbeats.WORKER).start()
    collect_apart()
    rq_worker.work(burst=burst, logging_level="WARNING")


@click.command()
@click.option("--once", is_flag=True, help="Sweep once and stop.")
@with_app
def sweep(once: bool) -> None:
    """Close overdue attempts, ring again or score by itself, rank, close and analyse finished rounds."""
    collect_apart()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    rank_at = 0.0
    while not stop.is_set():
        try:
            # Beaten by what sweeps itself, so that a sweeper that hangs is seen.
            beat(heartbeats.SWEEP)
            jobs.sweep()
            if time.monotonic() >= rank_at:
                began = time.monotonic()
                jobs.rank_what_changed()
                took = time.monotonic() - began
                rank_at = time.monotonic() + max(RANK_SECONDS, RANK_SHARE * took)
            jobs.analyse_what_closed()
        except (SQLAlchemyError, RedisError) as error:
            logger.warning("sweep failed, will go on", error=type(error).__name__)
            if once:
                raise click.ClickException("the database is away") from None
        finally:
            db.session.remove()
        if once:
            return
        stop.wait(SWEEP_SECONDS)
