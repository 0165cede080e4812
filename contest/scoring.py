"""Scoring: waiting attempts are scored in batches; standings follow in the same transaction.

The row is the task: submitted_at set, scored_at null. Two workers never take the same row (SKIP
LOCKED), and doing it twice changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from contest.attempts import paper_of, receipt_facts
from contest.pools import loaded
from contest.rules.ranking import Candidate, Result, counted
from contest.rules.scoring import POINT, score
from contest.rules.timing import duration_ms
from contest.security import receipt_digest

logger = structlog.get_logger()

BATCH = 300

_TAKE = text("""
SELECT a.id, a.public_id, a.number, a.account_id, a.round_id, a.division_id, a.unit_id, a.pool_id, a.paper,
       a.responses, a.prediction, a.started_at, a.submitted_at, a.deadline_at, a.extra_ms, a.outage_ms,
       p.sha256 AS pool_sha256, r.duration_ms, r.is_partial, r.attempts_allowed, g.registered_at
FROM attempts a
JOIN pools p ON p.id = a.pool_id
JOIN rounds r ON r.id = a.round_id
JOIN registrations g ON g.contest_id = r.contest_id AND g.account_id = a.account_id
WHERE a.submitted_at IS NOT NULL AND a.scored_at IS NULL AND a.voided_at IS NULL
ORDER BY a.submitted_at LIMIT :most FOR UPDATE OF a SKIP LOCKED
""")

_WRITE_SCORES = text("""
UPDATE attempts a SET scored_at = :now, points = new.points, duration_ms = new.duration_ms,
       receipt_digest = coalesce(a.receipt_digest, new.receipt_digest)
FROM unnest(CAST(:ids AS bigint[]), CAST(:points AS integer[]), CAST(:durations AS integer[]),
            CAST(:digests AS text[]))
     AS new (id, points, duration_ms, receipt_digest)
WHERE a.id = new.id AND a.scored_at IS NULL
""")

# Rows in the order of persons, so that two workers never wait for each other in a circle. The row
# of a person who has one already is only locked: which attempt counts is decided afterwards.
_CLAIM_STANDINGS = text("""
INSERT INTO standings (round_id, account_id, division_id, unit_id, attempt_id, points, full_points,
                       duration_ms, submitted_at, attempts_used, registered_at, prediction)
SELECT DISTINCT ON (a.round_id, a.account_id)
       a.round_id, a.account_id, a.division_id, a.unit_id, a.id, a.points,
       jsonb_array_length(a.paper) * :point, a.duration_ms, a.submitted_at, 1, g.registered_at, a.prediction
FROM attempts a
JOIN rounds r ON r.id = a.round_id
JOIN registrations g ON g.contest_id = r.contest_id AND g.account_id = a.account_id
WHERE a.id = ANY(:ids)
ORDER BY a.round_id, a.account_id, a.id
ON CONFLICT (round_id, account_id) DO UPDATE SET account_id = excluded.account_id
""")

# After the claim, so that it sees what another worker scored for the same person and committed.
_ALL_OF_PERSONS = text("""
SELECT a.id, a.round_id, a.account_id, a.number, a.public_id, a.points, a.duration_ms, a.submitted_at,
       a.scored_at, s.registered_at, r.counts, d.chain
FROM standings s
JOIN attempts a ON a.round_id = s.round_id AND a.account_id = s.account_id
JOIN rounds r ON r.id = s.round_id
JOIN round_divisions d ON d.round_id = s.round_id AND d.division_id = s.division_id
WHERE a.voided_at IS NULL
  AND EXISTS (SELECT FROM attempts mine
              WHERE mine.id = ANY(:ids) AND mine.round_id = s.round_id AND mine.account_id = s.account_id)
""")

_SET_STANDING = text("""
UPDATE standings s
SET attempt_id = a.id, points = a.points, duration_ms = a.duration_ms, submitted_at = a.submitted_at,
    prediction = a.prediction, full_points = jsonb_array_length(a.paper) * :point, attempts_used = :used
FROM attempts a
WHERE a.id = :attempt AND s.round_id = a.round_id AND s.account_id = a.account_id
""")


def score_batch(session: Session, *, data_key: str, now: datetime, most: int = BATCH) -> int:
    """Score up to `most` waiting attempts and update their people's standings; return how many it scored.

    The first scoring also keeps the digest of the receipt, made with a key outside the database.
    """
    rows = session.execute(_TAKE, {"most": most}).all()
    if not rows:
        return 0
    scores = {row.id: points for row in rows if (points := _points_or_none(session, row)) is not None}
    rows = [row for row in rows if row.id in scores]
    ids = list(scores)
    session.execute(
        _WRITE_SCORES,
        {
            "now": now,
            "ids": ids,
            "points": list(scores.values()),
            "durations": [_duration_ms(row) for row in rows],
            "digests": [receipt_digest(data_key, receipt_facts(row)) for row in rows],
        },
    )
    session.execute(_CLAIM_STANDINGS, {"ids": ids, "point": POINT})
    # Whose person may have another attempt: allowed by the round, or a re-sit after a voided one.
    again = [row.id for row in rows if row.attempts_allowed > 1 or row.number > 1]
    if again:
        _choose_counted(session, again)
    return len(rows)


def _points_or_none(session: Session, row: Row[Any]) -> int | None:
    """Return the points, or None for a row that can't be scored: it must not keep the others waiting.

    The round does not close while it is there, and every look at it is an error in the log.
    """
    try:
        return _points(session, row)
    except (LookupError, TypeError, ValueError, ArithmeticError):
        logger.exception("this attempt can't be scored", attempt=row.id)
        return None


def _points(session: Session, row: Row[Any]) -> int:
    pool = loaded(session, row.pool_id, row.pool_sha256)
    return score(paper_of(row.paper), row.responses, pool.keys, partial=row.is_partial).points


def _duration_ms(row: Row[Any]) -> int:
    return duration_ms(
        row.started_at,
        row.submitted_at,
        row.deadline_at,
        duration_ms=row.duration_ms,
        extra_ms=row.extra_ms,
        outage_ms=row.outage_ms,
    )


def _choose_counted(session: Session, ids: Sequence[int]) -> None:
    """Let each person's standing show the attempt that counts, where a round allows several."""
    persons: dict[tuple[int, int], list[Row[Any]]] = {}
    for row in session.execute(_ALL_OF_PERSONS, {"ids": list(ids)}):
        persons.setdefault((row.round_id, row.account_id), []).append(row)
    for rows in persons.values():
        scored = {row.number: row for row in rows if row.scored_at is not None}
        candidates = [
            Candidate(number=number, result=_result(row, len(rows))) for number, row in scored.items()
        ]
        chosen = counted(candidates, rows[0].counts, rows[0].chain)
        session.execute(
            _SET_STANDING, {"attempt": scored[chosen.number].id, "used": len(rows), "point": POINT}
        )


def _result(row: Row[Any], attempts_used: int) -> Result:
    return Result(
        attempt=row.public_id,
        points=row.points,
        duration_ms=row.duration_ms,
        submitted_at=row.submitted_at,
        attempts_used=attempts_used,
        registered_at=row.registered_at,
    )


_OLDEST_WAITING = text("""
SELECT extract(epoch FROM statement_timestamp() - min(submitted_at)) FROM attempts
WHERE submitted_at IS NOT NULL AND scored_at IS NULL AND voided_at IS NULL
""")


def oldest_waiting_seconds(session: Session) -> float:
    """Return for how long the oldest unscored attempt has waited; 0 if none waits."""
    return float(session.scalar(_OLDEST_WAITING) or 0)
