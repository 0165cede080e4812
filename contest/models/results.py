"""Results: standings, which can be rebuilt from the attempts, and publications, which can't change."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account
from contest.models.attempts import Attempt
from contest.models.contests import Division, Round
from contest.models.units import Unit


class Standing(Base):
    """One person's counted attempt in a round, and its place once the round was ranked."""

    __tablename__ = "standings"
    __table_args__ = (
        UniqueConstraint("round_id", "account_id"),
        UniqueConstraint("attempt_id"),
        Index("ix_standings_round_id_division_id_position", "round_id", "division_id", "position"),
        Index("ix_standings_round_id_unit_id", "round_id", "unit_id"),
        Index("ix_standings_account_id", "account_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"))
    points: Mapped[int]
    full_points: Mapped[int]
    duration_ms: Mapped[int]
    submitted_at: Mapped[datetime]
    attempts_used: Mapped[int]
    registered_at: Mapped[datetime]
    prediction: Mapped[int | None]
    prediction_error: Mapped[int | None]
    # Row from 1, and the shared rank; None until the next ranking.
    position: Mapped[int | None]
    rank: Mapped[int | None]
    separated_by: Mapped[str | None]

    round: Mapped[Round] = relationship()
    account: Mapped[Account] = relationship()
    division: Mapped[Division] = relationship()
    unit: Mapped[Unit] = relationship()
    attempt: Mapped[Attempt] = relationship()


class UnitStanding(Base):
    """One unit's place in a division of a round. Fractions are kept as numerator and denominator."""

    __tablename__ = "unit_standings"
    __table_args__ = (
        UniqueConstraint("round_id", "division_id", "unit_id"),
        Index("ix_unit_standings_round_id_division_id_position", "round_id", "division_id", "position"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    group: Mapped[str]
    # Row from 1 within the division; the rank is within the group, None: unranked.
    position: Mapped[int]
    rank: Mapped[int | None]
    people: Mapped[int]
    headcount: Mapped[int | None]
    # People taken off the headcount.
    excluded: Mapped[int] = mapped_column(server_default="0")
    # Exact fractions as text, "3/8"; None where there is none.
    rate: Mapped[str | None]
    mean: Mapped[str | None]
    value: Mapped[str | None]

    division: Mapped[Division] = relationship()
    unit: Mapped[Unit] = relationship()


class ContestStanding(Base):
    """One person's sums over the closed rounds of a contest, and their place; rebuilt as a whole."""

    __tablename__ = "contest_standings"
    __table_args__ = (
        UniqueConstraint("contest_id", "account_id"),
        UniqueConstraint("contest_id", "division_id", "position"),
        Index("ix_contest_standings_account_id", "account_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    contest_id: Mapped[int] = mapped_column(ForeignKey("contests.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    points: Mapped[int]
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    # The last of their counted attempts.
    submitted_at: Mapped[datetime]
    # In how many rounds they have a counted attempt.
    rounds: Mapped[int]
    position: Mapped[int]
    rank: Mapped[int]
    separated_by: Mapped[str]

    account: Mapped[Account] = relationship()
    unit: Mapped[Unit] = relationship()


class Publication(Base):
    """One published version of a round's results: numbered, with a digest; a trigger refuses changes."""

    __tablename__ = "publications"
    __table_args__ = (
        UniqueConstraint("round_id", "version"),
        CheckConstraint("version >= 1", name="version_from_one"),
        CheckConstraint("kind IN ('provisional', 'official')", name="known_kind"),
        CheckConstraint("(kind = 'official') = (approved_by_id IS NOT NULL)", name="official_is_approved"),
        CheckConstraint("approved_by_id <> published_by_id", name="approved_by_another"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    version: Mapped[int]
    kind: Mapped[str]
    published_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    published_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    # The second person, of official results.
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    reason: Mapped[str]
    content: Mapped[dict[str, Any]]
    # SHA-256 of the bundle's manifest.json: the digest of the publication.
    sha256: Mapped[str]
    # SHA-256 over the content's canonical JSON.
    content_sha256: Mapped[str]

    round: Mapped[Round] = relationship()
    published_by: Mapped[Account] = relationship(foreign_keys=[published_by_id])
    approved_by: Mapped[Account | None] = relationship(foreign_keys=[approved_by_id])


class PublicationFile(Base):
    """One file of a publication's bundle, kept as it was made; a trigger refuses changes."""

    __tablename__ = "publication_files"
    __table_args__ = (UniqueConstraint("publication_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    # Checked at commit: the publication's digest is known only after its files are written.
    publication_id: Mapped[int] = mapped_column(
        ForeignKey("publications.id", deferrable=True, initially="DEFERRED")
    )
    name: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    crc32: Mapped[int] = mapped_column(BigInteger)
    deflated_size: Mapped[int] = mapped_column(BigInteger)


class PublicationPiece(Base):
    """A piece of a file's bytes, deflated; the pieces in their order are one deflate stream."""

    __tablename__ = "publication_pieces"

    file_id: Mapped[int] = mapped_column(
        ForeignKey("publication_files.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    deflated: Mapped[bytes]
