"""Long work in progress: what runs, how far it is, what came out."""

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from contest import contests, dashboards, tasks
from contest.clock import db_now
from contest.extensions import db
from contest.formatting import vn_number
from contest.models import Task

bp = Blueprint("admin_tasks", __name__, url_prefix="/admin")
TASK = "/tasks/<int(max=9007199254740991):task_id>"
SHOWN = 50


@bp.get("/tasks")
def index() -> ResponseReturnValue:
    """List the newest tasks."""
    newest = select(Task).order_by(Task.id.desc()).limit(SHOWN).options(joinedload(Task.created_by))
    return render_template("admin/tasks/index.html", tasks=db.session.scalars(newest).all(), **_frame())


@bp.get(TASK)
def show(task_id: int) -> ResponseReturnValue:
    """Show how far a task is; the page follows it."""
    task = tasks.find(db.session(), task_id)
    return render_template("admin/tasks/show.html", task=task, far=_far(task), **_frame())


@bp.get(f"{TASK}/progress")
def progress(task_id: int) -> ResponseReturnValue:
    """Answer with how far a task is, for its open page."""
    task = tasks.find(db.session(), task_id)
    return {
        "done": task.done,
        "total": task.total,
        "text": _far(task),
        "is_over": task.finished_at is not None,
    }


def _far(task: Task) -> str:
    if task.error is not None:
        return "Đã dừng vì lỗi"
    if task.finished_at is not None:
        return "Đã xong"
    return f"{vn_number(task.done)}/{vn_number(task.total)}" if task.total else "Đang chờ bắt đầu"


def _frame() -> dict[str, Any]:
    session = db.session()
    now = db_now(session)
    contest = contests.current_contest(session)
    round = contests.round_on_show(contest, now=now) if contest else None
    state = dashboards.state_of(session, round, now=now) if round else None
    return {"contest": contest, "round": round, "state": state}
