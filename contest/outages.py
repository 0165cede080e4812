"""Outages: what a round makes of a time in which people could not save.

An outage is noted once, by a silence of the web's heartbeat or by an organizer; each round decides on
it once. Compensation gives the attempts that were open then exactly the time they lost, and takes it
out of every duration it fell into. What was closed stays closed.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from contest import audit, deadlines, heartbeats, leaderboards, scoring
from contest.errors import Conflict, NotThere
from contest.formatting import vn_datetime
from contest.models import Attempt, Outage, OutageDecision, Round
from contest.rules.outages import Interval, without

# A request may say up to so long after an outage that it came before its end: `waited`.
LATEST_REQUEST_SECONDS = 5

# What an attempt lost, as contest/rules/outages.lost_ms has it.
_ENDED = "CASE WHEN a.submitted_at IS NULL THEN :until ELSE least(a.submitted_at, a.deadline_at) END"
_LOST = f"""
greatest(0, CAST(floor(1000 * extract(epoch FROM least({_ENDED}, :until) - greatest(a.started_at, :from)))
                 AS integer))
"""
_FELL_INTO = """
a.round_id = :round AND a.voided_at IS NULL AND a.started_at < :until
AND (a.submitted_at IS NULL OR a.submitted_at > :from) AND a.deadline_at > :from
"""


@dataclass(frozen=True)
class Effect:
    """What an outage was to a round: attempts it fell into, and what giving the time back does now."""

    attempts: int
    # Still open: they get a later deadline.
    still_open: int
    # Closed at a deadline that lay within it: these people need a re-sit.
    ran_out: int
    longest_ms: int


@dataclass(frozen=True)
class Incident:
    """An outage as a round has it."""

    outage: Outage
    effect: Effect
    decision: OutageDecision | None
    is_asked: bool


_EFFECT = text(f"""
SELECT count(*) AS attempts, count(*) FILTER (WHERE a.submitted_at IS NULL) AS still_open,
       count(*) FILTER (WHERE a.how = 'deadline' AND a.deadline_at <= :until) AS ran_out,
       coalesce(max({_LOST}) FILTER (WHERE a.submitted_at IS NULL), 0) AS longest_ms
FROM attempts a WHERE {_FELL_INTO}
""")  # noqa: S608


def note(
    session: Session, from_at: datetime, until_at: datetime, *, reason: str, now: datetime, actor_id: int
) -> Outage:
    """Note an outage that the system could not see by itself.

    Raises Conflict without a reason, while it lasts, or if some of it is noted already.
    """
    if not reason:
        raise Conflict("Bạn cần ghi sự cố là gì và biết được nhờ đâu.")
    if not from_at < until_at <= now:
        raise Conflict("Sự cố phải có giờ bắt đầu trước giờ kết thúc, và đã kết thúc.")
    outage = Outage(
        from_at=from_at, until_at=until_at, how="noted", reason=reason, noted_at=now, noted_by_id=actor_id
    )
    try:
        with session.begin_nested():
            session.add(outage)
    except IntegrityError:
        raise Conflict("Một phần khoảng thời gian này đã được ghi nhận là sự cố.") from None
    audit.record(
        session,
        "outage.note",
        f"outage/{outage.id}",
        now=now,
        actor_id=actor_id,
        after={"from": from_at.isoformat(), "until": until_at.isoformat()},
        reason=reason,
    )
    return outage


def find(session: Session, outage_id: int) -> Outage:
    """Return an outage that is no pause. Raises NotThere."""
    outage = session.scalar(select(Outage).where(Outage.id == outage_id, Outage.round_id.is_(None)))
    if outage is None:
        raise NotThere("Không tìm thấy sự cố này.")
    return outage


def effect(session: Session, round: Round, interval: Interval) -> Effect:
    """Return what a time was to a round's attempts."""
    parameters = {"round": round.id, "from": interval.from_at, "until": interval.until_at}
    return Effect(*session.execute(_EFFECT, parameters).one())


def of_round(session: Session, round: Round, *, now: datetime) -> list[Incident]:
    """Return the outages while a round lasted, and its pauses, the newest first."""
    return [
        _incident(session, round, outage, decision)
        for outage, decision in session.execute(_while(round, now=now))
    ]


def undecided(session: Session, round: Round, *, now: datetime) -> list[Incident]:
    """Return the outages that a round has still to decide on, the oldest first."""
    if not _may_decide(round):
        return []
    # The sweeper asks every second: what is decided is not counted again.
    waiting = _while(round, now=now).where(OutageDecision.id.is_(None), Outage.how != "pause")
    incidents = [_incident(session, round, outage, None) for outage, _ in session.execute(waiting)]
    return [one for one in reversed(incidents) if one.is_asked]


def _while(round: Round, *, now: datetime) -> Select[Outage, OutageDecision | None]:
    is_decided = (OutageDecision.outage_id == Outage.id) & (OutageDecision.round_id == round.id)
    return (
        select(Outage, OutageDecision)
        .outerjoin(OutageDecision, is_decided)
        .where(
            (Outage.round_id == round.id) | Outage.round_id.is_(None),
            Outage.until_at > round.opens_at,
            Outage.from_at < (round.closed_at or now),
        )
        .order_by(Outage.from_at.desc())
        .options(joinedload(Outage.noted_by), joinedload(OutageDecision.decided_by))
    )


def _incident(session: Session, round: Round, outage: Outage, decision: OutageDecision | None) -> Incident:
    fell = effect(session, round, Interval(outage.from_at, outage.until_at))
    return Incident(outage, fell, decision, decision is None and _is_asked(round, outage, fell))


def _may_decide(round: Round) -> bool:
    return round.opened_at is not None and round.books_closed_at is None


def _is_asked(round: Round, outage: Outage, fell: Effect) -> bool:
    """Tell whether a round must decide: people were hit, or could not come in time before the closing."""
    if not _may_decide(round) or outage.how == "pause":
        return False
    return fell.attempts > 0 or outage.from_at < round.closes_at <= outage.until_at


def is_holding(session: Session, round: Round, *, now: datetime) -> bool:
    """Tell whether a round must not be marked closed yet: seed and keys could not be taken back.

    It waits for the decision on an outage, because only before it can anybody sit again. The look at
    the web comes first: the beat that ends its silence notes the outage.
    """
    return heartbeats.WEB in heartbeats.silent(session, now=now) or bool(undecided(session, round, now=now))


# --- deciding ------------------------------------------------------------------------------------


def compensate(
    session: Session, round: Round, outage: Outage, *, reason: str, now: datetime, actor_id: int
) -> OutageDecision:
    """Give back what an outage took from a round's attempts, once.

    Open attempts get a later deadline; the time leaves all durations it fell into. Raises Conflict if
    it was decided before, after the books, or while an earlier outage is undecided.
    """
    _take(session, round, outage, now=now)
    known = session.execute(
        select(Outage.from_at, Outage.until_at).where(
            Outage.round_id == round.id,
            Outage.from_at < outage.until_at,
            Outage.until_at > outage.from_at,
        )
    )
    # Pauses are given back by themselves.
    pieces = without(Interval(outage.from_at, outage.until_at), [Interval(*row) for row in known])
    fell, extended = 0, 0
    for piece in pieces:
        changed = give_back(session, round, piece)
        fell += changed[0]
        extended += changed[1]
    return record_decision(
        session,
        round.id,
        outage,
        OutageDecision(is_compensated=True, reason=reason, attempts=fell, extended=extended),
        now=now,
        actor_id=actor_id,
    )


def leave(
    session: Session, round: Round, outage: Outage, *, reason: str, now: datetime, actor_id: int
) -> OutageDecision:
    """Decide, once, that an outage changes nothing in a round. Raises Conflict as compensate does."""
    if not reason:
        raise Conflict("Bạn cần ghi lý do không bù giờ.")
    _take(session, round, outage, now=now)
    decision = OutageDecision(is_compensated=False, reason=reason, attempts=0, extended=0)
    return record_decision(session, round.id, outage, decision, now=now, actor_id=actor_id)


def _take(session: Session, round: Round, outage: Outage, *, now: datetime) -> None:
    """Lock the round and refuse what can't be decided now."""
    leaderboards.take_turn(session, round.id)
    deadlines.hold_starts(session)
    deadlines.lock_round(session, round)
    if round.books_closed_at is not None:
        raise Conflict("Vòng thi đã chốt sổ, không bù giờ được nữa.")
    if (now - outage.until_at).total_seconds() < LATEST_REQUEST_SECONDS:
        raise Conflict("Sự cố vừa kết thúc. Bạn hãy thử lại sau ít giây.")
    decided = select(OutageDecision).filter_by(outage_id=outage.id, round_id=round.id)
    if session.scalar(decided) is not None:
        raise Conflict("Sự cố này đã được quyết định.")
    first = next(iter(undecided(session, round, now=now)), None)
    if first is not None and first.outage.from_at < outage.from_at:
        raise Conflict(f"Bạn hãy quyết định trước về sự cố lúc {vn_datetime(first.outage.from_at)}.")


def record_decision(
    session: Session,
    round_id: int,
    outage: Outage,
    decision: OutageDecision,
    *,
    now: datetime,
    actor_id: int | None,
) -> OutageDecision:
    """Store a round's one decision on an outage and log it. Raises Conflict if there is one already."""
    decision.outage, decision.round_id = outage, round_id
    decision.decided_at, decision.decided_by_id = now, actor_id
    try:
        with session.begin_nested():
            session.add(decision)
    except IntegrityError:
        raise Conflict("Sự cố này đã được quyết định.") from None
    audit.record(
        session,
        "outage.compensate" if decision.is_compensated else "outage.leave",
        f"round/{round_id}/outage/{outage.id}",
        now=now,
        actor_id=actor_id,
        before={"from": outage.from_at.isoformat(), "until": outage.until_at.isoformat()},
        after={
            "attempts": decision.attempts,
            "extended": decision.extended,
            # Who starts later has lost nothing.
            "last_attempt": session.scalar(
                select(func.coalesce(func.max(Attempt.id), 0)).where(Attempt.round_id == round_id)
            ),
        },
        reason=decision.reason,
    )
    return decision


# --- giving back ---------------------------------------------------------------------------------

# One statement, so that of a submission or a scoring at the same moment it sees all or nothing: a row
# that another is changing is waited for and judged as that one left it. The duration of what is
# scored already follows contest/rules/timing.duration_ms.
_GIVE_BACK = text(f"""
WITH changed AS (
    UPDATE attempts a
    SET outage_ms = a.outage_ms + {_LOST},
        compensation_ms = a.compensation_ms
                          + CASE WHEN a.submitted_at IS NULL AND :moves THEN {_LOST} ELSE 0 END,
        deadline_at = a.deadline_at + CASE WHEN a.submitted_at IS NULL AND :moves THEN {_LOST} ELSE 0 END
                                      * interval '1 millisecond',
        duration_ms = CASE WHEN a.scored_at IS NOT NULL THEN
            greatest(0, (CAST(1000000 * extract(epoch FROM {_ENDED} - a.started_at) AS bigint)
                         - CAST(1000 AS bigint) * (a.outage_ms + {_LOST}))
                        * r.duration_ms / (CAST(r.duration_ms + a.extra_ms AS bigint) * 1000)) END
    FROM rounds r
    WHERE r.id = a.round_id AND {_FELL_INTO} AND {_LOST} > 0
    RETURNING a.id, a.submitted_at, a.scored_at, a.number, r.attempts_allowed)
SELECT count(*) AS fell, count(*) FILTER (WHERE submitted_at IS NULL) AS still_open,
       array_agg(id) FILTER (WHERE scored_at IS NOT NULL) AS scored,
       array_agg(id) FILTER (WHERE scored_at IS NOT NULL AND (number > 1 OR attempts_allowed > 1)) AS again
FROM changed
""")  # noqa: S608

# Rows are locked in the order of persons, as scoring does.
_FOLLOW = text("""
WITH new AS (
    SELECT s.id, a.duration_ms FROM standings s JOIN attempts a ON a.id = s.attempt_id
    WHERE s.attempt_id = ANY(:ids) AND s.duration_ms <> a.duration_ms
    ORDER BY s.account_id FOR NO KEY UPDATE OF s)
UPDATE standings s SET duration_ms = new.duration_ms FROM new WHERE s.id = new.id
""")


def give_back(session: Session, round: Round, piece: Interval, *, is_moving: bool = True) -> tuple[int, int]:
    """Take a time out of what a round's attempts took; return how many it fell into, how many were open.

    Unless told otherwise, open attempts get a later deadline by as much. The caller has taken its turn
    at ranking.
    """
    changed = session.execute(
        _GIVE_BACK,
        {
            "round": round.id,
            "from": piece.from_at,
            "until": piece.until_at,
            "moves": is_moving,
        },
    ).one()
    if changed.scored:
        session.execute(_FOLLOW, {"ids": changed.scored})
        leaderboards.call_for_ranking(session, round)
    if changed.again:
        scoring.choose_counted(session, changed.again)
    return changed.fell, changed.still_open
