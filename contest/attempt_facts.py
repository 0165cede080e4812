"""What of a round's attempts is fixed when the books are closed: its digest is logged then.

Points and durations follow from facts and may be corrected; these facts change no more.
"""

import hashlib
from datetime import UTC, datetime

from sqlalchemy import collate, select
from sqlalchemy.orm import Session

from contest.bundle_rows import AnyRow, stream
from contest.models import Account, Attempt, Registration, Round

FACTS = (
    Attempt.public_id,
    Account.draw_id,
    Attempt.number,
    Attempt.division_id,
    Attempt.unit_id,
    Attempt.pool_id,
    Attempt.started_at,
    Attempt.closes_at,
    Attempt.deadline_at,
    Attempt.extra_ms,
    Attempt.compensation_ms,
    Attempt.outage_ms,
    Attempt.submitted_at,
    Attempt.how,
    Attempt.prediction,
    Attempt.voided_at,
    Registration.registered_at,
)


def line(row: AnyRow) -> bytes:
    """Return the facts of one attempt as they enter the digest."""
    return ("|".join(_text(getattr(row, fact.key)) for fact in FACTS) + "\n").encode()


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return "" if value is None else str(value)


def digest_of_round(session: Session, round: Round) -> str:
    """Return the SHA-256 of the facts of all attempts of a round, by draw id and number."""
    digest = hashlib.sha256()
    query = (
        select(*FACTS)
        .join(Account, Account.id == Attempt.account_id)
        .join(
            Registration,
            (Registration.account_id == Attempt.account_id) & (Registration.contest_id == round.contest_id),
        )
        .where(Attempt.round_id == round.id)
        .order_by(collate(Account.draw_id, "C"), Attempt.number)
    )
    for row in stream(session, query):
        digest.update(line(row))
    return digest.hexdigest()
