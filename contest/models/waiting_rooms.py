"""Who waits to start, how the line moves, and how the web processes fare that it follows."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account


class WaitingRoom(Base):
    """The one line before all starts: the machines are the same for all rounds.

    The numbers of the places are called up to `called`, which carries the fraction of the next.
    """

    __tablename__ = "waiting_room"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint("mode IN ('auto', 'fixed', 'open')", name="known_mode"),
        CheckConstraint("(mode = 'fixed') = (fixed_rate IS NOT NULL)", name="fixed_has_rate"),
        CheckConstraint("fixed_rate BETWEEN 1 AND 10000", name="fixed_rate"),
        CheckConstraint("called >= 0", name="called"),
        CheckConstraint("rate > 0 AND pace > 0", name="moves"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, server_default="1", autoincrement=False)
    mode: Mapped[str] = mapped_column(server_default="auto")
    fixed_rate: Mapped[int | None]
    called: Mapped[float] = mapped_column(server_default="0")
    # Starts a second: now, and smoothed for the promised times.
    rate: Mapped[float] = mapped_column(server_default="30")
    pace: Mapped[float] = mapped_column(server_default="30")
    lowered_at: Mapped[datetime | None]
    moved_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    # Since when somebody has waited; None: nobody does.
    since_at: Mapped[datetime | None]
    # Who chose the mode.
    set_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))

    set_by: Mapped[Account | None] = relationship()


class Place(Base):
    """A person's one place in the line for a round; it goes with the start."""

    __tablename__ = "places"
    __table_args__ = (Index("ix_places_number", "number"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"), primary_key=True)
    # From a sequence, so that however many press start at once, nobody waits for another's commit.
    number: Mapped[int] = mapped_column(BigInteger, Identity())
    taken_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())


class WebProcess(Base):
    """What a web process last said of itself; one that says nothing for a while is gone."""

    __tablename__ = "web_processes"

    id: Mapped[str] = mapped_column(primary_key=True)
    beat_at: Mapped[datetime]
    save_ms: Mapped[float | None]
    start_ms: Mapped[float | None]
    busy: Mapped[float]
    lag_ms: Mapped[float]
    pool_timeouts: Mapped[int]
    # Requests by route and status, and how long saves took, since the process began.
    counts: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
