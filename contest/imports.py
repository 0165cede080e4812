"""Bringing files into the bank: a dry run says what would happen, then the good items go in at once."""

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from html import escape

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from contest import audit, bank
from contest.errors import Conflict
from contest.models import BankImport, ItemVersion
from question_bank.formats.drafts import FoundItem, Problem
from question_bank.formats.files import read_file
from question_bank.formats.markup import text_of_html
from question_bank.items import Item, Option
from question_bank.text import LONGEST_HTML, clean_text

# An option about the other options ("Tất cả các phương án trên") makes sense in its place only.
ABOUT_THE_OTHERS = re.compile(r"\b(cả|tất cả|không).*\b(phương án|đáp án|ý|câu) (trên|nào)", re.IGNORECASE)

ONE_PICTURE = "Câu hỏi chỉ có được một hình, đặt ở phần câu hỏi, không đặt trong phương án."
NO_ALT = (
    "Hình của câu hỏi chưa có mô tả bằng chữ (Alt Text). Câu hỏi được nhập, "
    "nhưng cần bổ sung mô tả trước khi thẩm định."
)
TOO_LONG = f"Câu hỏi có phần chữ dài hơn {LONGEST_HTML} ký tự."


@dataclass(frozen=True)
class Defaults:
    """What holds for the items of a file that says nothing about it."""

    topic: str = ""
    level: str = ""
    divisions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """An item of the file that is in the bank already, with another key, basis or explanation."""

    found: FoundItem
    version: ItemVersion


@dataclass(frozen=True)
class Plan:
    """What a file would do: items added, changed, skipped as they are there; and its problems."""

    added: Sequence[FoundItem]
    changed: Sequence[Change]
    skipped: Sequence[FoundItem]
    problems: Sequence[Problem]


# The pages of a dry run ask for the same file again and again, once for each picture.
read = lru_cache(maxsize=2)(read_file)


def plan(session: Session, name: str, content: bytes, defaults: Defaults) -> Plan:
    """Read a file and say what importing it would do; nothing is stored."""
    reading = read(name, content)
    there = _newest_by_fingerprint(session, [_fingerprint(found) for found in reading.items])
    added, changed, skipped, problems = [], [], [], list(reading.problems)
    for found in reading.items:
        version = there.get(_fingerprint(found))
        if found.pictures and (found.picture is None or found.pictures[0].is_in_option):
            problems.append(Problem("several_pictures", "error", found.where, ONE_PICTURE))
            continue
        if found.picture and not found.alt and version is None:
            problems.append(Problem("picture_without_alt", "warning", found.where, NO_ALT))
        if _is_too_long(found):
            problems.append(Problem("text_too_long", "error", found.where, TOO_LONG))
        elif version is not None and _says_the_same(found, version):
            skipped.append(found)
        elif version is not None:
            changed.append(Change(found, version))
        elif missing := _missing(found, defaults):
            problems.append(Problem("incomplete_item", "error", found.where, missing))
        else:
            added.append(found)
    return Plan(added, changed, skipped, problems)


def picture(brought: BankImport, sha256: str) -> bytes | None:
    """Return a picture of a kept file as it would be stored, None if it has no such picture."""
    pictures = (found.picture for found in read(brought.name, brought.content).items if found.picture)
    return next((one.content for one in pictures if one.sha256 == sha256), None)


def changed_item(change: Change) -> Item:
    """Return the item of the bank as the file changes it."""
    before = bank.item_of(change.version)
    return _item(change.found, before.code, Defaults(), before)


def keep(session: Session, name: str, content: bytes, *, brought_by_id: int, now: datetime) -> BankImport:
    """Keep a file for its dry run and, later, as a record."""
    brought = BankImport(
        name=clean_text(name)[:200],
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        brought_by_id=brought_by_id,
        brought_at=now,
    )
    session.add(brought)
    session.flush()
    return brought


def apply(
    session: Session, brought: BankImport, defaults: Defaults, *, actor_id: int, now: datetime
) -> tuple[int, int]:
    """Add the good items of a kept file as drafts; return how many were added and how many changed.

    A second time, or the same file again, adds nothing. Raises Conflict if it was applied before.
    """
    session.refresh(brought, with_for_update=True)
    if brought.applied_at is not None:
        raise Conflict("Tệp này đã được nhập.")
    planned = plan(session, brought.name, brought.content, defaults)
    topics = {found.topic or defaults.topic for found in planned.added}
    codes = {topic: bank.free_codes(session, topic) for topic in sorted(topics)}
    items = [_item(found, next(codes[found.topic or defaults.topic]), defaults) for found in planned.added]
    bank.add_drafts(session, items, author_id=actor_id, now=now)
    for change in planned.changed:
        item = changed_item(change)
        bank.edit(session, item.code, item, author_id=actor_id, now=now)
    brought.applied_at = now
    brought.added, brought.changed = len(planned.added), len(planned.changed)
    session.flush()
    audit.record(
        session,
        "bank.import",
        f"import/{brought.id}",
        now=now,
        actor_id=actor_id,
        after={"sha256": brought.sha256, "added": brought.added, "changed": brought.changed},
    )
    return brought.added, brought.changed


def _newest_by_fingerprint(session: Session, fingerprints: Collection[str]) -> dict[str, ItemVersion]:
    rows = session.scalars(
        select(ItemVersion)
        .where(ItemVersion.fingerprint.in_(fingerprints))
        .order_by(ItemVersion.number)
        .options(joinedload(ItemVersion.item))
    )
    return {version.fingerprint: version for version in rows}


def _fingerprint(found: FoundItem) -> str:
    return bank.fingerprint(found.stem, found.options, found.picture)


def _says_the_same(found: FoundItem, version: ItemVersion) -> bool:
    """Tell whether the file says nothing else than the bank; what it leaves open is no difference."""
    basis = clean_text(f"{version.legal_article} {version.legal_document}")
    return (
        tuple(version.key) == found.key
        and found.topic in (None, version.topic)
        and found.level in (None, version.level)
        and found.legal_basis in (None, basis, version.legal_document)
        and found.explanation in (None, text_of_html(version.explanation))
        and found.alt in ("", version.picture_alt)
    )


def _is_pinned(found: FoundItem, place: int, before: Item | None) -> bool:
    """Tell whether an option keeps its place: as it was, or as its words ask for."""
    if before is not None:
        return before.options[place].is_pinned
    return found.kind == "true_false" or ABOUT_THE_OTHERS.search(found.options[place]) is not None


def _is_too_long(found: FoundItem) -> bool:
    """Tell whether a text is longer than the bank stores once its signs are written as HTML."""
    texts = (found.stem, *found.options, found.explanation or "")
    return any(len(escape(text, quote=False)) > LONGEST_HTML for text in texts)


def _missing(found: FoundItem, defaults: Defaults) -> str:
    if not (found.topic or defaults.topic):
        return "Tệp không ghi chủ đề của câu hỏi; bạn hãy chọn chủ đề cho cả tệp."
    if not (found.level or defaults.level):
        return "Tệp không ghi mức độ của câu hỏi; bạn hãy chọn mức độ cho cả tệp."
    return ""


def _item(found: FoundItem, code: str, defaults: Defaults, before: Item | None = None) -> Item:
    """Return a found item as one of the bank; what the file leaves open stays as it was before."""
    return Item(
        code=code,
        kind=found.kind,
        stem=escape(found.stem, quote=False),
        picture=found.picture,
        picture_alt=found.alt or (before.picture_alt if before else ""),
        options=tuple(
            Option(escape(text, quote=False), is_pinned=_is_pinned(found, place, before))
            for place, text in enumerate(found.options)
        ),
        key=found.key,
        topic=found.topic or (before.topic if before else defaults.topic),
        level=found.level or (before.level if before else defaults.level),
        divisions=before.divisions if before else defaults.divisions,
        tags=before.tags if before else (),
        explanation=escape(found.explanation or "", quote=False) or (before.explanation if before else ""),
        legal_document=found.legal_basis or (before.legal_document if before else ""),
        legal_article="" if found.legal_basis or before is None else before.legal_article,
        valid_from=before.valid_from if before else None,
        valid_to=before.valid_to if before else None,
    )
