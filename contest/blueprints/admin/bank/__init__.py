"""The question bank: items are found, read as participants will see them, written, signed for."""

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from io import BytesIO

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug import Response

from contest import analyses, bank, item_lists, jobs, practice, tasks
from contest import duplicates as alike
from contest.blueprints.admin.bank.form import ItemForm
from contest.blueprints.admin.bank.frame import (
    LEVEL_NAMES,
    as_arguments,
    bank_frame,
    counts_of,
    division_names,
    filters_of,
    found_by,
    names_by_code,
    page_of,
)
from contest.clock import LOCAL_ZONE, db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.fields import typed_reason
from contest.formatting import vn_number
from contest.models import AuditEvent, BankItem, Division, ItemVersion, Pool, Round
from question_bank.differences import differences, side_by_side
from question_bank.items import problems_before_approval
from question_bank.text import clean_text

bp = Blueprint("admin_bank", __name__, url_prefix="/admin")

ACTIONS = {
    "item.review": "thẩm định",
    "item.send_back": "trả lại",
    "item.approve": "duyệt",
    "item.retire": "ngừng dùng",
    "item.release": "đưa vào luyện tập",
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


# --- the list ------------------------------------------------------------------------------------


@bp.get("/bank")
def index() -> ResponseReturnValue:
    """List the items that the address asks for, with what can be done to all of them."""
    filters = filters_of(request.args)
    counts = counts_of(filters)
    page = page_of(filters, counts[filters["state"]])
    return render_template(
        "admin/bank/index.html",
        page=page,
        counts=counts,
        filters=filters,
        given=as_arguments(filters),
        formats=FORMATS,
        can_retire=filters["state"] in ("", "approved"),
        **bank_frame(),
    )


@bp.get("/bank/export")
def export() -> ResponseReturnValue:
    """Give the items of the list, all pages of it, as a file."""
    name = request.args.get("format", "")
    if name not in FORMATS:
        raise NotThere("Không có định dạng tệp này.")
    items = bank.items_of(db.session(), found_by(filters_of(request.args)))
    content = import_module(f"question_bank.formats.{name}").write(items)
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
    found = _meant()
    retired = bank.retire(
        session, found, reason=typed_reason(), actor_id=current_user.id, now=db_now(session)
    )
    db.session.commit()
    flash(f"Đã ngừng dùng {vn_number(retired)} câu hỏi.", "success")
    return _back(found)


@bp.post("/bank/releases")
def release() -> ResponseReturnValue:
    """Release the ticked items, or all in use that the search finds, for practice."""
    session = db.session()
    found = _meant()
    codes, held = practice.release(
        session, found, reason=typed_reason(), actor_id=current_user.id, now=db_now(session)
    )
    db.session.commit()
    flash(f"Đã đưa {vn_number(len(codes))} câu hỏi vào luyện tập.", "success")
    if held.sentence():
        flash(f"Chưa đưa vào được: {held.sentence()}", "warning")
    return _back(found)


def _meant() -> Sequence[ItemVersion]:
    """Return the versions in use that a form means, locked: those ticked, or all that its search finds.

    Raises Conflict if there are none, or if the search finds more or fewer than the person has seen.
    """
    query = found_by(filters_of(request.form) | {"state": "approved"})
    if request.form.get("which") != "all":
        codes = [clean_text(code) for code in request.form.getlist("code")]
        query = item_lists.newest_versions(state="approved").where(BankItem.code.in_(codes))
    found = db.session.scalars(query.with_for_update(of=ItemVersion)).all()
    if not found:
        raise Conflict("Bạn chưa đánh dấu câu hỏi nào đang dùng.")
    if request.form.get("which") == "all" and request.form.get("count") != str(len(found)):
        raise Conflict("Kết quả tìm kiếm vừa thay đổi. Bạn hãy xem lại danh sách rồi thực hiện lại.")
    return found


def _back(found: Sequence[ItemVersion]) -> Response:
    if "item" in request.form:
        return redirect(url_for("admin_bank.show", code=found[0].item.code), 303)
    return redirect(url_for("admin_bank.index", **as_arguments(filters_of(request.form))), 303)


# --- questions that read alike --------------------------------------------------------------------


@bp.get("/bank/duplicates")
def duplicates() -> ResponseReturnValue:
    """Show the pairs of items that the last search found alike, side by side."""
    session = db.session()
    task = alike.last_search(session)
    number = request.args.get("page", 1, type=int)
    return render_template(
        "admin/bank/duplicates.html",
        last=task,
        newest=tasks.newest(session, alike.KIND, alike.SUBJECT),
        page=alike.page_of_pairs(session, task, number=number) if task else None,
        sides=partial(side_by_side, names=names_by_code()),
        **bank_frame(),
    )


@bp.post("/bank/duplicates/search")
def search_duplicates() -> ResponseReturnValue:
    """Have the whole bank searched, and lead to how far that is."""
    session = db.session()
    task = alike.order(session, now=db_now(session), actor_id=current_user.id)
    db.session.commit()
    jobs.ring_for_tasks()
    return redirect(url_for("admin_tasks.show", task_id=task.id), 303)


@bp.post("/bank/duplicates/distinctions")
def tell_apart() -> ResponseReturnValue:
    """Note that two items are different questions, so that nobody is shown them together again."""
    session = db.session()
    codes = request.form.get("first", ""), request.form.get("second", "")
    seen = request.form.get("first_seen", ""), request.form.get("second_seen", "")
    alike.tell_apart(session, codes, seen, actor_id=current_user.id, now=db_now(session))
    db.session.commit()
    flash(f"Đã ghi nhận {codes[0]} và {codes[1]} là hai câu khác nhau.", "success")
    page = request.form.get("page", 1, type=int)
    return redirect(url_for("admin_bank.duplicates", page=page), 303)


# --- one item ------------------------------------------------------------------------------------

ITEM = "/bank/<code>"


@bp.get(ITEM)
def show(code: str) -> ResponseReturnValue:
    """Show an item as participants will see it, its history, and what this person may do."""
    session = db.session()
    version = bank.newest_version(session, code)
    versions = sorted(version.item.versions, key=lambda one: one.number, reverse=True)
    items = [bank.item_of(one) for one in versions]
    names = names_by_code()
    pools = session.execute(
        select(Round, Division, Pool.item_versions[code].as_integer())
        .join(Round, Round.id == Pool.round_id)
        .join(Division, Division.id == Pool.division_id)
        .where(Pool.item_versions.has_key(code), Round.contest.has(is_rehearsal=False))
        .order_by(Pool.id)
    )
    numbers = {one.id: one.number for one in versions}
    return render_template(
        "admin/bank/show.html",
        version=version,
        item=items[0],
        seen=bank.digest(version),
        is_own=current_user.id in version.author_ids,
        missing=list(problems_before_approval(items[0])),
        in_use=next((one for one in versions if one.approved_at is not None), None),
        history=[
            (one, list(differences(items[place + 1], items[place], names)) if place + 1 < len(items) else [])
            for place, one in enumerate(versions)
        ],
        events=_events(versions),
        actions=ACTIONS,
        authors=bank.authors_of(session, versions),
        pools=[(round, division, numbers[version_id]) for round, division, version_id in pools],
        results=[(*one, numbers.get(one[2].version_id)) for one in analyses.results_of_item(session, code)],
        **bank_frame(),
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
        db.session(), version, reason=typed_reason(), reviewer_id=current_user.id, now=db_now(db.session())
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
        form.divisions.data = list(division_names())
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
    form.offer(LEVEL_NAMES, division_names(), db.session())
    return form


def _editor(form: ItemForm, version: ItemVersion | None, seen: str) -> ResponseReturnValue:
    db.session.commit()  # a picture that was sent stays: the page shows it, the form that follows names it
    page = render_template(
        "admin/bank/edit.html",
        form=form,
        version=version,
        seen=seen,
        item=form.item(version.item.code if version else ""),
        **bank_frame(),
    )
    return page, 422 if form.errors else 200
