"""Longer work, second persons, and what changes a result after the fact."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7d1bb20b41d4"
down_revision = "87896a1694c7"

CHECKS = {
    "cooldown": "cooldown_ms >= 0",
    "seed_text_with_source": "seed_text IS NULL OR seed_text_source IS NOT NULL",
    "lot_text_with_source": "lot_text IS NULL OR lot_text_source IS NOT NULL",
}


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column(
            "argument",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
        ),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stepped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "result",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
        ),
        sa.CheckConstraint("done >= 0 AND total >= 0", name=op.f("ck_tasks_counts")),
        sa.CheckConstraint(
            "error IS NULL OR finished_at IS NOT NULL", name=op.f("ck_tasks_failed_is_finished")
        ),
        sa.ForeignKeyConstraint(["created_by_id"], ["accounts.id"], name=op.f("fk_tasks_created_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index("ix_tasks_kind_subject", "tasks", ["kind", "subject"], unique=False)
    op.create_index(
        "ix_tasks_open", "tasks", ["id"], unique=False, postgresql_where=sa.text("finished_at IS NULL")
    )

    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("keys", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("proposed_by_id", sa.Integer(), nullable=False),
        sa.Column("approved_by_id", sa.Integer(), nullable=False),
        sa.Column(
            "made_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("reason <> '' AND note <> ''", name=op.f("ck_corrections_has_reason_and_note")),
        sa.CheckConstraint(
            "approved_by_id <> proposed_by_id", name=op.f("ck_corrections_approved_by_another")
        ),
        sa.ForeignKeyConstraint(
            ["approved_by_id"], ["accounts.id"], name=op.f("fk_corrections_approved_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by_id"], ["accounts.id"], name=op.f("fk_corrections_proposed_by_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_corrections_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(
        "uq_corrections_round_id_code_current",
        "corrections",
        ["round_id", "code"],
        unique=True,
        postgresql_where=sa.text("superseded_at IS NULL"),
    )

    op.create_table(
        "declines",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "declined_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("recorded_by_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_declines_account_id")),
        sa.ForeignKeyConstraint(["recorded_by_id"], ["accounts.id"], name=op.f("fk_declines_recorded_by_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_declines_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_declines")),
        sa.UniqueConstraint("round_id", "account_id", name=op.f("uq_declines_round_id_account_id")),
    )
    op.create_table(
        "exclusions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "excluded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("excluded_by_id", sa.Integer(), nullable=True),
        sa.Column("approved_by_id", sa.Integer(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by_id", sa.Integer(), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('organizer', 'ineligible', 'several_accounts', 'other_person', 'interference', 'unverified', 'withdrawn')",
            name=op.f("ck_exclusions_known_kind"),
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_exclusions_has_reason")),
        sa.CheckConstraint(
            "(lifted_at IS NULL) = (lift_reason IS NULL)", name=op.f("ck_exclusions_lifted_with_reason")
        ),
        sa.CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by_id IS NULL)", name=op.f("ck_exclusions_lifted_by_somebody")
        ),
        sa.CheckConstraint(
            "approved_by_id <> excluded_by_id", name=op.f("ck_exclusions_approved_by_another")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_exclusions_account_id")),
        sa.ForeignKeyConstraint(
            ["approved_by_id"], ["accounts.id"], name=op.f("fk_exclusions_approved_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["excluded_by_id"], ["accounts.id"], name=op.f("fk_exclusions_excluded_by_id")
        ),
        sa.ForeignKeyConstraint(["lifted_by_id"], ["accounts.id"], name=op.f("fk_exclusions_lifted_by_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_exclusions_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exclusions")),
    )
    op.create_index("ix_exclusions_account_id", "exclusions", ["account_id"], unique=False)
    op.create_index(
        "uq_exclusions_round_id_account_id_open",
        "exclusions",
        ["round_id", "account_id"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )

    op.create_table(
        "proposals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("effect", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_by_id", sa.Integer(), nullable=False),
        sa.Column(
            "proposed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("decided_by_id", sa.Integer(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_accepted", sa.Boolean(), nullable=True),
        sa.Column("decision_reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_proposals_has_reason")),
        sa.CheckConstraint(
            "(decided_at IS NULL) = (decided_by_id IS NULL)", name=op.f("ck_proposals_decided_by_somebody")
        ),
        sa.CheckConstraint(
            "(decided_at IS NULL) = (is_accepted IS NULL)", name=op.f("ck_proposals_decided_somehow")
        ),
        sa.CheckConstraint(
            "decided_by_id <> proposed_by_id OR NOT is_accepted",
            name=op.f("ck_proposals_accepted_by_another"),
        ),
        sa.ForeignKeyConstraint(["decided_by_id"], ["accounts.id"], name=op.f("fk_proposals_decided_by_id")),
        sa.ForeignKeyConstraint(
            ["proposed_by_id"], ["accounts.id"], name=op.f("fk_proposals_proposed_by_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_proposals_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    op.create_index("ix_proposals_round_id", "proposals", ["round_id"], unique=False)
    op.create_index(
        "uq_proposals_kind_subject_open",
        "proposals",
        ["kind", "subject"],
        unique=True,
        postgresql_where=sa.text("decided_at IS NULL"),
    )

    op.add_column("contests", sa.Column("has_standing", sa.Boolean(), server_default="false", nullable=False))

    op.add_column("rounds", sa.Column("cooldown_ms", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "rounds",
        sa.Column("is_skipping_earlier_winners", sa.Boolean(), server_default="false", nullable=False),
    )
    op.add_column("rounds", sa.Column("seed_text_source", sa.Text(), nullable=True))
    op.add_column("rounds", sa.Column("seed_text", sa.Text(), nullable=True))
    op.add_column("rounds", sa.Column("lot_text_source", sa.Text(), nullable=True))
    op.add_column("rounds", sa.Column("lot_text", sa.Text(), nullable=True))
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_rounds_{name}"), "rounds", condition)


def downgrade() -> None:
    """Take them back."""
    op.drop_column("rounds", "lot_text")
    op.drop_column("rounds", "lot_text_source")
    op.drop_column("rounds", "seed_text")
    op.drop_column("rounds", "seed_text_source")
    op.drop_column("rounds", "is_skipping_earlier_winners")
    op.drop_column("rounds", "cooldown_ms")

    op.drop_column("contests", "has_standing")

    op.drop_table("proposals")

    op.drop_table("exclusions")
    op.drop_table("declines")

    op.drop_table("corrections")

    op.drop_table("tasks")
