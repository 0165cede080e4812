"""What must hold in the database after every fault (reliability: I1 to I7)."""

from collections.abc import Iterator

import psycopg
from sqlalchemy import select

from contest import audit
from contest.attempts import paper_of
from contest.extensions import db
from contest.models import Attempt
from contest.pools import loaded
from contest.rules.scoring import score
from trials.faults.ledger import Kept, Ledger, dishonest, lost
from trials.ground import Ground

_KEPT = (
    "SELECT public_id, save_seq, responses, submitted_at IS NOT NULL FROM attempts WHERE public_id = ANY(%s)"
)
_TOO_MANY = """
SELECT a.account_id, count(*) FROM attempts a JOIN rounds r ON r.id = a.round_id
WHERE a.voided_at IS NULL
GROUP BY a.account_id, r.id, r.attempts_allowed HAVING count(*) > r.attempts_allowed
"""
_TOO_LATE = """
SELECT public_id FROM attempts
WHERE greatest(saved_at, submitted_at) >= deadline_at + grace_ms * interval '1 millisecond'
"""
_STANDS_WRONG = """
SELECT s.account_id FROM standings s JOIN attempts a ON a.id = s.attempt_id
WHERE (s.points, s.duration_ms, s.submitted_at) IS DISTINCT FROM (a.points, a.duration_ms, a.submitted_at)
"""
_STANDS_NOWHERE = """
SELECT a.account_id FROM attempts a
WHERE a.scored_at IS NOT NULL AND a.voided_at IS NULL AND NOT EXISTS (
    SELECT FROM standings s WHERE s.round_id = a.round_id AND s.account_id = a.account_id)
"""


def broken(ground: Ground, ledger: Ledger) -> list[str]:
    """Return every way in which what is there is not what must be."""
    with ground.connect() as connection:
        return [
            *_named("I1", lost(ledger.entries, _kept(connection, ledger))),
            *_named("I2", _scored_wrong(ground)),
            *_named("I3", _rows(connection, _TOO_MANY, "has more attempts than are allowed")),
            *_named("I4", _rows(connection, _TOO_LATE, "took something after its deadline and grace")),
            *_named("I5", _rows(connection, _STANDS_WRONG, "stands otherwise than their attempt")),
            *_named("I5", _rows(connection, _STANDS_NOWHERE, "is scored and stands nowhere")),
            *_named("I6", _audit(ground)),
            *_named("I7", dishonest(ledger.entries)),
        ]


def _named(name: str, faults: Iterator[str]) -> Iterator[str]:
    for fault in faults:
        yield f"{name} {fault}"


def _kept(connection: "psycopg.Connection[object]", ledger: Ledger) -> dict[str, Kept]:
    ids = list({one.attempt for one in ledger.entries})
    rows: list[tuple[str, int, dict[str, list[str]], bool]]
    rows = connection.execute(_KEPT, [ids]).fetchall()  # type: ignore[assignment]
    return {public_id: Kept(seq, sheet, is_submitted) for public_id, seq, sheet, is_submitted in rows}


def _rows(connection: "psycopg.Connection[object]", statement: str, what: str) -> Iterator[str]:
    rows: list[tuple[object, ...]] = connection.execute(statement).fetchall()  # type: ignore[assignment]
    for row in rows:
        yield f"{row[0]} {what}"


def _scored_wrong(ground: Ground) -> Iterator[str]:
    with ground.app():
        session = db.session()
        scored = session.scalars(select(Attempt).where(Attempt.scored_at.is_not(None)))
        for one in scored:
            pool = loaded(session, one.pool_id, one.pool.sha256)
            if score(paper_of(one.paper), one.responses, pool.keys).points != one.points:
                yield f"{one.public_id} does not have the points of its answers"


def _audit(ground: Ground) -> Iterator[str]:
    with ground.app():
        for event in audit.broken_links(db.session()):
            yield f"event {event} does not follow from the one before"
