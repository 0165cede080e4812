"""Questions that read alike are found, and told apart by people."""

import sqlalchemy as sa
from alembic import op

revision = "b27e5d9430fa"
down_revision = "c41f0a6be97d"


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "found_duplicates",
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("first_item_id", sa.Integer(), nullable=False),
        sa.Column("second_item_id", sa.Integer(), nullable=False),
        sa.Column("first_fingerprint", sa.Text(), nullable=False),
        sa.Column("second_fingerprint", sa.Text(), nullable=False),
        sa.Column("similarity", sa.Float(), nullable=False),
        sa.CheckConstraint("first_item_id <> second_item_id", name=op.f("ck_found_duplicates_two_items")),
        sa.CheckConstraint(
            "similarity > 0 AND similarity <= 1", name=op.f("ck_found_duplicates_similarity_is_a_part")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_found_duplicates_task_id")),
        sa.ForeignKeyConstraint(
            ["first_item_id"], ["bank_items.id"], name=op.f("fk_found_duplicates_first_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["second_item_id"], ["bank_items.id"], name=op.f("fk_found_duplicates_second_item_id")
        ),
        sa.PrimaryKeyConstraint(
            "task_id", "first_item_id", "second_item_id", name=op.f("pk_found_duplicates")
        ),
    )
    op.create_table(
        "distinctions",
        sa.Column("first_fingerprint", sa.Text(), nullable=False),
        sa.Column("second_fingerprint", sa.Text(), nullable=False),
        sa.Column("made_by_id", sa.Integer(), nullable=False),
        sa.Column(
            "made_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("first_fingerprint < second_fingerprint", name=op.f("ck_distinctions_in_order")),
        sa.ForeignKeyConstraint(["made_by_id"], ["accounts.id"], name=op.f("fk_distinctions_made_by_id")),
        sa.PrimaryKeyConstraint("first_fingerprint", "second_fingerprint", name=op.f("pk_distinctions")),
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("distinctions")
    op.drop_table("found_duplicates")
