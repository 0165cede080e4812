"""The check of a round from inside, first half: the log, the promises, every attempt.

Papers, points, durations and receipts follow from facts by the pure rules; what somebody changed
behind the application's back no longer follows. Attempts come as a stream, so that memory holds one
small record a person. What people decided is compared with the log in contest/verifying_facts.py and
contest/verifying_times.py; the second half is contest/verifying_results.py and
contest/verifying_publications.py.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import collate, select
from sqlalchemy.orm import Session

from contest import attempt_facts, audit, bundle_rows, pools
from contest.attempts import paper_of
from contest.bundle_rows import AnyRow
from contest.contests import SEED_PURPOSE, revealed_seed
from contest.models import (
    Account,
    Attempt,
    AuditEvent,
    Pool,
    Registration,
    Round,
)
from contest.receipts import receipt_facts
from contest.rules import scoring, timing
from contest.scoring import corrections_in_force
from contest.security import receipt_digest, unseal
from contest.verifying_facts import Fault, Faults, Log, differences
from contest.verifying_times import TimesGiven
from question_bank.draw import NotEnoughItems, draw_paper, paper_seed


@dataclass(frozen=True, slots=True)
class Counted:
    """The counted attempt of one person, as the standings need it."""

    account_id: int
    draw_id: str
    attempt: str
    division_id: int
    unit_id: int
    points: int
    full_points: int
    duration_ms: int
    submitted_at: datetime
    used: int
    registered_at: datetime
    prediction: int | None
    is_out: bool
    was_out_at_books: bool


def check_log(session: Session) -> Faults:
    """Yield the audit events that don't follow from the one before."""
    for event_id in audit.broken_links(session):
        yield Fault("audit_events", str(event_id), "hash", "the hash of the event and the one before it", "")


def check_promises(session: Session, round: Round, log: Log, *, data_key: str) -> Faults:
    """Yield what of the seed and the pools is not as committed to before the round opened."""
    name = f"round {round.number}"
    secret = _secret(round, data_key)
    if secret is None:
        yield Fault("rounds", name, "seed_sealed", "a seed sealed with the data key", "")
    elif hashlib.sha256(secret).hexdigest() != round.seed_commitment:
        expected = hashlib.sha256(secret).hexdigest()
        yield Fault("rounds", name, "seed_commitment", expected, round.seed_commitment)
    if (logged := log.last("round.commit_seed").get("commitment")) != round.seed_commitment:
        yield Fault("rounds", name, "seed_commitment", logged, round.seed_commitment)
    logged_pools = log.last("round.open").get("pools", {})
    voided = log.of("correction.make")
    for asked in round.divisions:
        before: Pool | None = None
        for pool in _pools(session, round.id, asked.division_id):
            row = f"{asked.division.code}, version {pool.version}"
            digest = hashlib.sha256(pool.file).hexdigest()
            yield from differences("pools", row, {"file": digest}, {"file": pool.sha256})
            logged = logged_pools.get(asked.division.code)
            if pool.version == 1 and logged != pool.sha256:
                yield Fault("pools", row, "sha256", logged, pool.sha256)
            if pool.version > 1:
                yield from _check_later(pool, before, asked.division.code, voided)
            before = pool


def _check_later(pool: Pool, before: Pool | None, division: str, corrections: Sequence[AuditEvent]) -> Faults:
    """Yield how a later version of a pool is not the one before it without what a correction withdrew."""
    row = f"{division}, version {pool.version}"
    if before is None or before.version != pool.version - 1:
        yield Fault("pools", row, "version", "the version after one that is there", pool.version)
        return
    left, was = ({item["code"]: item for item in json.loads(one.file)["items"]} for one in (pool, before))
    for code, item in left.items():
        if was.get(code) != item:
            yield Fault("pools", row, f"file, {code}", was.get(code), item)
    withdrawn = {
        event.subject.rpartition("/")[2]: event.after or {}
        for event in corrections
        if division in (event.after or {}).get("withdrawn_from", ())
    }
    for code in sorted(was.keys() - left.keys()):
        if code not in withdrawn:
            yield Fault("pools", row, f"file, {code}", was[code], "nothing, and no correction withdrew it")
        # Corrections before pools were logged have none.
        logged = withdrawn.get(code, {}).get("pools", {}).get(f"{division}-{pool.version}", pool.sha256)
        yield from differences("pools", row, {"sha256": logged}, {"sha256": pool.sha256})


def _secret(round: Round, data_key: str) -> bytes | None:
    try:
        return unseal(data_key, round.seed_sealed or b"", SEED_PURPOSE)
    except ValueError:
        return None


def _pools(session: Session, round_id: int, division_id: int) -> Sequence[Pool]:
    return session.scalars(
        select(Pool).where(Pool.round_id == round_id, Pool.division_id == division_id).order_by(Pool.version)
    ).all()


# --- attempts ------------------------------------------------------------------------------------

_COLUMNS = (
    Attempt.id,
    Attempt.public_id,
    Attempt.account_id,
    Account.draw_id,
    Attempt.number,
    Attempt.division_id,
    Attempt.unit_id,
    Attempt.pool_id,
    Attempt.paper,
    Attempt.responses,
    Attempt.prediction,
    Attempt.started_at,
    Attempt.closes_at,
    Attempt.deadline_at,
    Attempt.extra_ms,
    Attempt.compensation_ms,
    Attempt.outage_ms,
    Attempt.submitted_at,
    Attempt.how,
    Attempt.scored_at,
    Attempt.points,
    Attempt.duration_ms,
    Attempt.voided_at,
    Attempt.receipt_digest,
    Registration.registered_at,
)


class AttemptCheck:
    """Goes through all attempts of a round once: `faults` yields, and then `counted` holds the persons."""

    def __init__(self, session: Session, round: Round, log: Log, *, data_key: str) -> None:
        self.session, self.round, self.data_key = session, round, data_key
        self.counted: list[Counted] = []
        self.times = TimesGiven(session, round, log)
        self.facts_logged = log.last("round.close_books").get("attempts")
        self.seed = revealed_seed(round, data_key=data_key) or b""
        stored_pools = session.scalars(select(Pool).where(Pool.round_id == round.id)).all()
        self.pools = {pool.id: pools.pool_items(pool.file) for pool in stored_pools}
        self.keys = {
            pool_id: {code: item.key for code, item in items.items()} for pool_id, items in self.pools.items()
        }
        self.cells = {
            asked.division_id: pools.specification_cells(asked.specification) for asked in round.divisions
        }
        self.chains = {asked.division_id: asked.chain for asked in round.divisions}
        self.corrections: dict[str, scoring.Correction] = {
            one.code: one.keys
            for one in corrections_in_force(session, round.id)
            if one.applied_at is not None
        }
        self.seen: dict[str, set[str]] = {}
        for public_id, code in bundle_rows.seen(session, round, stored_pools):
            self.seen.setdefault(str(public_id), set()).add(str(code))
        exclusions = bundle_rows.exclusions(session, round)
        self.out = {one.draw_id for one in exclusions if one.lifted_at is None}
        books_at = round.books_closed_at
        self.out_at_books = (
            {one.draw_id for one in exclusions if bundle_rows.was_out(one, books_at)}
            if books_at
            else self.out
        )

    def faults(self) -> Faults:
        """Yield what differs, attempt by attempt, in the order of draw ids and numbers."""
        query = (
            select(*_COLUMNS)
            .join(Account, Account.id == Attempt.account_id)
            .join(
                Registration,
                (Registration.account_id == Attempt.account_id)
                & (Registration.contest_id == self.round.contest_id),
            )
            .where(Attempt.round_id == self.round.id)
            .order_by(collate(Account.draw_id, "C"), Attempt.number)
        )
        rows = bundle_rows.stream(self.session, query)
        digest = hashlib.sha256()
        for draw_id, group in groupby(rows, key=lambda row: row.draw_id):
            mine, had = list(group), set[str]()
            for row in mine:
                paper = self._paper(row, had | self.seen.get(row.public_id, set()))
                yield from self._check(row, paper)
                had.update(item["code"] for item in paper if isinstance(item, dict))
                digest.update(attempt_facts.line(row))
            self._count(draw_id, mine)
        # Which attempt it is no log tells, but that one of them was changed since the books were closed.
        if self.facts_logged not in (None, digest.hexdigest()):
            row_name = f"round {self.round.number}"
            yield Fault("attempts", row_name, "facts at the books", self.facts_logged, digest.hexdigest())

    def _check(self, row: AnyRow, paper: Sequence[object]) -> Faults:
        expected: dict[str, object] = {"paper": paper, "deadline_at": self._deadline(row)}
        if row.scored_at is not None:
            expected |= {
                "receipt_digest": receipt_digest(self.data_key, receipt_facts(row)),
                "points": self._points(row),
                "duration_ms": timing.duration_ms(
                    row.started_at,
                    row.submitted_at,
                    row.deadline_at,
                    duration_ms=self.round.duration_ms,
                    extra_ms=row.extra_ms,
                    outage_ms=row.outage_ms,
                ),
            }
        if row.how == "deadline":
            expected["submitted_at"] = row.deadline_at
        stored = {name: getattr(row, name) for name in expected}
        yield from differences("attempts", row.public_id, expected, stored)
        if row.scored_at is not None and row.voided_at is None:
            yield from self.times.faults(row)

    def _deadline(self, row: AnyRow) -> datetime:
        return timing.deadline(
            row.started_at,
            duration=timedelta(milliseconds=self.round.duration_ms),
            closes_at=row.closes_at,
            extra=timedelta(milliseconds=row.extra_ms),
            compensation=timedelta(milliseconds=row.compensation_ms),
        )

    def _paper(self, row: AnyRow, had: set[str]) -> Sequence[object]:
        """Return the paper as it is to be stored, or why none can be drawn."""
        items = list(self.pools[row.pool_id].values())
        seed = paper_seed(self.seed, row.draw_id, row.number)
        try:
            drawn = draw_paper(items, self.cells[row.division_id], seed, had)
        except NotEnoughItems as error:
            return [str(error)]
        return [{"code": item.code, "order": list(item.order)} for item in drawn]

    def _points(self, row: AnyRow) -> object:
        """Return the points, or what keeps the stored paper from being scored."""
        try:
            return scoring.score(
                paper_of(row.paper),
                row.responses,
                self.keys[row.pool_id],
                partial=self.round.is_partial,
                corrections=self.corrections,
            ).points
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            return f"{type(error).__name__}: {error}"

    def _count(self, draw_id: str, rows: Sequence[AnyRow]) -> None:
        scored = [row for row in rows if row.voided_at is None and row.scored_at is not None]
        number = bundle_rows.counted_number(scored, self.round.counts, self.chains)
        if number is None:
            return
        row = next(one for one in scored if one.number == number)
        self.counted.append(
            Counted(
                account_id=row.account_id,
                draw_id=draw_id,
                attempt=row.public_id,
                division_id=row.division_id,
                unit_id=row.unit_id,
                points=row.points,
                full_points=sum(cell.count for cell in self.cells[row.division_id]) * scoring.POINT,
                duration_ms=row.duration_ms,
                submitted_at=row.submitted_at,
                used=sum(one.voided_at is None for one in rows),
                registered_at=row.registered_at,
                prediction=row.prediction,
                is_out=draw_id in self.out,
                was_out_at_books=draw_id in self.out_at_books,
            )
        )
