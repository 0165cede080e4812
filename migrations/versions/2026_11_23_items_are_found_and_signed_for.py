"""Items are found by words, signed for by name, and come in by files."""

import hashlib
import html
import re
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "87896a1694c7"
down_revision = "71f246e9d7b3"

CHECKS = {
    "approved_by_another": "approved_by_id <> author_id",
    "approved_with_approver": "(approved_at IS NULL) = (approved_by_id IS NULL)",
    "retired_with_reason": (
        "(retired_at IS NULL) = (retired_by_id IS NULL) AND (retired_at IS NULL) = (retire_reason IS NULL)"
    ),
}


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "bank_imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("brought_by_id", sa.Integer(), nullable=False),
        sa.Column(
            "brought_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("added", sa.Integer(), nullable=True),
        sa.Column("changed", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(applied_at IS NULL) = (added IS NULL)", name=op.f("ck_bank_imports_applied_with_count")
        ),
        sa.ForeignKeyConstraint(
            ["brought_by_id"], ["accounts.id"], name=op.f("fk_bank_imports_brought_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_imports")),
    )
    op.add_column("item_versions", sa.Column("search_text", sa.Text(), nullable=True))
    op.add_column("item_versions", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.add_column("item_versions", sa.Column("returned_reason", sa.Text(), nullable=True))
    op.add_column("item_versions", sa.Column("retire_reason", sa.Text(), nullable=True))
    for column in ("approved_by_id", "retired_by_id"):
        op.add_column("item_versions", sa.Column(column, sa.Integer(), nullable=True))
        name = op.f(f"fk_item_versions_{column}")
        op.create_foreign_key(name, "item_versions", "accounts", [column], ["id"])
    _fill()
    op.alter_column("item_versions", "search_text", nullable=False)
    op.alter_column("item_versions", "fingerprint", nullable=False)
    op.create_index("ix_item_versions_fingerprint", "item_versions", ["fingerprint"])
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_item_versions_{name}"), "item_versions", condition)


def _fill() -> None:
    """Give the versions that are there what the new columns say: the reviewer had approved as well."""
    connection = op.get_bind()
    connection.execute(
        sa.text("UPDATE item_versions SET approved_by_id = reviewed_by_id WHERE approved_at IS NOT NULL")
    )
    connection.execute(
        sa.text(
            "UPDATE item_versions SET retired_by_id = approved_by_id, retire_reason = ''"
            " WHERE retired_at IS NOT NULL"
        )
    )
    rows = connection.execute(
        sa.text(
            "SELECT v.id, b.code, v.stem, v.options, v.legal_document, v.legal_article"
            " FROM item_versions v JOIN bank_items b ON b.id = v.item_id"
        )
    ).all()
    for row in rows:
        texts = [text_of_html(html) for html in (row.stem, *(option["text"] for option in row.options))]
        connection.execute(
            sa.text("UPDATE item_versions SET search_text = :search, fingerprint = :print WHERE id = :id"),
            {
                "id": row.id,
                "search": fold(" ".join([row.code, *texts, row.legal_document, row.legal_article])),
                "print": fingerprint(texts[0], texts[1:]),
            },
        )


# As the bank said these on the day of this migration: what the application says later changes nothing here.


def text_of_html(cleaned: str) -> str:
    text = re.sub(r"</?(?:br|li|ol|p|ul)>", "\n", cleaned)
    return html.unescape(re.sub(r"</?(?:b|em|i|strong|sub|sup|u)>", "", text))


def fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def fingerprint(stem: str, options: list[str]) -> str:
    texts = ("".join(char for char in fold(text) if char.isalnum()) for text in (stem, *options))
    return hashlib.sha256("|".join(texts).encode()).hexdigest()


def downgrade() -> None:
    """Take them back."""
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_item_versions_{name}"), "item_versions")
    for column in (
        "search_text",
        "fingerprint",
        "returned_reason",
        "retire_reason",
        "approved_by_id",
        "retired_by_id",
    ):
        op.drop_column("item_versions", column)
    op.drop_table("bank_imports")
