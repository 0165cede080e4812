"""Certificates, and the files that tasks make."""

import sqlalchemy as sa
from alembic import op

revision = "c41f0d7a92be"
down_revision = "96d3f329a8ad"


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "certificates",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("publication_id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prize_code", sa.Text(), nullable=True),
        sa.Column("prize", sa.Text(), nullable=True),
        sa.Column(
            "issued_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoke_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('prize', 'unit', 'participation')", name=op.f("ck_certificates_known_kind")
        ),
        sa.CheckConstraint(
            "(kind = 'unit') = (account_id IS NULL)", name=op.f("ck_certificates_of_a_person_or_a_unit")
        ),
        sa.CheckConstraint(
            "(kind = 'participation') = (prize IS NULL)", name=op.f("ck_certificates_prize_where_won")
        ),
        sa.CheckConstraint(
            "(kind = 'prize') = (prize_code IS NOT NULL)", name=op.f("ck_certificates_prize_code_where_won")
        ),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revoke_reason IS NULL)", name=op.f("ck_certificates_revoked_with_reason")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_certificates_account_id")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_certificates_division_id")),
        sa.ForeignKeyConstraint(
            ["publication_id"], ["publications.id"], name=op.f("fk_certificates_publication_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_certificates_round_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_certificates_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("code", name=op.f("uq_certificates_code")),
    )
    op.create_index(
        "uq_certificates_person",
        "certificates",
        ["round_id", "account_id", "kind"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL AND account_id IS NOT NULL"),
    )
    op.create_index(
        "uq_certificates_unit",
        "certificates",
        ["round_id", "unit_id", "division_id"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL AND account_id IS NULL"),
    )
    op.create_index("ix_certificates_account_id", "certificates", ["account_id"])
    op.create_table(
        "task_files",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_files_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_files")),
        sa.UniqueConstraint("task_id", "name", name=op.f("uq_task_files_task_id_name")),
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("task_files")
    op.drop_table("certificates")
