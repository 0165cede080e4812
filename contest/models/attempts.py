"""Attempts: one person's sittings of one round."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account
from contest.models.contests import Division, Pool, Round
from contest.models.units import Unit


class Attempt(Base):
    """One sitting. Its moments are its state: started, then submitted, then scored, or voided.

    All moments are the database's statement time less what the request waited in the process.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        UniqueConstraint("account_id", "round_id", "number"),
        UniqueConstraint("public_id"),
        UniqueConstraint("receipt_code"),
        CheckConstraint("number >= 1", name="number_from_one"),
        CheckConstraint("started_at < deadline_at", name="deadline_after_start"),
        CheckConstraint("submitted_at >= started_at", name="submitted_after_start"),
        CheckConstraint("(submitted_at IS NULL) = (how IS NULL)", name="submitted_somehow"),
        CheckConstraint("how IN ('person', 'deadline')", name="known_how"),
        CheckConstraint("scored_at IS NULL OR submitted_at IS NOT NULL", name="scored_when_submitted"),
        CheckConstraint("(scored_at IS NULL) = (points IS NULL)", name="scored_with_points"),
        CheckConstraint("(scored_at IS NULL) = (duration_ms IS NULL)", name="scored_with_duration"),
        CheckConstraint("scored_at IS NULL OR receipt_digest IS NOT NULL", name="scored_with_receipt"),
        CheckConstraint("(voided_at IS NULL) = (void_reason IS NULL)", name="voided_with_reason"),
        CheckConstraint("save_seq >= 0", name="seq_not_negative"),
        CheckConstraint("prediction >= 0", name="prediction_not_negative"),
        # The referee of two starts at once: at most one attempt of a person in a round is open.
        Index(
            "uq_attempts_account_id_round_id_open",
            "account_id",
            "round_id",
            unique=True,
            postgresql_where=text("submitted_at IS NULL AND voided_at IS NULL"),
        ),
        # Read by the sweeper: what is overdue, and what the queue lost.
        Index(
            "ix_attempts_deadline_at_open",
            "deadline_at",
            postgresql_where=text("submitted_at IS NULL AND voided_at IS NULL"),
        ),
        Index(
            "ix_attempts_submitted_at_unscored",
            "submitted_at",
            postgresql_where=text("submitted_at IS NOT NULL AND scored_at IS NULL AND voided_at IS NULL"),
        ),
        Index("ix_attempts_round_id_submitted_at", "round_id", "submitted_at"),
        Index("ix_attempts_round_id_started_at", "round_id", "started_at"),
        # Tells whether anything was scored since the last ranking.
        Index("ix_attempts_round_id_scored_at", "round_id", "scored_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    public_id: Mapped[str] = mapped_column()
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    number: Mapped[int]
    pool_id: Mapped[int] = mapped_column(ForeignKey("pools.id"))
    # [{"code": "T1-001", "order": [2, 0, 3, 1]}, …] in paper order
    paper: Mapped[list[Any]]
    paper_shape: Mapped[str]
    started_at: Mapped[datetime]
    # The round's closing as it held for this attempt.
    closes_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    # The round's grace, here so that the saving statement needs no other table.
    grace_ms: Mapped[int]
    extra_ms: Mapped[int] = mapped_column(server_default="0")
    compensation_ms: Mapped[int] = mapped_column(server_default="0")
    outage_ms: Mapped[int] = mapped_column(server_default="0")
    # {"1": ["b"], "3": ["a", "c"]}
    responses: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    prediction: Mapped[int | None]
    save_seq: Mapped[int] = mapped_column(server_default="0")
    save_editor: Mapped[str] = mapped_column(server_default="")
    saved_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime | None]
    how: Mapped[str | None]
    receipt_code: Mapped[str]
    # What was handed in, bound by a key outside the database when it is scored; a trigger keeps it.
    receipt_digest: Mapped[str | None]
    scored_at: Mapped[datetime | None]
    # In units of 1/840.
    points: Mapped[int | None]
    duration_ms: Mapped[int | None]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None]

    account: Mapped[Account] = relationship()
    round: Mapped[Round] = relationship()
    division: Mapped[Division] = relationship()
    unit: Mapped[Unit] = relationship()
    pool: Mapped[Pool] = relationship()
