"""Proofs of work that were used: none counts twice."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from contest.extensions import Base


class UsedProof(Base):
    """A puzzle that was handed in. Once it has expired, it is refused for that and the row may go."""

    __tablename__ = "used_proofs"
    __table_args__ = (
        CheckConstraint("length(key) = 16", name="key_length"),
        Index("ix_used_proofs_expires_at", "expires_at"),
    )

    # Of the puzzle's signature; it says nothing of whoever solved it.
    key: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
