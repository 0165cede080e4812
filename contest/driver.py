"""Statements that the driver itself sends: for the hot path, where SQLAlchemy would cost as much again."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection

# The web's is the driver's own; a session's may be given too, and keeps its transaction.
AnyConnection = psycopg.Connection[Any] | Connection


def one_row(connection: AnyConnection, statement: str, parameters: Mapping[str, Any]) -> Any:
    """Return the statement's only row, its columns by name, or None."""
    if isinstance(connection, Connection):
        return connection.exec_driver_sql(statement, dict(parameters)).one_or_none()
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(statement, parameters).fetchone()
