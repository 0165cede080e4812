"""What a closed round tells of its questions and its people is kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "96d3f329a8ad"
down_revision = "c41f7d0a92be"


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "round_analyses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("papers", sa.Integer(), nullable=False),
        *(
            sa.Column(name, postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False)
            for name in ("reliability", "items", "statistics")
        ),
        sa.CheckConstraint("papers >= 0", name=op.f("ck_round_analyses_papers_not_negative")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_round_analyses_round_id")),
        sa.ForeignKeyConstraint(
            ["division_id"], ["divisions.id"], name=op.f("fk_round_analyses_division_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_round_analyses")),
        sa.UniqueConstraint("round_id", "division_id", name=op.f("uq_round_analyses_round_id_division_id")),
    )


def downgrade() -> None:
    """Take them back."""
    op.drop_table("round_analyses")
