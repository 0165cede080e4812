"""Contests and rounds are configured in forms, versioned, and locked by the database at opening."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c4e0a91f6b27"
down_revision = "c41f7a90be26"

# What may change in an opened round: the steps of its life, and what logged operations move.
ROUND_AFTER_OPENING = (
    "closes_at",
    "closed_at",
    "books_closed_at",
    "ranked_at",
    "paused_until",
    "complaints_close_at",
    "lot_text",
)
DIVISION_AFTER_OPENING = ("truth",)

REFUSE_ROUND = """
CREATE FUNCTION refuse_round_after_opening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.opened_at IS NULL THEN
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'round % is opened and stays', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF to_jsonb(OLD) - TG_ARGV <> to_jsonb(NEW) - TG_ARGV THEN
    RAISE EXCEPTION 'round % is opened: its configuration is locked', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.lot_text IS NOT NULL AND NEW.lot_text IS DISTINCT FROM OLD.lot_text THEN
    RAISE EXCEPTION 'round %: the text of the lots stands', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$
"""
# For what belongs to a round: no row comes, goes or changes but in the columns named.
REFUSE_PART = """
CREATE FUNCTION refuse_round_part_after_opening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - TG_ARGV = to_jsonb(NEW) - TG_ARGV THEN
    RETURN NEW;
  END IF;
  IF EXISTS (SELECT FROM rounds WHERE opened_at IS NOT NULL
             AND (TG_OP <> 'INSERT' AND id = OLD.round_id OR TG_OP <> 'DELETE' AND id = NEW.round_id)) THEN
    RAISE EXCEPTION '% of an opened round is locked', TG_TABLE_NAME USING ERRCODE = 'check_violation';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$
"""


def _arguments(columns: tuple[str, ...]) -> str:
    return ", ".join(f"'{column}'" for column in columns)


def upgrade() -> None:
    """Bring the tables to this version."""
    op.add_column("contests", sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE contests SET announced_at = created_at")
    op.add_column("contests", sa.Column("headcounts_sha256", sa.Text(), nullable=True))
    op.add_column(
        "contests", sa.Column("configuration_version", sa.Integer(), server_default="1", nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_contests_headcounts_locked_with_digest"),
        "contests",
        "headcounts_sha256 IS NULL OR headcounts_locked_at IS NOT NULL",
    )

    op.add_column(
        "divisions",
        sa.Column(
            "unit_groups",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
    )
    op.add_column(
        "divisions", sa.Column("is_residence_required", sa.Boolean(), server_default="true", nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_divisions_residents_reside"), "divisions", "unit_kind <> 'commune' OR is_residence_required"
    )
    op.alter_column("registrations", "commune_id", nullable=True)

    op.add_column(
        "rounds", sa.Column("configuration_version", sa.Integer(), server_default="1", nullable=False)
    )
    op.add_column(
        "round_divisions",
        sa.Column(
            "barred",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
    )

    op.create_table(
        "unranked_people",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contest_id", sa.Integer(), nullable=False),
        sa.Column("login_tag", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("added_by_id", sa.Integer(), nullable=False),
        sa.Column(
            "added_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("note <> ''", name=op.f("ck_unranked_people_has_note")),
        sa.ForeignKeyConstraint(
            ["added_by_id"], ["accounts.id"], name=op.f("fk_unranked_people_added_by_id")
        ),
        sa.ForeignKeyConstraint(["contest_id"], ["contests.id"], name=op.f("fk_unranked_people_contest_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unranked_people")),
        sa.UniqueConstraint("contest_id", "login_tag", name=op.f("uq_unranked_people_contest_id_login_tag")),
    )

    op.create_index("ix_audit_events_subject", "audit_events", ["subject"], unique=False)

    op.execute(REFUSE_ROUND)
    op.execute(REFUSE_PART)
    op.execute(
        "CREATE TRIGGER locked_at_opening BEFORE UPDATE OR DELETE ON rounds FOR EACH ROW "
        f"EXECUTE FUNCTION refuse_round_after_opening({_arguments(ROUND_AFTER_OPENING)})"
    )
    op.execute(
        "CREATE TRIGGER locked_at_opening BEFORE INSERT OR UPDATE OR DELETE ON round_divisions FOR EACH ROW "
        f"EXECUTE FUNCTION refuse_round_part_after_opening({_arguments(DIVISION_AFTER_OPENING)})"
    )
    op.execute(
        "CREATE TRIGGER locked_at_opening BEFORE INSERT OR UPDATE OR DELETE ON prizes FOR EACH ROW "
        "EXECUTE FUNCTION refuse_round_part_after_opening()"
    )


def downgrade() -> None:
    """Take them back."""
    for table in ("prizes", "round_divisions", "rounds"):
        op.execute(f"DROP TRIGGER locked_at_opening ON {table}")
    op.execute("DROP FUNCTION refuse_round_part_after_opening()")
    op.execute("DROP FUNCTION refuse_round_after_opening()")

    op.drop_index("ix_audit_events_subject", table_name="audit_events")
    op.drop_table("unranked_people")

    op.drop_column("round_divisions", "barred")
    op.drop_column("rounds", "configuration_version")

    op.execute("UPDATE registrations SET commune_id = unit_id WHERE commune_id IS NULL")
    op.alter_column("registrations", "commune_id", nullable=False)
    op.drop_constraint(op.f("ck_divisions_residents_reside"), "divisions")
    op.drop_column("divisions", "is_residence_required")
    op.drop_column("divisions", "unit_groups")

    op.drop_constraint(op.f("ck_contests_headcounts_locked_with_digest"), "contests")
    op.drop_column("contests", "configuration_version")
    op.drop_column("contests", "headcounts_sha256")
    op.drop_column("contests", "announced_at")
