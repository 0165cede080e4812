"""What the pages of the bank have in common: the names of codes, filters, a page of the list."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import request
from markupsafe import Markup
from sqlalchemy import Select, select

from contest import bank, contests, dashboards, item_lists
from contest.blueprints.admin.bank.form import LETTERS, LONGEST_TAG
from contest.clock import LOCAL_ZONE, db_now, local_today
from contest.extensions import db
from contest.leaderboards import Page
from contest.models import Division, ItemVersion
from question_bank.formats.markup import text_of_html
from question_bank.items import LEVELS, TOPICS
from question_bank.text import clean_text

PAGE_SIZE = 50
LONGEST_SEARCH = 80
STATES = {"draft": "Chờ thẩm định", "reviewed": "Chờ duyệt", "approved": "Đang dùng", "retired": "Ngừng dùng"}
LEVEL_NAMES = {"NB": "Nhận biết", "TH": "Thông hiểu", "VD": "Vận dụng"}
RELEASED_NAMES = {"yes": "Đã đưa vào luyện tập", "no": "Chưa đưa vào luyện tập"}
# The days within which validity ends.
ENDS = {"past": 0, "30": 30, "90": 90, "180": 180}
ENDS_NAMES = {"past": "Đã hết hiệu lực"} | {
    days: f"Hết hiệu lực trong {days} ngày tới" for days in ENDS if days != "past"
}
KIND_NAMES = {"single": "Một lựa chọn", "multiple": "Nhiều lựa chọn", "true_false": "Đúng/sai"}


def filters_of(given: Mapping[str, str]) -> dict[str, str]:
    """Return what is asked for, as far as it exists."""
    chosen = {name: given.get(name, "") for name in ("topic", "level", "state", "released", "ends")}
    return {
        "words": clean_text(given.get("q", ""))[:LONGEST_SEARCH],
        "topic": chosen["topic"] if chosen["topic"] in TOPICS else "",
        "level": chosen["level"] if chosen["level"] in LEVELS else "",
        "state": chosen["state"] if chosen["state"] in STATES else "",
        "division": clean_text(given.get("division", ""))[:LONGEST_SEARCH],
        "tag": clean_text(given.get("tag", ""))[:LONGEST_TAG],
        "released": chosen["released"] if chosen["released"] in RELEASED_NAMES else "",
        "ends": chosen["ends"] if chosen["ends"] in ENDS else "",
    }


def arguments_of(filters: Mapping[str, str]) -> dict[str, Any]:
    """Return filters in the words of item_lists.newest_versions: when items end, as days."""
    passed: dict[str, Any] = {name: value for name, value in filters.items() if name != "ends"}
    if filters["ends"]:
        today = local_today(db.session())
        passed["ends_before"] = today + timedelta(days=ENDS[filters["ends"]])
        passed["ends_from"] = None if filters["ends"] == "past" else today
    return passed


def found_by(filters: Mapping[str, str]) -> Select[Any]:
    """Return the query of the items that pass the filters."""
    return item_lists.newest_versions(**arguments_of(filters))


def as_arguments(filters: Mapping[str, str]) -> dict[str, Any]:
    """Return filters as the address has them, those that filter nothing left out."""
    return {("q" if name == "words" else name): value for name, value in filters.items() if value}


def counts_of(filters: Mapping[str, str]) -> dict[str, int]:
    """Return how many items pass the filters in each state, whichever is asked for, and in all as ""."""
    others = {name: value for name, value in arguments_of(filters).items() if name != "state"}
    return item_lists.counts_by_state(db.session(), **others)


def page_of(filters: Mapping[str, str], total: int) -> Page[ItemVersion]:
    """Return the page that the address asks for of so many items, the nearest one that there is."""
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, request.args.get("page", 1, type=int)), pages)
    query = found_by(filters)
    # Only ids are sorted: whole questions are too wide for that.
    ids = query.with_only_columns(ItemVersion.id).offset((number - 1) * PAGE_SIZE).limit(PAGE_SIZE)
    shown = query.where(ItemVersion.id.in_(db.session.scalars(ids).all()))
    return Page(db.session.scalars(shown).all(), number, pages, total)


def bank_frame() -> dict[str, Any]:
    """Return what every page of the bank shows: the state of the round, and the names of codes."""
    session = db.session()
    now = db_now(session)
    contest = contests.current_contest(session)
    round = contests.round_on_show(contest, now=now) if contest else None
    return {
        "contest": contest,
        "round": round,
        "state": dashboards.state_of(session, round, now=now) if round else None,
        "divisions": division_names(),
        "topics": TOPICS,
        "topic_choices": [(code, f"{code}. {name}") for code, name in TOPICS.items()],
        "levels": LEVEL_NAMES,
        "kinds": KIND_NAMES,
        "item_states": STATES,
        "released_names": RELEASED_NAMES,
        "ends_names": ENDS_NAMES,
        "today": now.astimezone(LOCAL_ZONE).date(),
        "state_of": bank.state_of,
        "item_of": bank.item_of,
        "plain": text_of_html,
        "html": _html,
        "letters": LETTERS,
    }


def names_by_code() -> dict[str, str]:
    """Return what kinds, levels and divisions are called, by code."""
    return {**KIND_NAMES, **LEVEL_NAMES, **division_names()}


def _html(cleaned: str) -> Markup:
    """Return bank text as HTML: it went through the cleaner when it was stored, or when it was typed."""
    return Markup(cleaned)  # noqa: S704


def division_names() -> dict[str, str]:
    """Return the divisions of all contests: their names by code, the newest contest's words winning."""
    return dict(db.session.execute(select(Division.code, Division.name).order_by(Division.id)).all())
