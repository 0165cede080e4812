"""Tasks: work that takes longer than a request, done step by step by whoever has time.

A task is a row and every step one transaction under the row's lock, so that two workers never do the
same step, a killed worker loses only the step it was in, and the next one goes on from there.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contest.errors import NotThere
from contest.models import Task

# A step: does a part of the work, moves `done` (and sets `total`), returns whether all is done.
Step = Callable[[Session, Task, datetime], bool]
WAITED_TOO_LONG = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
)
# After so many failed steps in a row a task is given up.
MOST_FAILURES = 3


class StepFailed(Exception):
    """A step raised; `task_id` says whose, because the caller rolls its row back."""

    def __init__(self, task_id: int) -> None:
        super().__init__(task_id)
        self.task_id = task_id


def add(
    session: Session,
    kind: str,
    subject: str,
    *,
    title: str,
    argument: Mapping[str, Any] | None = None,
    total: int = 0,
    actor_id: int | None = None,
    now: datetime,
) -> Task:
    """Put a task on the list; ring for the workers after the commit."""
    task = Task(
        kind=kind,
        subject=subject,
        title=title,
        argument=dict(argument or {}),
        total=total,
        created_by_id=actor_id,
        created_at=now,
    )
    session.add(task)
    session.flush()
    return task


def step(session: Session, steps: Mapping[str, Step], *, now: datetime) -> Task | None:
    """Do one step of the open task that has waited longest and nobody else is at; None if there is none.

    The caller commits. Raises StepFailed: then it rolls back and tells `note_failure`.
    """
    task = session.scalar(
        select(Task)
        .where(Task.finished_at.is_(None), Task.kind.in_(steps))
        .order_by(Task.failures, Task.stepped_at.nulls_first(), Task.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=Task)
    )
    if task is None:
        return None
    try:
        is_done = steps[task.kind](session, task, now)
    except Exception as error:
        raise StepFailed(task.id) from error
    task.finished_at = now if is_done else None
    task.stepped_at, task.failures = now, 0
    session.flush()
    return task


def note_failure(session: Session, task_id: int, sentence: str, *, now: datetime) -> None:
    """Count a failed step; after MOST_FAILURES in a row the task ends with the sentence."""
    failed = session.scalar(
        update(Task)
        .where(Task.id == task_id, Task.finished_at.is_(None))
        .values(failures=Task.failures + 1, stepped_at=now)
        .returning(Task.failures)
    )
    if failed is not None and failed >= MOST_FAILURES:
        session.execute(update(Task).where(Task.id == task_id).values(finished_at=now, error=sentence))


def is_others_turn(error: BaseException | None) -> bool:
    """Tell whether a step only waited too long for what others were at: that says nothing of the task."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, WAITED_TOO_LONG)


def put_off(session: Session, task_id: int, *, now: datetime) -> None:
    """Let a task wait for its next turn behind the others."""
    session.execute(update(Task).where(Task.id == task_id).values(stepped_at=now))


def find(session: Session, task_id: int) -> Task:
    """Return a task. Raises NotThere."""
    task = session.get(Task, task_id)
    if task is None:
        raise NotThere("Không tìm thấy công việc này.")
    return task


def newest(session: Session, kind: str, subject: str) -> Task | None:
    """Return the newest task of a kind about a thing."""
    return session.scalar(
        select(Task).where(Task.kind == kind, Task.subject == subject).order_by(Task.id.desc()).limit(1)
    )


def oldest_waiting_seconds(session: Session) -> float:
    """Return for how long no step of the open task that waits longest was done; 0 if none is open."""
    since = func.min(func.coalesce(Task.stepped_at, Task.created_at))
    seconds = func.extract("epoch", func.statement_timestamp() - since)
    return float(session.scalar(select(seconds).where(Task.finished_at.is_(None))) or 0)
