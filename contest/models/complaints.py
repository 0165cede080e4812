"""Complaints about a round's results, each a numbered ticket with its answer."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account
from contest.models.contests import Round

COMPLAINT_TOPICS = ("item", "score", "rank", "person", "other")
DECISIONS = ("upheld", "partly", "dismissed")


class Complaint(Base):
    """What somebody finds wrong with a round's results, and what was decided."""

    __tablename__ = "complaints"
    __table_args__ = (
        UniqueConstraint("contest_id", "number"),
        UniqueConstraint("public_id"),
        CheckConstraint("number >= 1", name="number_from_one"),
        CheckConstraint(f"topic IN {COMPLAINT_TOPICS}", name="known_topic"),
        CheckConstraint("text <> ''", name="has_text"),
        # By the person on their own page, or by staff for somebody who wrote or came.
        CheckConstraint("(account_id IS NULL) <> (complainant IS NULL)", name="by_an_account_or_a_name"),
        CheckConstraint("complainant IS NULL OR received_by_id IS NOT NULL", name="received_by_somebody"),
        CheckConstraint(
            "(decided_at IS NULL) = (decided_by_id IS NULL) AND (decided_at IS NULL) = (decision IS NULL) "
            "AND (decided_at IS NULL) = (answer IS NULL)",
            name="decided_with_answer",
        ),
        CheckConstraint(f"decision IN {DECISIONS}", name="known_decision"),
        Index("ix_complaints_account_id", "account_id"),
        Index("ix_complaints_round_id_open", "round_id", postgresql_where=text("decided_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str]
    contest_id: Mapped[int] = mapped_column(ForeignKey("contests.id"))
    # From 1 in the contest, without gaps.
    number: Mapped[int]
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    complainant: Mapped[str | None]
    received_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    filed_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    topic: Mapped[str]
    text: Mapped[str]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    decision: Mapped[str | None]
    answer: Mapped[str | None]

    round: Mapped[Round] = relationship()
    account: Mapped[Account | None] = relationship(foreign_keys=[account_id])
    received_by: Mapped[Account | None] = relationship(foreign_keys=[received_by_id])
    decided_by: Mapped[Account | None] = relationship(foreign_keys=[decided_by_id])
