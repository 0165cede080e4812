"""How far ahead of an even pace somebody is: what must survive Redis, and what it counts while it is away."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from contest.extensions import Base


class Throttle(Base):
    """A key that took turns lately. Once `due_at` is past, the row says nothing and may go."""

    __tablename__ = "throttles"
    __table_args__ = (
        CheckConstraint("length(key) = 16", name="key_length"),
        Index("ix_throttles_due_at", "due_at"),
    )

    # Keyed, so that nobody with the database alone reads an address or a phone from it.
    key: Mapped[bytes] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
