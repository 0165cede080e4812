"""The audit log: append-only, hash-chained (a trigger refuses changes)."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account


class AuditEvent(Base):
    """Who did what to which thing, with before, after and why; chained to the event before it."""

    __tablename__ = "audit_events"
    __table_args__ = (
        UniqueConstraint("previous_hash"),
        Index("ix_audit_events_subject", "subject"),
        Index("ix_audit_events_actor_id", "actor_id"),
    )

    # Without gaps, from 1: the place in the chain.
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    # None: the system itself.
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    action: Mapped[str]
    subject: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    reason: Mapped[str]
    previous_hash: Mapped[str]
    hash: Mapped[str]

    actor: Mapped[Account | None] = relationship()
