"""The check of a round from inside: the facts that people decided, against the log of their steps.

Papers, points and ranks follow from facts; who is excluded, what is corrected, how long a round lasts
follows from nothing. So each of them must stand as the log tells it, and what the log tells must stand.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import literal, or_, select
from sqlalchemy.orm import Session, joinedload

from contest import declines, headcounts
from contest.models import (
    Attempt,
    AuditEvent,
    Correction,
    Decline,
    Exclusion,
    ExtraTime,
    OutageDecision,
    Round,
)
from contest.round_settings import settings_record


@dataclass(frozen=True)
class Fault:
    """A place where what is stored is not what follows from the facts."""

    table: str
    row: str
    column: str
    expected: object
    stored: object


Faults = Iterator[Fault]
_Rows = Mapping[str, Mapping[str, object]]


def differences(table: str, row: str, expected: Mapping[str, object], stored: Mapping[str, object]) -> Faults:
    """Yield the columns of a row that are not as expected."""
    for column, value in expected.items():
        if stored[column] != value:
            yield Fault(table, row, column, value, stored[column])


class Log:
    """The events of a round and of what belongs to it, in the order in which they came to stand."""

    def __init__(self, session: Session, round: Round) -> None:
        of_round = f"round/{round.id}"
        self.events = session.scalars(
            select(AuditEvent)
            .where(or_(AuditEvent.subject == of_round, AuditEvent.subject.startswith(f"{of_round}/")))
            .order_by(AuditEvent.id)
        ).all()

    def of(self, *actions: str) -> list[AuditEvent]:
        """Return the events of some kinds."""
        return [event for event in self.events if event.action in actions]

    def last(self, *actions: str) -> dict[str, Any]:
        """Return what the last event of some kinds said; nothing if there is none."""
        found = self.of(*actions)
        return (found[-1].after or {}) if found else {}


def check_facts(session: Session, round: Round, log: Log) -> Faults:
    """Yield the facts of a round that are not as the log tells them."""
    yield from _check_settings(session, round, log)
    yield from _check_texts(round, log)
    yield from _check_headcounts(session, round)
    yield from _compare("exclusions", _exclusions(session, round), _logged_exclusions(log))
    yield from _compare("declines", _declines(session, round), _logged_declines(log))
    yield from _compare("corrections", _corrections(session, round), _logged_corrections(log))
    yield from _compare("outage_decisions", _decisions(session, round), _logged_decisions(log))
    yield from _compare("attempts", _voided(session, round), _logged_voided(session, round), "voided_at")
    yield from _compare("extra_times", _extra_times(session, round), _logged_extra_times(session, round))


def _compare(table: str, rows: _Rows, logged: _Rows, column: str = "id") -> Faults:
    """Yield rows that no step made, steps whose row is gone, and what differs in the others."""
    for name in sorted({*rows, *logged}):
        if name not in logged:
            yield Fault(table, name, column, "nothing: no step is logged", "a row")
        elif name not in rows:
            yield Fault(table, name, column, "a row, as logged", "nothing")
        else:
            yield from differences(table, name, logged[name], rows[name])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _last_part(event: AuditEvent) -> str:
    return event.subject.rpartition("/")[2]


# --- the round -----------------------------------------------------------------------------------


def _check_settings(session: Session, round: Round, log: Log) -> Faults:
    """Compare the settings with those logged at the opening; only the closing may move afterwards.

    Every attempt holds its own closing. A round that was opened before settings were logged has none.
    """
    logged = log.last("round.open").get("configuration", {})
    stored = json.loads(json.dumps(settings_record(session, round)))
    for name in sorted(logged.keys() & stored.keys() - {"closes_at"}):
        if logged[name] != stored[name]:
            yield Fault("rounds", f"round {round.number}", name, logged[name], stored[name])


def _check_texts(round: Round, log: Log) -> Faults:
    # Papers follow from the text that is mixed into the seed; nothing else does from that of the lots.
    logged = {"lot_text": log.last("round.lot_text").get("lot_text")}
    yield from differences("rounds", f"round {round.number}", logged, {"lot_text": round.lot_text})


def _check_headcounts(session: Session, round: Round) -> Faults:
    contest = round.contest
    if contest.headcounts_sha256 is None:
        return
    subject = f"contest/{contest.id}"
    event = session.scalars(
        select(AuditEvent).where(AuditEvent.subject == subject, AuditEvent.action == "headcounts.lock")
    ).first()
    logged = ((event and event.after) or {}).get("sha256")
    yield from differences(
        "contests", contest.slug, {"sha256": logged}, {"sha256": contest.headcounts_sha256}
    )
    digest = headcounts.digest(session, contest)
    yield from differences("headcounts", contest.slug, {"sha256": logged}, {"sha256": digest})


# --- exclusions, declines, corrections -----------------------------------------------------------


def _exclusions(session: Session, round: Round) -> dict[str, dict[str, object]]:
    rows = session.scalars(select(Exclusion).where(Exclusion.round_id == round.id))
    return {
        _exclusion_name(row.id, row.account_id, is_by_rule=row.excluded_by_id is None): {
            "account_id": row.account_id,
            "kind": row.kind,
            "reason": row.reason,
            "approved_by_id": row.approved_by_id,
            "excluded_at": row.excluded_at,
            "lifted": row.lifted_at is not None,
            "lifted_at": row.lifted_at,
        }
        for row in rows
    }


def _exclusion_name(exclusion_id: int | None, account_id: int, *, is_by_rule: bool) -> str:
    # By a rule of the contest a person is excluded once, and several people in one logged step.
    return f"account {account_id}, by rule" if is_by_rule else str(exclusion_id)


def _logged_exclusions(log: Log) -> dict[str, dict[str, object]]:
    logged: dict[str, dict[str, object]] = {}
    by_rule: dict[int, str] = {}
    for event in log.of("exclusion.make", "exclusion.lift", "round.exclude_organizers"):
        before, after = event.before or {}, event.after or {}
        if event.action == "exclusion.make":
            logged[str(after["exclusion"])] = {
                "account_id": int(_last_part(event)),
                "kind": after["kind"],
                "reason": event.reason,
                "approved_by_id": after["approved_by"],
                "lifted": False,
            }
            if "excluded_at" in after:
                logged[str(after["exclusion"])]["excluded_at"] = _moment(after["excluded_at"])
        elif event.action == "round.exclude_organizers":
            for account_id in after["accounts"]:
                by_rule[account_id] = _exclusion_name(None, account_id, is_by_rule=True)
                logged[by_rule[account_id]] = {
                    "account_id": account_id,
                    "kind": "organizer",
                    "reason": event.reason,
                    "approved_by_id": None,
                    "excluded_at": event.at,
                    "lifted": False,
                }
        else:
            name = str(before["exclusion"])
            if name not in logged:
                name = by_rule.get(int(_last_part(event)), name)
            logged.setdefault(name, {})["lifted"] = True
            if "lifted_at" in after:
                logged[name]["lifted_at"] = _moment(after["lifted_at"])
    return logged


def _declines(session: Session, round: Round) -> dict[str, dict[str, object]]:
    rows = session.scalars(select(Decline).where(Decline.round_id == round.id))
    return {f"account {row.account_id}": {"reason": row.reason} for row in rows}


def _logged_declines(log: Log) -> dict[str, dict[str, object]]:
    logged: dict[str, dict[str, object]] = {}
    for event in log.of(*declines.ACTIONS):
        name = f"account {_last_part(event)}"
        if event.action == declines.DECLINE:
            logged[name] = {"reason": event.reason}
        else:
            logged.pop(name, None)
    return logged


def _corrections(session: Session, round: Round) -> dict[str, dict[str, object]]:
    rows = session.scalars(select(Correction).where(Correction.round_id == round.id))
    return {
        str(row.id): {
            "code": row.code,
            "keys": row.keys,
            "note": row.note,
            "reason": row.reason,
            "superseded": row.superseded_at is not None,
        }
        for row in rows
    }


def _logged_corrections(log: Log) -> dict[str, dict[str, object]]:
    logged: dict[str, dict[str, object]] = {}
    for event in log.of("correction.make"):
        before, after = event.before or {}, event.after or {}
        if before:
            logged.setdefault(str(before["correction"]), {})["superseded"] = True
        logged[str(after["correction"])] = {
            "code": _last_part(event),
            "keys": after["keys"],
            "note": after["note"],
            "reason": event.reason,
            "superseded": False,
        }
    return logged


# --- what changes the times of attempts ----------------------------------------------------------


def _decisions(session: Session, round: Round) -> dict[str, dict[str, object]]:
    return {
        f"outage {row.outage_id}": {
            "is_compensated": row.is_compensated,
            "attempts": row.attempts,
            "extended": row.extended,
            "from_at": row.outage.from_at,
            "until_at": row.outage.until_at,
        }
        for row in decisions_of(session, round)
    }


def decisions_of(session: Session, round: Round) -> Sequence[OutageDecision]:
    """Return what a round decided on outages, its pauses included, with the outages."""
    return session.scalars(
        select(OutageDecision)
        .where(OutageDecision.round_id == round.id)
        .options(joinedload(OutageDecision.outage))
    ).all()


def _logged_decisions(log: Log) -> dict[str, dict[str, object]]:
    logged: dict[str, dict[str, object]] = {}
    for event in log.of("outage.compensate", "outage.leave"):
        before, after = event.before or {}, event.after or {}
        logged[f"outage {_last_part(event)}"] = {
            "is_compensated": event.action == "outage.compensate",
            "attempts": after["attempts"],
            "extended": after["extended"],
            "from_at": _moment(before["from"]),
            "until_at": _moment(before["until"]),
        }
    return logged


def _voided(session: Session, round: Round) -> dict[str, dict[str, object]]:
    rows = session.execute(
        select(Attempt.public_id, Attempt.voided_at).where(
            Attempt.round_id == round.id, Attempt.voided_at.is_not(None)
        )
    )
    return {row.public_id: {"voided_at": row.voided_at} for row in rows}


def _logged_voided(session: Session, round: Round) -> dict[str, dict[str, object]]:
    rows = session.execute(
        select(Attempt.public_id, AuditEvent.after)
        .join(Attempt, AuditEvent.subject == literal("attempt/") + Attempt.public_id)
        .where(Attempt.round_id == round.id, AuditEvent.action == "attempt.void")
    )
    return {row.public_id: {"voided_at": _moment(row.after["voided_at"])} for row in rows}


_WHOM = {"round": "round_id", "registration": "registration_id", "unit": "unit_id", "division": "division_id"}


def _extra_times(session: Session, round: Round) -> dict[str, dict[str, object]]:
    rows = session.scalars(select(ExtraTime).where(ExtraTime.contest_id == round.contest_id))
    return {
        str(row.id): {
            "extra_ms": row.extra_ms,
            "revoked": row.revoked_at is not None,
            **{column: getattr(row, column) for column in _WHOM.values()},
        }
        for row in rows
    }


def _logged_extra_times(session: Session, round: Round) -> dict[str, dict[str, object]]:
    elsewhere = {
        str(one)
        for one in session.scalars(select(ExtraTime.id).where(ExtraTime.contest_id != round.contest_id))
    }
    logged: dict[str, dict[str, object]] = {}
    for event in extra_time_events(session):
        name, after = _last_part(event), event.after or {}
        if name in elsewhere:
            continue
        if event.action == "extra_time.grant":
            whom = {column: after[name] for name, column in _WHOM.items()}
            logged[name] = {"extra_ms": after["extra_ms"], "revoked": False, **whom}
        else:
            logged.setdefault(name, {})["revoked"] = True
    return logged


def extra_time_events(session: Session) -> Sequence[AuditEvent]:
    """Return the events of all grants of extra time and of their ends."""
    return session.scalars(
        select(AuditEvent)
        .where(AuditEvent.action.in_(("extra_time.grant", "extra_time.revoke")))
        .order_by(AuditEvent.id)
    ).all()
