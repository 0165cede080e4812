"""Receipts' digests and the files of publications are kept."""

import hmac
import json
from datetime import UTC

import sqlalchemy as sa
from alembic import op
from flask import current_app

revision = "c41f0a6be97d"
down_revision = "c41f0d7a92be"

TRIGGERS = """
CREATE TRIGGER publication_files_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON publication_files
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER publication_pieces_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON publication_pieces
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_receipt_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the digest of a receipt never changes' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER attempts_receipt_frozen BEFORE UPDATE OF receipt_digest ON attempts
    FOR EACH ROW WHEN (OLD.receipt_digest IS DISTINCT FROM NEW.receipt_digest AND OLD.receipt_digest IS NOT NULL)
    EXECUTE FUNCTION refuse_receipt_change();
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    op.add_column("attempts", sa.Column("receipt_digest", sa.Text(), nullable=True))
    _fill_digests()
    op.create_check_constraint(
        op.f("ck_attempts_scored_with_receipt"),
        "attempts",
        "scored_at IS NULL OR receipt_digest IS NOT NULL",
    )
    op.add_column("publications", sa.Column("content_sha256", sa.Text(), nullable=True))
    # Of the versions published so far the digest was that of the content, and they have no files.
    op.execute("ALTER TABLE publications DISABLE TRIGGER publications_append_only")
    op.execute("UPDATE publications SET content_sha256 = sha256")
    op.execute("ALTER TABLE publications ENABLE TRIGGER publications_append_only")
    op.alter_column("publications", "content_sha256", nullable=False)
    op.create_table(
        "publication_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("publication_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("crc32", sa.BigInteger(), nullable=False),
        sa.Column("deflated_size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publications.id"],
            name=op.f("fk_publication_files_publication_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication_files")),
        sa.UniqueConstraint("publication_id", "name", name=op.f("uq_publication_files_publication_id_name")),
    )
    op.create_table(
        "publication_pieces",
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("deflated", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["publication_files.id"],
            name=op.f("fk_publication_pieces_file_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("file_id", "number", name=op.f("pk_publication_pieces")),
    )
    # They are compressed already.
    op.execute("ALTER TABLE publication_pieces ALTER COLUMN deflated SET STORAGE EXTERNAL")
    op.execute(TRIGGERS)


def _fill_digests() -> None:
    """Give the attempts scored so far their digest; it proves nothing about the time before."""
    key = hmac.digest(current_app.config["CONTEST"].data_key.encode(), b"contest|receipt", "sha256")
    connection, last = op.get_bind(), 0
    while True:
        rows = connection.execute(
            sa.text(
                "SELECT id, public_id, paper, responses, prediction, started_at, submitted_at FROM attempts"
                " WHERE scored_at IS NOT NULL AND id > :last ORDER BY id LIMIT 1000"
            ),
            {"last": last},
        ).all()
        if not rows:
            return
        digests = []
        for row in rows:
            moments = [
                at.astimezone(UTC).isoformat(timespec="microseconds")
                for at in (row.started_at, row.submitted_at)
            ]
            facts = json.dumps(
                [row.public_id, row.paper, row.responses, row.prediction, *moments],
                ensure_ascii=False,
                sort_keys=True,
                separators=(",", ":"),
            )
            digests.append({"id": row.id, "digest": hmac.digest(key, facts.encode(), "sha256").hex()})
        connection.execute(sa.text("UPDATE attempts SET receipt_digest = :digest WHERE id = :id"), digests)
        last = rows[-1].id


def downgrade() -> None:
    """Take them back."""
    op.drop_table("publication_pieces")
    op.drop_table("publication_files")
    op.drop_column("publications", "content_sha256")
    op.execute("DROP TRIGGER attempts_receipt_frozen ON attempts")
    op.execute("DROP FUNCTION refuse_receipt_change")
    op.drop_constraint(op.f("ck_attempts_scored_with_receipt"), "attempts")
    op.drop_column("attempts", "receipt_digest")
