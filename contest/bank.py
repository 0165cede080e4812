"""The bank in the database: items are drafted, signed for by two people, found, retired, read for papers.

A version is a draft, then reviewed by another person, then approved, then perhaps retired. An approved
version never changes (the database refuses): to edit it is to draft its next version.
"""

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, func, insert, select
from sqlalchemy.orm import Session, contains_eager, joinedload, selectinload

from contest import audit, locks, pictures
from contest.errors import BadInput, Conflict, NotThere
from contest.models import Account, AuditEvent, BankItem, ItemVersion
from contest.models import Picture as StoredPicture
from question_bank.formats.markup import text_of_html
from question_bank.items import Item, Option, Picture, problems_before_approval, problems_of
from question_bank.text import clean_html, clean_text, fold

CHANGED_MEANWHILE = "Câu hỏi vừa được người khác sửa. Bạn hãy mở lại câu hỏi và đọc bản mới trước."


# What of an item's content the log tells when it changes.
_AUDITED = (
    "kind",
    "stem",
    "picture_sha256",
    "picture_alt",
    "options",
    "key",
    "topic",
    "level",
    "divisions",
    "tags",
    "explanation",
    "legal_document",
    "legal_article",
    "valid_from",
    "valid_to",
)

# --- drafting ------------------------------------------------------------------------------------


def add_drafts(
    session: Session, items: Iterable[Item], *, author_id: int, now: datetime
) -> list[ItemVersion]:
    """Add new items as drafts of their first version; codes that are there already are left alone."""
    contents = [(item.code, content_of(item)) for item in items]
    ids = add_contents(session, contents, author_id=author_id, now=now)
    added = select(ItemVersion).where(ItemVersion.item_id.in_(ids)).order_by(ItemVersion.item_id)
    return list(session.scalars(added.options(joinedload(ItemVersion.item))))


def add_contents(
    session: Session, contents: Iterable[tuple[str, Mapping[str, Any]]], *, author_id: int, now: datetime
) -> Sequence[int]:
    """Add contents under new codes as drafts; codes that are there are left alone. Return the items' ids.

    In few statements, however many they are.
    """
    known = set(session.scalars(select(BankItem.code)))
    new: dict[str, Mapping[str, Any]] = {}
    for code, content in contents:
        if code not in known:
            new.setdefault(code, content)
    if not new:
        return []
    ids = session.scalars(
        insert(BankItem).returning(BankItem.id, sort_by_parameter_order=True),
        [{"code": code} for code in new],
    ).all()
    signed = {"number": 1, "author_id": author_id, "author_ids": [author_id], "created_at": now}
    rows = [
        {"item_id": id, **signed, **_columns(session, code, content)}
        for id, (code, content) in zip(ids, new.items(), strict=True)
    ]
    for row in rows:
        picture = row.pop("picture")
        row["picture_sha256"] = picture.sha256 if picture else None
    session.execute(insert(ItemVersion), rows)
    codes = {"codes": list(new)}
    audit.record(session, "item.add", "bank", now=now, actor_id=author_id, after=codes)
    return ids


def edit(session: Session, code: str, item: Item, *, author_id: int, now: datetime) -> ItemVersion:
    """Change an item: its draft in place, or a new draft if its newest version is approved.

    A changed draft needs a new review. Raises NotThere, or BadInput with all that is wrong.
    """
    newest = newest_version(session, code, for_update=True)
    return _edit_all(session, [(newest, item)], author_id=author_id, now=now)[0]


def edit_many(session: Session, items: Collection[Item], *, author_id: int, now: datetime) -> None:
    """Change items by their codes as `edit` does, in few statements. Raises BadInput."""
    codes = {item.code for item in items}
    locked = select(BankItem).where(BankItem.code.in_(codes)).order_by(BankItem.id).with_for_update()
    rows = session.scalars(locked.options(selectinload(BankItem.versions))).all()
    newest = {row.code: max(row.versions, key=lambda version: version.number) for row in rows}
    waiting = list(items)
    while waiting:  # once, but for codes that are there twice
        first = {item.code: item for item in reversed(waiting)}
        pairs = [(newest[code], item) for code, item in first.items()]
        newest |= dict(zip(first, _edit_all(session, pairs, author_id=author_id, now=now), strict=True))
        waiting = [item for item in waiting if first[item.code] is not item]


def _edit_all(
    session: Session, pairs: Sequence[tuple[ItemVersion, Item]], *, author_id: int, now: datetime
) -> list[ItemVersion]:
    """Change the newest versions of different items, which the caller has locked."""
    if problems := [problem for _, item in pairs for problem in problems_of(item)]:
        raise BadInput(" ".join(problems))
    before = [_facts(newest) for newest, _ in pairs]
    with session.no_autoflush:
        edited = [_edit(session, newest, item, author_id=author_id, now=now) for newest, item in pairs]
    session.flush()
    audit.chain(
        session,
        [
            _change(version, old, actor_id=author_id, now=now)
            for version, old in zip(edited, before, strict=True)
        ],
    )
    return edited


def _edit(session: Session, newest: ItemVersion, item: Item, *, author_id: int, now: datetime) -> ItemVersion:
    columns = _columns(session, newest.item.code, content_of(item))
    if newest.approved_at is not None:
        version = ItemVersion(
            item=newest.item,
            number=newest.number + 1,
            author_id=author_id,
            author_ids=[author_id],
            created_at=now,
            **columns,
        )
        session.add(version)
        return version
    newest.author_id = author_id
    newest.author_ids = list(dict.fromkeys([*newest.author_ids, author_id]))
    newest.reviewed_by_id = newest.reviewed_at = newest.returned_reason = None
    for name, value in columns.items():
        setattr(newest, name, value)
    return newest


def _facts(version: ItemVersion) -> dict[str, Any]:
    """Return what the log tells of a version when it changes."""
    told = {name: getattr(version, name) for name in _AUDITED}
    dates = {name: value.isoformat() for name, value in told.items() if isinstance(value, date)}
    return {"version": version.number, **told, **dates}


def _change(version: ItemVersion, before: dict[str, Any], *, actor_id: int, now: datetime) -> AuditEvent:
    after = _facts(version)
    told = [name for name in after if name == "version" or after[name] != before[name]]
    return AuditEvent(
        action="item.edit",
        subject=f"item/{version.item.code}",
        at=now,
        actor_id=actor_id,
        before={name: before[name] for name in told},
        after={name: after[name] for name in told},
        reason="",
    )


def content_of(item: Item) -> dict[str, Any]:
    """Return what an item's content fills of a version, cleaned; the code is not yet in it."""
    stem = clean_html(item.stem)
    options = [{"text": clean_html(option.text), "is_pinned": option.is_pinned} for option in item.options]
    texts = [text_of_html(text) for text in (stem, *(str(option["text"]) for option in options))]
    return {
        "kind": item.kind,
        "stem": stem,
        "picture": item.picture,
        "picture_alt": clean_text(item.picture_alt),
        "options": options,
        "key": sorted(item.key),
        "topic": item.topic,
        "level": item.level,
        "divisions": list(item.divisions),
        "tags": sorted(item.tags),
        "explanation": clean_html(item.explanation),
        "legal_document": clean_text(item.legal_document),
        "legal_article": clean_text(item.legal_article),
        "valid_from": item.valid_from,
        "valid_to": item.valid_to,
        "search_text": fold(" ".join([*texts, item.picture_alt, item.legal_document, item.legal_article])),
        "fingerprint": fingerprint(texts[0], texts[1:], item.picture),
    }


def _columns(session: Session, code: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **content,
        "picture": pictures.keep(session, content["picture"]) if content["picture"] else None,
        "search_text": f"{fold(code)} {content['search_text']}",
    }


def fingerprint(stem: str, options: Collection[str], picture: Picture | None = None) -> str:
    """Return what two items of the same stem, options and picture share: a digest.

    Of the texts the letters and digits count, folded. They may themselves be longer than an index takes.
    """
    texts = ["".join(char for char in fold(text) if char.isalnum()) for text in (stem, *options)]
    shown = [f"picture:{picture.sha256}"] if picture else []
    return hashlib.sha256("|".join([*texts, *shown]).encode()).hexdigest()


def next_code(session: Session, topic: str) -> str:
    """Return the next free code of a topic: T1-001, T1-002, …"""
    return next(free_codes(session, topic))


def lock_codes(session: Session) -> None:
    """Wait until nobody else gives out codes, and until the commit let nobody."""
    session.execute(select(func.pg_advisory_xact_lock(locks.ITEM_CODES)))


def free_codes(session: Session, topic: str) -> Iterator[str]:
    """Yield the free codes of a topic in their order; until the commit nobody else is given any."""
    lock_codes(session)
    numbers = [
        int(code.rpartition("-")[2])
        for code in session.scalars(select(BankItem.code).where(BankItem.code.like(f"{topic}-%")))
        if code.rpartition("-")[2].isdigit()
    ]
    return (f"{topic}-{number:03d}" for number in itertools.count(max(numbers, default=0) + 1))


# --- signing -------------------------------------------------------------------------------------


def review(session: Session, version: ItemVersion, *, reviewer_id: int, now: datetime) -> None:
    """Sign for a draft that another person wrote. Raises Conflict, or BadInput with what is missing."""
    _refuse_author(version, reviewer_id)
    if version.reviewed_at is not None:
        raise Conflict("Câu hỏi này đã được thẩm định.")
    problems = list(problems_before_approval(item_of(version)))
    if problems:
        raise BadInput(f"{version.item.code}: {' '.join(problems)}")
    version.reviewed_by_id, version.reviewed_at, version.returned_reason = reviewer_id, now, None
    _record(session, "item.review", version, actor_id=reviewer_id, now=now)


def send_back(
    session: Session, version: ItemVersion, *, reason: str, reviewer_id: int, now: datetime
) -> None:
    """Ask the author of a draft for a change. Raises Conflict without a reason or after approval."""
    _refuse_author(version, reviewer_id)
    if version.approved_at is not None:
        raise Conflict("Câu hỏi đã được duyệt; hãy sửa thành phiên bản mới.")
    if not reason:
        raise Conflict("Bạn cần ghi điều cần sửa.")
    version.reviewed_by_id = version.reviewed_at = None
    version.returned_reason = reason
    _record(session, "item.send_back", version, actor_id=reviewer_id, now=now, reason=reason)


def approve(session: Session, version: ItemVersion, *, approver_id: int, now: datetime) -> None:
    """Approve a reviewed draft that another person wrote; older versions are replaced by it."""
    _refuse_author(version, approver_id)
    if version.reviewed_at is None:
        raise Conflict("Câu hỏi chưa được thẩm định.")
    if version.approved_at is not None:
        raise Conflict("Phiên bản này đã được duyệt.")
    version.approved_by_id, version.approved_at = approver_id, now
    _record(session, "item.approve", version, actor_id=approver_id, now=now)


def retire(
    session: Session, versions: Iterable[ItemVersion], *, reason: str, actor_id: int, now: datetime
) -> int:
    """Take approved versions out of use, with a reason; return how many were in use."""
    if not reason:
        raise Conflict("Bạn cần ghi lý do ngừng dùng.")
    used = [one for one in versions if one.approved_at is not None and one.retired_at is None]
    for version in used:
        version.retired_by_id, version.retired_at, version.retire_reason = actor_id, now, reason
    session.flush()
    audit.chain(
        session,
        [_event("item.retire", version, actor_id=actor_id, now=now, reason=reason) for version in used],
    )
    return len(used)


def refuse_if_changed(version: ItemVersion, seen: str) -> None:
    """Raise Conflict unless the person has seen the wording that there is now."""
    if seen != digest(version):
        raise Conflict(CHANGED_MEANWHILE)


def digest(version: ItemVersion) -> str:
    """Return what differs once the wording of a version differs."""
    return hashlib.sha256(repr((version.number, item_of(version))).encode()).hexdigest()[:32]


def _refuse_author(version: ItemVersion, person_id: int) -> None:
    if person_id in version.author_ids:
        raise Conflict("Người đã soạn hoặc sửa bản thảo không tự thẩm định, duyệt câu hỏi của mình.")


def _record(
    session: Session, action: str, version: ItemVersion, *, actor_id: int, now: datetime, reason: str = ""
) -> None:
    session.flush()
    audit.chain(session, [_event(action, version, actor_id=actor_id, now=now, reason=reason)])


def _event(action: str, version: ItemVersion, *, actor_id: int, now: datetime, reason: str) -> AuditEvent:
    return AuditEvent(
        action=action,
        subject=f"item/{version.item.code}/{version.number}",
        at=now,
        actor_id=actor_id,
        after={"fingerprint": version.fingerprint, "key": version.key},
        reason=reason,
    )


# --- finding -------------------------------------------------------------------------------------


def authors_of(session: Session, versions: Collection[ItemVersion]) -> Mapping[int, list[str]]:
    """Return the names of those who wrote any of each version, by its id, who began first."""
    ids = {person for version in versions for person in version.author_ids}
    names = dict(session.execute(select(Account.id, Account.name).where(Account.id.in_(ids))).all())
    return {version.id: [names[person] for person in version.author_ids] for version in versions}


def newest_version(session: Session, code: str, *, for_update: bool = False) -> ItemVersion:
    """Return the newest version of an item, its item locked if asked. Raises NotThere."""
    item = select(BankItem).where(BankItem.code == code)
    found = session.scalar(item.with_for_update() if for_update else item)
    if found is None:
        raise NotThere("Không tìm thấy câu hỏi này.")
    return max(found.versions, key=lambda version: version.number)


def newest_by_item(session: Session, item_ids: Collection[int]) -> Mapping[int, ItemVersion]:
    """Return the newest version of each item, by the item's id."""
    rows = session.scalars(
        select(ItemVersion)
        .where(ItemVersion.item_id.in_(item_ids))
        .order_by(ItemVersion.number)
        .options(joinedload(ItemVersion.item))
    )
    return {version.item_id: version for version in rows}


def find_version(session: Session, code: str, number: int) -> ItemVersion:
    """Return one version of an item. Raises NotThere."""
    version = session.scalar(
        select(ItemVersion)
        .join(ItemVersion.item)
        .where(BankItem.code == code, ItemVersion.number == number)
        .options(contains_eager(ItemVersion.item))
    )
    if version is None:
        raise NotThere("Không tìm thấy câu hỏi này.")
    return version


def state_of(version: ItemVersion) -> str:
    """Return where a version stands, one of STATES."""
    if version.retired_at is not None:
        return "retired"
    if version.approved_at is not None:
        return "approved"
    return "draft" if version.reviewed_at is None else "reviewed"


def items_of(session: Session, versions: Select[Any]) -> list[Item]:
    """Return the versions that a query finds as items, their pictures read at once and not one by one."""
    whole = selectinload(ItemVersion.picture).undefer(StoredPicture.content)
    return [item_of(version) for version in session.scalars(versions.options(whole))]


def item_of(version: ItemVersion) -> Item:
    """Return a stored version as an item."""
    return Item(
        code=version.item.code,
        kind=version.kind,
        stem=version.stem,
        picture=pictures.picture_of(version.picture) if version.picture else None,
        picture_alt=version.picture_alt,
        options=tuple(Option(option["text"], option["is_pinned"]) for option in version.options),
        key=tuple(version.key),
        topic=version.topic,
        level=version.level,
        divisions=tuple(version.divisions),
        tags=tuple(version.tags),
        explanation=version.explanation,
        legal_document=version.legal_document,
        legal_article=version.legal_article,
        valid_from=version.valid_from,
        valid_to=version.valid_to,
    )


def texts(session: Session, version_ids: Collection[int]) -> Mapping[int, ItemVersion]:
    """Return versions by id, to show the texts and pictures of a paper."""
    rows = session.scalars(
        select(ItemVersion).where(ItemVersion.id.in_(version_ids)).options(selectinload(ItemVersion.picture))
    )
    return {version.id: version for version in rows}
