"""Pictures of items in the database: kept under the digest of their bytes, shown to who may see them."""

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, undefer

from contest.errors import NotThere
from contest.models import Attempt, BankItem, ItemVersion, Pool
from contest.models import Picture as StoredPicture
from question_bank.items import Picture


def keep(session: Session, picture: Picture) -> StoredPicture:
    """Store a picture unless it is there, and return what is stored."""
    values = {name: getattr(picture, name) for name in ("sha256", "width", "height", "content")}
    session.execute(insert(StoredPicture).values(values).on_conflict_do_nothing())
    return session.get_one(StoredPicture, picture.sha256)


def find(session: Session, sha256: str) -> Picture | None:
    """Return a stored picture, for those who write items."""
    stored = session.get(StoredPicture, sha256)
    return picture_of(stored) if stored else None


def picture_of(stored: StoredPicture) -> Picture:
    """Return a stored picture as a value."""
    return Picture(stored.sha256, stored.width, stored.height, stored.content)


def content_for(session: Session, sha256: str, *, account_id: int | None, is_staff: bool) -> bytes:
    """Return a picture's bytes to somebody who may see it. Raises NotThere.

    A picture could tell a question before it is asked: whoever does not work here sees those of their
    own papers, and of items that are released for practice, only.
    """
    query = select(StoredPicture).where(StoredPicture.sha256 == sha256)
    if not is_staff:
        query = query.where(or_(*_reasons_to_see(account_id)))
    stored = session.scalar(query.options(undefer(StoredPicture.content)))
    if stored is None:
        raise NotThere("Không tìm thấy hình này.")
    return stored.content


def _reasons_to_see(account_id: int | None) -> list[ColumnElement[bool]]:
    """Return the conditions of which one is enough to be shown a picture."""
    return [_is_in_own_paper(account_id), _is_in_practice()]


def _is_in_own_paper(account_id: int | None) -> ColumnElement[bool]:
    asked = func.jsonb_build_array(func.jsonb_build_object("code", BankItem.code))
    return exists(
        select(ItemVersion.id)
        .join(ItemVersion.item)
        .join(Attempt, Attempt.account_id == account_id)
        .join(Pool, Pool.id == Attempt.pool_id)
        .where(
            ItemVersion.picture_sha256 == StoredPicture.sha256,
            Pool.item_versions[BankItem.code].as_integer() == ItemVersion.id,
            Attempt.paper.op("@>")(asked),
        )
    )


def _is_in_practice() -> ColumnElement[bool]:
    return exists(
        select(ItemVersion.id)
        .join(ItemVersion.item)
        .where(
            ItemVersion.picture_sha256 == StoredPicture.sha256,
            ItemVersion.approved_at.is_not(None),
            BankItem.released_at.is_not(None),
        )
    )
