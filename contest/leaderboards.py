"""Leaderboards: people and units ranked by the pure rules, their places stored, read by page.

Ranking runs in a worker or the sweeper, never in a request; pages read stored places by index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Generic, TypeVar

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.orm import Session, joinedload

from contest import locks
from contest.clock import LOCAL_ZONE
from contest.models import (
    Attempt,
    Exclusion,
    Headcount,
    Registration,
    Round,
    RoundDivision,
    Standing,
    Unit,
    UnitStanding,
)
from contest.rules.explaining import explain
from contest.rules.prediction import prediction_error
from contest.rules.ranking import Ranked, Result, chain_without_prediction, rank_results
from contest.rules.unit_ranking import UnitFacts, UnitRow, UnitRule, fraction_text, rank_units

# A round is ranked anew this long after its last attempt was scored, so that a scoring that was
# under way while it was ranked is not missed.
LATE_SCORING = timedelta(minutes=1)
# What a request may wait is no measure for the ranking of a province.
PATIENCE = text("""
SELECT set_config('statement_timeout', '10min', true), set_config('lock_timeout', '2min', true),
       set_config('idle_in_transaction_session_timeout', '10min', true)
""")
Row_ = TypeVar("Row_")

# Rows are locked in the order of persons, as scoring does, so that neither waits for the other in a circle.
_WRITE_PLACES = text("""
WITH new AS (
    SELECT s.id, place.position, place.rank, place.separated_by, place.prediction_error
    FROM unnest(CAST(:ids AS bigint[]), CAST(:positions AS integer[]), CAST(:ranks AS integer[]),
                CAST(:separations AS text[]), CAST(:errors AS integer[]))
         AS place (id, position, rank, separated_by, prediction_error)
    JOIN standings s ON s.id = place.id
    WHERE (s.position, s.rank, s.separated_by, s.prediction_error)
          IS DISTINCT FROM (place.position, place.rank, place.separated_by, place.prediction_error)
    ORDER BY s.account_id
    FOR NO KEY UPDATE OF s
)
UPDATE standings s
SET position = new.position, rank = new.rank, separated_by = new.separated_by,
    prediction_error = new.prediction_error
FROM new WHERE s.id = new.id
""")


def rounds_to_rank(session: Session) -> list[int]:
    """Return the ids of rounds with attempts scored since their last ranking, or whose ranks are due.

    Closed books stand, but for what changes a result after them: a correction, an exclusion.
    """
    scored = (
        select(Attempt.id)
        .where(
            Attempt.round_id == Round.id,
            Attempt.scored_at > func.coalesce(Round.ranked_at - LATE_SCORING, Round.opened_at - LATE_SCORING),
        )
        .exists()
    )
    is_open = Round.books_closed_at.is_(None)
    is_due = Round.opened_at.is_not(None) & Round.ranked_at.is_(None)
    is_real = Round.contest.has(is_rehearsal=False)
    return list(session.scalars(select(Round.id).where(is_real, is_due | (is_open & scored))))


def call_for_ranking(session: Session, round: Round) -> None:
    """Say that the round's places no longer hold: the sweeper ranks it anew, whatever its books.

    The caller has taken its turn, or a ranking under way would forget this.
    """
    round.ranked_at = None
    session.flush()


def take_turn(session: Session, round_id: int) -> None:
    """Wait until nobody else ranks the round or goes on from its ranks; the turn lasts until commit.

    It comes before the round's row is locked, or two could wait for each other.
    """
    session.execute(PATIENCE)
    session.execute(
        text("SELECT pg_advisory_xact_lock(:lock, :round)"), {"lock": locks.RANKING, "round": round_id}
    )


def chain_of(round: Round, asked: RoundDivision) -> tuple[str, ...]:
    """Return the chain as it holds now: the prediction counts once its truth is known."""
    if round.books_closed_at is None or asked.truth is None:
        return chain_without_prediction(asked.chain)
    return tuple(asked.chain)


def rank_round(session: Session, round: Round, *, now: datetime) -> int:
    """Rank the round's people and units and store their places; return how many people."""
    take_turn(session, round.id)
    for known in (round, *round.divisions):
        session.refresh(known)  # while this waited, the books may have been closed
    people = 0
    for asked in round.divisions:
        rows = standings_of(session, round.id, asked.division_id)
        people += len(rows)
        results = [result_of(row, asked.truth) for row in rows]
        _write_places(session, rows, rank_results(results, chain_of(round, asked)))
    rank_units_of_round(session, round)
    session.execute(update(Round).where(Round.id == round.id).values(ranked_at=now))
    return people


def rank_units_of_round(
    session: Session, round: Round, prize_points: Mapping[tuple[int, int], int] | None = None
) -> None:
    """Rank the round's units and store their places.

    `prize_points` are the unit points of the prizes given, by division and unit; before the prizes
    are given there are none.
    """
    session.execute(delete(UnitStanding).where(UnitStanding.round_id == round.id))
    for asked in round.divisions:
        sums = session.execute(
            select(Standing.unit_id, func.count(), func.sum(Standing.points), func.sum(Standing.full_points))
            .where(Standing.round_id == round.id, Standing.division_id == asked.division_id)
            .group_by(Standing.unit_id)
        )
        ranked = rank_units_of(session, asked, {unit: facts for unit, *facts in sums}, prize_points or {})
        _write_units(session, round.id, asked, ranked)


def standings_of(session: Session, round_id: int, division_id: int) -> list[Row[*tuple[Any, ...]]]:
    """Return what the people of a division are ranked by, in no order."""
    rows = session.execute(
        select(
            Standing.id,
            Standing.account_id,
            Standing.unit_id,
            Standing.rank,
            Standing.points,
            Standing.full_points,
            Standing.duration_ms,
            Standing.submitted_at,
            Standing.attempts_used,
            Standing.registered_at,
            Standing.prediction,
            Attempt.public_id,
        )
        .join(Attempt, Attempt.id == Standing.attempt_id)
        .where(Standing.round_id == round_id, Standing.division_id == division_id)
    ).all()
    return list(rows)


def result_of(row: Row[*tuple[Any, ...]], truth: int | None) -> Result:
    """Return what a row is ranked by, once the prediction's truth is known or where it has none."""
    return Result(
        attempt=row.public_id,
        points=row.points,
        prediction_error=prediction_error(row.prediction, truth),
        duration_ms=row.duration_ms,
        submitted_at=row.submitted_at,
        attempts_used=row.attempts_used,
        registered_at=row.registered_at,
    )


def _write_places(session: Session, rows: Sequence[Row[*tuple[Any, ...]]], ranked: Sequence[Ranked]) -> None:
    id_of = {row.public_id: row.id for row in rows}
    session.execute(
        _WRITE_PLACES,
        {
            "ids": [id_of[place.result.attempt] for place in ranked],
            "positions": [place.position for place in ranked],
            "ranks": [place.rank for place in ranked],
            "separations": [place.separated_by for place in ranked],
            "errors": [place.result.prediction_error for place in ranked],
        },
    )


def rank_units_of(
    session: Session,
    asked: RoundDivision,
    sums: Mapping[int, Sequence[int]],
    prize_points: Mapping[tuple[int, int], int],
) -> list[UnitRow]:
    """Rank the units of a round's division by the sums of their people: how many, points, full points."""
    excluded = _excluded_of_units(session, asked)
    headcounts = select(Headcount).where(Headcount.division_id == asked.division_id).subquery()
    parent = select(Unit.id, Unit.code).subquery()
    units = session.execute(
        select(Unit.id, Unit.code, Unit.group, parent.c.code.label("parent"), headcounts.c.headcount)
        .outerjoin(headcounts, headcounts.c.unit_id == Unit.id)
        .outerjoin(parent, parent.c.id == Unit.parent_id)
        .where(headcounts.c.headcount.is_not(None) | Unit.id.in_(sums))
    ).all()
    facts = []
    for unit in units:
        people, points, full_points = sums.get(unit.id, (0, 0, 0))
        facts.append(
            UnitFacts(
                unit=unit.code,
                group=unit.group,
                parent=unit.parent,
                headcount=unit.headcount,
                excluded=excluded.get(unit.id, 0),
                people=people,
                points=points,
                full_points=full_points,
                prize_points=prize_points.get((asked.division_id, unit.id), 0),
            )
        )
    rule = UnitRule(
        formula=asked.unit_formula,
        threshold=Fraction(asked.unit_threshold_percent, 100),
        minimum_headcount=asked.unit_minimum_headcount,
    )
    return rank_units(facts, rule)


def _excluded_of_units(session: Session, asked: RoundDivision) -> dict[int, int]:
    """Return how many people of each unit are excluded from the round, with or without attempts."""
    rows = session.execute(
        select(Registration.unit_id, func.count())
        .join(Exclusion, Exclusion.account_id == Registration.account_id)
        .join(Round, (Round.id == Exclusion.round_id) & (Round.contest_id == Registration.contest_id))
        .where(
            Exclusion.round_id == asked.round_id,
            Exclusion.lifted_at.is_(None),
            Registration.division_id == asked.division_id,
        )
        .group_by(Registration.unit_id)
    )
    return dict(rows.all())


def _write_units(session: Session, round_id: int, asked: RoundDivision, rows: Sequence[UnitRow]) -> None:
    if not asked.is_listed_below_threshold:
        rows = [row for row in rows if row.rank is not None]
    if not rows:
        return
    codes = [row.unit for row in rows]
    id_of = dict(session.execute(select(Unit.code, Unit.id).where(Unit.code.in_(codes))).all())
    session.execute(
        insert(UnitStanding),
        [
            {
                "round_id": round_id,
                "division_id": asked.division_id,
                "unit_id": id_of[row.unit],
                "group": row.group,
                "position": position,
                "rank": row.rank,
                "people": row.people,
                "headcount": row.headcount,
                "excluded": row.excluded,
                "rate": fraction_text(row.rate),
                "mean": fraction_text(row.mean),
                "value": fraction_text(row.value),
            }
            for position, row in enumerate(rows, start=1)
        ],
    )


# --- pages ---------------------------------------------------------------------------------------


def is_public(round: Round, *, now: datetime) -> bool:
    """Tell whether the public may see the round's ranks and counts: once it is closed, or by its setting."""
    if round.closed_at is not None:
        return True
    return round.is_leaderboard_live and round.opened_at is not None and round.opens_at <= now


@dataclass(frozen=True)
class Page(Generic[Row_]):
    """One page of a list: its rows, its number from 1, and how many pages and rows there are."""

    rows: Sequence[Row_]
    number: int
    pages: int
    total: int


def people_page(
    session: Session, round_id: int, division_id: int, *, number: int = 1, size: int = 50
) -> Page[Standing]:
    """Return a page of a division's people in their order, with account, unit and attempt."""
    of_division = (Standing.round_id == round_id, Standing.division_id == division_id)
    # Positions are 1 to n without gaps: the last page costs as much as the first.
    total = session.scalar(select(func.max(Standing.position)).where(*of_division)) or 0
    pages = max(1, -(-total // size))
    number = min(max(1, number), pages)
    rows = session.scalars(
        select(Standing)
        .where(*of_division, Standing.position.between((number - 1) * size + 1, number * size))
        .order_by(Standing.position)
        .options(joinedload(Standing.account), joinedload(Standing.unit), joinedload(Standing.attempt))
    ).all()
    return Page(rows, number, pages, total)


def unit_rows(session: Session, round_id: int, division_id: int) -> Sequence[UnitStanding]:
    """Return all units of a division in their order, with the unit; some 200 at most."""
    return session.scalars(
        select(UnitStanding)
        .where(UnitStanding.round_id == round_id, UnitStanding.division_id == division_id)
        .order_by(UnitStanding.position)
        .options(joinedload(UnitStanding.unit))
    ).all()


def own_standing(session: Session, round_id: int, account_id: int) -> Standing | None:
    """Return a person's own place in a round."""
    return session.scalar(
        select(Standing).where(Standing.round_id == round_id, Standing.account_id == account_id)
    )


def row_below(session: Session, standing: Standing) -> Standing | None:
    """Return the row after a row of the same list, or None after the last."""
    if standing.position is None:
        return None
    return session.scalar(
        select(Standing).where(
            Standing.round_id == standing.round_id,
            Standing.division_id == standing.division_id,
            Standing.position == standing.position + 1,
        )
    )


def sentences(session: Session, asked: RoundDivision, rows: Sequence[Standing]) -> dict[int, str]:
    """Return the sentence beside each of some consecutive rows, by row id: why it stands above the next."""
    if not rows:
        return {}
    below = [*rows[1:], row_below(session, rows[-1])]
    return {row.id: sentence(asked, row, following) for row, following in zip(rows, below, strict=True)}


def sentence(asked: RoundDivision, row: Standing, below: Standing | None) -> str:
    """Return why a row stands above the one below it; there is none below the last."""
    return explain(
        row.separated_by or "",
        _local_result(row),
        _local_result(below) if below else None,
        is_percentage=asked.prediction_counted == "percentage",
    )


def _local_result(row: Standing) -> Result:
    """Return what the row is ranked by, its moments in local time."""
    return Result(
        attempt="",
        points=row.points,
        prediction_error=row.prediction_error,
        duration_ms=row.duration_ms,
        submitted_at=row.submitted_at.astimezone(LOCAL_ZONE),
        attempts_used=row.attempts_used,
        registered_at=row.registered_at.astimezone(LOCAL_ZONE),
    )
