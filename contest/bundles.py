"""The bundle of a round: its stored facts as files from which anyone recomputes the result.

rules.md says what each file holds, docs/bundle.md says it for the public, and contest/data/verify.py
is the program that checks it, a part of every bundle. The files are written as a stream: memory does
not grow with the number of attempts.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select, collate, func, or_, select, text
from sqlalchemy.orm import Session

from contest import pools
from contest.contests import SEED_PURPOSE, revealed_seed
from contest.errors import Conflict
from contest.models import (
    Account,
    Attempt,
    Correction,
    Decline,
    Division,
    Exclusion,
    Headcount,
    Pool,
    Prize,
    Registration,
    Round,
    RoundDivision,
    Standing,
    Unit,
    UnitStanding,
)
from contest.rules import scoring
from contest.rules.ranking import Candidate, Result, counted
from contest.rules.unit_ranking import fraction_text
from contest.security import unseal
from question_bank.draw import PaperItem

FORMAT = "contest-bundle/1"
MANIFEST = "manifest.json"
VERIFIER = Path(__file__).parent / "data" / "verify.py"
# Rows fetched at once, and bytes handed on at once.
FETCHED = 2_000
PIECE = 256 * 1024

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
UNITS = ("unit", "division", "group", "parent", "headcount", "excluded")
UNIT_STANDINGS = ("division", "unit", "rank", "people", "rate", "mean", "value")
Files = Iterator[tuple[str, Iterable[bytes]]]


def files(
    session: Session,
    round: Round,
    won: Sequence[tuple[Prize, Standing, bool]],
    *,
    version: int,
    data_key: str,
    skipped: Sequence[str] = (),
) -> Files:
    """Yield name and bytes of every file but the manifest, always in the same order and the same bytes.

    `won` are the prizes as given, `skipped` the draw ids of people who won in earlier rounds. Raises
    Conflict before the books are closed, and while a correction is not applied to all scores.
    """
    if round.books_closed_at is None:
        raise Conflict("Cần chốt sổ vòng thi trước khi lập bộ dữ liệu kiểm chứng.")
    corrections = _corrections(session, round.id)
    exclusions = _exclusions(session, round)
    stored_pools = session.scalars(
        select(Pool).where(Pool.round_id == round.id).order_by(Pool.division_id, Pool.version)
    ).all()
    code_of = {asked.division_id: asked.division.code for asked in round.divisions}
    named_pools = {f"pool-{code_of[pool.division_id]}-{pool.version}.json": pool for pool in stored_pools}
    yield "configuration.json", _json(_configuration(session, round, corrections, skipped))
    yield (
        "commitment.json",
        _json(
            {
                "sha256": round.seed_commitment,
                "published_at": moment(round.committed_at),
                "pools": {name: pool.sha256 for name, pool in named_pools.items()},
            }
        ),
    )
    yield "seed.json", _json(_seed(round, data_key))
    for name, pool in named_pools.items():
        yield name, [pool.file]
    truth = {asked.division.code: asked.truth for asked in round.divisions}
    yield "books.json", _json({"closed_at": moment(round.books_closed_at), "truth": truth})
    yield "attempts.csv", table(ATTEMPTS, _attempts(session, round, exclusions))
    yield "responses.csv", table(RESPONSES, _responses(session, round, stored_pools, corrections))
    yield "seen.csv", table(("attempt", "code"), _seen(session, round, stored_pools))
    yield (
        "exclusions.csv",
        table(
            ("draw_id", "excluded_at", "reason"),
            sorted(
                (one.draw_id, moment(one.excluded_at), one.kind)
                for one in exclusions
                if one.lifted_at is None
            ),
        ),
    )
    yield "standings.csv", table(STANDINGS, _standings(session, round))
    yield "units.csv", table(UNITS, _units(session, round, exclusions))
    yield "unit_standings.csv", table(UNIT_STANDINGS, _unit_standings(session, round))
    yield (
        "prizes.csv",
        table(
            ("prize", "attempt", "by_lot"),
            ((prize.code, row.attempt.public_id, int(by_lot)) for prize, row, by_lot in won),
        ),
    )
    yield "verify.py", [VERIFIER.read_bytes()]


def manifest(version: int, digests: Mapping[str, str]) -> bytes:
    """Return the manifest of files with these SHA-256 digests; its own is that of the publication."""
    return b"".join(_json({"format": FORMAT, "version": version, "files": dict(sorted(digests.items()))}))


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


def _json(content: object) -> list[bytes]:
    return [(json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()]


# --- what was asked and promised -----------------------------------------------------------------


def _configuration(
    session: Session,
    round: Round,
    corrections: Mapping[str, scoring.Correction],
    skipped: Sequence[str],
) -> dict[str, Any]:
    prizes = session.scalars(select(Prize).where(Prize.round_id == round.id).order_by(Prize.position))
    declined = session.scalars(
        select(Account.draw_id)
        .join(Decline, Decline.account_id == Account.id)
        .where(Decline.round_id == round.id)
    )
    return {
        "contest": round.contest.slug,
        "round": round.number,
        "title": round.title,
        "opens_at": moment(round.opens_at),
        "closes_at": moment(round.closes_at),
        "duration_ms": round.duration_ms,
        "grace_ms": round.grace_ms,
        "attempts_allowed": round.attempts_allowed,
        "counts": round.counts,
        "partial": round.is_partial,
        "corrections": {
            code: "void" if keys is None else [list(key) for key in keys]
            for code, keys in sorted(corrections.items())
        },
        "divisions": [_division(asked) for asked in round.divisions],
        "prizes": [
            {
                "code": prize.code,
                "division": prize.division.code,
                "count": prize.count,
                "unit_points": prize.unit_points,
                "title": prize.title,
            }
            for prize in prizes
        ],
        "skip_earlier_winners": round.is_skipping_earlier_winners,
        "earlier_winners": sorted(skipped),
        "left_out": sorted(declined),
        "lot": {"public_text": round.lot_text},
    }


def _division(asked: RoundDivision) -> dict[str, Any]:
    return {
        "code": asked.division.code,
        "name": asked.division.name,
        "specification": [
            {"topic": cell.topic, "level": cell.level, "count": cell.count, "tags": sorted(cell.tags)}
            for cell in pools.specification_cells(asked.specification)
        ],
        "chain": list(asked.chain),
        "prediction": {"counted": asked.prediction_counted, "over": asked.prediction_over}
        if asked.prediction_counted
        else None,
        "units": {
            "formula": asked.unit_formula,
            "threshold": fraction_text(Fraction(asked.unit_threshold_percent, 100)),
            "minimum_headcount": asked.unit_minimum_headcount,
            "list_below": asked.is_listed_below_threshold,
        },
    }


def _seed(round: Round, data_key: str) -> dict[str, Any]:
    seed = revealed_seed(round, data_key=data_key)
    assert seed is not None and round.seed_sealed is not None, "books are closed after the round"
    secret = unseal(data_key, round.seed_sealed, SEED_PURPOSE)
    return {"secret": secret.hex(), "public_text": round.seed_text, "seed": seed.hex()}


def _corrections(session: Session, round_id: int) -> dict[str, scoring.Correction]:
    current = session.scalars(
        select(Correction).where(Correction.round_id == round_id, Correction.superseded_at.is_(None))
    ).all()
    if any(one.applied_at is None for one in current):
        raise Conflict("Đang chấm lại theo một đính chính; cần đợi chấm xong.")
    return {one.code: one.keys for one in current}


# --- attempts and their papers -------------------------------------------------------------------

# By code points, whatever the database's collation: a person's attempts stand together, in order.
_ORDER = (collate(Account.draw_id, "C"), Attempt.number)


def _stream(session: Session, query: Select[Any]) -> Iterator[Row[Any]]:
    """Yield the rows of a query a few at a time, from a cursor in the database."""
    return iter(session.execute(query.execution_options(yield_per=FETCHED)))


def _attempts(session: Session, round: Round, exclusions: Sequence[Row[Any]]) -> Iterator[tuple[object, ...]]:
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
    for draw_id, rows in groupby(_stream(session, query), key=lambda row: row.draw_id):
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
            )


def was_out(exclusion: Row[Any], at: datetime) -> bool:
    """Tell whether an exclusion held at a moment."""
    return exclusion.excluded_at <= at and (exclusion.lifted_at is None or exclusion.lifted_at > at)


def counted_number(rows: Sequence[Row[Any]], counts: str, chains: Mapping[int, Sequence[str]]) -> int | None:
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


def _responses(
    session: Session,
    round: Round,
    stored_pools: Sequence[Pool],
    corrections: Mapping[str, scoring.Correction],
) -> Iterator[tuple[object, ...]]:
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
    for public_id, pool_id, paper, responses in _stream(session, query):
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


def _seen(session: Session, round: Round, stored_pools: Sequence[Pool]) -> Iterator[tuple[object, ...]]:
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


def _exclusions(session: Session, round: Round) -> Sequence[Row[Any]]:
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


def _standings(session: Session, round: Round) -> Iterator[tuple[object, ...]]:
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
    for row in _stream(session, query):
        yield (*row[:6], moment(row[6]), row[7], moment(row[8]), row[9])


def _units(session: Session, round: Round, exclusions: Sequence[Row[Any]]) -> Iterator[tuple[object, ...]]:
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


def _unit_standings(session: Session, round: Round) -> Iterator[tuple[object, ...]]:
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
    for row in _stream(session, query):
        yield tuple(row)


def size_of(session: Session, round_id: int) -> int:
    """Return how many attempts a bundle of the round tells of."""
    return session.scalar(select(func.count()).where(Attempt.round_id == round_id)) or 0
