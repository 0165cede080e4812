"""What one person proposes and another decides."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account
from contest.models.contests import Round


class Proposal(Base):
    """An action that needs two people: proposed with its reason and effect, then accepted or rejected."""

    __tablename__ = "proposals"
    __table_args__ = (
        CheckConstraint("decided_by_id <> proposed_by_id OR NOT is_accepted", name="accepted_by_another"),
        CheckConstraint("(decided_at IS NULL) = (decided_by_id IS NULL)", name="decided_by_somebody"),
        CheckConstraint("(decided_at IS NULL) = (is_accepted IS NULL)", name="decided_somehow"),
        CheckConstraint("reason <> ''", name="has_reason"),
        # At most one open proposal of a kind about a thing.
        Index(
            "uq_proposals_kind_subject_open",
            "kind",
            "subject",
            unique=True,
            postgresql_where=text("decided_at IS NULL"),
        ),
        Index("ix_proposals_round_id", "round_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    # As the audit log names things: "round/3/item/T1-001".
    subject: Mapped[str]
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"))
    # What it is called on pages.
    title: Mapped[str]
    # What is to be done, for the operation that does it.
    content: Mapped[dict[str, Any]]
    # What the proposer was shown that it would change: sentences.
    effect: Mapped[list[Any]]
    reason: Mapped[str]
    proposed_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    proposed_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime | None]
    # False when rejected, or taken back by who proposed it.
    is_accepted: Mapped[bool | None]
    decision_reason: Mapped[str] = mapped_column(server_default="")

    round: Mapped[Round | None] = relationship()
    proposed_by: Mapped[Account] = relationship(foreign_keys=[proposed_by_id])
    decided_by: Mapped[Account | None] = relationship(foreign_keys=[decided_by_id])
