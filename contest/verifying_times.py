"""The check of a round from inside: the times that were given to attempts, or taken out of their durations.

They follow from logged grants and decided outages. Where a step came at nearly the same moment as a start
or a submission, the log can't tell which was first: both are right then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contest.bundle_rows import AnyRow
from contest.models import ExtraTime, Registration, Round
from contest.rules.outages import MILLISECOND, Interval, lost_ms, without
from contest.verifying_facts import Fault, Faults, Log, decisions_of, extra_time_events

# A step and a request count by when they came; they may have waited for each other for so long.
NEARLY = timedelta(minutes=2)
# What an attempt can have by one outage: out of its duration, and on top of its deadline.
_Given = tuple[int, int]


@dataclass(frozen=True)
class _Grant:
    extra_ms: int
    granted_at: datetime
    revoked_at: datetime | None
    # Public ids of the attempts that were open then and got it at once.
    at_once: frozenset[str]
    # The last attempt that was started before; None where the log does not tell.
    last_attempt: int | None


@dataclass(frozen=True)
class _Outage:
    pieces: tuple[Interval, ...]
    decided_at: datetime
    last_attempt: int | None
    # A pause moves deadlines when it begins, by its planned length, and again if it ends early.
    moves_ms: tuple[int, ...] = ()


class TimesGiven:
    """What the attempts of a round can have got, known without a question for each of them."""

    def __init__(self, session: Session, round: Round, log: Log) -> None:
        self.outages = _outages(session, round, log)
        self.grants: dict[tuple[str, int | None], list[_Grant]] = {}
        events = {
            event.subject: event for event in extra_time_events(session) if event.action.endswith("grant")
        }
        granted = session.execute(
            select(ExtraTime, Registration.account_id)
            .outerjoin(Registration, Registration.id == ExtraTime.registration_id)
            .where(
                ExtraTime.contest_id == round.contest_id,
                func.coalesce(ExtraTime.round_id, round.id) == round.id,
            )
        )
        for row, account_id in granted:
            event = events.get(f"extra_time/{row.id}")
            after = (event and event.after) or {}
            whom = (
                ("account", account_id)
                if account_id
                else ("unit", row.unit_id)
                if row.unit_id
                else ("division", row.division_id)
            )
            self.grants.setdefault(whom, []).append(
                _Grant(
                    row.extra_ms,
                    row.granted_at,
                    row.revoked_at,
                    frozenset(after.get("open_attempts", ())),
                    after.get("last_attempt"),
                )
            )

    def faults(self, row: AnyRow) -> Faults:
        """Yield what a valid attempt has that it can't have got."""
        extra = self._extra(row)
        if row.extra_ms not in extra:
            yield Fault("attempts", row.public_id, "extra_ms", _or(extra), row.extra_ms)
        given = self._given(row)
        if (row.outage_ms, row.compensation_ms) in given:
            return
        if row.outage_ms not in (outages := {one[0] for one in given}):
            yield Fault("attempts", row.public_id, "outage_ms", _or(outages), row.outage_ms)
        else:
            compensations = {one[1] for one in given if one[0] == row.outage_ms}
            yield Fault("attempts", row.public_id, "compensation_ms", _or(compensations), row.compensation_ms)

    def _extra(self, row: AnyRow) -> set[int]:
        sums = {0}
        if not self.grants:
            return sums
        for whom in (("account", row.account_id), ("unit", row.unit_id), ("division", row.division_id)):
            for grant in self.grants.get(whom, ()):
                sums = {one + extra for one in sums for extra in _extra_by(grant, row)}
        return sums

    def _given(self, row: AnyRow) -> set[_Given]:
        sums: set[_Given] = {(0, 0)}
        for outage in self.outages:
            by_this = _given_by(outage, row)
            sums = {(one[0] + two[0], one[1] + two[1]) for one in sums for two in by_this}
        return sums


def _or(values: Iterable[int]) -> object:
    found = sorted(values)
    return found[0] if len(found) == 1 else " | ".join(map(str, found))


def _extra_by(grant: _Grant, row: AnyRow) -> tuple[int, ...]:
    """Return what a grant to a person, or to their unit or division, can have given to an attempt."""
    if row.public_id in grant.at_once:
        return (grant.extra_ms,)
    is_before, is_after = _order(row, grant.granted_at, grant.last_attempt)
    if is_before and not is_after:
        return (0,)
    if grant.revoked_at is not None:
        was_in_time, came_too_late = _order(row, grant.revoked_at, None)
        is_before, is_after = is_before or came_too_late, is_after and was_in_time
    return (*((0,) if is_before else ()), *((grant.extra_ms,) if is_after else ()))


def _order(row: AnyRow, at: datetime, last_attempt: int | None) -> tuple[bool, bool]:
    """Tell whether an attempt can have been started before a step, and whether after it."""
    if last_attempt is not None:
        return row.id <= last_attempt, row.id > last_attempt
    return row.started_at <= at + NEARLY, row.started_at >= at - NEARLY


# --- outages -------------------------------------------------------------------------------------


def _outages(session: Session, round: Round, log: Log) -> list[_Outage]:
    decisions = [one for one in decisions_of(session, round) if one.is_compensated]
    paused = [
        Interval(one.outage.from_at, one.outage.until_at) for one in decisions if one.outage.how == "pause"
    ]
    planned = [
        (event.at, datetime.fromisoformat((event.after or {})["until"])) for event in log.of("round.pause")
    ]
    last_attempts = {
        event.subject.rpartition("/")[2]: (event.after or {}).get("last_attempt")
        for event in log.of("outage.compensate")
    }
    found = []
    for one in decisions:
        last_attempt = last_attempts.get(str(one.outage_id))
        interval = Interval(one.outage.from_at, one.outage.until_at)
        if one.outage.how != "pause":
            found.append(_Outage(tuple(without(interval, paused)), one.decided_at, last_attempt))
            continue
        ends = {interval.until_at, *(until for at, until in planned if at == interval.from_at)}
        moves = tuple(sorted({(end - interval.from_at) // MILLISECOND for end in ends}))
        found.append(_Outage((interval,), one.decided_at, last_attempt, moves))
    return found


def _given_by(outage: _Outage, row: AnyRow) -> set[_Given]:
    """Return what a decided outage can have given to a valid attempt."""
    if outage.last_attempt is not None and row.id > outage.last_attempt:
        return {(0, 0)}
    closed: set[int] = set()
    still_open: set[int] = set()
    if _was_closed(row, outage.decided_at):
        lost = (lost_ms(one, row.started_at, row.deadline_at, row.submitted_at) for one in outage.pieces)
        closed.add(sum(lost))
    if _was_open(row, outage.decided_at):
        still_open.add(sum(_lost_by_open(one, row) for one in outage.pieces))
        if _had_run_out(row, outage):
            still_open.add(0)
    if not outage.moves_ms:
        return {(lost, 0) for lost in closed} | {(lost, lost) for lost in still_open}
    began = outage.pieces[0].from_at
    may_sit = row.started_at < began + NEARLY and _was_open(row, began)
    moves = {0, *outage.moves_ms} if may_sit else {0}
    return {(lost, move) for lost in closed | still_open for move in moves}


def _had_run_out(row: AnyRow, outage: _Outage) -> bool:
    """Tell whether the deadline may have lain before the outage, and after it by what was given since."""
    first = row.deadline_at - timedelta(milliseconds=row.compensation_ms)
    return any(first <= one.from_at for one in outage.pieces)


def _lost_by_open(piece: Interval, row: AnyRow) -> int:
    if row.started_at >= piece.until_at or row.deadline_at <= piece.from_at:
        return 0
    begins: datetime = max(piece.from_at, row.started_at)
    return (piece.until_at - begins) // MILLISECOND


def _was_closed(row: AnyRow, at: datetime) -> bool:
    """Tell whether an attempt can have been closed at a moment."""
    return bool(row.submitted_at <= at + NEARLY)


def _was_open(row: AnyRow, at: datetime) -> bool:
    """Tell whether an attempt can have been open; the system closes late, with the deadline as the moment."""
    return bool(row.how == "deadline" or row.submitted_at >= at - NEARLY)
