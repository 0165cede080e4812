"""Failed sign-ins are counted in SQL, and whatever else must be while Redis is away."""

import sqlalchemy as sa
from alembic import op

revision = "5d0c93be71fa"
down_revision = "e58b13f0c7d4"


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "throttles",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(key) = 16", name=op.f("ck_throttles_key_length")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_throttles")),
    )
    op.create_index("ix_throttles_due_at", "throttles", ["due_at"])


def downgrade() -> None:
    """Take them back to the version before."""
    op.drop_table("throttles")
