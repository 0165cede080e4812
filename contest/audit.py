"""The audit log: who did what, chained so that a change of any past event shows."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from contest import locks
from contest.models import AuditEvent

GENESIS = "0" * 64


def record(
    session: Session,
    action: str,
    subject: str,
    *,
    now: datetime,
    actor_id: int | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEvent:
    """Append an event to the log, in the transaction of what it tells of."""
    event = AuditEvent(
        at=now,
        actor_id=actor_id,
        action=action,
        subject=subject,
        before=before,
        after=after,
        reason=reason,
    )
    chain(session, [event])
    return event


def chain(session: Session, events: Sequence[AuditEvent]) -> None:
    """Append new events to the log in their order, in few statements however many they are."""
    # Held until commit, so that events are chained in the order in which they come to stand.
    session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": locks.AUDIT_CHAIN})
    last = session.execute(
        select(AuditEvent.id, AuditEvent.hash).order_by(AuditEvent.id.desc()).limit(1)
    ).one_or_none()
    last_id, last_hash = (last.id, last.hash) if last else (0, GENESIS)
    for id, event in enumerate(events, last_id + 1):
        event.id, event.previous_hash = id, last_hash
        event.hash = last_hash = event_hash(event)
    session.add_all(events)
    session.flush()


def event_hash(event: AuditEvent) -> str:
    """Return the SHA-256 that binds an event to the one before it."""
    facts = [
        event.previous_hash,
        event.id,
        event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        event.actor_id,
        event.action,
        event.subject,
        event.before,
        event.after,
        event.reason,
    ]
    canonical = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def broken_links(session: Session) -> Iterator[int]:
    """Yield the ids of events that don't follow from the one before them, in order."""
    previous_hash, expected_id = GENESIS, 1
    for event in session.scalars(
        select(AuditEvent).order_by(AuditEvent.id).execution_options(yield_per=1000)
    ):
        if event.id != expected_id or event.previous_hash != previous_hash or event.hash != event_hash(event):
            yield event.id
        previous_hash, expected_id = event.hash, event.id + 1
