"""Scoring: waiting attempts are scored in batches; standings follow in the same transaction.

The row is the task: submitted_at set, scored_at null. Two workers never take the same row (SKIP
LOCKED), and doing it twice changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from contest import locks
from contest.attempts import paper_of
from contest.models import Correction
from contest.pools import loaded
from contest.receipts import receipt_facts
from contest.rules import scoring as rules
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

# A moment read before this waited for its turn could lie before a ranking that saw nothing of it.
_WRITE_SCORES = text("""
UPDATE attempts a SET scored_at = coalesce(CAST(:now AS timestamptz), statement_timestamp()),
       points = new.points, duration_ms = new.duration_ms,
       receipt_digest = coalesce(a.receipt_digest, new.receipt_digest)
FROM unnest(CAST(:ids AS bigint[]), CAST(:points AS integer[]), CAST(:durations AS integer[]),
            CAST(:digests AS text[]))
     AS new (id, points, duration_ms, receipt_digest)
WHERE a.id = new.id AND a.scored_at IS NULL
""")

# Rows in the order of persons, so that two workers never wait for each other in a circle. The row
# of a person who has one already is only locked: which attempt counts is decided afterwards. Who is
# excluded gets none.
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
  AND NOT EXISTS (SELECT FROM exclusions x
                  WHERE x.round_id = a.round_id AND x.account_id = a.account_id AND x.lifted_at IS NULL)
ORDER BY a.round_id, a.account_id, a.id
ON CONFLICT (round_id, account_id) DO UPDATE SET account_id = excluded.account_id
""")

# After the claim, so that it sees what another worker scored for the same person and committed.
_ALL_OF_PEOPLE = text("""
SELECT a.id, a.round_id, a.account_id, a.division_id, a.number, a.public_id, a.points, a.duration_ms,
       a.submitted_at, a.scored_at, a.prediction, jsonb_array_length(a.paper) * :point AS full_points,
       g.registered_at, r.counts, d.chain
FROM attempts a
JOIN rounds r ON r.id = a.round_id
JOIN registrations g ON g.contest_id = r.contest_id AND g.account_id = a.account_id
JOIN round_divisions d ON d.round_id = a.round_id AND d.division_id = a.division_id
WHERE a.voided_at IS NULL
  AND EXISTS (SELECT FROM attempts mine
              WHERE mine.id = ANY(:ids) AND mine.round_id = a.round_id AND mine.account_id = a.account_id)
""")

# In the order of persons, as everywhere.
_LOCK_STANDINGS = text("""
SELECT s.id FROM standings s
WHERE EXISTS (SELECT FROM attempts mine
              WHERE mine.id = ANY(:ids) AND mine.round_id = s.round_id AND mine.account_id = s.account_id)
ORDER BY s.round_id, s.account_id FOR NO KEY UPDATE
""")

_SET_STANDINGS = text("""
UPDATE standings s
SET attempt_id = a.id, points = a.points, duration_ms = a.duration_ms, submitted_at = a.submitted_at,
    prediction = a.prediction, full_points = jsonb_array_length(a.paper) * :point, attempts_used = chosen.used
FROM unnest(CAST(:attempts AS bigint[]), CAST(:used AS integer[])) AS chosen (attempt_id, used)
JOIN attempts a ON a.id = chosen.attempt_id
WHERE s.round_id = a.round_id AND s.account_id = a.account_id
  AND (s.attempt_id, s.points, s.duration_ms, s.submitted_at, s.attempts_used)
      IS DISTINCT FROM (a.id, a.points, a.duration_ms, a.submitted_at, chosen.used)
""")


def take_turn(session: Session, round_id: int) -> None:
    """Wait until nobody scores the round; who scores it from now on waits until commit.

    So whoever changes what scoring goes by (a correction, an exclusion) finds everything that was
    scored before, and everything that is scored afterwards follows the change.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock(:lock, :round)"), {"lock": locks.SCORING, "round": round_id}
    )


def share_turn(session: Session, round_ids: Iterable[int]) -> None:
    """Score rounds beside others who do, while nobody changes what scoring goes by; until commit."""
    for round_id in sorted(set(round_ids)):
        session.execute(
            text("SELECT pg_advisory_xact_lock_shared(:lock, :round)"),
            {"lock": locks.SCORING, "round": round_id},
        )


def corrections_in_force(session: Session, round_id: int) -> Sequence[Correction]:
    """Return the corrections of a round that no later one supersedes, by code.

    The public is told of them once the round is closed.
    """
    return session.scalars(
        select(Correction)
        .where(Correction.round_id == round_id, Correction.superseded_at.is_(None))
        .order_by(Correction.code)
    ).all()


def corrections_of(session: Session, round_id: int) -> dict[str, rules.Correction]:
    """Return what holds instead of the keys in a round: by code the accepted keys, or None for void."""
    return {one.code: one.keys for one in corrections_in_force(session, round_id)}


def score_batch(session: Session, *, data_key: str, now: datetime | None = None, most: int = BATCH) -> int:
    """Score up to `most` waiting attempts and update their people's standings; return how many it scored.

    Without `now` they are scored at the moment it writes them, whatever it waited for. The first scoring
    also keeps the digest of the receipt, made with a key outside the database.
    """
    rows = session.execute(_TAKE, {"most": most}).all()
    if not rows:
        return 0
    share_turn(session, (row.round_id for row in rows))
    corrections = {round_id: corrections_of(session, round_id) for round_id in {row.round_id for row in rows}}
    scores = {
        row.id: points
        for row in rows
        if (points := points_or_none(session, row, corrections[row.round_id])) is not None
    }
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
        choose_counted(session, again)
    return len(rows)


def stand(session: Session, attempt_ids: Sequence[int]) -> None:
    """Give the people of scored attempts their standings, each by the attempt that counts."""
    session.execute(_CLAIM_STANDINGS, {"ids": list(attempt_ids), "point": POINT})
    choose_counted(session, attempt_ids)


def points_or_none(
    session: Session, row: Row[Any], corrections: Mapping[str, rules.Correction]
) -> int | None:
    """Return the points by paper, responses, pool and corrections; None for a row that can't be scored.

    It must not keep the others waiting. The round does not close while it is there, and every look at
    it is an error in the log.
    """
    try:
        pool = loaded(session, row.pool_id, row.pool_sha256)
        return score(
            paper_of(row.paper), row.responses, pool.keys, partial=row.is_partial, corrections=corrections
        ).points
    except (LookupError, TypeError, ValueError, ArithmeticError):
        logger.exception("this attempt can't be scored", attempt=row.id)
        return None


def _duration_ms(row: Row[Any]) -> int:
    return duration_ms(
        row.started_at,
        row.submitted_at,
        row.deadline_at,
        duration_ms=row.duration_ms,
        extra_ms=row.extra_ms,
        outage_ms=row.outage_ms,
    )


def choose_counted(session: Session, attempt_ids: Sequence[int]) -> None:
    """Let the standings of the attempts' people show the attempt that counts; locks them first."""
    session.execute(_LOCK_STANDINGS, {"ids": list(attempt_ids)})
    chosen = [(counted_of(rows).id, len(rows)) for rows in attempts_of_people(session, attempt_ids)]
    session.execute(
        _SET_STANDINGS,
        {"attempts": [row[0] for row in chosen], "used": [row[1] for row in chosen], "point": POINT},
    )


def attempts_of_people(session: Session, attempt_ids: Sequence[int]) -> list[list[Row[Any]]]:
    """Return all valid attempts of each person who made one of these, if any of them is scored."""
    people: dict[tuple[int, int], list[Row[Any]]] = {}
    for row in session.execute(_ALL_OF_PEOPLE, {"ids": list(attempt_ids), "point": POINT}):
        people.setdefault((row.round_id, row.account_id), []).append(row)
    return [rows for rows in people.values() if any(row.scored_at is not None for row in rows)]


def counted_of(rows: Sequence[Row[Any]], points: Mapping[int, int] | None = None) -> Row[Any]:
    """Return which of one person's valid attempts counts; `points` by id where they would be others."""
    scored = {row.number: row for row in rows if row.scored_at is not None}
    candidates = [
        Candidate(number=number, result=_result(row, len(rows), (points or {}).get(row.id, row.points)))
        for number, row in scored.items()
    ]
    return scored[counted(candidates, rows[0].counts, rows[0].chain).number]


def _result(row: Row[Any], attempts_used: int, points: int) -> Result:
    return Result(
        attempt=row.public_id,
        points=points,
        duration_ms=row.duration_ms,
        submitted_at=row.submitted_at,
        attempts_used=attempts_used,
        registered_at=row.registered_at,
    )


_WAITING = text("""
SELECT count(*) FROM attempts WHERE submitted_at IS NOT NULL AND scored_at IS NULL AND voided_at IS NULL
""")
_OLDEST_WAITING = text("""
SELECT extract(epoch FROM statement_timestamp() - min(submitted_at)) FROM attempts
WHERE submitted_at IS NOT NULL AND scored_at IS NULL AND voided_at IS NULL
""")


def waiting(session: Session) -> int:
    """Return how many attempts wait to be scored."""
    return session.scalar(_WAITING) or 0


def oldest_waiting_seconds(session: Session) -> float:
    """Return for how long the oldest unscored attempt has waited; 0 if none waits."""
    return float(session.scalar(_OLDEST_WAITING) or 0)
