"""Runs the migrations on the database server itself; `contest migrate` is the way in.

They run while the version before goes on serving, so none may hold up everybody: a statement that
does not get its lock at once gives way to those behind it, and its migration is tried again.
"""

import time

from alembic import context
from flask import current_app
from psycopg.errors import LockNotAvailable
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from contest import locks
from contest.extensions import Base

# Whoever wants the table waits behind a migration that waits: so long and no longer.
LOCK_TIMEOUT = "1s"
PAUSE = 2.0  # seconds for those who had to wait
TRIES = 60


def run() -> None:
    """Run what is asked for, each migration in a transaction of its own."""
    engine = create_engine(current_app.config["CONTEST"].server_url, poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        # What a request may wait is no measure for building an index.
        for setting in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"):
            connection.execute(text(f"SET {setting} = 0"))
        # Two hosts that start at once migrate one after the other.
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": locks.MIGRATION})
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.commit()
        arguments = current_app.extensions["migrate"].configure_args
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transaction_per_migration=True,
            **arguments,
        )
        for tries_left in reversed(range(TRIES)):
            try:
                with context.begin_transaction():
                    context.run_migrations()
                break
            except OperationalError as error:
                if not isinstance(error.orig, LockNotAvailable) or not tries_left:
                    raise
                connection.rollback()
                time.sleep(PAUSE)


run()
