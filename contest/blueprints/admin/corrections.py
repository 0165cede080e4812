"""Corrections of a round's items: what holds, and a new one with its effect before anybody signs."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from contest import bank, contests, corrections, dashboards, proposals, tasks
from contest.clock import db_now
from contest.corrections import Item
from contest.errors import BadInput
from contest.extensions import db
from contest.fields import typed_reason
from contest.models import ItemVersion, Round, Task
from contest.regrading import KIND
from contest.rules.scoring import LABELS
from question_bank.text import clean_text, fold

bp = Blueprint("admin_corrections", __name__, url_prefix="/admin")
ROUND = "/rounds/<int(max=2147483647):round_id>"
LONGEST_NOTE, LONGEST_SEARCH = 500, 80
# An item with several right options may get so many accepted keys.
MOST_KEYS = 3
FOUND_SHOWN = 30


@bp.get(f"{ROUND}/corrections")
def index(round_id: int) -> ResponseReturnValue:
    """List the corrections of a round, and find the item of another."""
    session = db.session()
    round = contests.find_round(session, round_id)
    words = clean_text(request.args.get("q", ""))[:LONGEST_SEARCH]
    items = corrections.items_of(session, round) if round.opened_at else {}
    return render_template(
        "admin/corrections/index.html",
        made=corrections.of_round(session, round_id),
        in_words=corrections.in_words,
        waiting=proposals.waiting(session, round_id=round_id, kind=corrections.CORRECT),
        task=_open_task(round_id),
        q=words,
        found=_found(items, words) if words else (),
        items=items,
        **_frame(round),
    )


@bp.get(f"{ROUND}/corrections/new")
def new(round_id: int) -> ResponseReturnValue:
    """Show an item with its key; once another is chosen, what that would change."""
    session = db.session()
    round = contests.find_round(session, round_id)
    item = corrections.find_item(session, round, request.args.get("code", ""))
    version = bank.texts(session, [item.version_id])[item.version_id]
    effect, error = None, ""
    if "action" in request.args:
        try:
            effect = corrections.effect(
                session, round, item.code, _keys(request.args, item), data_key=_data_key()
            )
        except BadInput as refusal:
            error = refusal.sentence
    return render_template(
        "admin/corrections/new.html",
        item=item,
        stem=Markup(version.stem),  # noqa: S704  (cleaned when it was stored)
        options=_options(version),
        given=request.args,
        chosen=_chosen(request.args, item),
        rows=range(1, (MOST_KEYS if item.is_multiple else 1) + 1),
        effect=effect,
        error=error,
        words=corrections.in_words(_keys(request.args, item)) if effect is not None else "",
        key=", ".join(LABELS[index].upper() for index in item.key),
        **_frame(round),
    )


@bp.post(f"{ROUND}/corrections")
def propose(round_id: int) -> ResponseReturnValue:
    """Put a correction before a second person."""
    session = db.session()
    round = contests.find_round(session, round_id)
    item = corrections.find_item(session, round, request.form.get("code", ""))
    proposal = corrections.propose(
        session,
        round,
        item.code,
        _keys(request.form, item),
        reason=typed_reason(),
        note=clean_text(request.form.get("note", ""))[:LONGEST_NOTE],
        data_key=_data_key(),
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    flash("Đã gửi đề nghị đính chính; người phê duyệt sẽ quyết định.", "success")
    return redirect(url_for("admin_proposals.show", proposal_id=proposal.id), 303)


def _keys(given: MultiDict[str, str], item: Item) -> list[list[int]] | None:
    """Return the accepted keys that a form names; None voids the item."""
    if given.get("action") == "void":
        return None
    rows = [
        [index for text in given.getlist(f"key{row}") if (index := _index(text)) is not None]
        for row in range(1, MOST_KEYS + 1)
    ]
    if not item.is_multiple:
        return [[index] for index in rows[0]]
    return [row for row in rows if row]


def _index(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) == 1 else None


def _chosen(given: MultiDict[str, str], item: Item) -> set[tuple[int, int]]:
    """Return which boxes are ticked: (row, option); at first those of the key."""
    if "action" not in given:
        return {(1, index) for index in item.key}
    return {
        (row, index)
        for row in range(1, MOST_KEYS + 1)
        for text in given.getlist(f"key{row}")
        if (index := _index(text)) is not None
    }


def _options(version: ItemVersion) -> list[tuple[str, Markup]]:
    return [
        (LABELS[index].upper(), Markup(option["text"]))  # noqa: S704
        for index, option in enumerate(version.options)
    ]


def _found(items: dict[str, Item], words: str) -> Sequence[tuple[Item, Markup]]:
    """Return items whose code or stem has the words, accents aside, with their stems."""
    versions = bank.texts(db.session(), [item.version_id for item in items.values()])
    sought = fold(words)
    fitting = [
        (item, Markup(versions[item.version_id].stem))  # noqa: S704
        for item in items.values()
        if sought in fold(item.code) or sought in fold(versions[item.version_id].stem)
    ]
    return fitting[:FOUND_SHOWN]


def _open_task(round_id: int) -> Task | None:
    newest = tasks.newest(db.session(), KIND, f"round/{round_id}")
    return newest if newest and newest.finished_at is None else None


def _data_key() -> str:
    return str(current_app.config["CONTEST"].data_key)


def _frame(round: Round) -> dict[str, Any]:
    state = dashboards.state_of(db.session(), round, now=db_now(db.session()))
    return {"contest": round.contest, "round": round, "state": state}
