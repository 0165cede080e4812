"""The tables of a round's bundle, row by row from cursors: memory does not grow with the attempts."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Row, Select, collate, or_, select, text
from sqlalchemy.orm import Session

from contest import pools
from contest.models import (
    Account,
    Attempt,
    Division,
    Exclusion,
    Headcount,
    Pool,
    Registration,
    Round,
    Standing,
    Unit,
    UnitStanding,
)
from contest.rules import scoring
from contest.rules.ranking import Candidate, Result, counted
from question_bank.draw import PaperItem

# Rows fetched at once, and bytes handed on at once.
FETCHED = 2_000
PIECE = 256 * 1024

AnyRow = Row[*tuple[Any, ...]]
Rows = Iterator[tuple[object, ...]]
ATTEMPTS = (
    "attempt",
    "draw_id",
    "number",
    "division",
    "unit",
    "pool_version",
    "registered_at",
    "started_at",
    "extra_ms",
    "compensation_ms",
    "closes_at",
    "deadline_at",
    "outage_ms",
    "submitted_at",
    "how",
    "duration_ms",
    "prediction",
    "points",
    "voided",
    "counted",
    "excluded",
    "excluded_at_books",
    "receipt_digest",
)
RESPONSES = ("attempt", "position", "code", "options", "chosen", "points")
STANDINGS = (
    "division",
    "rank",
    "attempt",
    "points",
    "prediction_error",
    "duration_ms",
    "submitted_at",
    "attempts_used",
    "registered_at",
    "separated_by",
)
EXCLUSIONS = ("draw_id", "excluded_at", "lifted_at", "reason")
UNITS = ("unit", "division", "group", "parent", "headcount", "excluded")
UNIT_STANDINGS = ("division", "unit", "rank", "people", "rate", "mean", "value")


def moment(at: datetime | None) -> str:
    """Return a moment as the bundle writes it: six decimals and offset; "" for none."""
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at else ""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield the bytes of a CSV file: UTF-8, LF, None as an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(row)
        if buffer.tell() >= PIECE:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


# --- attempts and their papers -------------------------------------------------------------------

# By code points, whatever the database's collation: a person's attempts stand together, in order.
_ORDER = (collate(Account.draw_id, "C"), Attempt.number)


def stream(session: Session, query: Select[*tuple[Any, ...]]) -> Iterator[AnyRow]:
    """Yield the rows of a query a few at a time, from a cursor in the database."""
    return iter(session.execute(query.execution_options(yield_per=FETCHED)))


def attempts(session: Session, round: Round, exclusions: Sequence[AnyRow]) -> Rows:
    """Yield the rows of attempts.csv, by draw id and number."""
    assert round.books_closed_at is not None
    now_out = {one.draw_id for one in exclusions if one.lifted_at is None}
    out_at_books = {one.draw_id for one in exclusions if was_out(one, round.books_closed_at)}
    chains = {asked.division_id: asked.chain for asked in round.divisions}
    query = (
        select(
            Attempt.public_id,
            Account.draw_id,
            Attempt.number,
            Attempt.division_id,
            Division.code.label("division"),
            Unit.code.label("unit"),
            Pool.version.label("pool_version"),
            Registration.registered_at,
            Attempt.started_at,
            Attempt.extra_ms,
            Attempt.compensation_ms,
            Attempt.closes_at,
            Attempt.deadline_at,
            Attempt.outage_ms,
            Attempt.submitted_at,
            Attempt.how,
            Attempt.duration_ms,
            Attempt.prediction,
            Attempt.points,
            Attempt.voided_at,
            Attempt.receipt_digest,
        )
        .join(Account, Account.id == Attempt.account_id)
        .join(Division, Division.id == Attempt.division_id)
        .join(Unit, Unit.id == Attempt.unit_id)
        .join(Pool, Pool.id == Attempt.pool_id)
        .join(
            Registration,
            (Registration.account_id == Attempt.account_id) & (Registration.contest_id == round.contest_id),
        )
        .where(Attempt.round_id == round.id)
        .order_by(*_ORDER)
    )
    for draw_id, rows in groupby(stream(session, query), key=lambda row: row.draw_id):
        mine = list(rows)
        chosen = counted_number(mine, round.counts, chains)
        for row in mine:
            is_voided = row.voided_at is not None
            yield (
                row.public_id,
                draw_id,
                row.number,
                row.division,
                row.unit,
                row.pool_version,
                moment(row.registered_at),
                moment(row.started_at),
                row.extra_ms,
                row.compensation_ms,
                moment(row.closes_at),
                moment(row.deadline_at),
                row.outage_ms,
                moment(row.submitted_at),
                row.how,
                None if is_voided else row.duration_ms,
                row.prediction,
                None if is_voided else row.points,
                int(is_voided),
                int(row.number == chosen),
                int(draw_id in now_out),
                int(draw_id in out_at_books),
                row.receipt_digest,
            )


def was_out(exclusion: AnyRow, at: datetime) -> bool:
    """Tell whether an exclusion held at a moment."""
    return exclusion.excluded_at <= at and (exclusion.lifted_at is None or exclusion.lifted_at > at)


def counted_number(rows: Sequence[AnyRow], counts: str, chains: Mapping[int, Sequence[str]]) -> int | None:
    """Return the number of a person's counted attempt in a round; None if no attempt is valid."""
    valid = [row for row in rows if row.voided_at is None]
    if not valid:
        return None
    candidates = [
        Candidate(
            number=row.number,
            result=Result(
                attempt=row.public_id,
                points=row.points,
                duration_ms=row.duration_ms,
                submitted_at=row.submitted_at,
                attempts_used=len(valid),
                registered_at=row.registered_at,
            ),
        )
        for row in valid
    ]
    return counted(candidates, counts, chains[rows[0].division_id]).number


def responses(
    session: Session,
    round: Round,
    stored_pools: Sequence[Pool],
    corrections: Mapping[str, scoring.Correction],
) -> Rows:
    """Yield the rows of responses.csv, in the order of the attempts."""
    keys = {
        pool.id: {code: item.key for code, item in pools.pool_items(pool.file).items()}
        for pool in stored_pools
    }
    # Of a pool's items there are not many different answers: each is worded and scored once.
    known: dict[tuple[object, ...], tuple[str, str, str, int]] = {}
    query = (
        select(Attempt.public_id, Attempt.pool_id, Attempt.paper, Attempt.responses)
        .join(Account, Account.id == Attempt.account_id)
        .where(Attempt.round_id == round.id)
        .order_by(*_ORDER)
    )
    for public_id, pool_id, paper, responses in stream(session, query):
        for position, item in enumerate(paper, start=1):
            code, order = item["code"], tuple(item["order"])
            chosen = "".join(sorted(responses.get(str(position)) or ()))
            cells = known.get((pool_id, code, order, chosen))
            if cells is None:
                scored = scoring.score(
                    [PaperItem(code, order)],
                    {"1": chosen},
                    keys[pool_id],
                    partial=round.is_partial,
                    corrections=corrections,
                )
                cells = (code, " ".join(map(str, order)), chosen, scored.points)
                known[pool_id, code, order, chosen] = cells
            yield (public_id, position, *cells)


_SEEN = text("""
SELECT DISTINCT a.public_id, p.draw_id COLLATE "C" AS draw_id, a.number, (item ->> 'code') COLLATE "C" AS code
FROM attempts a
JOIN accounts p ON p.id = a.account_id
JOIN attempts o ON o.account_id = a.account_id AND o.round_id <> a.round_id AND o.id < a.id
JOIN rounds r ON r.id = o.round_id AND r.contest_id = :contest
CROSS JOIN jsonb_array_elements(o.paper) item
WHERE a.round_id = :round AND item ->> 'code' = ANY(:codes)
ORDER BY 2, 3, 4
""")


def seen(session: Session, round: Round, stored_pools: Sequence[Pool]) -> Rows:
    """Yield what people had had in other rounds, of the items that this round could draw again."""
    elsewhere = session.scalars(
        select(Pool.item_versions)
        .join(Round, Round.id == Pool.round_id)
        .where(Round.contest_id == round.contest_id, Round.id != round.id)
    )
    had_elsewhere = {code for pool in elsewhere for code in pool}
    codes = sorted(
        had_elsewhere.intersection(*[{code for pool in stored_pools for code in pool.item_versions}])
    )
    if codes:
        rows = session.execute(
            _SEEN,
            {"contest": round.contest_id, "round": round.id, "codes": codes},
            execution_options={"yield_per": FETCHED},
        )
        for row in rows:
            yield row.public_id, row.code


# --- results -------------------------------------------------------------------------------------


def exclusions(session: Session, round: Round) -> Sequence[AnyRow]:
    """Return the exclusions of the round, lifted ones too, of people who are entered in the contest."""
    return session.execute(
        select(
            Account.draw_id,
            Exclusion.kind,
            Exclusion.excluded_at,
            Exclusion.lifted_at,
            Registration.unit_id,
            Registration.division_id,
        )
        .join(Account, Account.id == Exclusion.account_id)
        .join(
            Registration,
            (Registration.account_id == Account.id) & (Registration.contest_id == round.contest_id),
        )
        .where(Exclusion.round_id == round.id)
        .order_by(Exclusion.id)
    ).all()


def listed_exclusions(round: Round, exclusions: Sequence[AnyRow]) -> Rows:
    """Yield the rows of exclusions.csv: what holds now, and what was made before the books."""
    assert round.books_closed_at is not None
    yield from sorted(
        (one.draw_id, moment(one.excluded_at), moment(one.lifted_at), one.kind)
        for one in exclusions
        if one.lifted_at is None or one.excluded_at <= round.books_closed_at
    )


def standings(session: Session, round: Round) -> Rows:
    """Yield the rows of standings.csv, in the published order."""
    query = (
        select(Standing, Attempt.public_id, Division.code)
        .join(Attempt, Attempt.id == Standing.attempt_id)
        .join(Division, Division.id == Standing.division_id)
        .where(Standing.round_id == round.id, Standing.position.is_not(None))
        .order_by(Standing.division_id, Standing.position)
        .with_only_columns(
            Division.code,
            Standing.rank,
            Attempt.public_id,
            Standing.points,
            Standing.prediction_error,
            Standing.duration_ms,
            Standing.submitted_at,
            Standing.attempts_used,
            Standing.registered_at,
            Standing.separated_by,
            maintain_column_froms=True,
        )
    )
    for row in stream(session, query):
        yield (*row[:6], moment(row[6]), row[7], moment(row[8]), row[9])


def units(session: Session, round: Round, exclusions: Sequence[AnyRow]) -> Rows:
    """Yield the rows of units.csv, division by division."""
    out: dict[tuple[int, int], int] = {}
    for one in exclusions:
        if one.lifted_at is None:
            place = (one.division_id, one.unit_id)
            out[place] = out.get(place, 0) + 1
    parent = select(Unit.id, Unit.code).subquery()
    for asked in round.divisions:
        headcounts = select(Headcount).where(Headcount.division_id == asked.division_id).subquery()
        with_people = select(Standing.unit_id).where(
            Standing.round_id == round.id,
            Standing.division_id == asked.division_id,
            Standing.position.is_not(None),
        )
        rows = session.execute(
            select(Unit.id, Unit.code, Unit.group, parent.c.code.label("parent"), headcounts.c.headcount)
            .outerjoin(headcounts, headcounts.c.unit_id == Unit.id)
            .outerjoin(parent, parent.c.id == Unit.parent_id)
            .where(or_(headcounts.c.headcount.is_not(None), Unit.id.in_(with_people)))
            .order_by(collate(Unit.code, "C"))
        )
        for row in rows:
            excluded = out.get((asked.division_id, row.id), 0)
            yield row.code, asked.division.code, row.group, row.parent, row.headcount, excluded


def unit_standings(session: Session, round: Round) -> Rows:
    """Yield the rows of unit_standings.csv, in the published order."""
    query = (
        select(
            Division.code,
            Unit.code,
            UnitStanding.rank,
            UnitStanding.people,
            UnitStanding.rate,
            UnitStanding.mean,
            UnitStanding.value,
        )
        .join(Unit, Unit.id == UnitStanding.unit_id)
        .join(Division, Division.id == UnitStanding.division_id)
        .where(UnitStanding.round_id == round.id)
        .order_by(UnitStanding.division_id, UnitStanding.position)
    )
    for row in stream(session, query):
        yield tuple(row)
