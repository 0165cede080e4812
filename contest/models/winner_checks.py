"""Whether provisional winners are who they say: numbers asked for, calls made, verdicts."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account
from contest.models.contests import Round

CALL_OUTCOMES = ("reached", "no_answer", "wrong_number")
WAYS_TO_VERIFY = ("card", "phone", "authority")


class WinnerCheck(Base):
    """The identity check of one provisional winner of a round.

    Of the citizen number only a keyed tag is kept: whoever holds the card in hand can be told whether
    the number is the one that the winner gave, and nobody can read it from here.
    """

    __tablename__ = "winner_checks"
    __table_args__ = (
        UniqueConstraint("round_id", "account_id"),
        CheckConstraint("(number_given_at IS NULL) OR (number_doubts IS NOT NULL)", name="given_with_doubts"),
        CheckConstraint("number_tag IS NULL OR number_given_at IS NOT NULL", name="tag_was_given"),
        CheckConstraint("(verified_at IS NULL) = (verified_by_id IS NULL)", name="verified_by_somebody"),
        CheckConstraint("(verified_at IS NULL) = (how IS NULL)", name="verified_somehow"),
        CheckConstraint(f"how IN {WAYS_TO_VERIFY}", name="known_how"),
        Index("ix_winner_checks_account_id", "account_id"),
        Index("ix_winner_checks_number_tag", "number_tag"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    opened_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    opened_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    number_tag: Mapped[bytes | None]
    number_given_at: Mapped[datetime | None]
    # What does not fit, as sentences.
    number_doubts: Mapped[list[Any] | None]
    verified_at: Mapped[datetime | None]
    verified_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    how: Mapped[str | None]

    round: Mapped[Round] = relationship()
    account: Mapped[Account] = relationship(foreign_keys=[account_id])
    verified_by: Mapped[Account | None] = relationship(foreign_keys=[verified_by_id])
    calls: Mapped[list["WinnerCall"]] = relationship(back_populates="check", order_by="WinnerCall.id")


class WinnerCall(Base):
    """A call to a provisional winner."""

    __tablename__ = "winner_calls"
    __table_args__ = (
        CheckConstraint(f"outcome IN {CALL_OUTCOMES}", name="known_outcome"),
        Index("ix_winner_calls_check_id", "check_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    check_id: Mapped[int] = mapped_column(ForeignKey("winner_checks.id"))
    called_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    called_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    outcome: Mapped[str]
    note: Mapped[str]

    check: Mapped[WinnerCheck] = relationship(back_populates="calls")
    called_by: Mapped[Account] = relationship()
