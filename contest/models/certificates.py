"""Certificates: what a person or a unit was certified, under a code that anyone may check."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account
from contest.models.contests import Division, Round
from contest.models.results import Publication
from contest.models.units import Unit


class Certificate(Base):
    """One certificate, as it was issued. What no longer holds is revoked and another one issued."""

    __tablename__ = "certificates"
    __table_args__ = (
        UniqueConstraint("code"),
        CheckConstraint("kind IN ('prize', 'unit', 'participation')", name="known_kind"),
        CheckConstraint("(kind = 'unit') = (account_id IS NULL)", name="of_a_person_or_a_unit"),
        CheckConstraint("(kind = 'participation') = (prize IS NULL)", name="prize_where_won"),
        CheckConstraint("(kind = 'prize') = (prize_code IS NOT NULL)", name="prize_code_where_won"),
        CheckConstraint("(revoked_at IS NULL) = (revoke_reason IS NULL)", name="revoked_with_reason"),
        # At most one of a kind holds at a time.
        Index(
            "uq_certificates_person",
            "round_id",
            "account_id",
            "kind",
            unique=True,
            postgresql_where=text("revoked_at IS NULL AND account_id IS NOT NULL"),
        ),
        Index(
            "uq_certificates_unit",
            "round_id",
            "unit_id",
            "division_id",
            unique=True,
            postgresql_where=text("revoked_at IS NULL AND account_id IS NULL"),
        ),
        Index("ix_certificates_account_id", "account_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    # Random, as a receipt's.
    code: Mapped[str]
    kind: Mapped[str]
    # The official publication that it follows from.
    publication_id: Mapped[int] = mapped_column(ForeignKey("publications.id"))
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    # None: it is the unit's own.
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    # The person's name in full, or the unit's, as printed; what the public sees is decided when shown.
    name: Mapped[str]
    prize_code: Mapped[str | None]
    # As printed: "Giải Nhất", "Hạng Nhì"; None for taking part.
    prize: Mapped[str | None]
    issued_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None]

    publication: Mapped[Publication] = relationship()
    round: Mapped[Round] = relationship()
    division: Mapped[Division] = relationship()
    account: Mapped[Account | None] = relationship()
    unit: Mapped[Unit] = relationship()
