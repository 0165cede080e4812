"""The question bank: items are found, read as participants will see them, written, signed for, brought in."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from io import BytesIO
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from markupsafe import Markup
from sqlalchemy import func, select
from sqlalchemy.orm import defer, joinedload
from werkzeug import Response
from werkzeug.datastructures import MultiDict

from contest import analyses, bank, contests, dashboards, imports
from contest.blueprints.admin.bank.form import LETTERS, LONGEST_TAG, ItemForm
from contest.clock import LOCAL_ZONE, db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.formatting import vn_number
from contest.imports import Change, Defaults
from contest.leaderboards import Page
from contest.models import AuditEvent, BankImport, BankItem, Division, ItemVersion, Pool, Round
from question_bank.differences import Difference, differences
from question_bank.formats.markup import text_of_html
from question_bank.items import LEVELS, TOPICS, problems_before_approval
from question_bank.text import clean_text

bp = Blueprint("admin_bank", __name__, url_prefix="/admin")

PAGE_SIZE = 50
LONGEST_SEARCH, LONGEST_REASON = 80, 300
IMPORTS_SHOWN, FOUND_SHOWN = 20, 200
STATES = {"draft": "Chờ thẩm định", "reviewed": "Chờ duyệt", "approved": "Đang dùng", "retired": "Ngừng dùng"}
LEVEL_NAMES = {"NB": "Nhận biết", "TH": "Thông hiểu", "VD": "Vận dụng"}
KIND_NAMES = {"single": "Một lựa chọn", "multiple": "Nhiều lựa chọn", "true_false": "Đúng/sai"}
ACTIONS = {
    "item.review": "thẩm định",
    "item.send_back": "trả lại",
    "item.approve": "duyệt",
    "item.retire": "ngừng dùng",
}
# What each format is called, and the module's file suffix.
FORMATS = {
    "xlsx": ("Excel", "xlsx"),
    "docx": ("Word", "docx"),
    "csv": ("CSV", "csv"),
    "gift": ("GIFT (Moodle)", "gift"),
    "moodle_xml": ("Moodle XML", "xml"),
    "aiken": ("Aiken", "txt"),
}
PLACES = {
    "sheet": "trang",
    "table": "bảng",
    "row": "dòng",
    "column": "cột",
    "paragraph": "đoạn",
    "line": "dòng",
}


# --- the list ------------------------------------------------------------------------------------


@bp.get("/bank")
def index() -> ResponseReturnValue:
    """List the items that the address asks for, with what can be done to all of them."""
    filters = _filters(request.args)
    page = _page(filters)
    counts = {state: _count({**filters, "state": state}) for state in STATES}
    return render_template(
        "admin/bank/index.html",
        page=page,
        counts=counts,
        filters=filters,
        given=_as_arguments(filters),
        formats=FORMATS,
        can_retire=filters["state"] in ("", "approved"),
        **_frame(),
    )


@bp.get("/bank/export")
def export() -> ResponseReturnValue:
    """Give the items of the list, all pages of it, as a file."""
    name = request.args.get("format", "")
    if name not in FORMATS:
        raise NotThere("Không có định dạng tệp này.")
    versions = db.session.scalars(bank.newest_versions(**_filters(request.args)))
    content = import_module(f"question_bank.formats.{name}").write([bank.item_of(one) for one in versions])
    today = db_now(db.session()).astimezone(LOCAL_ZONE).strftime("%d-%m-%Y")
    return send_file(
        BytesIO(content),
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=f"Ngân hàng câu hỏi {today}.{FORMATS[name][1]}",
        max_age=0,
    )


@bp.post("/bank/retirements")
def retire() -> ResponseReturnValue:
    """Take the ticked items, or all that the search finds in use, out of use."""
    session = db.session()
    filters = _filters(request.form) | {"state": "approved"}
    query = bank.newest_versions(**filters)
    if request.form.get("which") != "all":
        codes = [clean_text(code) for code in request.form.getlist("code")]
        query = bank.newest_versions(state="approved").where(BankItem.code.in_(codes))
    found = session.scalars(query.with_for_update(of=ItemVersion)).all()
    if not found:
        raise Conflict("Bạn chưa đánh dấu câu hỏi nào đang dùng.")
    if request.form.get("which") == "all" and request.form.get("count") != str(len(found)):
        raise Conflict("Kết quả tìm kiếm vừa thay đổi. Bạn hãy xem lại danh sách rồi thực hiện lại.")
    retired = bank.retire(session, found, reason=_reason(), actor_id=current_user.id, now=db_now(session))
    db.session.commit()
    flash(f"Đã ngừng dùng {vn_number(retired)} câu hỏi.", "success")
    if "item" in request.form:
        return redirect(url_for("admin_bank.show", code=found[0].item.code), 303)
    return redirect(url_for("admin_bank.index", **_as_arguments(_filters(request.form))), 303)


def _filters(given: Mapping[str, str]) -> dict[str, str]:
    """Return what is asked for, as far as it exists, in the words of bank.newest_versions."""
    chosen = {name: given.get(name, "") for name in ("topic", "level", "state")}
    return {
        "words": clean_text(given.get("q", ""))[:LONGEST_SEARCH],
        "topic": chosen["topic"] if chosen["topic"] in TOPICS else "",
        "level": chosen["level"] if chosen["level"] in LEVELS else "",
        "state": chosen["state"] if chosen["state"] in STATES else "",
        "division": clean_text(given.get("division", ""))[:LONGEST_SEARCH],
        "tag": clean_text(given.get("tag", ""))[:LONGEST_TAG],
    }


def _as_arguments(filters: Mapping[str, str]) -> dict[str, Any]:
    """Return filters as the address has them, those that filter nothing left out."""
    return {("q" if name == "words" else name): value for name, value in filters.items() if value}


def _count(filters: Mapping[str, str]) -> int:
    ids = bank.newest_versions(**filters).order_by(None).with_only_columns(ItemVersion.id)
    return db.session.scalar(select(func.count()).select_from(ids.subquery())) or 0


def _page(filters: Mapping[str, str]) -> Page[ItemVersion]:
    """Return the page that the address asks for, the nearest one that there is."""
    total = _count(filters)
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, request.args.get("page", 1, type=int)), pages)
    query = bank.newest_versions(**filters).offset((number - 1) * PAGE_SIZE).limit(PAGE_SIZE)
    return Page(db.session.scalars(query).all(), number, pages, total)


def _frame() -> dict[str, Any]:
    """Return what every page of the bank shows: the state of the round, and the names of codes."""
    session = db.session()
    now = db_now(session)
    contest = contests.current_contest(session)
    round = contests.round_on_show(contest, now=now) if contest else None
    return {
        "contest": contest,
        "round": round,
        "state": dashboards.state_of(session, round, now=now) if round else None,
        "divisions": _divisions(),
        "topics": TOPICS,
        "topic_choices": [(code, f"{code}. {name}") for code, name in TOPICS.items()],
        "levels": LEVEL_NAMES,
        "kinds": KIND_NAMES,
        "item_states": STATES,
        "state_of": bank.state_of,
        "plain": text_of_html,
        "html": _html,
        "letters": LETTERS,
    }


def _names() -> dict[str, str]:
    return {**KIND_NAMES, **LEVEL_NAMES, **_divisions()}


def _html(cleaned: str) -> Markup:
    """Return bank text as HTML: it went through the cleaner when it was stored, or when it was typed."""
    return Markup(cleaned)  # noqa: S704


def _divisions() -> dict[str, str]:
    """Return the divisions of all contests: their names by code, the newest contest's words winning."""
    return dict(db.session.execute(select(Division.code, Division.name).order_by(Division.id)).all())


# --- one item ------------------------------------------------------------------------------------

ITEM = "/bank/<code>"


@bp.get(ITEM)
def show(code: str) -> ResponseReturnValue:
    """Show an item as participants will see it, its history, and what this person may do."""
    session = db.session()
    version = bank.newest_version(session, code)
    versions = sorted(version.item.versions, key=lambda one: one.number, reverse=True)
    items = [bank.item_of(one) for one in versions]
    names = _names()
    pools = session.execute(
        select(Round, Division, Pool.item_versions[code].as_integer())
        .join(Round, Round.id == Pool.round_id)
        .join(Division, Division.id == Pool.division_id)
        .where(Pool.item_versions.has_key(code))
        .order_by(Pool.id)
    )
    numbers = {one.id: one.number for one in versions}
    return render_template(
        "admin/bank/show.html",
        version=version,
        item=items[0],
        seen=bank.digest(version),
        is_own=version.author_id == current_user.id,
        missing=list(problems_before_approval(items[0])),
        in_use=next((one for one in versions if one.approved_at is not None), None),
        history=[
            (one, list(differences(items[place + 1], items[place], names)) if place + 1 < len(items) else [])
            for place, one in enumerate(versions)
        ],
        events=_events(versions),
        actions=ACTIONS,
        pools=[(round, division, numbers[version_id]) for round, division, version_id in pools],
        results=[(*one, numbers.get(one[2].version_id)) for one in analyses.results_of_item(session, code)],
        **_frame(),
    )


@bp.post(f"{ITEM}/review")
def review(code: str) -> ResponseReturnValue:
    """Sign for a draft."""
    version = _seen_version(code)
    bank.review(db.session(), version, reviewer_id=current_user.id, now=db_now(db.session()))
    db.session.commit()
    return _done(code, "Đã thẩm định. Câu hỏi chờ duyệt.")


@bp.post(f"{ITEM}/return")
def send_back(code: str) -> ResponseReturnValue:
    """Ask the author for a change."""
    version = _seen_version(code)
    bank.send_back(
        db.session(), version, reason=_reason(), reviewer_id=current_user.id, now=db_now(db.session())
    )
    db.session.commit()
    return _done(code, "Đã trả lại câu hỏi cho người soạn.")


@bp.post(f"{ITEM}/approval")
def approve(code: str) -> ResponseReturnValue:
    """Approve a reviewed draft."""
    version = _seen_version(code)
    bank.approve(db.session(), version, approver_id=current_user.id, now=db_now(db.session()))
    db.session.commit()
    return _done(code, "Đã duyệt. Câu hỏi được đưa vào các vòng mở sau này.")


def _seen_version(code: str) -> ItemVersion:
    """Return the newest version, locked, if its wording is the one that the person has read."""
    version = bank.newest_version(db.session(), code, for_update=True)
    bank.refuse_if_changed(version, request.form.get("seen", ""))
    return version


def _done(code: str, sentence: str) -> Response:
    flash(sentence, "success")
    return redirect(url_for("admin_bank.show", code=code), 303)


def _reason() -> str:
    return clean_text(request.form.get("reason", ""))[:LONGEST_REASON]


def _events(versions: Sequence[ItemVersion]) -> dict[int, list[AuditEvent]]:
    """Return what was signed, sent back and retired, by the number of the version."""
    subjects = {f"item/{one.item.code}/{one.number}": one.number for one in versions}
    rows = db.session.scalars(
        select(AuditEvent)
        .where(AuditEvent.subject.in_(subjects), AuditEvent.action.in_(ACTIONS))
        .order_by(AuditEvent.id)
        .options(joinedload(AuditEvent.actor))
    )
    events: dict[int, list[AuditEvent]] = {one.number: [] for one in versions}
    for event in rows:
        events[subjects[event.subject]].append(event)
    return events


# --- the editor ----------------------------------------------------------------------------------


@bp.route("/bank/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Write a new item; "preview" shows it and stores nothing."""
    session = db.session()
    form = _form()
    if request.method == "GET":
        form.divisions.data = list(_divisions())
    if form.validate_on_submit() and "preview" not in request.form:
        item = form.item(bank.next_code(session, form.topic.data))
        bank.add_drafts(session, [item], author_id=current_user.id, now=db_now(session))
        db.session.commit()
        return _done(item.code, f"Đã lưu bản thảo {item.code}. Người khác cần thẩm định và duyệt.")
    return _editor(form, None, "")


@bp.route(f"{ITEM}/edit", methods=["GET", "POST"])
def edit(code: str) -> ResponseReturnValue:
    """Change a draft, or draft the next version of an approved item."""
    session = db.session()
    form = _form()
    version = bank.newest_version(session, code, for_update=request.method == "POST")
    if request.method == "GET":
        form.show(bank.item_of(version))
    elif request.form.get("seen") != bank.digest(version):
        form.form_errors = [bank.CHANGED_MEANWHILE]
    elif form.validate() and "preview" not in request.form:
        edited = bank.edit(session, code, form.item(code), author_id=current_user.id, now=db_now(session))
        db.session.commit()
        return _done(code, f"Đã lưu bản thảo, phiên bản {edited.number}. Người khác cần thẩm định và duyệt.")
    return _editor(form, version, request.form.get("seen") or bank.digest(version))


def _form() -> ItemForm:
    form = ItemForm()
    form.offer(LEVEL_NAMES, _divisions())
    return form


def _editor(form: ItemForm, version: ItemVersion | None, seen: str) -> ResponseReturnValue:
    page = render_template(
        "admin/bank/edit.html",
        form=form,
        version=version,
        seen=seen,
        item=form.item(version.item.code if version else ""),
        **_frame(),
    )
    return page, 422 if form.errors else 200


# --- files brought in ----------------------------------------------------------------------------

IMPORT = "/bank/imports/<int(max=2147483647):import_id>"


class BringForm(FlaskForm):  # type: ignore[misc]
    """A file of questions."""

    file = FileField(
        "Tệp câu hỏi",
        [FileRequired("Bạn hãy chọn một tệp.")],
        description="Excel, Word, CSV, GIFT, Aiken hoặc Moodle XML; tối đa 5 MB.",
    )


@bp.route("/bank/imports", methods=["GET", "POST"])
def bring() -> ResponseReturnValue:
    """Take a file and lead to what importing it would do."""
    session = db.session()
    form = BringForm()
    if form.validate_on_submit():
        file = form.file.data
        brought = imports.keep(
            session, file.filename, file.read(), brought_by_id=current_user.id, now=db_now(session)
        )
        db.session.commit()
        return redirect(url_for("admin_bank.import_plan", import_id=brought.id), 303)
    last = select(BankImport).order_by(BankImport.id.desc()).limit(IMPORTS_SHOWN)
    page = render_template(
        "admin/bank/imports.html",
        form=form,
        imports=session.scalars(
            last.options(defer(BankImport.content), joinedload(BankImport.brought_by))
        ).all(),
        **_frame(),
    )
    return page, 422 if form.errors else 200


@bp.get(IMPORT)
def import_plan(import_id: int) -> ResponseReturnValue:
    """Show what importing a file would do; nothing is stored."""
    session = db.session()
    brought = _import(import_id)
    defaults = _defaults(request.args)
    return render_template(
        "admin/bank/import_plan.html",
        brought=brought,
        plan=None if brought.applied_at else imports.plan(session, brought.name, brought.content, defaults),
        defaults=defaults,
        place=_place,
        changes_of=_changes,
        most_shown=FOUND_SHOWN,
        **_frame(),
    )


@bp.post(f"{IMPORT}/application")
def import_apply(import_id: int) -> ResponseReturnValue:
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
    return list(differences(bank.item_of(change.version), imports.changed_item(change), _names()))


def _import(import_id: int) -> BankImport:
    brought = db.session.get(BankImport, import_id)
    if brought is None:
        raise NotThere("Không tìm thấy tệp này.")
    return brought


def _defaults(given: MultiDict[str, str]) -> Defaults:
    """Return what the page says of the items for which the file says nothing."""
    filters, known = _filters(given), _divisions()
    chosen = tuple(code for code in known if code in given.getlist("divisions"))
    # Before anything was chosen, an item is for everybody.
    return Defaults(filters["topic"], filters["level"], chosen if "is_chosen" in given else tuple(known))
