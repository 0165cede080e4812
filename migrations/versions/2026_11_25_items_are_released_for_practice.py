"""Items are released for practice, for good, and never meet the pool of a round."""

import sqlalchemy as sa
from alembic import op

revision = "e58b13f0c7d4"
down_revision = "b27e5d9430fa"

# Whoever releases waits for who freezes pools, and the other way round; the operations take the lock
# first, so that nobody holds the audit log's while waiting for it.
TRIGGERS = """
CREATE FUNCTION refuse_release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.released_at IS NOT NULL THEN
        RAISE EXCEPTION 'an item that was released for practice stays so'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    PERFORM pg_advisory_xact_lock(7301002);
    IF EXISTS (SELECT FROM pools p JOIN rounds r ON r.id = p.round_id
               WHERE p.item_versions ? NEW.code AND r.closed_at IS NULL) THEN
        RAISE EXCEPTION 'item % is in the pool of a round that is not closed', NEW.code
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER bank_items_released_once BEFORE UPDATE ON bank_items
    FOR EACH ROW WHEN ((OLD.released_at, OLD.released_by_id, OLD.release_reason)
                       IS DISTINCT FROM (NEW.released_at, NEW.released_by_id, NEW.release_reason))
    EXECUTE FUNCTION refuse_release();

CREATE FUNCTION refuse_released_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A later version only leaves items out of what is frozen already.
    IF NEW.version = 1 THEN
        PERFORM pg_advisory_xact_lock_shared(7301002);
    END IF;
    IF EXISTS (SELECT FROM bank_items WHERE released_at IS NOT NULL AND NEW.item_versions ? code) THEN
        RAISE EXCEPTION 'a pool takes no item that was released for practice'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER pools_without_released BEFORE INSERT ON pools
    FOR EACH ROW EXECUTE FUNCTION refuse_released_items();
"""
WITH_REASON = (
    "(released_at IS NULL) = (released_by_id IS NULL) AND (released_at IS NULL) = (release_reason IS NULL)"
)


def upgrade() -> None:
    """Bring the tables to this version."""
    op.add_column("bank_items", sa.Column("released_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("bank_items", sa.Column("released_by_id", sa.Integer(), nullable=True))
    op.add_column("bank_items", sa.Column("release_reason", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_bank_items_released_by_id"), "bank_items", "accounts", ["released_by_id"], ["id"]
    )
    op.create_check_constraint(op.f("ck_bank_items_released_with_reason"), "bank_items", WITH_REASON)
    op.create_index(
        "ix_bank_items_released_at",
        "bank_items",
        ["released_at"],
        postgresql_where=sa.text("released_at IS NOT NULL"),
    )
    op.execute(TRIGGERS)


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.execute("DROP TRIGGER pools_without_released ON pools; DROP FUNCTION refuse_released_items()")
    op.execute("DROP TRIGGER bank_items_released_once ON bank_items; DROP FUNCTION refuse_release()")
    op.drop_index("ix_bank_items_released_at", table_name="bank_items")
    for column in ("release_reason", "released_by_id", "released_at"):
        op.drop_column("bank_items", column)
