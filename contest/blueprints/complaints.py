"""A person's own complaints about a round's results: written, and read with their answers."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import RadioField, TextAreaField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired

from contest import complaints, contests
from contest.clock import db_now
from contest.errors import BadInput, Conflict
from contest.extensions import db
from question_bank.text import clean_lines

bp = Blueprint("complaints", __name__)

LONGEST_TEXT = 3000


class ComplaintForm(FlaskForm):  # type: ignore[misc]
    """What somebody finds wrong."""

    topic = RadioField(
        "Bạn kiến nghị về",
        [InputRequired("Bạn hãy chọn nội dung kiến nghị.")],
        choices=[SelectChoice(value, words) for value, words in complaints.TOPICS.items()],
    )
    text = TextAreaField(
        "Nội dung",
        [InputRequired("Bạn hãy viết điều bạn kiến nghị.")],
        description="Câu hỏi, người hoặc số liệu nào, và vì sao. Không cần viết số định danh.",
    )


@bp.route("/rounds/<int(max=2147483647):round_id>/complaints/new", methods=["GET", "POST"])
def new(round_id: int) -> ResponseReturnValue:
    """Write a complaint about a round's results while the window is open."""
    session = db.session()
    now = db_now(session)
    round = contests.find_round(session, round_id)
    if not complaints.is_open(round, now=now):
        raise Conflict("Chỉ nhận kiến nghị trong thời hạn sau khi công bố kết quả dự kiến.")
    form = ComplaintForm()
    if form.validate_on_submit():
        try:
            complaint = complaints.file(
                session,
                round,
                topic=form.topic.data,
                text=clean_lines((form.text.data or "")[:LONGEST_TEXT]),
                account_id=current_user.id,
                now=now,
            )
        except BadInput as error:
            for name, sentence in error.fields.items():
                form[name].errors = [sentence]
        else:
            db.session.commit()
            flash(f"Ban Tổ chức đã nhận kiến nghị số {complaint.number}.", "success")
            return redirect(url_for("complaints.show", public_id=complaint.public_id), 303)
    page = render_template("complaints/new.html", contest=round.contest, round=round, form=form)
    return page, 422 if form.errors else 200


@bp.get("/complaints/<public_id>")
def show(public_id: str) -> ResponseReturnValue:
    """Show one's own complaint and its answer."""
    complaint = complaints.find_own(db.session(), public_id, current_user.id)
    return render_template(
        "complaints/show.html",
        contest=complaint.round.contest,
        complaint=complaint,
        topics=complaints.TOPICS,
        decisions=complaints.DECISIONS,
    )
