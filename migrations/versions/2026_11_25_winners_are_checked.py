"""Winners are checked, complaints answered, official results approved by a second person."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "8b7dfac342e3"
down_revision = "c4e0a91f6b27"

CHECKS = (
    ("rounds", "complaint_days", "complaint_days >= 1"),
    ("publications", "official_is_approved", "(kind = 'official') = (approved_by_id IS NOT NULL)"),
    ("publications", "approved_by_another", "approved_by_id <> published_by_id"),
)


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "complaints",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("contest_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("complainant", sa.Text(), nullable=True),
        sa.Column("received_by_id", sa.Integer(), nullable=True),
        sa.Column(
            "filed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by_id", sa.Integer(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "decision IN ('upheld', 'partly', 'dismissed')", name=op.f("ck_complaints_known_decision")
        ),
        sa.CheckConstraint("text <> ''", name=op.f("ck_complaints_has_text")),
        sa.CheckConstraint(
            "topic IN ('item', 'score', 'rank', 'person', 'other')", name=op.f("ck_complaints_known_topic")
        ),
        sa.CheckConstraint(
            "(account_id IS NULL) <> (complainant IS NULL)",
            name=op.f("ck_complaints_by_an_account_or_a_name"),
        ),
        sa.CheckConstraint(
            "(decided_at IS NULL) = (decided_by_id IS NULL) AND (decided_at IS NULL) = (decision IS NULL) AND (decided_at IS NULL) = (answer IS NULL)",
            name=op.f("ck_complaints_decided_with_answer"),
        ),
        sa.CheckConstraint(
            "complainant IS NULL OR received_by_id IS NOT NULL",
            name=op.f("ck_complaints_received_by_somebody"),
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_complaints_number_from_one")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_complaints_account_id")),
        sa.ForeignKeyConstraint(["contest_id"], ["contests.id"], name=op.f("fk_complaints_contest_id")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["accounts.id"], name=op.f("fk_complaints_decided_by_id")),
        sa.ForeignKeyConstraint(
            ["received_by_id"], ["accounts.id"], name=op.f("fk_complaints_received_by_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_complaints_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaints")),
        sa.UniqueConstraint("contest_id", "number", name=op.f("uq_complaints_contest_id_number")),
        sa.UniqueConstraint("public_id", name=op.f("uq_complaints_public_id")),
    )
    op.create_index("ix_complaints_account_id", "complaints", ["account_id"], unique=False)
    op.create_index(
        "ix_complaints_round_id_open",
        "complaints",
        ["round_id"],
        unique=False,
        postgresql_where=sa.text("decided_at IS NULL"),
    )

    op.create_table(
        "winner_checks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column(
            "opened_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("opened_by_id", sa.Integer(), nullable=False),
        sa.Column("number_tag", sa.LargeBinary(), nullable=True),
        sa.Column("number_given_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("number_doubts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_by_id", sa.Integer(), nullable=True),
        sa.Column("how", sa.Text(), nullable=True),
        sa.CheckConstraint("how IN ('card', 'phone', 'authority')", name=op.f("ck_winner_checks_known_how")),
        sa.CheckConstraint(
            "(number_given_at IS NULL) OR (number_doubts IS NOT NULL)",
            name=op.f("ck_winner_checks_given_with_doubts"),
        ),
        sa.CheckConstraint(
            "(verified_at IS NULL) = (how IS NULL)", name=op.f("ck_winner_checks_verified_somehow")
        ),
        sa.CheckConstraint(
            "(verified_at IS NULL) = (verified_by_id IS NULL)",
            name=op.f("ck_winner_checks_verified_by_somebody"),
        ),
        sa.CheckConstraint(
            "number_tag IS NULL OR number_given_at IS NOT NULL", name=op.f("ck_winner_checks_tag_was_given")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_winner_checks_account_id")),
        sa.ForeignKeyConstraint(
            ["opened_by_id"], ["accounts.id"], name=op.f("fk_winner_checks_opened_by_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_winner_checks_round_id")),
        sa.ForeignKeyConstraint(
            ["verified_by_id"], ["accounts.id"], name=op.f("fk_winner_checks_verified_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_winner_checks")),
        sa.UniqueConstraint("round_id", "account_id", name=op.f("uq_winner_checks_round_id_account_id")),
    )
    op.create_index("ix_winner_checks_account_id", "winner_checks", ["account_id"], unique=False)
    op.create_index("ix_winner_checks_number_tag", "winner_checks", ["number_tag"], unique=False)

    op.create_table(
        "winner_calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("check_id", sa.Integer(), nullable=False),
        sa.Column(
            "called_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("called_by_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('reached', 'no_answer', 'wrong_number')", name=op.f("ck_winner_calls_known_outcome")
        ),
        sa.ForeignKeyConstraint(["called_by_id"], ["accounts.id"], name=op.f("fk_winner_calls_called_by_id")),
        sa.ForeignKeyConstraint(["check_id"], ["winner_checks.id"], name=op.f("fk_winner_calls_check_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_winner_calls")),
    )
    op.create_index("ix_winner_calls_check_id", "winner_calls", ["check_id"], unique=False)

    op.add_column("publications", sa.Column("approved_by_id", sa.Integer(), nullable=True))
    op.create_foreign_key(
        op.f("fk_publications_approved_by_id"), "publications", "accounts", ["approved_by_id"], ["id"]
    )

    op.add_column("rounds", sa.Column("complaint_days", sa.Integer(), server_default="3", nullable=False))
    op.add_column("rounds", sa.Column("complaints_close_at", sa.DateTime(timezone=True), nullable=True))
    for table, name, condition in CHECKS:
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)


def downgrade() -> None:
    """Take them back."""
    op.drop_column("rounds", "complaints_close_at")
    op.drop_column("rounds", "complaint_days")

    op.drop_constraint(op.f("fk_publications_approved_by_id"), "publications", type_="foreignkey")
    op.drop_column("publications", "approved_by_id")

    op.drop_table("winner_calls")

    op.drop_table("winner_checks")

    op.drop_table("complaints")
