"""What the RQ worker runs, and how the rest of the application rings for it.

The database row is the to-do list and the queue only a doorbell: a job takes nothing, looks for
rows that wait, does what is undone, and may run twice or be lost without harm.
"""

import subprocess
import sys
import threading
import time
from datetime import datetime
from typing import Any, ClassVar

import structlog
from flask import Flask, current_app
from rq import Queue
from rq.job import Job
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from contest import (
    analyses,
    certificate_files,
    contest_standings,
    contests,
    deadlines,
    duplicates,
    import_tasks,
    leaderboards,
    outages,
    pauses,
    proofs,
    publication_tasks,
    publishing,
    regrading,
    rehearsals,
    scoring,
    tasks,
    throttles,
    waiting_room,
    winner_checks,
)
from contest.clock import db_now
from contest.extensions import db
from contest.launch import fresh_log, launch
from contest.models import RoundDivision, Task
from contest.redis_connection import QuickRedis
from contest.settings import Settings

logger = structlog.get_logger()

QUEUE = "scoring"
SERIALIZER = "json"
# One ring covers all that was submitted before a worker answers it.
RINGS_APART = 1.0
# When even the second ring brought no worker, the sweeper scores by itself.
PATIENCE_WITH_WORKERS = 6.0
RINGING_IS_DUE = 2.0
# A job does steps of tasks for so long, then rings again: it must end well before LONGEST_JOB.
TASK_SECONDS = 20.0
# One step may wait minutes for its turn at a round and then write the bundle of a province.
LONGEST_JOB = 15 * 60
GIVEN_UP = "Công việc dừng lại vì một lỗi của hệ thống; bộ phận kỹ thuật xem được lỗi trong nhật ký máy chủ."


def score_waiting() -> int:
    """Score everything that waits, batch by batch; return how many attempts."""
    total, data_key = 0, current_app.config["CONTEST"].data_key
    try:
        while count := scoring.score_batch(db.session(), data_key=data_key):
            db.session.commit()
            total += count
    finally:
        db.session.rollback()  # or a worker would bring a failed transaction to its next job
    if total:
        logger.info("scored", attempts=total)
    return total


def _regrade(session: Session, task: Task, now: datetime) -> bool:
    return regrading.step(session, task, now, data_key=current_app.config["CONTEST"].data_key)


def _publish(session: Session, task: Task, now: datetime) -> bool:
    return publication_tasks.step(session, task, now, data_key=current_app.config["CONTEST"].data_key)


def _launch_rehearsal(session: Session, task: Task, now: datetime) -> bool:
    """Start the process that drives a rehearsal; it ends with this one at the latest."""
    settings: Settings = current_app.config["CONTEST"]
    rehearsal = task.subject.removeprefix("task/")
    _rehearsing[:] = [one for one in _rehearsing if one.poll() is None]
    _rehearsing.append(
        launch(
            [sys.executable, "-m", "contest.cli", "rehearse", rehearsal],
            log=fresh_log(settings.data_dir / "log", "rehearsal"),
        )
    )
    return True


_rehearsing: list[subprocess.Popen[bytes]] = []
# What each kind of task does in a step.
STEPS: dict[str, tasks.Step] = {
    regrading.KIND: _regrade,
    publication_tasks.KIND: _publish,
    certificate_files.KIND: certificate_files.print_some,
    duplicates.KIND: duplicates.look,
    import_tasks.READING: import_tasks.read_some,
    import_tasks.APPLICATION: import_tasks.apply_some,
    rehearsals.LAUNCH: _launch_rehearsal,
}


def do_tasks() -> int:
    """Do steps of open tasks for a while, what waits for scoring in between; return how many steps."""
    session, until, steps = db.session(), time.monotonic() + TASK_SECONDS, 0
    while time.monotonic() < until:
        session.execute(leaderboards.PATIENCE)
        try:
            if tasks.step(session, STEPS, now=db_now(session)) is None:
                break
        except tasks.StepFailed as failure:
            session.rollback()
            if tasks.is_others_turn(failure.__cause__):
                logger.warning("a step of a task waited too long", task=failure.task_id)
                tasks.put_off(session, failure.task_id, now=db_now(session))
            else:
                logger.exception("a step of a task failed", task=failure.task_id)
                tasks.note_failure(session, failure.task_id, GIVEN_UP, now=db_now(session))
        session.commit()
        steps += 1
        score_waiting()
    else:
        ring_for_tasks()
    session.rollback()
    return steps


class OurJob(Job):
    """A job that can only be one of ours: whoever can write to Redis must not choose what runs."""

    allowed: ClassVar = {"contest.jobs.score_waiting": score_waiting, "contest.jobs.do_tasks": do_tasks}

    @property
    def func(self) -> Any:
        """The function of the job. Raises PermissionError for any other."""
        if self.func_name not in self.allowed or self.instance is not None:
            raise PermissionError(f"{self.func_name} is no job of ours")
        return self.allowed[self.func_name]

    @property
    def success_callback(self) -> None:
        """None: callbacks could name any function."""

    @property
    def failure_callback(self) -> None:
        """None: callbacks could name any function."""

    @property
    def stopped_callback(self) -> None:
        """None: callbacks could name any function."""

    def send_webhooks(self, *args: object, **kwargs: object) -> None:
        """Do nothing: a webhook could reach any address."""


class Doorbell:
    """Rings for the workers, at most once a second per process, and never makes a request wait long."""

    def __init__(self, redis: QuickRedis) -> None:
        self.queue = Queue(QUEUE, connection=redis.client, serializer=SERIALIZER, job_class=OurJob)
        self.breaker = redis.breaker
        self._lock = threading.Lock()
        self._rang_at: dict[str, float] = {}
        self._was_heard: dict[str, bool] = {}

    def ring(self, job: str = "score_waiting") -> bool:
        """Ask the workers to look; tell whether the ring is out (now, or within the last second)."""
        with self._lock:
            if time.monotonic() - self._rang_at.get(job, float("-inf")) < RINGS_APART:
                return self._was_heard.get(job, True)
            self._rang_at[job] = time.monotonic()
        rung = self.breaker.call(
            lambda: self.queue.enqueue(
                f"contest.jobs.{job}", result_ttl=0, failure_ttl=3600, ttl=600, job_timeout=LONGEST_JOB
            )
        )
        self._was_heard[job] = rung is not None
        return self._was_heard[job]


def init_app(app: Flask) -> None:
    """Hang the doorbell on the application."""
    app.extensions["doorbell"] = Doorbell(app.extensions["redis"])


def ring_for_scoring() -> bool:
    """Ask a worker to score what waits; call it after commit. The sweeper finds what is not heard."""
    doorbell: Doorbell = current_app.extensions["doorbell"]
    return doorbell.ring()


def ring_for_tasks() -> bool:
    """Ask a worker to go on with the open tasks; call it after commit."""
    doorbell: Doorbell = current_app.extensions["doorbell"]
    return doorbell.ring("do_tasks")


def is_redis_there() -> bool:
    """Tell whether Redis answers; while the breaker rests it is taken as away."""
    doorbell: Doorbell = current_app.extensions["doorbell"]
    return bool(doorbell.breaker.call(doorbell.queue.connection.ping))


def sweep() -> None:
    """Do what nobody asked for in time: close the overdue, ring or score, close rounds, forget numbers."""
    session = db.session()
    # Looked at first: what is closed now was submitted at its deadline, and no worker is late for it.
    waiting = scoring.oldest_waiting_seconds(session)
    closed = 0
    while count := deadlines.close_overdue(session):
        session.commit()
        closed += count
    session.commit()
    if waiting > PATIENCE_WITH_WORKERS:
        logger.warning("workers are late, scoring here", oldest_seconds=round(waiting, 1))
        score_waiting()
    elif closed or waiting > RINGING_IS_DUE:
        ring_for_scoring()
    for round_id in pauses.rounds_to_settle(session, now=db_now(session)):
        pauses.settle(session, round_id, now=db_now(session))
        session.commit()
    for round_id in contests.rounds_to_close(session, now=db_now(session)):
        if outages.is_holding(session, contests.find_round(session, round_id), now=db_now(session)):
            continue
        if contests.close_round(session, round_id, now=db_now(session)):
            logger.info("round closed", round=round_id)
        session.commit()
    if (idle := tasks.oldest_waiting_seconds(session)) > PATIENCE_WITH_WORKERS:
        logger.warning("workers are late, doing tasks here", oldest_seconds=round(idle, 1))
        session.rollback()
        do_tasks()
    elif idle > RINGING_IS_DUE:
        ring_for_tasks()
    for task in rehearsals.abandoned(session, now=db_now(session)):
        logger.warning("a rehearsal was abandoned", task=task.id)
        rehearsals.give_up(session, task, rehearsals.STOPPED, now=db_now(session))
        session.commit()
    winner_checks.forget_numbers(session, now=db_now(session))
    waiting_room.forget(session)
    throttles.prune(session)
    proofs.prune(session)
    session.commit()


def rank_what_changed() -> int:
    """Rank the rounds in which something was scored since, and their contests; return how many rounds."""
    session = db.session()
    round_ids = leaderboards.rounds_to_rank(session)
    for round_id in round_ids:
        leaderboards.take_turn(session, round_id)
        round = contests.find_round(session, round_id)
        # Still: whoever closed the books has ranked it for good.
        if round.books_closed_at is None or round.ranked_at is None:
            publishing.rank_round(
                session, round, data_key=current_app.config["CONTEST"].data_key, now=db_now(session)
            )
        session.commit()
    for contest_id in contest_standings.due(session):
        contest_standings.rank(session, contest_id)
        session.commit()
    session.rollback()
    return len(round_ids)


# Round divisions whose analysis failed: this process does not try them again, or it would do little else.
_not_analysed: set[int] = set()


def analyse_what_closed() -> bool:
    """Analyse one division of a closed round that has no current analysis; tell whether there was one.

    One at a time: it takes many seconds, and overdue attempts of other rounds wait meanwhile.
    """
    session = db.session()
    due = [asked_id for asked_id in analyses.due(session) if asked_id not in _not_analysed]
    if due:
        asked = session.get_one(RoundDivision, due[0])
        try:
            analysis = analyses.work_out(session, asked, now=db_now(session))
            session.commit()
        except SQLAlchemyError:
            raise  # the database is away: next time
        except Exception:
            logger.exception("a round can't be analysed", round_division=due[0])
            _not_analysed.add(due[0])
        else:
            if analysis is not None:
                logger.info("analysed", round_division=due[0], papers=analysis.papers)
    session.rollback()
    return bool(due)
