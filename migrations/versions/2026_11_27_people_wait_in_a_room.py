"""The waiting room before a start, and the measures of the web processes that it follows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "a94d06c2f1e7"
down_revision = "d93b6e2f51a8"


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "waiting_room",
        sa.Column("id", sa.Integer(), autoincrement=False, server_default="1", nullable=False),
        sa.Column("mode", sa.Text(), server_default="auto", nullable=False),
        sa.Column("fixed_rate", sa.Integer(), nullable=True),
        sa.Column("called", sa.Float(), server_default="0", nullable=False),
        sa.Column("rate", sa.Float(), server_default="30", nullable=False),
        sa.Column("pace", sa.Float(), server_default="30", nullable=False),
        sa.Column("lowered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "moved_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_waiting_room_only_one")),
        sa.CheckConstraint("mode IN ('auto', 'fixed', 'open')", name=op.f("ck_waiting_room_known_mode")),
        sa.CheckConstraint(
            "(mode = 'fixed') = (fixed_rate IS NOT NULL)", name=op.f("ck_waiting_room_fixed_has_rate")
        ),
        sa.CheckConstraint("fixed_rate BETWEEN 1 AND 10000", name=op.f("ck_waiting_room_fixed_rate")),
        sa.CheckConstraint("called >= 0", name=op.f("ck_waiting_room_called")),
        sa.CheckConstraint("rate > 0 AND pace > 0", name=op.f("ck_waiting_room_moves")),
        sa.ForeignKeyConstraint(["set_by_id"], ["accounts.id"], name=op.f("fk_waiting_room_set_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting_room")),
    )
    op.execute("INSERT INTO waiting_room (id) VALUES (1)")

    op.create_table(
        "places",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column(
            "taken_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_places_account_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_places_round_id")),
        sa.PrimaryKeyConstraint("account_id", "round_id", name=op.f("pk_places")),
    )
    op.create_index("ix_places_number", "places", ["number"], unique=False)

    op.create_table(
        "web_processes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("save_ms", sa.Float(), nullable=True),
        sa.Column("start_ms", sa.Float(), nullable=True),
        sa.Column("busy", sa.Float(), nullable=False),
        sa.Column("lag_ms", sa.Float(), nullable=False),
        sa.Column("pool_timeouts", sa.Integer(), nullable=False),
        sa.Column("counts", postgresql.JSONB(none_as_null=True), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_processes")),
    )


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.drop_table("web_processes")
    op.drop_table("places")
    op.drop_table("waiting_room")
