"""Files of questions brought in: kept, tried without storing anything, applied."""

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from sqlalchemy import select
from sqlalchemy.orm import defer, joinedload
from werkzeug.datastructures import MultiDict

from contest import bank, imports
from contest.blueprints.admin.bank.frame import bank_frame, division_names, filters_of, names_by_code
from contest.clock import db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.formatting import vn_number
from contest.imports import Change, Defaults
from contest.models import BankImport
from question_bank.differences import Difference, differences

bp = Blueprint("admin_imports", __name__, url_prefix="/admin/bank/imports")

IMPORT = "/<int(max=2147483647):import_id>"
IMPORTS_SHOWN, FOUND_SHOWN = 20, 200
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
        brought = imports.keep(
            session, file.filename, file.read(), brought_by_id=current_user.id, now=db_now(session)
        )
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
    """Show what importing a file would do; nothing is stored."""
    session = db.session()
    brought = _import(import_id)
    defaults = _defaults(request.args)
    return render_template(
        "admin/imports/show.html",
        brought=brought,
        plan=None if brought.applied_at else imports.plan(session, brought.name, brought.content, defaults),
        defaults=defaults,
        place=_place,
        changes_of=_changes,
        most_shown=FOUND_SHOWN,
        **bank_frame(),
    )


@bp.post(f"{IMPORT}/application")
def apply(import_id: int) -> ResponseReturnValue:
    """Add the good items of a file as drafts, if they are as many as the person has seen."""
    session = db.session()
    added, changed = imports.apply(
        session,
        _import(import_id),
        _defaults(request.form),
        actor_id=current_user.id,
        now=db_now(session),
    )
    if request.form.get("count") != str(added + changed):
        raise Conflict("Ngân hàng câu hỏi vừa thay đổi. Bạn hãy xem lại tệp rồi nhập lại.")
    db.session.commit()
    flash(
        f"Đã thêm {vn_number(added)} câu hỏi, sửa {vn_number(changed)} câu thành bản thảo mới. "
        "Người khác cần thẩm định và duyệt.",
        "success",
    )
    return redirect(url_for("admin_bank.index", state="draft"), 303)


def _place(where: Mapping[str, str | int]) -> str:
    return ", ".join(f"{PLACES.get(unit, 'câu')} {value}" for unit, value in where.items()) or "cả tệp"


def _changes(change: Change) -> list[Difference]:
    return list(differences(bank.item_of(change.version), imports.changed_item(change), names_by_code()))


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
    return Defaults(filters["topic"], filters["level"], chosen if "is_chosen" in given else tuple(known))
