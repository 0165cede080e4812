"""Bringing files into the bank: a dry run says what would happen, then the good items go in at once."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from html import escape
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from contest import audit, bank, duplicates
from contest.errors import Conflict
from contest.models import BankImport, ItemVersion
from question_bank.formats.drafts import FoundItem, Problem, Reading
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
    # New items that read like others stay out.
    without_near: bool = False


@dataclass(frozen=True)
class Verdict:
    """What an item of a file is beside the bank: "new", "changed", "same", or "refused" for its problems."""

    kind: str
    # Of a changed one: the version in the bank.
    version_id: int | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Near:
    """A new item, by its place in the file, that reads like an earlier one of the file or one of the bank."""

    place: int
    like: int
    # Then `like` is the id of the bank's item, else a place in the file.
    is_in_bank: bool
    similarity: float


@dataclass(frozen=True)
class Change:
    """An item of the file that is in the bank already, with another key, basis or explanation."""

    found: FoundItem
    version_id: int


@dataclass(frozen=True)
class NearPair:
    """A new item that reads like another: of the file, or by its id of the bank."""

    found: FoundItem
    like: FoundItem | int
    similarity: float


@dataclass(frozen=True)
class Plan:
    """What a file would do: items added, changed, skipped as they are there; and its problems."""

    added: Sequence[FoundItem]
    changed: Sequence[Change]
    skipped: Sequence[FoundItem]
    problems: Sequence[Problem]
    near: Sequence[NearPair]
    # How many new items read like others: they are among the added, or stay out if so chosen.
    near_count: int


# The pages of a dry run ask for the same file again and again, once for each picture.
read = lru_cache(maxsize=2)(read_file)


# --- what a file would do --------------------------------------------------------------------------


def plan(session: Session, name: str, content: bytes, defaults: Defaults) -> Plan:
    """Read a file and say what importing it would do; nothing is stored."""
    reading = read(name, content)
    verdicts = compare(session, reading.items)
    return plan_of(reading, verdicts, alike(session, reading.items, verdicts), defaults)


def compare(session: Session, items: Sequence[FoundItem]) -> list[Verdict]:
    """Say of each item what it is beside the bank as it is now."""
    fingerprints = list(map(fingerprint_of, items))
    there = _newest_by_fingerprint(session, fingerprints)
    return [
        _verdict(found, there.get(fingerprint))
        for found, fingerprint in zip(items, fingerprints, strict=True)
    ]


def _verdict(found: FoundItem, version: ItemVersion | None) -> Verdict:
    if found.pictures and (found.picture is None or found.pictures[0].is_in_option):
        return Verdict("refused", None, (Problem("several_pictures", "error", found.where, ONE_PICTURE),))
    problems = []
    if found.picture and not found.alt and version is None:
        problems.append(Problem("picture_without_alt", "warning", found.where, NO_ALT))
    if _is_too_long(found):
        problems.append(Problem("text_too_long", "error", found.where, TOO_LONG))
        return Verdict("refused", None, tuple(problems))
    if version is None:
        return Verdict("new", None, tuple(problems))
    return Verdict("same") if _says_the_same(found, version) else Verdict("changed", version.id)


def alike(session: Session, items: Sequence[FoundItem], verdicts: Sequence[Verdict]) -> list[Near]:
    """Return the new items that read like others and that nobody told apart."""
    new = [place for place, verdict in enumerate(verdicts) if verdict.kind == "new"]
    rows = duplicates.stems(session) if new else []
    pairs = duplicates.alike(
        session,
        [*(row.stem for row in rows), *(items[place].stem for place in new)],
        [*(row.fingerprint for row in rows), *(fingerprint_of(items[place]) for place in new)],
        since=len(rows),
    )
    return [
        Near(new[pair.second - len(rows)], rows[pair.first].item_id, True, pair.similarity)
        if pair.first < len(rows)
        else Near(new[pair.second - len(rows)], new[pair.first - len(rows)], False, pair.similarity)
        for pair in pairs
    ]


def plan_of(reading: Reading, verdicts: Sequence[Verdict], near: Sequence[Near], defaults: Defaults) -> Plan:
    """Return what importing would do by the verdicts, with what holds where the file says nothing."""
    new, changed, skipped, problems = {}, [], [], list(reading.problems)
    for place, (found, verdict) in enumerate(zip(reading.items, verdicts, strict=True)):
        problems += verdict.problems
        if verdict.kind == "same":
            skipped.append(found)
        elif verdict.version_id is not None:
            changed.append(Change(found, verdict.version_id))
        elif verdict.kind == "new" and (missing := _missing(found, defaults)):
            problems.append(Problem("incomplete_item", "error", found.where, missing))
        elif verdict.kind == "new":
            new[place] = found
    pairs = [
        NearPair(new[one.place], one.like if one.is_in_bank else reading.items[one.like], one.similarity)
        for one in near
        if one.place in new
    ]
    places = {one.place for one in near if one.place in new}
    added = [found for place, found in new.items() if not (defaults.without_near and place in places)]
    return Plan(added, changed, skipped, problems, pairs, len(places))


def versions_of(session: Session, changes: Sequence[Change]) -> dict[int, ItemVersion]:
    """Return the versions that changes are about, by id."""
    ids = [change.version_id for change in changes]
    rows = session.scalars(
        select(ItemVersion).where(ItemVersion.id.in_(ids)).options(joinedload(ItemVersion.item))
    )
    return {version.id: version for version in rows}


def picture(brought: BankImport, sha256: str) -> bytes | None:
    """Return a picture of a kept file as it would be stored, None if it has no such picture."""
    pictures = (found.picture for found in read(brought.name, brought.content).items if found.picture)
    return next((one.content for one in pictures if one.sha256 == sha256), None)


def changed_item(change: Change, version: ItemVersion) -> Item:
    """Return the item of the bank as the file changes it."""
    before = bank.item_of(version)
    return item_of_found(change.found, before.code, Defaults(), before)


# --- importing it ----------------------------------------------------------------------------------


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
    take_turn(session, brought)
    reading = read(brought.name, brought.content)
    verdicts = compare(session, reading.items)
    near = alike(session, reading.items, verdicts) if defaults.without_near else ()
    planned = plan_of(reading, verdicts, near, defaults)
    contents = [bank.content_of(item_of_found(found, "", defaults)) for found in planned.added]
    return store(session, brought, contents, planned.changed, actor_id=actor_id, now=now)


def take_turn(session: Session, brought: BankImport) -> None:
    """Wait for other imports, and until the commit let none begin. Raises Conflict if it was applied."""
    session.refresh(brought, ["applied_at"], with_for_update=True)
    if brought.applied_at is not None:
        raise Conflict("Tệp này đã được nhập.")
    bank.lock_codes(session)  # two files may hold the same items


def store(
    session: Session,
    brought: BankImport,
    contents: Sequence[Mapping[str, Any]],
    changes: Sequence[Change],
    *,
    actor_id: int,
    now: datetime,
) -> tuple[int, int]:
    """Add contents as drafts under the next codes and draft the changes; return how many of each."""
    topics = sorted({content["topic"] for content in contents})
    codes = {topic: bank.free_codes(session, topic) for topic in topics}
    coded = [(next(codes[content["topic"]]), content) for content in contents]
    bank.add_contents(session, coded, author_id=actor_id, now=now)
    versions = versions_of(session, changes)
    items = [changed_item(change, versions[change.version_id]) for change in changes]
    bank.edit_many(session, items, author_id=actor_id, now=now)
    brought.applied_at = now
    brought.added, brought.changed = len(contents), len(changes)
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


def fingerprint_of(found: FoundItem) -> str:
    """Return what an item shares with the version of the bank that says the same."""
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


def item_of_found(found: FoundItem, code: str, defaults: Defaults, before: Item | None = None) -> Item:
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
