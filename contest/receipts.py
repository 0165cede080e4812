"""What a receipt binds: its digest is over these bytes, with a key outside the database."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from contest.models import Attempt


def receipt_facts(attempt: Attempt | Row[Any]) -> bytes:
    """Return what a receipt's digest binds: the paper, the responses, the prediction and the times.

    docs/decisions/0010 tells when the digest is stored and what it proves.
    """
    facts = [
        attempt.public_id,
        attempt.paper,
        attempt.responses,
        attempt.prediction,
        _moment(attempt.started_at),
        _moment(attempt.submitted_at),
    ]
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at else None
