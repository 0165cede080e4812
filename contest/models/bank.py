"""The question bank: items and their versions."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base


class BankItem(Base):
    """A question through all its versions, under one code."""

    __tablename__ = "bank_items"
    __table_args__ = (UniqueConstraint("code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str]

    versions: Mapped[list["ItemVersion"]] = relationship(back_populates="item", order_by="ItemVersion.number")


class ItemVersion(Base):
    """One wording of an item. Once approved, its content never changes (a trigger refuses)."""

    __tablename__ = "item_versions"
    __table_args__ = (
        UniqueConstraint("item_id", "number"),
        CheckConstraint("reviewed_by_id <> author_id", name="reviewed_by_another"),
        CheckConstraint("(reviewed_at IS NULL) = (reviewed_by_id IS NULL)", name="reviewed_with_reviewer"),
        CheckConstraint("approved_at IS NULL OR reviewed_at IS NOT NULL", name="approved_after_review"),
        CheckConstraint("retired_at IS NULL OR approved_at IS NOT NULL", name="retired_after_approval"),
        CheckConstraint("jsonb_array_length(options) BETWEEN 2 AND 8", name="two_to_eight_options"),
        CheckConstraint("jsonb_array_length(key) >= 1", name="has_key"),
        CheckConstraint("valid_from <= valid_to", name="valid_in_order"),
        Index("ix_item_versions_topic_level", "topic", "level"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("bank_items.id"))
    number: Mapped[int]
    kind: Mapped[str]
    stem: Mapped[str]
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
    author_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    reviewed_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    reviewed_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]

    item: Mapped[BankItem] = relationship(back_populates="versions")
