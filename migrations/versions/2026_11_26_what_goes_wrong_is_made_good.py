"""Heartbeats and outages, extra time, re-sits, pauses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41f7a90be26"
down_revision = "c3a9d27e5b10"


def _moment(name: str, *, nullable: bool = False, is_now: bool = False) -> sa.Column[object]:
    default = sa.text("statement_timestamp()") if is_now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "heartbeats",
        sa.Column("kind", sa.Text(), nullable=False),
        _moment("beat_at"),
        sa.CheckConstraint("kind IN ('web', 'worker', 'sweep')", name=op.f("ck_heartbeats_known_kind")),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_heartbeats")),
    )

    op.create_table(
        "outages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=True),
        _moment("from_at"),
        _moment("until_at"),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        _moment("noted_at", is_now=True),
        sa.Column("noted_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("from_at < until_at", name=op.f("ck_outages_from_before_until")),
        sa.CheckConstraint("how IN ('heartbeat', 'noted', 'pause')", name=op.f("ck_outages_known_how")),
        sa.CheckConstraint(
            "(how = 'heartbeat') = (noted_by_id IS NULL)", name=op.f("ck_outages_noted_by_somebody")
        ),
        sa.CheckConstraint(
            "(how = 'pause') = (round_id IS NOT NULL)", name=op.f("ck_outages_pause_of_a_round")
        ),
        sa.CheckConstraint("how = 'heartbeat' OR reason <> ''", name=op.f("ck_outages_noted_with_reason")),
        postgresql.ExcludeConstraint(
            (sa.literal_column("tstzrange(from_at, until_at)"), "&&"),
            using="gist",
            where=sa.text("round_id IS NULL"),
            name="ex_outages_apart",
        ),
        sa.ForeignKeyConstraint(["noted_by_id"], ["accounts.id"], name=op.f("fk_outages_noted_by_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_outages_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
    )
    op.create_index("ix_outages_round_id", "outages", ["round_id"], unique=False)

    op.create_table(
        "outage_decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("outage_id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("is_compensated", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("extended", sa.Integer(), server_default="0", nullable=False),
        _moment("decided_at"),
        sa.Column("decided_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "is_compensated OR reason <> ''", name=op.f("ck_outage_decisions_left_with_reason")
        ),
        sa.CheckConstraint("attempts >= extended AND extended >= 0", name=op.f("ck_outage_decisions_counts")),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["accounts.id"], name=op.f("fk_outage_decisions_decided_by_id")
        ),
        sa.ForeignKeyConstraint(["outage_id"], ["outages.id"], name=op.f("fk_outage_decisions_outage_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_outage_decisions_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outage_decisions")),
        sa.UniqueConstraint("outage_id", "round_id", name=op.f("uq_outage_decisions_outage_id_round_id")),
    )
    op.create_index("ix_outage_decisions_round_id", "outage_decisions", ["round_id"], unique=False)

    op.create_table(
        "extra_times",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contest_id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=True),
        sa.Column("registration_id", sa.Integer(), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("division_id", sa.Integer(), nullable=True),
        sa.Column("extra_ms", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        _moment("granted_at"),
        sa.Column("granted_by_id", sa.Integer(), nullable=False),
        _moment("revoked_at", nullable=True),
        sa.Column("revoked_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("extra_ms BETWEEN 1 AND 86400000", name=op.f("ck_extra_times_extra_ms")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_extra_times_has_reason")),
        sa.CheckConstraint(
            "num_nonnulls(registration_id, unit_id, division_id) = 1", name=op.f("ck_extra_times_for_one")
        ),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revoked_by_id IS NULL)", name=op.f("ck_extra_times_revoked_by_somebody")
        ),
        sa.ForeignKeyConstraint(["contest_id"], ["contests.id"], name=op.f("fk_extra_times_contest_id")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_extra_times_division_id")),
        sa.ForeignKeyConstraint(
            ["granted_by_id"], ["accounts.id"], name=op.f("fk_extra_times_granted_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["registration_id"], ["registrations.id"], name=op.f("fk_extra_times_registration_id")
        ),
        sa.ForeignKeyConstraint(
            ["revoked_by_id"], ["accounts.id"], name=op.f("fk_extra_times_revoked_by_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_extra_times_round_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_extra_times_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extra_times")),
    )
    op.create_index(
        "uq_extra_times_whom_open",
        "extra_times",
        ["contest_id", "round_id", "registration_id", "unit_id", "division_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )

    op.create_table(
        "resits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("voided_id", sa.BigInteger(), nullable=False),
        sa.Column("taken_id", sa.BigInteger(), nullable=True),
        _moment("closes_at"),
        _moment("granted_at"),
        sa.Column("granted_by_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("granted_at < closes_at", name=op.f("ck_resits_granted_before_closing")),
        sa.CheckConstraint("taken_id <> voided_id", name=op.f("ck_resits_taken_by_another")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_resits_account_id")),
        sa.ForeignKeyConstraint(["granted_by_id"], ["accounts.id"], name=op.f("fk_resits_granted_by_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_resits_round_id")),
        sa.ForeignKeyConstraint(["taken_id"], ["attempts.id"], name=op.f("fk_resits_taken_id")),
        sa.ForeignKeyConstraint(["voided_id"], ["attempts.id"], name=op.f("fk_resits_voided_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resits")),
        sa.UniqueConstraint("taken_id", name=op.f("uq_resits_taken_id")),
        sa.UniqueConstraint("voided_id", name=op.f("uq_resits_voided_id")),
    )
    op.create_index("ix_resits_round_id_account_id", "resits", ["round_id", "account_id"], unique=False)

    op.add_column("rounds", sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take them back."""
    op.drop_column("rounds", "paused_until")

    op.drop_table("resits")
    op.drop_table("extra_times")
    op.drop_table("outage_decisions")
    op.drop_table("outages")

    op.drop_table("heartbeats")
