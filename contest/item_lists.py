"""Which versions of items lists show: the newest, those that fit a search, those in a state, and how many."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from contest.models import ItemVersion
from question_bank.text import clean_text, fold

STATES = ("draft", "reviewed", "approved", "retired")
# What is in use or retired is the newest approved version, though a draft may follow it.
APPROVED_STATES = ("approved", "retired")


def counts_by_state(
    session: Session, *, words: str = "", topic: str = "", level: str = "", division: str = "", tag: str = ""
) -> dict[str, int]:
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
        .where(*fitting(words=words, topic=topic, level=level, division=division, tag=tag))
    )
    return dict(zip(["", *STATES], session.execute(query).one(), strict=True))


def fitting(*, words: str, topic: str, level: str, division: str, tag: str) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions for a version to fit."""
    for word in fold(clean_text(words)).split():
        yield ItemVersion.search_text.contains(word, autoescape=True)
    if topic:
        yield ItemVersion.topic == topic
    if level:
        yield ItemVersion.level == level
    if division:
        yield ItemVersion.divisions.contains([division])
    if tag:
        yield ItemVersion.tags.contains([tag])


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
