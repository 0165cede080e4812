"""What goes wrong while people sit, and what is given back for it: outages, extra time, re-sits."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account
from contest.models.attempts import Attempt
from contest.models.contests import Contest, Division, Registration, Round
from contest.models.units import Unit


class Heartbeat(Base):
    """When a kind of process was last alive: one row a kind, whichever process of it beats."""

    __tablename__ = "heartbeats"
    __table_args__ = (CheckConstraint("kind IN ('web', 'worker', 'sweep')", name="known_kind"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    beat_at: Mapped[datetime]


class Outage(Base):
    """A time in which people could not save, or in which a round was paused."""

    __tablename__ = "outages"
    __table_args__ = (
        CheckConstraint("from_at < until_at", name="from_before_until"),
        CheckConstraint("how IN ('heartbeat', 'noted', 'pause')", name="known_how"),
        CheckConstraint("(how = 'heartbeat') = (noted_by_id IS NULL)", name="noted_by_somebody"),
        CheckConstraint("(how = 'pause') = (round_id IS NOT NULL)", name="pause_of_a_round"),
        CheckConstraint("how = 'heartbeat' OR reason <> ''", name="noted_with_reason"),
        # No moment is lost twice.
        ExcludeConstraint(
            (literal_column("tstzrange(from_at, until_at)"), "&&"),
            using="gist",
            where=text("round_id IS NULL"),
            name="ex_outages_apart",
        ),
        Index("ix_outages_round_id", "round_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # A pause is one round's; an outage is everybody's.
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"))
    from_at: Mapped[datetime]
    until_at: Mapped[datetime]
    how: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")
    noted_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    noted_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))

    noted_by: Mapped[Account | None] = relationship()


class OutageDecision(Base):
    """What a round made of an outage, once: gave the lost time back, or not."""

    __tablename__ = "outage_decisions"
    __table_args__ = (
        UniqueConstraint("outage_id", "round_id"),
        CheckConstraint("is_compensated OR reason <> ''", name="left_with_reason"),
        CheckConstraint("attempts >= extended AND extended >= 0", name="counts"),
        Index("ix_outage_decisions_round_id", "round_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    outage_id: Mapped[int] = mapped_column(ForeignKey("outages.id"))
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    is_compensated: Mapped[bool]
    reason: Mapped[str]
    # How many attempts it fell into, and how many of them were open still and got a later deadline.
    attempts: Mapped[int] = mapped_column(server_default="0")
    extended: Mapped[int] = mapped_column(server_default="0")
    decided_at: Mapped[datetime]
    # None: a pause that ended at its time.
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))

    outage: Mapped[Outage] = relationship()
    decided_by: Mapped[Account | None] = relationship()


class ExtraTime(Base):
    """More time for one person, or for all of a unit or a division; revoked, it stays as a record."""

    __tablename__ = "extra_times"
    __table_args__ = (
        CheckConstraint("extra_ms BETWEEN 1 AND 86400000", name="extra_ms"),
        CheckConstraint("reason <> ''", name="has_reason"),
        CheckConstraint("num_nonnulls(registration_id, unit_id, division_id) = 1", name="for_one"),
        CheckConstraint("(revoked_at IS NULL) = (revoked_by_id IS NULL)", name="revoked_by_somebody"),
        # At most one that holds, for each whom and where.
        Index(
            "uq_extra_times_whom_open",
            "contest_id",
            "round_id",
            "registration_id",
            "unit_id",
            "division_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    contest_id: Mapped[int] = mapped_column(ForeignKey("contests.id"))
    # None: in every round.
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"))
    registration_id: Mapped[int | None] = mapped_column(ForeignKey("registrations.id"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    division_id: Mapped[int | None] = mapped_column(ForeignKey("divisions.id"))
    extra_ms: Mapped[int]
    reason: Mapped[str]
    granted_at: Mapped[datetime]
    granted_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    revoked_at: Mapped[datetime | None]
    revoked_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))

    contest: Mapped[Contest] = relationship()
    round: Mapped[Round | None] = relationship()
    registration: Mapped[Registration | None] = relationship()
    unit: Mapped[Unit | None] = relationship()
    division: Mapped[Division | None] = relationship()
    granted_by: Mapped[Account] = relationship(foreign_keys=[granted_by_id])
    revoked_by: Mapped[Account | None] = relationship(foreign_keys=[revoked_by_id])


class Resit(Base):
    """One more start in place of a voided attempt, until a closing of its own."""

    __tablename__ = "resits"
    __table_args__ = (
        UniqueConstraint("voided_id"),
        UniqueConstraint("taken_id"),
        CheckConstraint("granted_at < closes_at", name="granted_before_closing"),
        CheckConstraint("taken_id <> voided_id", name="taken_by_another"),
        Index("ix_resits_round_id_account_id", "round_id", "account_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    voided_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("attempts.id"))
    # The attempt that was started on it.
    taken_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("attempts.id"))
    closes_at: Mapped[datetime]
    granted_at: Mapped[datetime]
    granted_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))

    voided: Mapped[Attempt] = relationship(foreign_keys=[voided_id])
    granted_by: Mapped[Account] = relationship(foreign_keys=[granted_by_id])
