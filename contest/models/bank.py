"""The question bank: items and their versions."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account


class Picture(Base):
    """A picture of items, under the digest of its bytes; WebP. Append-only (a trigger refuses changes)."""

    __tablename__ = "pictures"
    __table_args__ = (
        CheckConstraint("sha256 = encode(sha256(content), 'hex')", name="digest_of_content"),
        CheckConstraint("octet_length(content) <= 153600", name="small_content"),
        CheckConstraint("width BETWEEN 1 AND 1200 AND height BETWEEN 1 AND 1600", name="small_size"),
    )

    sha256: Mapped[str] = mapped_column(primary_key=True)
    # Read where the bytes themselves are needed only.
    content: Mapped[bytes] = mapped_column(deferred=True)
    width: Mapped[int]
    height: Mapped[int]


class BankItem(Base):
    """A question through all its versions, under one code."""

    __tablename__ = "bank_items"
    __table_args__ = (
        UniqueConstraint("code"),
        CheckConstraint(
            "(released_at IS NULL) = (released_by_id IS NULL) "
            "AND (released_at IS NULL) = (release_reason IS NULL)",
            name="released_with_reason",
        ),
        # Read by the pages of the practice.
        Index("ix_bank_items_released_at", "released_at", postgresql_where=text("released_at IS NOT NULL")),
        # Lets accounts of virtual people go without a look at every row.
        Index(
            "ix_bank_items_released_by_id",
            "released_by_id",
            postgresql_where=text("released_by_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str]
    # From here on everybody practises with it and no round draws it, for good (triggers refuse the rest).
    released_at: Mapped[datetime | None]
    released_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    release_reason: Mapped[str | None]

    versions: Mapped[list["ItemVersion"]] = relationship(back_populates="item", order_by="ItemVersion.number")


class ItemVersion(Base):
    """One wording of an item. Once approved, its content never changes (a trigger refuses)."""

    __tablename__ = "item_versions"
    __table_args__ = (
        UniqueConstraint("item_id", "number"),
        CheckConstraint("picture_sha256 IS NOT NULL OR picture_alt = ''", name="alt_with_picture"),
        CheckConstraint(
            "reviewed_at IS NULL OR picture_sha256 IS NULL OR picture_alt <> ''",
            name="reviewed_picture_with_alt",
        ),
        CheckConstraint(
            "author_id = ANY (author_ids) AND array_position(author_ids, NULL) IS NULL",
            name="author_among_authors",
        ),
        CheckConstraint("NOT reviewed_by_id = ANY (author_ids)", name="reviewed_by_another"),
        CheckConstraint("(reviewed_at IS NULL) = (reviewed_by_id IS NULL)", name="reviewed_with_reviewer"),
        CheckConstraint("approved_at IS NULL OR reviewed_at IS NOT NULL", name="approved_after_review"),
        CheckConstraint("NOT approved_by_id = ANY (author_ids)", name="approved_by_another"),
        CheckConstraint("(approved_at IS NULL) = (approved_by_id IS NULL)", name="approved_with_approver"),
        CheckConstraint("retired_at IS NULL OR approved_at IS NOT NULL", name="retired_after_approval"),
        CheckConstraint(
            "(retired_at IS NULL) = (retired_by_id IS NULL) "
            "AND (retired_at IS NULL) = (retire_reason IS NULL)",
            name="retired_with_reason",
        ),
        CheckConstraint("jsonb_array_length(options) BETWEEN 2 AND 8", name="two_to_eight_options"),
        CheckConstraint("jsonb_array_length(key) >= 1", name="has_key"),
        CheckConstraint("valid_from <= valid_to", name="valid_in_order"),
        Index("ix_item_versions_topic_level", "topic", "level"),
        Index("ix_item_versions_fingerprint", "fingerprint"),
        Index("ix_item_versions_picture_sha256", "picture_sha256"),
        # These let accounts of virtual people go without a look at every row.
        Index("ix_item_versions_author_id", "author_id"),
        Index("ix_item_versions_reviewed_by_id", "reviewed_by_id"),
        Index("ix_item_versions_approved_by_id", "approved_by_id"),
        Index("ix_item_versions_retired_by_id", "retired_by_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("bank_items.id"))
    number: Mapped[int]
    kind: Mapped[str]
    stem: Mapped[str]
    picture_sha256: Mapped[str | None] = mapped_column(ForeignKey("pictures.sha256"))
    # What the picture shows, for those who can't see it; a draft may still be without.
    picture_alt: Mapped[str] = mapped_column(server_default="")
    # [{"text": "…", "is_pinned": false}, …]
    options: Mapped[list[Any]]
    # Indices of the right options, from 0.
    key: Mapped[list[Any]]
    topic: Mapped[str]
    level: Mapped[str]
    divisions: Mapped[list[Any]]
    tags: Mapped[list[Any]]
    explanation: Mapped[str]
    legal_document: Mapped[str]
    legal_article: Mapped[str]
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    # Stem, options and legal basis, folded, to search in.
    search_text: Mapped[str]
    # The same for two items of the same stem, picture and options, however they are typed.
    fingerprint: Mapped[str]
    # Who wrote the wording that there is now.
    author_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    # Everybody who ever wrote or edited this version, in that order; it only grows (a trigger refuses).
    author_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    reviewed_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    reviewed_at: Mapped[datetime | None]
    # What the reviewer asks the author to change; the draft waits for that.
    returned_reason: Mapped[str | None]
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    approved_at: Mapped[datetime | None]
    retired_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    retired_at: Mapped[datetime | None]
    retire_reason: Mapped[str | None]

    item: Mapped[BankItem] = relationship(back_populates="versions")
    picture: Mapped[Picture | None] = relationship()
    author: Mapped[Account] = relationship(foreign_keys=[author_id])
    reviewed_by: Mapped[Account | None] = relationship(foreign_keys=[reviewed_by_id])
    approved_by: Mapped[Account | None] = relationship(foreign_keys=[approved_by_id])
    retired_by: Mapped[Account | None] = relationship(foreign_keys=[retired_by_id])


class BankImport(Base):
    """A file that somebody brought: kept from its dry run to its acceptance, and then as a record."""

    __tablename__ = "bank_imports"
    __table_args__ = (CheckConstraint("(applied_at IS NULL) = (added IS NULL)", name="applied_with_count"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    content: Mapped[bytes]
    sha256: Mapped[str]
    brought_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    brought_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    applied_at: Mapped[datetime | None]
    # How many items it added and how many it gave a new version.
    added: Mapped[int | None]
    changed: Mapped[int | None]

    brought_by: Mapped[Account] = relationship()
