"""Complaints as staff see them: those of a round, received on paper, answered."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from werkzeug import Response
from wtforms import RadioField, SelectField, StringField, TextAreaField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired

from contest import complaints, contests, dashboards
from contest.clock import db_now
from contest.errors import BadInput
from contest.extensions import db
from contest.fields import typed_reason
from contest.models import Complaint, Round
from question_bank.text import clean_lines, clean_text

bp = Blueprint("admin_complaints", __name__, url_prefix="/admin")

ROUND = "/rounds/<int(max=2147483647):round_id>/complaints"
COMPLAINT = f"{ROUND}/<int(max=2147483647):number>"
TOPICS = [SelectChoice(value, words) for value, words in complaints.TOPICS.items()]
LONGEST_NAME, LONGEST_TEXT = 120, 3000


class ReceivedForm(FlaskForm):  # type: ignore[misc]
    """A complaint that came by letter or in person."""

    complainant = StringField("Người kiến nghị", [InputRequired("Bạn hãy ghi tên người kiến nghị.")])
    topic = SelectField(
        "Về việc",
        [InputRequired("Bạn hãy chọn nội dung kiến nghị.")],
        choices=[SelectChoice(value, words) for value, words in complaints.TOPICS.items()],
    )
    text = TextAreaField("Nội dung", [InputRequired("Bạn hãy ghi nội dung kiến nghị.")])


class DecisionForm(FlaskForm):  # type: ignore[misc]
    """The answer."""

    decision = RadioField(
        "Quyết định",
        [InputRequired("Bạn hãy chọn quyết định.")],
        choices=[SelectChoice(value, words) for value, words in complaints.DECISIONS.items()],
    )
    answer = TextAreaField(
        "Trả lời",
        [InputRequired("Bạn hãy viết câu trả lời.")],
        description="Người kiến nghị đọc được nguyên văn.",
    )


@bp.get(ROUND)
def index(round_id: int) -> ResponseReturnValue:
    """List a round's complaints, those without an answer first."""
    round = contests.find_round(db.session(), round_id)
    return _list(round, ReceivedForm(formdata=None))


@bp.post(ROUND)
def receive(round_id: int) -> ResponseReturnValue:
    """Take down a complaint that came by letter or in person."""
    session = db.session()
    round = contests.find_round(session, round_id)
    form = ReceivedForm()
    if form.validate():
        try:
            complaint = complaints.file(
                session,
                round,
                topic=form.topic.data,
                text=clean_lines((form.text.data or "")[:LONGEST_TEXT]),
                complainant=clean_text(form.complainant.data or "")[:LONGEST_NAME],
                received_by_id=current_user.id,
                now=db_now(session),
            )
        except BadInput as error:
            _show(form, error)
        else:
            db.session.commit()
            return _done(round, complaint, f"Đã tiếp nhận kiến nghị số {complaint.number}.")
    return _list(round, form), 422


@bp.route(COMPLAINT, methods=["GET", "POST"])
def show(round_id: int, number: int) -> ResponseReturnValue:
    """Show a complaint, and answer it."""
    session = db.session()
    round = contests.find_round(session, round_id)
    complaint = complaints.find(session, number, round.contest_id)
    form = DecisionForm()
    if form.validate_on_submit():
        try:
            complaints.decide(
                session,
                complaint,
                decision=form.decision.data,
                answer=clean_lines((form.answer.data or "")[:LONGEST_TEXT]),
                actor_id=current_user.id,
                now=db_now(session),
            )
        except BadInput as error:
            _show(form, error)
        else:
            db.session.commit()
            return _done(round, complaint, f"Đã trả lời kiến nghị số {number}.")
    page = render_template(
        "admin/complaints/show.html",
        complaint=complaint,
        form=form,
        topics=complaints.TOPICS,
        decisions=complaints.DECISIONS,
        **_frame(round),
    )
    return page, 422 if form.errors else 200


@bp.post(f"{ROUND}/window")
def extend(round_id: int) -> ResponseReturnValue:
    """Let the window for complaints end later."""
    session = db.session()
    round = contests.find_round(session, round_id)
    complaints.extend_window(
        session,
        round,
        request.form.get("days", 0, type=int),
        reason=typed_reason(),
        actor_id=current_user.id,
        now=db_now(session),
    )
    db.session.commit()
    flash("Đã kéo dài thời hạn nhận kiến nghị.", "success")
    return redirect(url_for("admin_complaints.index", round_id=round_id), 303)


def _show(form: FlaskForm, error: BadInput) -> None:
    for name, sentence in error.fields.items():
        form[name].errors = [sentence]


def _done(round: Round, complaint: Complaint, sentence: str) -> Response:
    flash(sentence, "success")
    return redirect(url_for("admin_complaints.show", round_id=round.id, number=complaint.number), 303)


def _list(round: Round, form: ReceivedForm) -> str:
    session = db.session()
    return render_template(
        "admin/complaints/index.html",
        complaints=complaints.of_round(session, round.id),
        is_open=complaints.is_open(round, now=db_now(session)),
        form=form,
        topics=complaints.TOPICS,
        decisions=complaints.DECISIONS,
        **_frame(round),
    )


def _frame(round: Round) -> dict[str, object]:
    session = db.session()
    return {
        "contest": round.contest,
        "round": round,
        "state": dashboards.state_of(session, round, now=db_now(session)),
    }
