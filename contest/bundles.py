"""The bundle of a round: its stored facts as files from which anyone recomputes the result.

rules.md says what each file holds, docs/bundle.md says it for the public, and contest/data/verify.py
is the program that checks it, a part of every bundle. The files are written as a stream: memory does
not grow with the number of attempts.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from contest import bundle_rows as rows
from contest import pools
from contest.contests import SEED_PURPOSE, revealed_seed
from contest.errors import Conflict
from contest.models import (
    Pool,
    Prize,
    Round,
    RoundDivision,
    Standing,
)
from contest.rules import scoring
from contest.rules.unit_ranking import fraction_text
from contest.scoring import corrections_in_force
from contest.security import unseal

FORMAT = "contest-bundle/1"
MANIFEST = "manifest.json"
VERIFIER = Path(__file__).parent / "data" / "verify.py"

Files = Iterator[tuple[str, Iterable[bytes]]]


def files(
    session: Session,
    round: Round,
    won: Sequence[tuple[Prize, Standing, bool]],
    *,
    version: int,
    data_key: str,
    declined: Sequence[str] = (),
    earlier_winners: Sequence[str] = (),
) -> Files:
    """Yield name and bytes of every file but the manifest, always in the same order and the same bytes.

    `won` are the prizes as given; `declined` and `earlier_winners` the draw ids of people who got none.
    Raises Conflict before the books are closed, and while a correction is not applied to all scores.
    """
    if round.books_closed_at is None:
        raise Conflict("Cần chốt sổ vòng thi trước khi lập bộ dữ liệu kiểm chứng.")
    corrections = _corrections(session, round.id)
    exclusions = rows.exclusions(session, round)
    stored_pools = session.scalars(
        select(Pool).where(Pool.round_id == round.id).order_by(Pool.division_id, Pool.version)
    ).all()
    code_of = {asked.division_id: asked.division.code for asked in round.divisions}
    named_pools = {f"pool-{code_of[pool.division_id]}-{pool.version}.json": pool for pool in stored_pools}
    configuration = _configuration(session, round, corrections)
    configuration |= {"left_out": list(declined), "earlier_winners": list(earlier_winners)}
    yield "configuration.json", _json(configuration)
    yield (
        "commitment.json",
        _json(
            {
                "sha256": round.seed_commitment,
                "published_at": rows.moment(round.committed_at),
                "pools": {name: pool.sha256 for name, pool in named_pools.items()},
            }
        ),
    )
    yield "seed.json", _json(_seed(round, data_key))
    for name, pool in named_pools.items():
        yield name, [pool.file]
    truth = {asked.division.code: asked.truth for asked in round.divisions}
    yield "books.json", _json({"closed_at": rows.moment(round.books_closed_at), "truth": truth})
    given = ((prize.code, row.attempt.public_id, int(by_lot)) for prize, row, by_lot in won)
    tables: dict[str, tuple[Sequence[str], Iterable[Sequence[object]]]] = {
        "attempts.csv": (rows.ATTEMPTS, rows.attempts(session, round, exclusions)),
        "responses.csv": (rows.RESPONSES, rows.responses(session, round, stored_pools, corrections)),
        "seen.csv": (("attempt", "code"), rows.seen(session, round, stored_pools)),
        "exclusions.csv": (rows.EXCLUSIONS, rows.listed_exclusions(round, exclusions)),
        "standings.csv": (rows.STANDINGS, rows.standings(session, round)),
        "units.csv": (rows.UNITS, rows.units(session, round, exclusions)),
        "unit_standings.csv": (rows.UNIT_STANDINGS, rows.unit_standings(session, round)),
        "prizes.csv": (("prize", "attempt", "by_lot"), given),
    }
    for name, (header, lines) in tables.items():
        yield name, rows.table(header, lines)
    yield "verify.py", [VERIFIER.read_bytes()]


def manifest(version: int, digests: Mapping[str, str]) -> bytes:
    """Return the manifest of files with these SHA-256 digests; its own is that of the publication."""
    return b"".join(_json({"format": FORMAT, "version": version, "files": dict(sorted(digests.items()))}))


def _json(content: object) -> list[bytes]:
    return [(json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()]


# --- what was asked and promised -----------------------------------------------------------------


def _configuration(
    session: Session, round: Round, corrections: Mapping[str, scoring.Correction]
) -> dict[str, Any]:
    prizes = session.scalars(select(Prize).where(Prize.round_id == round.id).order_by(Prize.position))
    return {
        "contest": round.contest.slug,
        "round": round.number,
        "title": round.title,
        "opens_at": rows.moment(round.opens_at),
        "closes_at": rows.moment(round.closes_at),
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
    assert seed is not None, "books are closed after the round"
    assert round.seed_sealed is not None, "it was opened with a commitment"
    secret = unseal(data_key, round.seed_sealed, SEED_PURPOSE)
    return {"secret": secret.hex(), "public_text": round.seed_text, "seed": seed.hex()}


def _corrections(session: Session, round_id: int) -> dict[str, scoring.Correction]:
    current = corrections_in_force(session, round_id)
    if any(one.applied_at is None for one in current):
        raise Conflict("Đang chấm lại theo một đính chính; cần đợi chấm xong.")
    return {one.code: one.keys for one in current}
