"""Statements that the driver itself sends: for the hot path, where SQLAlchemy would cost as much again."""

from collections.abc import Mapping
from typing import Any, cast

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection

# The web's is the driver's own; a session's may be given too, and keeps its transaction.
AnyConnection = psycopg.Connection[Any] | Connection


def one_row(connection: AnyConnection, statement: str, parameters: Mapping[str, Any]) -> Any:
    """Return the statement's only row, its columns by name, or None."""
    if isinstance(connection, Connection):
        if not connection.in_transaction():
            connection.begin()  # as its own execute would: else its commit() did nothing
        connection = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(statement, parameters).fetchone()
