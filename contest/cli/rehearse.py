"""The process that drives one rehearsal; a worker starts it when an organizer has asked for one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click
import structlog
from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from contest import rehearsals
from contest.cli import with_app
from contest.cli.simulate import run_crowd
from contest.clock import db_now
from contest.crowd.reporting import as_record
from contest.errors import ContestError
from contest.extensions import db
from contest.models import Task
from contest.rules.crowds import SHARES, Step
from contest.settings import Settings

logger = structlog.get_logger()

TELL_SECONDS = 1.0
FAILED = "Diễn tập dừng vì một lỗi của hệ thống; bộ phận kỹ thuật xem được lỗi trong nhật ký máy chủ."


class Stopped(Exception):
    """Somebody has ended the rehearsal."""


@click.command(hidden=True)
@click.argument("task", type=int)
@with_app
def rehearse(task: int) -> None:
    """Drive rehearsal TASK, step by step, and keep what it found."""
    session = db.session()
    claimed = rehearsals.claim(session, task, now=db_now(session))
    session.commit()
    if claimed is None:
        raise click.ClickException("this rehearsal is over or under way")
    try:
        steps, details = _steps(claimed)
        rehearsals.finish(session, claimed, steps, details, now=db_now(session))
        session.commit()
    except Stopped:
        logger.info("rehearsal stopped", task=task)
    except Exception as error:
        session.rollback()
        logger.exception("rehearsal failed", task=task)
        sentence = error.sentence if isinstance(error, ContestError) else FAILED
        rehearsals.give_up(session, rehearsals.find(session, task), sentence, now=db_now(session))
        session.commit()
        raise SystemExit(1) from None


def _steps(task: Task) -> tuple[list[Step], list[dict[str, object]]]:
    """Try a larger and larger part of the expected crowd until one finds too little."""
    session = db.session()
    settings: Settings = current_app.config["CONTEST"]
    shadow_id = rehearsals.shadow_of(session, task).id
    whole = rehearsals.scenario_of(task, rehearsals.shadow_of(session, task))
    crowd, task_id = rehearsals.crowd_of(task), task.id
    steps, details = [], []
    with _telling(task_id) as teller:
        for share in SHARES:
            scenario = whole.scaled(share)
            told = run_crowd(shadow_id, scenario, base=settings.address, name=crowd, progress=teller.passes)
            teller.passes(0)
            missed = [f"{one.goal} không đạt ({one.value})" for one in told.findings if not one.is_met]
            steps.append(Step(scenario.sitting, missed))
            details.append(as_record(told))
            if missed:
                break
    return steps, details


class _Teller:
    """Tells every second how far the rehearsal is, beside the simulation, so that it never waits for it."""

    def __init__(self, app: Flask, task_id: int) -> None:
        self.app, self.task_id = app, task_id
        self.seconds = 0.0
        self.is_stopped = False
        self.is_over = threading.Event()

    def passes(self, seconds: float) -> None:
        """Note the time that has passed. Raises Stopped once somebody has ended the rehearsal."""
        self.seconds += seconds
        if self.is_stopped:
            raise Stopped

    def tell(self) -> None:
        """Tell until it is over."""
        while not self.is_over.wait(TELL_SECONDS):
            with self.app.app_context():
                try:
                    goes_on = rehearsals.tell(db.session(), self.task_id, int(self.seconds))
                    db.session.commit()
                except SQLAlchemyError:
                    continue  # a database that is away is what the simulation itself finds out
                self.is_stopped = not goes_on


@contextmanager
def _telling(task_id: int) -> Iterator[_Teller]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    teller = _Teller(app, task_id)
    thread = threading.Thread(target=teller.tell, daemon=True)
    thread.start()
    try:
        yield teller
    finally:
        teller.is_over.set()
        thread.join()
