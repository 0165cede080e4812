"""What changes a result after the fact: people excluded, prizes declined, items corrected."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account
from contest.models.contests import Round

# In words: contest/rules/exclusions.py
EXCLUSION_KINDS = (
    "organizer",
    "ineligible",
    "several_accounts",
    "other_person",
    "interference",
    "unverified",
    "withdrawn",
)


class Exclusion(Base):
    """A person kept out of a round's standings. Lifted, it stays as a record."""

    __tablename__ = "exclusions"
    __table_args__ = (
        CheckConstraint(f"kind IN {EXCLUSION_KINDS}", name="known_kind"),
        CheckConstraint("reason <> ''", name="has_reason"),
        CheckConstraint("approved_by_id <> excluded_by_id", name="approved_by_another"),
        CheckConstraint("(lifted_at IS NULL) = (lifted_by_id IS NULL)", name="lifted_by_somebody"),
        CheckConstraint("(lifted_at IS NULL) = (lift_reason IS NULL)", name="lifted_with_reason"),
        Index(
            "uq_exclusions_round_id_account_id_open",
            "round_id",
            "account_id",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
        Index("ix_exclusions_account_id", "account_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    # The kind is public, under the draw id; the reason is for staff and the person.
    kind: Mapped[str]
    reason: Mapped[str]
    excluded_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    # None: by a rule of the contest, as for organizers and item writers.
    excluded_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    lifted_at: Mapped[datetime | None]
    lifted_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    lift_reason: Mapped[str | None]

    round: Mapped[Round] = relationship()
    account: Mapped[Account] = relationship(foreign_keys=[account_id])
    excluded_by: Mapped[Account | None] = relationship(foreign_keys=[excluded_by_id])
    approved_by: Mapped[Account | None] = relationship(foreign_keys=[approved_by_id])


class Decline(Base):
    """A person who takes no prize of a round: keeps the rank, and everyone below moves up."""

    __tablename__ = "declines"
    __table_args__ = (UniqueConstraint("round_id", "account_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    reason: Mapped[str]
    declined_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    recorded_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))

    round: Mapped[Round] = relationship()
    account: Mapped[Account] = relationship(foreign_keys=[account_id])
    recorded_by: Mapped[Account] = relationship(foreign_keys=[recorded_by_id])


class Correction(Base):
    """What holds for an item's code in a round instead of its key. A later one supersedes it."""

    __tablename__ = "corrections"
    __table_args__ = (
        CheckConstraint("reason <> '' AND note <> ''", name="has_reason_and_note"),
        CheckConstraint("approved_by_id <> proposed_by_id", name="approved_by_another"),
        Index(
            "uq_corrections_round_id_code_current",
            "round_id",
            "code",
            unique=True,
            postgresql_where=text("superseded_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    code: Mapped[str]
    # The accepted keys, each of option indices from 0; None: the item is voided.
    keys: Mapped[list[Any] | None]
    reason: Mapped[str]
    # What the public is told.
    note: Mapped[str]
    proposed_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    approved_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    made_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    # Every score of the round follows it.
    applied_at: Mapped[datetime | None]
    superseded_at: Mapped[datetime | None]

    round: Mapped[Round] = relationship()
    proposed_by: Mapped[Account] = relationship(foreign_keys=[proposed_by_id])
    approved_by: Mapped[Account] = relationship(foreign_keys=[approved_by_id])
