"""Files of questions brought in: kept, tried without storing anything, applied."""

from collections.abc import Mapping
from functools import partial

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from sqlalchemy import select
from sqlalchemy.orm import defer, joinedload
from werkzeug import Response
from werkzeug.datastructures import MultiDict

from contest import bank, import_tasks, imports, jobs
from contest.blueprints.admin.bank.frame import (
    bank_frame,
    division_names,
    filters_of,
    names_by_code,
)
from contest.clock import db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.formatting import vn_number
from contest.imports import Change, Defaults, NearPair, Plan
from contest.leaderboards import PATIENCE
from contest.models import BankImport, ItemVersion, Task
from question_bank.differences import Difference, Side, differences, side_by_side

bp = Blueprint("admin_imports", __name__, url_prefix="/admin/bank/imports")

IMPORT = "/<int(max=2147483647):import_id>"
IMPORTS_SHOWN, FOUND_SHOWN, NEAR_SHOWN = 20, 200, 50
PLACES = {
    "sheet": "trang",
    "table": "bảng",
    "row": "dòng",
    "column": "cột",
    "paragraph": "đoạn",
    "line": "dòng",
}


class BringForm(FlaskForm):  # type: ignore[misc]
    """A file of questions."""

    file = FileField(
        "Tệp câu hỏi",
        [FileRequired("Bạn hãy chọn một tệp.")],
        description="Excel, Word, CSV, GIFT, Aiken hoặc Moodle XML; tối đa 5 MB. Hình: Word, Moodle XML.",
    )


@bp.route("", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Take a file and lead to what importing it would do."""
    session = db.session()
    form = BringForm()
    if form.validate_on_submit():
        file = form.file.data
        content, now = file.read(), db_now(session)
        brought = imports.keep(session, file.filename, content, brought_by_id=current_user.id, now=now)
        if import_tasks.is_large(brought.name, content):
            return _led_to(import_tasks.order_reading(session, brought, now=now, actor_id=current_user.id))
        db.session.commit()
        return redirect(url_for("admin_imports.show", import_id=brought.id), 303)
    last = select(BankImport).order_by(BankImport.id.desc()).limit(IMPORTS_SHOWN)
    page = render_template(
        "admin/imports/new.html",
        form=form,
        imports=session.scalars(
            last.options(defer(BankImport.content), joinedload(BankImport.brought_by))
        ).all(),
        **bank_frame(),
    )
    return page, 422 if form.errors else 200


@bp.get(IMPORT)
def show(import_id: int) -> ResponseReturnValue:
    """Show what importing a file would do; nothing is stored. While a task is at work on it, show that."""
    session = db.session()
    brought = _import(import_id)
    task = import_tasks.running(session, brought)
    if task is not None:
        return redirect(url_for("admin_tasks.show", task_id=task.id), 303)
    defaults = _defaults(request.args)
    plan = None if brought.applied_at else _plan(brought, defaults)
    return render_template(
        "admin/imports/show.html",
        brought=brought,
        plan=plan,
        last=import_tasks.newest(session, brought, import_tasks.APPLICATION),
        reading=import_tasks.newest(session, brought, import_tasks.READING),
        versions=imports.versions_of(session, plan.changed[:FOUND_SHOWN]) if plan else {},
        near=_near(plan, defaults) if plan else [],
        defaults=defaults,
        place=_place,
        changes_of=partial(_changes, names=names_by_code()),
        most_problems=None if "problems" in request.args else FOUND_SHOWN,
        most_shown=FOUND_SHOWN,
        **bank_frame(),
    )


@bp.post(f"{IMPORT}/application")
def apply(import_id: int) -> ResponseReturnValue:
    """Add the good items of a file as drafts, if they are as many as the person has seen."""
    session = db.session()
    brought, defaults = _import(import_id), _defaults(request.form)
    actor_id, now = current_user.id, db_now(session)
    if import_tasks.newest(session, brought, import_tasks.READING) is not None:
        count = request.form.get("count", -1, type=int)
        task = import_tasks.order_application(
            session, brought, defaults, count=count, now=now, actor_id=actor_id
        )
        return _led_to(task)
    session.execute(PATIENCE)
    added, changed = imports.apply(session, brought, defaults, actor_id=actor_id, now=now)
    if request.form.get("count") != str(added + changed):
        raise Conflict("Ngân hàng câu hỏi vừa thay đổi. Bạn hãy xem lại tệp rồi nhập lại.")
    db.session.commit()
    flash(
        f"Đã thêm {vn_number(added)} câu hỏi, sửa {vn_number(changed)} câu thành bản thảo mới. "
        "Người khác cần thẩm định và duyệt.",
        "success",
    )
    return redirect(url_for("admin_bank.index", state="draft"), 303)


@bp.post(f"{IMPORT}/reading")
def read_again(import_id: int) -> ResponseReturnValue:
    """Have a file read anew and compared with the bank as it is now."""
    session = db.session()
    return _led_to(
        import_tasks.order_reading(session, _import(import_id), now=db_now(session), actor_id=current_user.id)
    )


def _led_to(task: Task) -> Response:
    db.session.commit()
    jobs.ring_for_tasks()
    return redirect(url_for("admin_tasks.show", task_id=task.id), 303)


def _plan(brought: BankImport, defaults: Defaults) -> Plan | None:
    session = db.session()
    reading = import_tasks.newest(session, brought, import_tasks.READING)
    if reading is not None:
        return import_tasks.plan(session, reading, defaults)
    session.execute(PATIENCE)  # in a large bank even a few items are compared for a second or more
    return imports.plan(session, brought.name, brought.content, defaults)


def _near(plan: Plan, defaults: Defaults) -> list[tuple[NearPair, ItemVersion | None, list[Side]]]:
    """Return the first of the pairs that read alike, with the bank's version and both side by side."""
    shown = plan.near[:NEAR_SHOWN]
    versions = bank.newest_by_item(db.session(), [one.like for one in shown if isinstance(one.like, int)])
    names, rows = names_by_code(), []
    for pair in shown:
        if isinstance(pair.like, int):
            version, like = versions[pair.like], bank.item_of(versions[pair.like])
        else:
            version, like = None, imports.item_of_found(pair.like, "", defaults)
        found = imports.item_of_found(pair.found, "", defaults)
        rows.append((pair, version, list(side_by_side(found, like, names))))
    return rows


def _place(where: Mapping[str, str | int]) -> str:
    return ", ".join(f"{PLACES.get(unit, 'câu')} {value}" for unit, value in where.items()) or "cả tệp"


def _changes(change: Change, version: ItemVersion, names: Mapping[str, str]) -> list[Difference]:
    return list(differences(bank.item_of(version), imports.changed_item(change, version), names))


def _import(import_id: int) -> BankImport:
    brought = db.session.get(BankImport, import_id)
    if brought is None:
        raise NotThere("Không tìm thấy tệp này.")
    return brought


def _defaults(given: MultiDict[str, str]) -> Defaults:
    """Return what the page says of the items for which the file says nothing."""
    filters, known = filters_of(given), division_names()
    chosen = tuple(code for code in known if code in given.getlist("divisions"))
    # Before anything was chosen, an item is for everybody.
    divisions = chosen if "is_chosen" in given else tuple(known)
    return Defaults(filters["topic"], filters["level"], divisions, "without_near" in given)
