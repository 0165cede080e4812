"""The newest migrations run, both ways, while people start, save and submit; none holds them up."""

import ast
import os
import subprocess
import sys
import threading
import time
from itertools import takewhile
from pathlib import Path

import flask_migrate
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from contest import MIGRATIONS
from contest.extensions import db
from tests import builders
from tests.savers import Savers

ROOT = MIGRATIONS.parent
# From here on a migration must leave the version before it able to serve: docs/upgrade.md.
SERVED_SINCE = "e58b13f0c7d4"
# A save waits no longer for a migration than this: its lock timeout, and what the machine adds.
LONGEST_SAVE = 4.0


def scripts():
    """The migrations that the rules hold for, the newest first."""
    walk = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    return list(takewhile(lambda one: one.revision != SERVED_SINCE, walk))


@pytest.fixture
def savers(live_app):
    contest = builders.make_contest()
    savers = Savers(live_app)
    savers.sit_down(contest, builders.open_now(builders.make_round(contest)), 3)
    savers.begin()
    yield savers
    savers.end()


def assert_nobody_was_held_up(savers):
    assert set(savers.statuses) <= {200, 429}
    assert savers.longest < LONGEST_SAVE


def revision():
    with db.engine.connect() as connection:
        return connection.scalar(text("SELECT version_num FROM alembic_version"))


def test_people_save_while_the_newest_migration_is_undone_and_done_again(savers):
    head = revision()
    flask_migrate.downgrade(revision="-1")
    assert revision() != head
    savers.go_on()
    flask_migrate.upgrade()
    savers.go_on()
    savers.end()

    assert revision() == head
    assert_nobody_was_held_up(savers)


def test_a_migration_gives_way_while_somebody_reads_for_long(savers, live_app):
    """Without the timeout everybody would wait behind it for as long as the reader reads."""
    flask_migrate.downgrade(revision="-1")
    before = revision()
    reader = db.engine.connect()
    reader.execute(text("SELECT set_config('idle_in_transaction_session_timeout', '0', true)"))
    # It stands in for what the newest migration may lock: all tables.
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    for name in reader.scalars(text(tables)).all():
        reader.execute(text(f"LOCK TABLE {name} IN ACCESS SHARE MODE"))
    # What a migration does to a table that is saved into.
    holder = threading.Thread(target=_alter_like_a_migration, args=(live_app,))
    holder.start()
    upgrade, done = builders.in_thread(live_app, flask_migrate.upgrade)
    time.sleep(3)
    savers.go_on()

    reader.rollback()
    reader.close()
    holder.join()
    upgrade.join()
    savers.end()
    assert done == [None]
    assert revision() != before
    assert_nobody_was_held_up(savers)


def _alter_like_a_migration(app):
    """Try, as the migrations do, to change the table that everybody saves into."""
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text("SET lock_timeout = '1s'"))
        try:
            connection.execute(text("ALTER TABLE attempts ADD COLUMN note text"))
        except SQLAlchemyError:
            pass
        connection.rollback()
        connection.invalidate()


def test_a_migration_that_gets_no_lock_is_tried_again(live_app):
    flask_migrate.downgrade(revision="-1")
    before = revision()
    holder = db.engine.connect()
    holder.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
    upgrade, done = builders.in_thread(live_app, flask_migrate.upgrade)
    time.sleep(2.5)  # longer than it waits for the lock
    assert done == []
    holder.rollback()
    holder.close()
    upgrade.join()
    assert done == [None]
    assert revision() != before


def test_two_hosts_that_start_at_once_migrate_one_after_the_other(live_app):
    head = revision()
    flask_migrate.downgrade(revision="-2")
    settings = live_app.config["CONTEST"]
    names = ("env", "database_url", "redis_url", "secret_key", "data_key", "data_dir")
    environment = {f"CONTEST_{name.upper()}": str(getattr(settings, name)) for name in names}
    flask_migrate.upgrade(revision="+1")
    command = [sys.executable, "-m", "contest.cli", "migrate"]
    hosts = [subprocess.Popen(command, env=os.environ | environment, cwd=ROOT) for _ in range(3)]
    codes = [host.wait() for host in hosts]
    assert codes == [0, 0, 0]
    assert revision() == head


# --- the rules of docs/upgrade.md, read from the source --------------------------------------------

# What takes from the version that still serves something it uses.
CONTRACTING = {"drop_column", "drop_table", "rename_table", "drop_constraint"}


def complaints_about(source: str) -> list[str]:
    """What in a migration's upgrade the version before could not serve beside, or has to wait for."""
    tree = ast.parse(source)
    names = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Tuple)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    [upgrade] = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "upgrade"]
    calls = [one for one in ast.walk(upgrade) if isinstance(one, ast.Call)]
    new = {_first(one) for one in calls if _name(one) == "create_table"}
    is_quick = "index_is_quick" in names
    found = []
    for call in calls:
        name, options = _name(call), {one.arg: one.value for one in call.keywords}
        if name in CONTRACTING and "contracts" not in names:
            found.append(f'{name}: name the version that stopped using it: contracts = "…"')
        elif name == "alter_column" and options.keys() & {"new_column_name", "type_"}:
            found.append("alter_column renames or retypes: add a column and copy instead")
        elif name == "create_index" and not (_second(call) in new or is_quick or _is_concurrent(options)):
            found.append(
                "create_index on a table in use: postgresql_concurrently, in an autocommit_block; "
                'or say why it takes no time: index_is_quick = "…"'
            )
        elif name == "add_column" and _first(call) not in new and _is_required(call):
            found.append("add_column NOT NULL without a server_default: the version before inserts none")
    return found


def _name(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _first(call):
    return ast.literal_eval(call.args[0]) if call.args and isinstance(call.args[0], ast.Constant) else None


def _second(call):
    return ast.literal_eval(call.args[1]) if isinstance(call.args[1], ast.Constant) else None


def _is_concurrent(options):
    return "postgresql_concurrently" in options


def _is_required(call):
    column = next((one for one in call.args if isinstance(one, ast.Call)), None)
    options = {one.arg: one.value for one in column.keywords} if column else {}
    is_nullable = getattr(options.get("nullable"), "value", True)
    return not is_nullable and "server_default" not in options


def test_the_newest_migrations_leave_the_version_before_able_to_serve():
    found = {
        Path(one.path).name: complaints
        for one in scripts()
        if (complaints := complaints_about(Path(one.path).read_text(encoding="utf-8")))
    }
    assert found == {}, "see docs/upgrade.md"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('op.drop_column("attempts", "paper")', "contracts"),
        ('op.alter_column("attempts", "paper", new_column_name="sheet")', "renames"),
        ('op.create_index("ix", "attempts", ["paper"])', "concurrently"),
        ('op.add_column("attempts", sa.Column("note", sa.Text(), nullable=False))', "server_default"),
    ],
)
def test_a_migration_against_the_rules_is_seen(line, word):
    assert word in complaints_about(f"def upgrade() -> None:\n    {line}\n")[0]


@pytest.mark.parametrize(
    "lines",
    [
        'op.add_column("attempts", sa.Column("note", sa.Text(), nullable=True))',
        'op.add_column("attempts", sa.Column("note", sa.Text(), server_default="", nullable=False))',
        'op.create_table("notes")\n    op.create_index("ix", "notes", ["text"])',
        'op.create_index("ix", "attempts", ["paper"], postgresql_concurrently=True)',
    ],
)
def test_a_migration_by_the_rules_is_let_through(lines):
    assert complaints_about(f"def upgrade() -> None:\n    {lines}\n") == []
