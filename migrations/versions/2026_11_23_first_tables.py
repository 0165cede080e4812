"""first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "71f246e9d7b3"
down_revision = None


# What must never change is refused by the database itself, whoever asks.
TRIGGERS = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER publications_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON publications
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER pools_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pools
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_approved_item_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (OLD.kind, OLD.stem, OLD.options, OLD.key, OLD.topic, OLD.level, OLD.divisions, OLD.tags,
           OLD.explanation, OLD.legal_document, OLD.legal_article, OLD.valid_from, OLD.valid_to,
           OLD.item_id, OLD.number, OLD.author_id, OLD.approved_at)
        IS DISTINCT FROM
          (NEW.kind, NEW.stem, NEW.options, NEW.key, NEW.topic, NEW.level, NEW.divisions, NEW.tags,
           NEW.explanation, NEW.legal_document, NEW.legal_article, NEW.valid_from, NEW.valid_to,
           NEW.item_id, NEW.number, NEW.author_id, NEW.approved_at)
    THEN
        RAISE EXCEPTION 'an approved item version never changes; make a new version'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER item_versions_frozen BEFORE UPDATE OR DELETE ON item_versions
    FOR EACH ROW WHEN (OLD.approved_at IS NOT NULL) EXECUTE FUNCTION refuse_approved_item_change();
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("draw_id", sa.Text(), nullable=False),
        sa.Column("login_tag", sa.LargeBinary(), nullable=False),
        sa.Column("login_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("name <> ''", name=op.f("ck_accounts_has_name")),
        sa.CheckConstraint("length(draw_id) = 22", name=op.f("ck_accounts_draw_id_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("draw_id", name=op.f("uq_accounts_draw_id")),
        sa.UniqueConstraint("login_tag", name=op.f("uq_accounts_login_tag")),
    )
    op.create_table(
        "bank_items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_items")),
        sa.UniqueConstraint("code", name=op.f("uq_bank_items_code")),
    )
    op.create_table(
        "contests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("minimum_age", sa.Integer(), nullable=False),
        sa.Column("headcounts_locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("minimum_age >= 0", name=op.f("ck_contests_minimum_age")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contests")),
        sa.UniqueConstraint("slug", name=op.f("uq_contests_slug")),
    )
    op.create_table(
        "units",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("sort_key", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('commune', 'agency')", name=op.f("ck_units_known_kind")),
        sa.ForeignKeyConstraint(["parent_id"], ["units.id"], name=op.f("fk_units_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_units")),
        sa.UniqueConstraint("code", name=op.f("uq_units_code")),
    )
    with op.batch_alter_table("units", schema=None) as batch_op:
        batch_op.create_index("ix_units_kind_sort_key", ["kind", "sort_key"], unique=False)

    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["accounts.id"], name=op.f("fk_audit_events_actor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("previous_hash", name=op.f("uq_audit_events_previous_hash")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("text_version", sa.Text(), nullable=False),
        sa.Column(
            "granted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_consents_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index("ix_consents_account_id", ["account_id"], unique=False)

    op.create_table(
        "divisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contest_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("unit_kind", sa.Text(), nullable=False),
        sa.CheckConstraint("unit_kind IN ('commune', 'any')", name=op.f("ck_divisions_known_unit_kind")),
        sa.ForeignKeyConstraint(["contest_id"], ["contests.id"], name=op.f("fk_divisions_contest_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_divisions")),
        sa.UniqueConstraint("contest_id", "code", name=op.f("uq_divisions_contest_id_code")),
    )
    op.create_table(
        "item_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("stem", sa.Text(), nullable=False),
        sa.Column("options", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("key", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("divisions", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("tags", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("legal_document", sa.Text(), nullable=False),
        sa.Column("legal_article", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("reviewed_by_id", sa.Integer(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(reviewed_at IS NULL) = (reviewed_by_id IS NULL)",
            name=op.f("ck_item_versions_reviewed_with_reviewer"),
        ),
        sa.CheckConstraint(
            "approved_at IS NULL OR reviewed_at IS NOT NULL",
            name=op.f("ck_item_versions_approved_after_review"),
        ),
        sa.CheckConstraint("jsonb_array_length(key) >= 1", name=op.f("ck_item_versions_has_key")),
        sa.CheckConstraint(
            "jsonb_array_length(options) BETWEEN 2 AND 8", name=op.f("ck_item_versions_two_to_eight_options")
        ),
        sa.CheckConstraint(
            "retired_at IS NULL OR approved_at IS NOT NULL",
            name=op.f("ck_item_versions_retired_after_approval"),
        ),
        sa.CheckConstraint("reviewed_by_id <> author_id", name=op.f("ck_item_versions_reviewed_by_another")),
        sa.CheckConstraint("valid_from <= valid_to", name=op.f("ck_item_versions_valid_in_order")),
        sa.ForeignKeyConstraint(["author_id"], ["accounts.id"], name=op.f("fk_item_versions_author_id")),
        sa.ForeignKeyConstraint(["item_id"], ["bank_items.id"], name=op.f("fk_item_versions_item_id")),
        sa.ForeignKeyConstraint(
            ["reviewed_by_id"], ["accounts.id"], name=op.f("fk_item_versions_reviewed_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_versions")),
        sa.UniqueConstraint("item_id", "number", name=op.f("uq_item_versions_item_id_number")),
    )
    with op.batch_alter_table("item_versions", schema=None) as batch_op:
        batch_op.create_index("ix_item_versions_topic_level", ["topic", "level"], unique=False)

    op.create_table(
        "role_grants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "granted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('organizer', 'approver', 'administrator')", name=op.f("ck_role_grants_known_role")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_role_grants_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grants")),
    )
    with op.batch_alter_table("role_grants", schema=None) as batch_op:
        batch_op.create_index(
            "uq_role_grants_account_id_role_open",
            ["account_id", "role"],
            unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "rounds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contest_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("grace_ms", sa.Integer(), nullable=False),
        sa.Column("attempts_allowed", sa.Integer(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("is_partial", sa.Boolean(), nullable=False),
        sa.Column("score_shown", sa.Text(), nullable=False),
        sa.Column("is_leaderboard_live", sa.Boolean(), nullable=False),
        sa.Column("seed_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("seed_commitment", sa.Text(), nullable=True),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("books_closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ranked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("counts IN ('best', 'first', 'last')", name=op.f("ck_rounds_known_counts")),
        sa.CheckConstraint(
            "score_shown IN ('at_once', 'after_closing')", name=op.f("ck_rounds_known_score_shown")
        ),
        sa.CheckConstraint(
            "(seed_sealed IS NULL) = (seed_commitment IS NULL)", name=op.f("ck_rounds_seed_with_commitment")
        ),
        sa.CheckConstraint("attempts_allowed >= 1", name=op.f("ck_rounds_attempts_allowed")),
        sa.CheckConstraint(
            "books_closed_at IS NULL OR closed_at IS NOT NULL", name=op.f("ck_rounds_books_after_closing")
        ),
        sa.CheckConstraint("duration_ms > 0", name=op.f("ck_rounds_has_duration")),
        sa.CheckConstraint("grace_ms >= 0", name=op.f("ck_rounds_grace")),
        sa.CheckConstraint(
            "opened_at IS NULL OR seed_commitment IS NOT NULL", name=op.f("ck_rounds_opened_with_commitment")
        ),
        sa.CheckConstraint("opens_at < closes_at", name=op.f("ck_rounds_opens_before_closing")),
        sa.ForeignKeyConstraint(["contest_id"], ["contests.id"], name=op.f("fk_rounds_contest_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rounds")),
        sa.UniqueConstraint("contest_id", "number", name=op.f("uq_rounds_contest_id_number")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_sessions_expires_after_creation")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index("ix_sessions_account_id", ["account_id"], unique=False)

    op.create_table(
        "unit_aliases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_unit_aliases_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_aliases")),
        sa.UniqueConstraint("unit_id", "name", name=op.f("uq_unit_aliases_unit_id_name")),
    )
    op.create_table(
        "headcounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("headcount", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint("headcount >= 0", name=op.f("ck_headcounts_not_negative")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_headcounts_division_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_headcounts_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_headcounts")),
        sa.UniqueConstraint("division_id", "unit_id", name=op.f("uq_headcounts_division_id_unit_id")),
    )
    op.create_table(
        "pools",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("file", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column(
            "item_versions", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_pools_division_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_pools_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pools")),
        sa.UniqueConstraint(
            "round_id", "division_id", "version", name=op.f("uq_pools_round_id_division_id_version")
        ),
    )
    op.create_table(
        "prizes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("unit_points", sa.Integer(), nullable=False),
        sa.Column("worth", sa.Integer(), nullable=False),
        sa.CheckConstraint("count >= 1", name=op.f("ck_prizes_at_least_one")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_prizes_division_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_prizes_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prizes")),
        sa.UniqueConstraint("round_id", "code", name=op.f("uq_prizes_round_id_code")),
        sa.UniqueConstraint("round_id", "position", name=op.f("uq_prizes_round_id_position")),
    )
    op.create_table(
        "publications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("published_by_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('provisional', 'official')", name=op.f("ck_publications_known_kind")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_publications_version_from_one")),
        sa.ForeignKeyConstraint(
            ["published_by_id"], ["accounts.id"], name=op.f("fk_publications_published_by_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_publications_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publications")),
        sa.UniqueConstraint("round_id", "version", name=op.f("uq_publications_round_id_version")),
    )
    op.create_table(
        "registrations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contest_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("commune_id", sa.Integer(), nullable=False),
        sa.Column(
            "registered_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_registrations_account_id")),
        sa.ForeignKeyConstraint(["commune_id"], ["units.id"], name=op.f("fk_registrations_commune_id")),
        sa.ForeignKeyConstraint(["contest_id"], ["contests.id"], name=op.f("fk_registrations_contest_id")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_registrations_division_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_registrations_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
        sa.UniqueConstraint("contest_id", "account_id", name=op.f("uq_registrations_contest_id_account_id")),
    )
    with op.batch_alter_table("registrations", schema=None) as batch_op:
        batch_op.create_index("ix_registrations_account_id", ["account_id"], unique=False)
        batch_op.create_index("ix_registrations_contest_id_unit_id", ["contest_id", "unit_id"], unique=False)

    op.create_table(
        "round_divisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column(
            "specification", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False
        ),
        sa.Column("chain", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("prediction_counted", sa.Text(), nullable=True),
        sa.Column("prediction_over", sa.Text(), server_default="division", nullable=False),
        sa.Column("truth", sa.Integer(), nullable=True),
        sa.Column("unit_formula", sa.Text(), nullable=False),
        sa.Column("unit_threshold_percent", sa.Integer(), nullable=False),
        sa.Column("unit_minimum_headcount", sa.Integer(), server_default="0", nullable=False),
        sa.Column("is_listed_below_threshold", sa.Boolean(), server_default="true", nullable=False),
        sa.CheckConstraint(
            "prediction_counted IN ('people', 'full', 'percentage')",
            name=op.f("ck_round_divisions_known_prediction_counted"),
        ),
        sa.CheckConstraint(
            "prediction_over IN ('division', 'round')", name=op.f("ck_round_divisions_known_prediction_over")
        ),
        sa.CheckConstraint(
            "unit_formula IN ('rate', 'rate_mean', 'points')",
            name=op.f("ck_round_divisions_known_unit_formula"),
        ),
        sa.CheckConstraint(
            "unit_threshold_percent BETWEEN 0 AND 100", name=op.f("ck_round_divisions_threshold_percent")
        ),
        sa.ForeignKeyConstraint(
            ["division_id"], ["divisions.id"], name=op.f("fk_round_divisions_division_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_round_divisions_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_round_divisions")),
        sa.UniqueConstraint("round_id", "division_id", name=op.f("uq_round_divisions_round_id_division_id")),
    )
    op.create_table(
        "unit_standings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("headcount", sa.Integer(), nullable=True),
        sa.Column("rate", sa.Text(), nullable=True),
        sa.Column("mean", sa.Text(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["division_id"], ["divisions.id"], name=op.f("fk_unit_standings_division_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_unit_standings_round_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_unit_standings_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_standings")),
        sa.UniqueConstraint(
            "round_id", "division_id", "unit_id", name=op.f("uq_unit_standings_round_id_division_id_unit_id")
        ),
    )
    with op.batch_alter_table("unit_standings", schema=None) as batch_op:
        batch_op.create_index(
            "ix_unit_standings_round_id_division_id_position",
            ["round_id", "division_id", "position"],
            unique=False,
        )

    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("pool_id", sa.Integer(), nullable=False),
        sa.Column("paper", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("paper_shape", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("grace_ms", sa.Integer(), nullable=False),
        sa.Column("extra_ms", sa.Integer(), server_default="0", nullable=False),
        sa.Column("compensation_ms", sa.Integer(), server_default="0", nullable=False),
        sa.Column("outage_ms", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "responses",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
        ),
        sa.Column("prediction", sa.Integer(), nullable=True),
        sa.Column("save_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("save_editor", sa.Text(), server_default="", nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("how", sa.Text(), nullable=True),
        sa.Column("receipt_code", sa.Text(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("points", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("how IN ('person', 'deadline')", name=op.f("ck_attempts_known_how")),
        sa.CheckConstraint(
            "(scored_at IS NULL) = (duration_ms IS NULL)", name=op.f("ck_attempts_scored_with_duration")
        ),
        sa.CheckConstraint(
            "(scored_at IS NULL) = (points IS NULL)", name=op.f("ck_attempts_scored_with_points")
        ),
        sa.CheckConstraint(
            "(submitted_at IS NULL) = (how IS NULL)", name=op.f("ck_attempts_submitted_somehow")
        ),
        sa.CheckConstraint(
            "(voided_at IS NULL) = (void_reason IS NULL)", name=op.f("ck_attempts_voided_with_reason")
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_attempts_number_from_one")),
        sa.CheckConstraint("prediction >= 0", name=op.f("ck_attempts_prediction_not_negative")),
        sa.CheckConstraint("save_seq >= 0", name=op.f("ck_attempts_seq_not_negative")),
        sa.CheckConstraint(
            "scored_at IS NULL OR submitted_at IS NOT NULL", name=op.f("ck_attempts_scored_when_submitted")
        ),
        sa.CheckConstraint("started_at < deadline_at", name=op.f("ck_attempts_deadline_after_start")),
        sa.CheckConstraint("submitted_at >= started_at", name=op.f("ck_attempts_submitted_after_start")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_attempts_account_id")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_attempts_division_id")),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name=op.f("fk_attempts_pool_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_attempts_round_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_attempts_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint(
            "account_id", "round_id", "number", name=op.f("uq_attempts_account_id_round_id_number")
        ),
        sa.UniqueConstraint("public_id", name=op.f("uq_attempts_public_id")),
        sa.UniqueConstraint("receipt_code", name=op.f("uq_attempts_receipt_code")),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_attempts_deadline_at_open",
            ["deadline_at"],
            unique=False,
            postgresql_where=sa.text("submitted_at IS NULL AND voided_at IS NULL"),
        )
        batch_op.create_index("ix_attempts_round_id_scored_at", ["round_id", "scored_at"], unique=False)
        batch_op.create_index("ix_attempts_round_id_started_at", ["round_id", "started_at"], unique=False)
        batch_op.create_index("ix_attempts_round_id_submitted_at", ["round_id", "submitted_at"], unique=False)
        batch_op.create_index(
            "ix_attempts_submitted_at_unscored",
            ["submitted_at"],
            unique=False,
            postgresql_where=sa.text("submitted_at IS NOT NULL AND scored_at IS NULL AND voided_at IS NULL"),
        )
        batch_op.create_index(
            "uq_attempts_account_id_round_id_open",
            ["account_id", "round_id"],
            unique=True,
            postgresql_where=sa.text("submitted_at IS NULL AND voided_at IS NULL"),
        )

    op.create_table(
        "standings",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("division_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("full_points", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts_used", sa.Integer(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prediction", sa.Integer(), nullable=True),
        sa.Column("prediction_error", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("separated_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_standings_account_id")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_standings_attempt_id")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_standings_division_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_standings_round_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_standings_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standings")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_standings_attempt_id")),
        sa.UniqueConstraint("round_id", "account_id", name=op.f("uq_standings_round_id_account_id")),
    )
    with op.batch_alter_table("standings", schema=None) as batch_op:
        batch_op.create_index(
            "ix_standings_round_id_division_id_position",
            ["round_id", "division_id", "position"],
            unique=False,
        )
        batch_op.create_index("ix_standings_round_id_unit_id", ["round_id", "unit_id"], unique=False)

    op.execute(TRIGGERS)


def downgrade() -> None:
    """Take them back."""
    with op.batch_alter_table("standings", schema=None) as batch_op:
        batch_op.drop_index("ix_standings_round_id_unit_id")
        batch_op.drop_index("ix_standings_round_id_division_id_position")

    op.drop_table("standings")
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_attempts_account_id_round_id_open",
            postgresql_where=sa.text("submitted_at IS NULL AND voided_at IS NULL"),
        )
        batch_op.drop_index(
            "ix_attempts_submitted_at_unscored",
            postgresql_where=sa.text("submitted_at IS NOT NULL AND scored_at IS NULL AND voided_at IS NULL"),
        )
        batch_op.drop_index("ix_attempts_round_id_submitted_at")
        batch_op.drop_index("ix_attempts_round_id_started_at")
        batch_op.drop_index("ix_attempts_round_id_scored_at")
        batch_op.drop_index(
            "ix_attempts_deadline_at_open",
            postgresql_where=sa.text("submitted_at IS NULL AND voided_at IS NULL"),
        )

    op.drop_table("attempts")
    with op.batch_alter_table("unit_standings", schema=None) as batch_op:
        batch_op.drop_index("ix_unit_standings_round_id_division_id_position")

    op.drop_table("unit_standings")
    op.drop_table("round_divisions")
    with op.batch_alter_table("registrations", schema=None) as batch_op:
        batch_op.drop_index("ix_registrations_contest_id_unit_id")
        batch_op.drop_index("ix_registrations_account_id")

    op.drop_table("registrations")
    op.drop_table("publications")
    op.drop_table("prizes")
    op.drop_table("pools")
    op.drop_table("headcounts")
    op.drop_table("unit_aliases")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_sessions_account_id")

    op.drop_table("sessions")
    op.drop_table("rounds")
    with op.batch_alter_table("role_grants", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_role_grants_account_id_role_open", postgresql_where=sa.text("ended_at IS NULL")
        )

    op.drop_table("role_grants")
    with op.batch_alter_table("item_versions", schema=None) as batch_op:
        batch_op.drop_index("ix_item_versions_topic_level")

    op.drop_table("item_versions")
    op.drop_table("divisions")
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.drop_index("ix_consents_account_id")

    op.drop_table("consents")
    op.drop_table("audit_events")
    with op.batch_alter_table("units", schema=None) as batch_op:
        batch_op.drop_index("ix_units_kind_sort_key")

    op.drop_table("units")
    op.drop_table("contests")
    op.drop_table("bank_items")
    op.drop_table("accounts")
    op.execute("DROP FUNCTION refuse_change, refuse_approved_item_change")
