"""Contests, their divisions and rounds, the pools that rounds draw from, and who takes part."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account
from contest.models.units import Unit


class Contest(Base):
    """A contest of several rounds."""

    __tablename__ = "contests"
    __table_args__ = (
        UniqueConstraint("slug"),
        CheckConstraint("minimum_age >= 0", name="minimum_age"),
        CheckConstraint(
            "headcounts_sha256 IS NULL OR headcounts_locked_at IS NOT NULL",
            name="headcounts_locked_with_digest",
        ),
        CheckConstraint("NOT is_rehearsal OR announced_at IS NULL", name="rehearsals_are_not_announced"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str]
    title: Mapped[str]
    summary: Mapped[str]
    minimum_age: Mapped[int]
    # Made for virtual people: never public, never ranked, and taken away afterwards.
    is_rehearsal: Mapped[bool] = mapped_column(server_default="false")
    # From here on the public sees it, and its rules.
    announced_at: Mapped[datetime | None]
    headcounts_locked_at: Mapped[datetime | None]
    # Of the headcounts as they were locked, published on the rules page.
    headcounts_sha256: Mapped[str | None]
    # Counts the saved changes of the configuration, so that of two people at once the second is told.
    configuration_version: Mapped[int] = mapped_column(server_default="1")
    # Whether people are also ranked over all its rounds.
    has_standing: Mapped[bool] = mapped_column(server_default="false")
    # The closed rounds it was last made of, each with the moment of its ranking: [[3, "2026-…"], …]
    standing_basis: Mapped[list[Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    divisions: Mapped[list["Division"]] = relationship(back_populates="contest", order_by="Division.position")
    rounds: Mapped[list["Round"]] = relationship(back_populates="contest", order_by="Round.number")


class Division(Base):
    """A khối/bảng thi: people who are drawn, ranked and rewarded apart from the others."""

    __tablename__ = "divisions"
    __table_args__ = (
        UniqueConstraint("contest_id", "code"),
        CheckConstraint("unit_kind IN ('commune', 'any')", name="known_unit_kind"),
        CheckConstraint("unit_kind <> 'commune' OR is_residence_required", name="residents_reside"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    contest_id: Mapped[int] = mapped_column(ForeignKey("contests.id"))
    code: Mapped[str]
    name: Mapped[str]
    position: Mapped[int]
    # Which units its people may take part for, and of which groups; no group named: of all.
    unit_kind: Mapped[str]
    unit_groups: Mapped[list[Any]] = mapped_column(server_default="[]")
    # Whether its people must live in a commune of the province.
    is_residence_required: Mapped[bool] = mapped_column(server_default="true")

    contest: Mapped[Contest] = relationship(back_populates="divisions")


class Round(Base):
    """One round of a contest. Its state is its moments: opened, closed, books closed."""

    __tablename__ = "rounds"
    __table_args__ = (
        UniqueConstraint("contest_id", "number"),
        CheckConstraint("opens_at < closes_at", name="opens_before_closing"),
        CheckConstraint("duration_ms > 0", name="has_duration"),
        CheckConstraint("grace_ms >= 0", name="grace"),
        CheckConstraint("cooldown_ms >= 0", name="cooldown"),
        CheckConstraint("complaint_days >= 1", name="complaint_days"),
        CheckConstraint("seed_text IS NULL OR seed_text_source IS NOT NULL", name="seed_text_with_source"),
        CheckConstraint("lot_text IS NULL OR lot_text_source IS NOT NULL", name="lot_text_with_source"),
        CheckConstraint("attempts_allowed >= 1", name="attempts_allowed"),
        CheckConstraint("counts IN ('best', 'first', 'last')", name="known_counts"),
        CheckConstraint("score_shown IN ('at_once', 'after_closing')", name="known_score_shown"),
        CheckConstraint("opened_at IS NULL OR seed_commitment IS NOT NULL", name="opened_with_commitment"),
        CheckConstraint("books_closed_at IS NULL OR closed_at IS NOT NULL", name="books_after_closing"),
        CheckConstraint("(seed_sealed IS NULL) = (seed_commitment IS NULL)", name="seed_with_commitment"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    contest_id: Mapped[int] = mapped_column(ForeignKey("contests.id"))
    number: Mapped[int]
    title: Mapped[str]
    opens_at: Mapped[datetime]
    closes_at: Mapped[datetime]
    duration_ms: Mapped[int]
    grace_ms: Mapped[int]
    attempts_allowed: Mapped[int]
    counts: Mapped[str]
    is_partial: Mapped[bool]
    score_shown: Mapped[str]
    # Whether the public sees ranks and counts while the round is open.
    is_leaderboard_live: Mapped[bool]
    # How long after a person's last attempt the next may start; 0: at once.
    cooldown_ms: Mapped[int] = mapped_column(server_default="0")
    # Who won in official publications of rounds that closed earlier gets no prize here.
    is_skipping_earlier_winners: Mapped[bool] = mapped_column(server_default="false")
    # A public random text that is mixed into the seed: where it will come from, named beforehand, and
    # the text once it is known, before opening. None: no such text.
    seed_text_source: Mapped[str | None]
    seed_text: Mapped[str | None]
    # The same for the lots' key; None: the seed is the key.
    lot_text_source: Mapped[str | None]
    lot_text: Mapped[str | None]
    # The secret: the round seed itself, or what it is mixed from with the public text.
    seed_sealed: Mapped[bytes | None]
    # SHA-256 of the secret, lower-case hex, published before opening.
    seed_commitment: Mapped[str | None]
    committed_at: Mapped[datetime | None]
    # Pools frozen, configuration locked; attempts start from opens_at on.
    opened_at: Mapped[datetime | None]
    # Every attempt closed; from here on seed and keys may be shown.
    closed_at: Mapped[datetime | None]
    # How many working days complaints are taken after the first provisional results, and until when.
    complaint_days: Mapped[int] = mapped_column(server_default="3")
    complaints_close_at: Mapped[datetime | None]
    # The truth of the prediction is counted and stands.
    books_closed_at: Mapped[datetime | None]
    # When the standings were last ranked, and how far the scoring had come then.
    ranked_at: Mapped[datetime | None]
    # While a pause lasts nobody starts; the pause itself is an outage of this round.
    paused_until: Mapped[datetime | None]
    # Counts the saved changes of the configuration.
    configuration_version: Mapped[int] = mapped_column(server_default="1")

    contest: Mapped[Contest] = relationship(back_populates="rounds")
    divisions: Mapped[list["RoundDivision"]] = relationship(
        back_populates="round", order_by="RoundDivision.division_id"
    )


class RoundDivision(Base):
    """What a round asks of one division: its paper, its ranking, its unit formula."""

    __tablename__ = "round_divisions"
    __table_args__ = (
        UniqueConstraint("round_id", "division_id"),
        CheckConstraint(
            "prediction_counted IN ('people', 'full', 'percentage')", name="known_prediction_counted"
        ),
        CheckConstraint("prediction_over IN ('division', 'round')", name="known_prediction_over"),
        CheckConstraint("unit_formula IN ('rate', 'rate_mean', 'points')", name="known_unit_formula"),
        CheckConstraint("unit_threshold_percent BETWEEN 0 AND 100", name="threshold_percent"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    # [{"topic": "T1", "level": "NB", "count": 2, "tags": []}, …] in the order drawn
    specification: Mapped[list[Any]]
    # Codes of items that are left out of the pool.
    barred: Mapped[list[Any]] = mapped_column(server_default="[]")
    chain: Mapped[list[Any]]
    # None: no prediction question.
    prediction_counted: Mapped[str | None]
    prediction_over: Mapped[str] = mapped_column(server_default="division")
    # Counted when the books are closed; None: nobody to count.
    truth: Mapped[int | None]
    unit_formula: Mapped[str]
    unit_threshold_percent: Mapped[int]
    unit_minimum_headcount: Mapped[int] = mapped_column(server_default="0")
    is_listed_below_threshold: Mapped[bool] = mapped_column(server_default="true")

    round: Mapped[Round] = relationship(back_populates="divisions")
    division: Mapped[Division] = relationship()


class Prize(Base):
    """Prizes of a round in their one stated order."""

    __tablename__ = "prizes"
    __table_args__ = (
        UniqueConstraint("round_id", "code"),
        UniqueConstraint("round_id", "position"),
        CheckConstraint("count >= 1", name="at_least_one"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    code: Mapped[str]
    title: Mapped[str]
    position: Mapped[int]
    count: Mapped[int]
    unit_points: Mapped[int]
    # What one winner gets, in đồng.
    worth: Mapped[int]

    division: Mapped[Division] = relationship()


class Pool(Base):
    """The items that a division's papers are drawn from, frozen: a file, byte for byte, and its digest."""

    __tablename__ = "pools"
    __table_args__ = (UniqueConstraint("round_id", "division_id", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    version: Mapped[int]
    file: Mapped[bytes]
    sha256: Mapped[str]
    # Which version of each code was frozen: {"T1-001": 17, …}
    item_versions: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())


class Registration(Base):
    """A person's entry into a contest, in one division and for one unit."""

    __tablename__ = "registrations"
    __table_args__ = (
        UniqueConstraint("contest_id", "account_id"),
        Index("ix_registrations_account_id", "account_id"),
        Index("ix_registrations_contest_id_unit_id", "contest_id", "unit_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    contest_id: Mapped[int] = mapped_column(ForeignKey("contests.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    # The unit that the person counts for.
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    # Where the person lives; None: outside the province.
    commune_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    registered_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    contest: Mapped[Contest] = relationship()
    account: Mapped[Account] = relationship()
    division: Mapped[Division] = relationship()
    unit: Mapped[Unit] = relationship(foreign_keys=[unit_id])
    commune: Mapped[Unit | None] = relationship(foreign_keys=[commune_id])


class UnrankedPerson(Base):
    """Somebody named by the organizers as one of them: may play, is not ranked. Found by the phone's tag."""

    __tablename__ = "unranked_people"
    __table_args__ = (
        UniqueConstraint("contest_id", "login_tag"),
        CheckConstraint("note <> ''", name="has_note"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    contest_id: Mapped[int] = mapped_column(ForeignKey("contests.id"))
    login_tag: Mapped[bytes]
    # Who that is and why, for the organizers; the phone itself is not kept.
    note: Mapped[str]
    added_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    added_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    contest: Mapped[Contest] = relationship()
    added_by: Mapped[Account] = relationship()
