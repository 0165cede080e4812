"""The migrations make the tables that the models describe."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from contest import MIGRATIONS
from contest.extensions import db


def test_models_and_migrations_agree(app):
    context = MigrationContext.configure(db.session.connection())
    differences = [one for one in compare_metadata(context, db.metadata) if one[0] != "remove_table"]
    assert differences == [], "make a migration for what the models say"


def test_every_check_of_the_models_is_in_the_database(app):
    rows = db.session.connection().exec_driver_sql("SELECT conname FROM pg_constraint WHERE contype = 'c'")
    there = {name for (name,) in rows}
    named = {
        str(one.name)
        for table in db.metadata.tables.values()
        for one in table.constraints
        if one.__visit_name__ == "check_constraint"
    }
    assert named - there == set(), "make a migration for what the models say"


def test_the_migrations_are_one_line():
    assert len(ScriptDirectory(str(MIGRATIONS)).get_heads()) == 1
