"""The bank in the database: items come in, are approved by a second person, and are read for papers."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from contest.errors import BadInput, Conflict
from contest.models import Account, BankItem, ItemVersion
from question_bank.items import Item, Option, problems_before_approval
from question_bank.text import clean_html, clean_text


def add_drafts(
    session: Session, items: Iterable[Item], *, author: Account, tags: Collection[str] = (), now: datetime
) -> list[ItemVersion]:
    """Add new items as drafts of their first version; codes that are there already are left alone."""
    known = set(session.scalars(select(BankItem.code)))
    drafts = []
    for item in items:
        if item.code in known:
            continue
        version = ItemVersion(
            item=BankItem(code=item.code),
            number=1,
            kind=item.kind,
            stem=clean_html(item.stem),
            options=[
                {"text": clean_html(option.text), "is_pinned": option.is_pinned} for option in item.options
            ],
            key=list(item.key),
            topic=item.topic,
            level=item.level,
            divisions=list(item.divisions),
            tags=sorted({*item.tags, *tags}),
            explanation=clean_html(item.explanation),
            legal_document=clean_text(item.legal_document),
            legal_article=clean_text(item.legal_article),
            valid_from=item.valid_from,
            valid_to=item.valid_to,
            author_id=author.id,
            created_at=now,
        )
        session.add(version)
        drafts.append(version)
    session.flush()
    return drafts


def approve(session: Session, version: ItemVersion, *, reviewer: Account, now: datetime) -> None:
    """Approve a draft that another person wrote. Raises Conflict or BadInput with what is missing."""
    if version.author_id == reviewer.id:
        raise Conflict("Người soạn không tự duyệt câu hỏi của mình.")
    if version.approved_at is not None:
        raise Conflict("Phiên bản này đã được duyệt.")
    problems = list(problems_before_approval(item_of(version)))
    if problems:
        raise BadInput(f"{version.item.code}: {' '.join(problems)}")
    version.reviewed_by_id = reviewer.id
    version.reviewed_at = version.approved_at = now
    session.flush()


def item_of(version: ItemVersion) -> Item:
    """Return a stored version as an item."""
    return Item(
        code=version.item.code,
        kind=version.kind,
        stem=version.stem,
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
    """Return versions by id, to show the texts of a paper."""
    rows = session.scalars(select(ItemVersion).where(ItemVersion.id.in_(version_ids)))
    return {version.id: version for version in rows}
