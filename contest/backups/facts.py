"""What a database holds, in numbers and digests: the same before a backup and after its restore."""

from typing import Any, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

Connection: TypeAlias = psycopg.Connection[TupleRow]

_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') ORDER BY c.relname
"""
# Who stands where in every round, with what separates them: prizes follow from it.
_STANDINGS = """
SELECT c.slug, r.number, count(*), encode(sha256(convert_to(string_agg(concat_ws('|', s.division_id,
       s.position, s.rank, a.public_id, s.points, s.prediction_error, s.duration_ms, s.attempts_used),
       E'\\n' ORDER BY s.division_id, s.position, a.public_id), 'UTF8')), 'hex')
FROM standings s JOIN attempts a ON a.id = s.attempt_id JOIN rounds r ON r.id = s.round_id
JOIN contests c ON c.id = r.contest_id GROUP BY r.id, c.slug, r.number ORDER BY c.slug, r.number
"""
_PUBLICATIONS = """
SELECT c.slug, r.number, p.version, p.sha256, p.content_sha256
FROM publications p JOIN rounds r ON r.id = p.round_id JOIN contests c ON c.id = r.contest_id
ORDER BY c.slug, r.number, p.version
"""
_LOG = "SELECT id, hash FROM audit_events ORDER BY id DESC LIMIT 1"


def is_empty(connection: Connection) -> bool:
    """Tell whether nobody has made anything in the database yet."""
    row = connection.execute(
        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' LIMIT 1"
    ).fetchone()
    return row is None


def revision(connection: Connection) -> str:
    """Return the revision of the tables; "" where there are none of ours."""
    if connection.execute("SELECT to_regclass('public.alembic_version')").fetchone() == (None,):
        return ""
    row = connection.execute("SELECT version_num FROM public.alembic_version").fetchone()
    return str(row[0]) if row else ""


def of_database(connection: Connection) -> dict[str, Any]:
    """Return rows per table, digests of standings and publications, and the log's end; it names nobody."""
    tables = [str(name) for (name,) in connection.execute(_TABLES)]
    count = sql.SQL("SELECT count(*) FROM public.{}")
    rows = {name: _number(connection, count.format(sql.Identifier(name))) for name in tables}
    log = connection.execute(_LOG).fetchone() or (0, "")
    return {
        "rows": rows,
        "standings": [
            {"contest": slug, "round": number, "people": people, "sha256": digest}
            for slug, number, people, digest in connection.execute(_STANDINGS)
        ],
        "publications": [
            {"contest": slug, "round": number, "version": version, "sha256": bundle, "content": content}
            for slug, number, version, bundle, content in connection.execute(_PUBLICATIONS)
        ],
        "log": {"events": log[0], "hash": log[1]},
    }


def _number(connection: Connection, query: sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
