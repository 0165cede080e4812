"""Units know their excluded people; people are ranked over the rounds of a contest."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c3a9d27e5b10"
down_revision = "7d1bb20b41d4"


def upgrade() -> None:
    """Bring the tables to this version."""
    op.add_column("unit_standings", sa.Column("excluded", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "contests",
        sa.Column(
            "standing_basis", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
    )
    op.create_table(
        "contest_standings",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("contest_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("separated_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contest_id"], ["contests.id"], name=op.f("fk_contest_standings_contest_id")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_contest_standings_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["division_id"], ["divisions.id"], name=op.f("fk_contest_standings_division_id")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_contest_standings_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contest_standings")),
        sa.UniqueConstraint(
            "contest_id", "account_id", name=op.f("uq_contest_standings_contest_id_account_id")
        ),
        sa.UniqueConstraint(
            "contest_id",
            "division_id",
            "position",
            name=op.f("uq_contest_standings_contest_id_division_id_position"),
        ),
    )


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.drop_table("contest_standings")
    op.drop_column("contests", "standing_basis")
    op.drop_column("unit_standings", "excluded")
