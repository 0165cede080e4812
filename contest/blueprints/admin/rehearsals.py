"""Rehearsals: an organizer enters the crowd that is expected, and sees whether the server bears it."""

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectField
from wtforms.validators import InputRequired

from contest import contests, jobs, rehearsals
from contest.clock import db_now
from contest.errors import BadInput, Conflict
from contest.extensions import db
from contest.formatting import vn_number
from contest.models import Task
from contest.rules.crowds import FEWEST_PEOPLE, MOST_PEOPLE, OPERATIONS
from contest.security import new_round_seed

bp = Blueprint("admin_rehearsals", __name__, url_prefix="/admin")
REHEARSAL = "/rehearsals/<int(max=9007199254740991):task_id>"
SHOWN = 30
KINDS = {"success": "Đủ sức", "warning": "Chưa đủ sức", "error": "Không đủ sức"}


class RehearsalForm(FlaskForm):  # type: ignore[misc]
    """The round to rehearse, and the crowd that is expected."""

    round = SelectField("Vòng thi", [InputRequired("Bạn hãy chọn vòng thi.")], coerce=int)
    people = IntegerField(
        "Dự kiến bao nhiêu người vào thi",
        [InputRequired("Bạn hãy ghi số người.")],
        description=f"Từ {FEWEST_PEOPLE} đến {vn_number(MOST_PEOPLE)} người.",
    )
    minutes = IntegerField(
        "Trong bao nhiêu phút",
        [InputRequired("Bạn hãy ghi số phút.")],
        description="Từ người đầu tiên đến người cuối cùng bấm Vào thi, ví dụ 30 phút khi mở vòng.",
    )


@bp.get("/rehearsals")
def index() -> ResponseReturnValue:
    """Ask for the expected crowd; list the rehearsals there were."""
    form = _form()
    return _page(form)


@bp.post("/rehearsals")
def order() -> ResponseReturnValue:
    """Begin a rehearsal of a round with the expected crowd."""
    session, form = db.session(), _form()
    if form.validate_on_submit():
        try:
            task = rehearsals.order(
                session,
                contests.find_round(session, form.round.data),
                people=form.people.data,
                minutes=form.minutes.data,
                seed=new_round_seed(),
                data_key=current_app.config["CONTEST"].data_key,
                now=db_now(session),
                actor_id=current_user.id,
            )
        except BadInput as error:
            session.rollback()
            for name, sentence in error.fields.items():
                form[name].errors = [sentence]
        else:
            session.commit()
            jobs.ring_for_tasks()
            return redirect(url_for("admin_rehearsals.show", task_id=task.id), 303)
    return _page(form)


@bp.get(REHEARSAL)
def show(task_id: int) -> ResponseReturnValue:
    """Show how far a rehearsal is, or what it found."""
    task = rehearsals.find(db.session(), task_id)
    return render_template(
        "admin/rehearsals/show.html", task=task, far=_far(task), names=OPERATIONS, contest=None, round=None
    )


@bp.get(f"{REHEARSAL}/progress")
def progress(task_id: int) -> ResponseReturnValue:
    """Answer with how far a rehearsal is, for its open page."""
    task = rehearsals.find(db.session(), task_id)
    is_over = task.finished_at is not None
    return {"done": task.done, "total": task.total, "text": _far(task), "is_over": is_over}


@bp.post(f"{REHEARSAL}/stop")
def stop(task_id: int) -> ResponseReturnValue:
    """End a rehearsal before its time."""
    session = db.session()
    rehearsals.stop(session, task_id, now=db_now(session), actor_id=current_user.id)
    session.commit()
    flash("Đã dừng diễn tập.", "success")
    return redirect(url_for("admin_rehearsals.show", task_id=task_id), 303)


def _form() -> RehearsalForm:
    session = db.session()
    contest = contests.current_contest(session)
    shown = contests.round_on_show(contest, now=db_now(session)) if contest else None
    form = RehearsalForm(round=shown.id if shown else None)
    form.round.choices = [(one.id, one.title) for one in contest.rounds] if contest else []
    return form


def _page(form: RehearsalForm) -> ResponseReturnValue:
    session = db.session()
    try:
        rehearsals.refuse_now(session, now=db_now(session))
    except Conflict as error:
        refusal = error.sentence
    else:
        refusal = "" if form.round.choices else "Chưa có vòng thi nào để diễn tập."
    page = render_template(
        "admin/rehearsals/index.html",
        form=form,
        refusal=refusal,
        rehearsals=rehearsals.newest(session, SHOWN),
        kinds=KINDS,
        contest=None,
        round=None,
    )
    return page, 422 if form.errors else 200


def _far(task: Task) -> str:
    if task.error is not None:
        return "Đã dừng"
    if task.finished_at is not None:
        return "Đã xong"
    return f"{100 * task.done // task.total} %" if task.stepped_at else "Đang chuẩn bị"
