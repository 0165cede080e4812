"""Proofs of work count once."""

import sqlalchemy as sa
from alembic import op

revision = "b7e2c90d41f6"
down_revision = "a94d06c2f1e7"


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "used_proofs",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(key) = 16", name=op.f("ck_used_proofs_key_length")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_used_proofs")),
    )
    op.create_index("ix_used_proofs_expires_at", "used_proofs", ["expires_at"])


def downgrade() -> None:
    """Take them back to the version before."""
    op.drop_table("used_proofs")
