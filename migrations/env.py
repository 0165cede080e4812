"""Runs the migrations over the application's own engine; `contest migrate` is the way in."""

from alembic import context
from flask import current_app
from sqlalchemy import text

from contest import locks
from contest.extensions import Base, db

# Two hosts that start at once migrate one after the other.


def run() -> None:
    """Run what is asked for, in one transaction per migration run."""
    with db.engine.connect() as connection:
        # What a request may wait is no measure for building an index.
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": locks.MIGRATION})
        connection.commit()
        arguments = current_app.extensions["migrate"].configure_args
        context.configure(connection=connection, target_metadata=Base.metadata, **arguments)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
        connection.invalidate()  # its settings and its lock go with it


run()
