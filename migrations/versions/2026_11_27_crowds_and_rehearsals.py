"""Virtual people are marked, and the contest of a rehearsal can be taken away wholly."""

import sqlalchemy as sa
from alembic import op

revision = "d93b6e2f51a8"
down_revision = "5d0c93be71fa"
# Saves and starts write into none of these tables; registering and scoring wait the seconds it takes.
index_is_quick = "a million standings take about a second"

OF_REHEARSAL = (
    "EXISTS (SELECT FROM contests c JOIN rounds r ON r.contest_id = c.id WHERE {} AND c.is_rehearsal)"
)
REFUSE_ROUND = """
CREATE OR REPLACE FUNCTION refuse_round_after_opening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.opened_at IS NULL THEN
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
  END IF;
  IF TG_OP = 'DELETE' THEN
    {}
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
REFUSE_PART = """
CREATE OR REPLACE FUNCTION refuse_round_part_after_opening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - TG_ARGV = to_jsonb(NEW) - TG_ARGV THEN
    RETURN NEW;
  END IF;
  {}
  IF EXISTS (SELECT FROM rounds WHERE opened_at IS NOT NULL
             AND (TG_OP <> 'INSERT' AND id = OLD.round_id OR TG_OP <> 'DELETE' AND id = NEW.round_id)) THEN
    RAISE EXCEPTION '% of an opened round is locked', TG_TABLE_NAME USING ERRCODE = 'check_violation';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$
"""
ROUND_GOES = f"IF {OF_REHEARSAL.format('r.id = OLD.id')} THEN RETURN OLD; END IF;"
PART_GOES = f"IF TG_OP = 'DELETE' THEN IF {OF_REHEARSAL.format('r.id = OLD.round_id')} THEN RETURN OLD; END IF; END IF;"
POOL_GOES = f"""
DROP TRIGGER pools_append_only ON pools;
CREATE TRIGGER pools_append_only BEFORE UPDATE OR TRUNCATE ON pools
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION refuse_lost_pool() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF {OF_REHEARSAL.format("r.id = OLD.round_id")} THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'pools is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER pools_stay BEFORE DELETE ON pools FOR EACH ROW EXECUTE FUNCTION refuse_lost_pool();

CREATE FUNCTION refuse_other_kind_of_contest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'contest % is a rehearsal or none for ever', OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER contests_keep_their_kind BEFORE UPDATE ON contests
    FOR EACH ROW WHEN (OLD.is_rehearsal <> NEW.is_rehearsal) EXECUTE FUNCTION refuse_other_kind_of_contest();
"""
POOL_STAYS = """
DROP TRIGGER contests_keep_their_kind ON contests;
DROP FUNCTION refuse_other_kind_of_contest();
DROP TRIGGER pools_stay ON pools;
DROP FUNCTION refuse_lost_pool();
DROP TRIGGER pools_append_only ON pools;
CREATE TRIGGER pools_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pools
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
# By which the database finds that nothing points at an account that goes.
POINTING_AT_ACCOUNTS = (
    ("audit_events", "actor_id"),
    ("contest_standings", "account_id"),
    ("item_versions", "author_id"),
    ("item_versions", "reviewed_by_id"),
    ("item_versions", "approved_by_id"),
    ("item_versions", "retired_by_id"),
    ("standings", "account_id"),
)


def upgrade() -> None:
    """Bring the tables to this version."""
    op.add_column("contests", sa.Column("is_rehearsal", sa.Boolean(), server_default="false", nullable=False))
    op.create_check_constraint(
        op.f("ck_contests_rehearsals_are_not_announced"),
        "contests",
        "NOT is_rehearsal OR announced_at IS NULL",
    )
    op.add_column("accounts", sa.Column("crowd", sa.Text(), nullable=True))
    op.create_index("ix_accounts_crowd", "accounts", ["crowd"], postgresql_where=sa.text("crowd IS NOT NULL"))
    for table, column in POINTING_AT_ACCOUNTS:
        op.create_index(f"ix_{table}_{column}", table, [column])
    op.create_index(
        "ix_bank_items_released_by_id",
        "bank_items",
        ["released_by_id"],
        postgresql_where=sa.text("released_by_id IS NOT NULL"),
    )
    op.execute(REFUSE_ROUND.format(ROUND_GOES))
    op.execute(REFUSE_PART.format(PART_GOES))
    op.execute(POOL_GOES)


def downgrade() -> None:
    """Take them back."""
    op.execute(POOL_STAYS)
    op.execute(REFUSE_PART.format(""))
    op.execute(REFUSE_ROUND.format(""))
    op.drop_index("ix_bank_items_released_by_id", "bank_items")
    for table, column in POINTING_AT_ACCOUNTS:
        op.drop_index(f"ix_{table}_{column}", table)
    op.drop_index("ix_accounts_crowd", "accounts")
    op.drop_column("accounts", "crowd")
    op.drop_constraint(op.f("ck_contests_rehearsals_are_not_announced"), "contests")
    op.drop_column("contests", "is_rehearsal")
