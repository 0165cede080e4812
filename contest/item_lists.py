"""Which versions of items lists show: the newest, those that fit a search, those in a state, and how many."""

from collections.abc import Iterator
from datetime import date
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session, aliased, contains_eager, selectinload

from contest.models import BankItem, ItemVersion
from question_bank.text import clean_text, fold

STATES = ("draft", "reviewed", "approved", "retired")
# What is in use or retired is the newest approved version, though a draft may follow it.
APPROVED_STATES = ("approved", "retired")


class Search(TypedDict, total=False):
    """What items are searched for by; what is left out or empty filters nothing."""

    words: str
    topic: str
    level: str
    division: str
    tag: str
    # "yes" or "no": whether it is released for practice.
    released: str
    # Bounds of the last day of validity.
    ends_before: date | None
    ends_from: date | None


def newest_versions(*, state: str = "", **search: Unpack[Search]) -> Select[Any]:
    """Return the query of the newest version of each item that fits, in the order of codes.

    What is in use or retired is the newest approved version, though a draft may follow it.
    """
    is_shown = is_newest_approved() if state in APPROVED_STATES else is_newest()
    query = (
        select(ItemVersion)
        .where(is_shown)
        .join(ItemVersion.item)
        .options(contains_eager(ItemVersion.item), selectinload(ItemVersion.author))
        .order_by(func.length(func.split_part(BankItem.code, "-", 1)), BankItem.code)
    )
    query = query.where(*fitting(search))
    return query.where(in_state(state)) if state in STATES else query


def counts_by_state(session: Session, **search: Unpack[Search]) -> dict[str, int]:
    """Return how many items newest_versions finds for each state, and for "" in all; one statement."""
    numbers = (
        select(
            ItemVersion.item_id,
            func.max(ItemVersion.number).label("newest"),
            func.max(ItemVersion.number)
            .filter(ItemVersion.approved_at.is_not(None))
            .label("newest_approved"),
        )
        .group_by(ItemVersion.item_id)
        .subquery()
    )
    is_newest, is_newest_approved = (
        ItemVersion.number == number for number in (numbers.c.newest, numbers.c.newest_approved)
    )
    counts = [
        func.count().filter(is_newest_approved if state in APPROVED_STATES else is_newest, in_state(state))
        for state in STATES
    ]
    query = (
        select(func.count().filter(is_newest), *counts)
        .select_from(ItemVersion)
        .join(numbers, numbers.c.item_id == ItemVersion.item_id)
        .join(ItemVersion.item)
        .where(*fitting(search))
    )
    return dict(zip(["", *STATES], session.execute(query).one(), strict=True))


def fitting(search: Search) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions for a version, joined with its item, to fit a search."""
    for word in fold(clean_text(search.get("words", ""))).split():
        yield ItemVersion.search_text.contains(word, autoescape=True)
    if topic := search.get("topic"):
        yield ItemVersion.topic == topic
    if level := search.get("level"):
        yield ItemVersion.level == level
    if division := search.get("division"):
        yield ItemVersion.divisions.contains([division])
    if tag := search.get("tag"):
        yield ItemVersion.tags.contains([tag])
    if released := search.get("released"):
        yield BankItem.released_at.is_not(None) if released == "yes" else BankItem.released_at.is_(None)
    if ends_before := search.get("ends_before"):
        yield ItemVersion.valid_to < ends_before
    if ends_from := search.get("ends_from"):
        yield ItemVersion.valid_to >= ends_from


def is_newest() -> ColumnElement[bool]:
    """Return the condition for a version to be the newest of its item."""
    later = aliased(ItemVersion)
    return ~exists().where(later.item_id == ItemVersion.item_id, later.number > ItemVersion.number)


def is_newest_approved() -> ColumnElement[bool]:
    """Return the condition for a version to be the newest approved one of its item."""
    later = aliased(ItemVersion)
    return ItemVersion.approved_at.is_not(None) & ~exists().where(
        later.item_id == ItemVersion.item_id,
        later.number > ItemVersion.number,
        later.approved_at.is_not(None),
    )


def in_state(state: str) -> Any:
    """Return the condition for a version to be in a state, one of STATES."""
    is_approved, is_retired = ItemVersion.approved_at.is_not(None), ItemVersion.retired_at.is_not(None)
    if state == "retired":
        return is_retired
    if state == "approved":
        return is_approved & ~is_retired
    if state == "reviewed":
        return ItemVersion.reviewed_at.is_not(None) & ~is_approved
    return ItemVersion.reviewed_at.is_(None)
