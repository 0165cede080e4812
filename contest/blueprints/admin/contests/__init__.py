"""Contests: made unseen, changed, announced; their headcounts and the people who are not ranked."""

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import selectinload
from werkzeug import Response

from contest import contest_settings, contests, dashboards, headcounts, unranked
from contest.blueprints.admin.contests.form import (
    ContestForm,
    shown_divisions,
    typed_divisions,
    written,
)
from contest.clock import db_now
from contest.contests import Phase
from contest.errors import BadInput
from contest.extensions import db
from contest.models import Contest
from contest.models.units import GROUPS
from contest.rules import wording
from contest.rules.configuration import ContestDivision, ContestSettings
from contest.saved_changes import ChangedMeanwhile
from question_bank.formats.csv import decoded
from question_bank.text import clean_text

bp = Blueprint("admin_contests", __name__, url_prefix="/admin")
CONTEST = "/contests/<int(max=2147483647):contest_id>"
LONGEST_NOTE = 200
CHANGES_SHOWN = 200
USUAL = ContestSettings(
    slug="",
    title="",
    summary="",
    minimum_age=16,
    divisions=(
        ContestDivision(code="officials", name="Cán bộ, công chức, viên chức"),
        ContestDivision(code="citizens", name="Người dân", unit_kind="commune"),
    ),
)


@bp.get("/contests")
def index() -> ResponseReturnValue:
    """List the contests, the newest first."""
    rows = db.session.scalars(
        select(Contest)
        .where(~Contest.is_rehearsal)
        .order_by(Contest.id.desc())
        .options(selectinload(Contest.rounds))
    ).all()
    return render_template("admin/contests/index.html", contests=rows, contest=None, round=None)


@bp.get(CONTEST)
def show(contest_id: int) -> ResponseReturnValue:
    """Show a contest's settings in sentences, its rounds, headcounts and people who are not ranked."""
    session = db.session()
    contest = contest_settings.find_contest(session, contest_id)
    now = db_now(session)
    settings = contest_settings.settings_of_contest(contest)
    return render_template(
        "admin/contests/show.html",
        sentences=wording.of_contest(settings),
        divisions=[(one, wording.division(one, GROUPS)) for one in settings.divisions],
        states={round.id: dashboards.state_of(session, round, now=now) for round in contest.rounds},
        can_announce=contest.announced_at is None and bool(contest.rounds),
        known=headcounts.known(session, contest.divisions),
        sources=headcounts.sources(session, contest),
        named=unranked.named_people(session, contest.id),
        Phase=Phase,
        **_frame(contest),
    )


@bp.route("/contests/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Make a contest that the public does not see yet."""
    session = db.session()
    form = ContestForm(request.form if request.method == "POST" else None)
    if request.method == "GET":
        form.show(USUAL)
        # Suggestions, that may be struck out or called otherwise.
        rows = shown_divisions(USUAL.divisions)
        for row in rows:
            row.is_new = True
    else:
        rows = typed_divisions(request.form, ())
    if form.validate_on_submit():
        try:
            contest = contest_settings.create_contest(
                session, form.settings(written(rows)), now=db_now(session), actor_id=current_user.id
            )
        except BadInput as error:
            session.rollback()
            form.take(error.fields, rows)
        else:
            session.commit()
            return _done(contest.id, "Đã lập cuộc thi. Việc tiếp theo là lập vòng thi đầu tiên.")
    return _edit_page(form, rows, None)


@bp.route(f"{CONTEST}/configuration", methods=["GET", "POST"])
def edit(contest_id: int) -> ResponseReturnValue:
    """Change what is set of a contest."""
    session = db.session()
    contest = contest_settings.find_contest(session, contest_id)
    present = contest_settings.settings_of_contest(contest)
    form = ContestForm(request.form if request.method == "POST" else None)
    if request.method == "GET":
        form.show(present)
        return _edit_page(form, shown_divisions(present.divisions), contest)
    rows = typed_divisions(request.form, present.divisions)
    seen, told = request.form.get("seen", 0, type=int), ""
    if form.validate_on_submit():
        settings = form.settings(written(rows))
        try:
            is_changed = contest_settings.save_contest(
                session, contest, settings, seen=seen, now=db_now(session), actor_id=current_user.id
            )
        except BadInput as error:
            session.rollback()
            form.take(error.fields, rows)
        except ChangedMeanwhile as error:
            session.rollback()
            seen, told = error.version, error.sentence
        else:
            session.commit()
            return _done(contest_id, "Đã lưu cuộc thi." if is_changed else "Không có gì thay đổi.")
    return _edit_page(form, rows, contest, seen=seen, told=told)


def _edit_page(
    form: ContestForm, rows: Any, contest: Contest | None, *, seen: int | None = None, told: str = ""
) -> ResponseReturnValue:
    is_opened = contest is not None and any(round.opened_at for round in contest.rounds)
    page = render_template(
        "admin/contests/edit.html",
        form=form,
        rows=rows,
        groups=GROUPS,
        sentences=wording.of_contest(form.settings(written(rows))),
        words={row.settings.code: wording.division(row.settings, GROUPS) for row in rows if row.is_written},
        is_opened=is_opened,
        edited=contest,
        seen=seen if seen is not None else contest.configuration_version if contest else 0,
        told=told,
        **_frame(contest),
    )
    is_wrong = bool(form.errors) or any(row.problems for row in rows)
    return page, 409 if told else 422 if is_wrong else 200


@bp.post(f"{CONTEST}/announcement")
def announce(contest_id: int) -> ResponseReturnValue:
    """Let the public see the contest and its rules."""
    session = db.session()
    contest = contest_settings.find_contest(session, contest_id)
    contest_settings.announce(session, contest, now=db_now(session), actor_id=current_user.id)
    session.commit()
    return _done(contest_id, "Đã công bố cuộc thi và thể lệ.")


# --- headcounts ----------------------------------------------------------------------------------


@bp.route(f"{CONTEST}/headcounts", methods=["GET", "POST"])
def counts(contest_id: int) -> ResponseReturnValue:
    """Read a list of headcounts: first what it would change, then, with the same list, the change."""
    session = db.session()
    contest = contest_settings.find_contest(session, contest_id)
    plan, content, problem = None, "", ""
    source = clean_text(request.form.get("source", ""))
    if request.method == "POST":
        content = _content()
        try:
            plan = headcounts.plan(session, contest, *headcounts.read(content.encode(), contest.divisions))
            if request.form.get("apply") and (not plan.problems or request.form.get("accept")):
                now = db_now(session)
                headcounts.bring_in(session, contest, plan, source=source, now=now, actor_id=current_user.id)
                session.commit()
                return _done(
                    contest_id, f"Đã ghi {len(plan.changes)} số liệu và {len(plan.new_units)} đơn vị mới."
                )
        except BadInput as error:
            session.rollback()
            problem = error.sentence
    page = render_template(
        "admin/contests/headcounts.html",
        plan=plan,
        content=content,
        source=source,
        problem=problem,
        groups=GROUPS,
        most=CHANGES_SHOWN,
        known=headcounts.known(session, contest.divisions),
        **_frame(contest),
    )
    return page, 422 if problem else 200


def _content() -> str:
    """Return the list that was sent as a file, or pasted, as text."""
    file = request.files.get("file")
    if file and file.filename:
        return decoded(file.read())
    return request.form.get("content", "")


@bp.get(f"{CONTEST}/headcounts.csv")
def export_counts(contest_id: int) -> ResponseReturnValue:
    """Give all units with the headcounts that are known, in the form that can be brought back."""
    contest = contest_settings.find_contest(db.session(), contest_id)
    return Response(
        "\ufeff".encode() + headcounts.write(db.session(), contest),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="don-vi-{contest.slug}.csv"'},
    )


@bp.post(f"{CONTEST}/headcounts/lock")
def lock_counts(contest_id: int) -> ResponseReturnValue:
    """Lock the headcounts and publish their digest."""
    session = db.session()
    contest = contest_settings.find_contest(session, contest_id)
    headcounts.lock(session, contest, now=db_now(session), actor_id=current_user.id)
    session.commit()
    return _done(contest_id, "Đã khóa số người của các đơn vị và công bố mã kiểm tra trên trang thể lệ.")


# --- people who are not ranked -------------------------------------------------------------------


@bp.post(f"{CONTEST}/unranked")
def name_unranked(contest_id: int) -> ResponseReturnValue:
    """Name somebody who may play but is not ranked."""
    session = db.session()
    contest = contest_settings.find_contest(session, contest_id)
    unranked.name_person(
        session,
        contest,
        phone=clean_text(request.form.get("phone", "")),
        note=clean_text(request.form.get("note", ""))[:LONGEST_NOTE],
        data_key=current_app.config["CONTEST"].data_key,
        now=db_now(session),
        actor_id=current_user.id,
    )
    session.commit()
    return _done(contest_id, "Đã thêm vào danh sách không xếp hạng.")


@bp.post(f"{CONTEST}/unranked/<int(max=2147483647):person_id>/removal")
def unname_unranked(contest_id: int, person_id: int) -> ResponseReturnValue:
    """Take somebody off the list."""
    session = db.session()
    contest = contest_settings.find_contest(session, contest_id)
    unranked.unname_person(session, contest, person_id, now=db_now(session), actor_id=current_user.id)
    session.commit()
    return _done(contest_id, "Đã bỏ khỏi danh sách không xếp hạng.")


def _done(contest_id: int, sentence: str) -> Response:
    flash(sentence, "success")
    return redirect(url_for("admin_contests.show", contest_id=contest_id), 303)


def _frame(contest: Contest | None) -> dict[str, Any]:
    """Return what the layout shows: these pages belong to no round."""
    return {"contest": contest or contests.current_contest(db.session()), "round": None}
