"""Heartbeats: each kind of process says that it is alive; a silence of the web is an outage.

The web's beat goes the way of a save, through its connections into the database, so that a web that
is down and a database that is away are seen alike: in neither could people save. The silence of the
workers or the sweeper keeps nobody from saving and is no outage; organizers are told while it lasts.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from contest.models import Heartbeat, Outage
from contest.rules.outages import LONGEST_SILENCE, Interval, gap, without

WEB, WORKER, SWEEP = "web", "worker", "sweep"
# One step of ranking or of long work may take this long; only then is a process called silent.
PATIENCE: Mapping[str, timedelta] = {
    WEB: LONGEST_SILENCE,
    WORKER: timedelta(seconds=30),
    SWEEP: timedelta(minutes=2),
}

_BEAT = text("""
UPDATE heartbeats SET beat_at = greatest(beat_at, statement_timestamp())
WHERE kind = :kind AND beat_at >= statement_timestamp() - :longest
""")
_FIRST_BEAT = text("""
INSERT INTO heartbeats (kind, beat_at) VALUES (:kind, statement_timestamp()) ON CONFLICT DO NOTHING
""")
_LAST_BEAT = text("""
SELECT beat_at, greatest(beat_at, statement_timestamp()) AS now FROM heartbeats WHERE kind = :kind FOR UPDATE
""")


def beat(session: Session, kind: str) -> list[Outage]:
    """Note that a process is alive: one small statement, unless it has been silent for too long.

    Then, of however many processes of the kind, one notes the outages that a silence of the web was,
    and returns them.
    """
    noted = session.execute(_BEAT, {"kind": kind, "longest": LONGEST_SILENCE})
    if noted.rowcount:  # type: ignore[attr-defined]
        return []
    session.execute(_FIRST_BEAT, {"kind": kind})
    last = session.execute(_LAST_BEAT, {"kind": kind}).one()
    silence = gap(last.beat_at, last.now)
    outages = _noted(session, silence) if silence and kind == WEB else []
    session.execute(update(Heartbeat).where(Heartbeat.kind == kind).values(beat_at=last.now))
    return outages


def _noted(session: Session, silence: Interval) -> list[Outage]:
    """Note a silence as outages, apart from those that somebody noted already."""
    known = session.execute(
        select(Outage.from_at, Outage.until_at).where(
            Outage.round_id.is_(None), Outage.from_at < silence.until_at, Outage.until_at > silence.from_at
        )
    )
    pieces = without(silence, [Interval(*row) for row in known])
    outages = [Outage(from_at=one.from_at, until_at=one.until_at, how="heartbeat") for one in pieces]
    session.add_all(outages)
    session.flush()
    return outages


def silent(session: Session, *, now: datetime) -> dict[str, datetime]:
    """Return the kinds of processes that have beaten and do no more, each with its last beat."""
    return {kind: beat_at for kind, beat_at in last(session).items() if now - beat_at > PATIENCE[kind]}


def last(session: Session) -> dict[str, datetime]:
    """Return the last beat of each kind of process that has ever beaten."""
    beats = session.execute(select(Heartbeat.kind, Heartbeat.beat_at).order_by(Heartbeat.kind))
    return {kind: beat_at for kind, beat_at in beats}  # noqa: C416 - dict() knows no rows


def known(session: Session) -> set[str]:
    """Return the kinds of processes that have ever beaten."""
    return set(session.scalars(select(Heartbeat.kind)))
