"""Items have pictures, and whoever wrote any of a version never signs for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41f7d0a92be"
down_revision = "8b7dfac342e3"

FROZEN = """
    kind, stem, options, key, topic, level, divisions, tags, explanation, legal_document, legal_article,
    valid_from, valid_to, item_id, number, author_id, approved_at
"""
TRIGGERS = """
CREATE TRIGGER pictures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pictures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_lost_author() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'who wrote or edited an item version stays among its authors'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER item_versions_authors_stay BEFORE UPDATE ON item_versions
    FOR EACH ROW WHEN (NOT NEW.author_ids @> OLD.author_ids) EXECUTE FUNCTION refuse_lost_author();
"""
SIGNED = {"reviewed_by_another": "reviewed_by_id", "approved_by_another": "approved_by_id"}
CHECKS = {
    "alt_with_picture": "picture_sha256 IS NOT NULL OR picture_alt = ''",
    "reviewed_picture_with_alt": "reviewed_at IS NULL OR picture_sha256 IS NULL OR picture_alt <> ''",
    "author_among_authors": "author_id = ANY (author_ids) AND array_position(author_ids, NULL) IS NULL",
}


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "pictures",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "sha256 = encode(sha256(content), 'hex')", name=op.f("ck_pictures_digest_of_content")
        ),
        sa.CheckConstraint("octet_length(content) <= 153600", name=op.f("ck_pictures_small_content")),
        sa.CheckConstraint(
            "width BETWEEN 1 AND 1200 AND height BETWEEN 1 AND 1600", name=op.f("ck_pictures_small_size")
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_pictures")),
    )
    op.add_column("item_versions", sa.Column("picture_sha256", sa.Text(), nullable=True))
    op.add_column("item_versions", sa.Column("picture_alt", sa.Text(), server_default="", nullable=False))
    op.add_column("item_versions", sa.Column("author_ids", postgresql.ARRAY(sa.Integer()), nullable=True))
    op.execute("UPDATE item_versions SET author_ids = ARRAY[author_id]")
    op.alter_column("item_versions", "author_ids", nullable=False)
    op.create_foreign_key(
        op.f("fk_item_versions_picture_sha256"), "item_versions", "pictures", ["picture_sha256"], ["sha256"]
    )
    op.create_index("ix_item_versions_picture_sha256", "item_versions", ["picture_sha256"])
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_item_versions_{name}"), "item_versions", condition)
    _sign("NOT {} = ANY (author_ids)")
    _freeze("picture_sha256, picture_alt, author_ids, ")
    op.execute(TRIGGERS)


def _sign(condition: str) -> None:
    """Say anew who may not sign."""
    for name, column in SIGNED.items():
        op.drop_constraint(op.f(f"ck_item_versions_{name}"), "item_versions")
        op.create_check_constraint(
            op.f(f"ck_item_versions_{name}"), "item_versions", condition.format(column)
        )


def _freeze(also: str) -> None:
    """Say anew which columns of an approved version never change."""
    columns = [column.strip() for column in f"{also}{FROZEN}".split(",")]
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    op.execute(f"""
CREATE OR REPLACE FUNCTION refuse_approved_item_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR ({old}) IS DISTINCT FROM ({new})
    THEN
        RAISE EXCEPTION 'an approved item version never changes; make a new version'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
""")


def downgrade() -> None:
    """Take them back."""
    op.execute("DROP TRIGGER item_versions_authors_stay ON item_versions; DROP FUNCTION refuse_lost_author()")
    _freeze("")
    _sign("{} <> author_id")
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_item_versions_{name}"), "item_versions")
    for column in ("picture_sha256", "picture_alt", "author_ids"):
        op.drop_column("item_versions", column)
    op.drop_table("pictures")
