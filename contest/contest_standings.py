"""The standing over the closed rounds of a contest, made anew as a whole when one of them is ranked."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, delete, exists, func, select, text, update
from sqlalchemy.orm import Session, joinedload

from contest import leaderboards, locks
from contest.clock import LOCAL_ZONE
from contest.leaderboards import Page
from contest.models import Attempt, Contest, ContestStanding, Exclusion, Round, Standing
from contest.rules.contest_standing import rank_totals, total
from contest.rules.explaining import explain
from contest.rules.ranking import Result

_INSERT = text("""
INSERT INTO contest_standings (contest_id, account_id, division_id, unit_id, points, duration_ms,
                               submitted_at, rounds, position, rank, separated_by)
SELECT :contest, account_id, :division, unit_id, points, duration_ms, submitted_at, rounds, position, rank,
       separated_by
FROM unnest(CAST(:accounts AS integer[]), CAST(:units AS integer[]), CAST(:points AS integer[]),
            CAST(:durations AS bigint[]), CAST(:moments AS timestamptz[]), CAST(:rounds AS integer[]),
            CAST(:positions AS integer[]), CAST(:ranks AS integer[]), CAST(:separations AS text[]))
     AS new (account_id, unit_id, points, duration_ms, submitted_at, rounds, position, rank, separated_by)
""")


def due(session: Session) -> list[int]:
    """Return the ids of contests with a standing that is not made of their rounds as they are ranked now."""
    contests = session.scalars(select(Contest).where(Contest.has_standing)).all()
    return [one.id for one in contests if is_due(session, one)]


def is_due(session: Session, contest: Contest) -> bool:
    """Tell whether a contest's standing is to be made, or made anew."""
    basis = _basis(session, contest.id)
    return bool(basis) and basis != contest.standing_basis


def _basis(session: Session, contest_id: int) -> list[list[int | str]]:
    """Return the closed rounds that are ranked, with the moments of their rankings, and what is excluded.

    Whoever is excluded from any round of the contest is out, also where that round is still open.
    Exclusions are never deleted, so that their numbers tell of each new one and each lifting.
    """
    made, lifted = session.execute(
        select(func.count(), func.count(Exclusion.lifted_at))
        .select_from(Exclusion)
        .join(Round, Round.id == Exclusion.round_id)
        .where(Round.contest_id == contest_id)
    ).one()
    rows = session.execute(
        select(Round.id, Round.ranked_at)
        .where(Round.contest_id == contest_id, Round.closed_at.is_not(None), Round.ranked_at.is_not(None))
        .order_by(Round.id)
    )
    return [[row.id, row.ranked_at.isoformat(), made, lifted] for row in rows]


def rank(session: Session, contest_id: int) -> int:
    """Rank the people of a contest over its closed rounds; return how many. One does it at a time."""
    session.execute(leaderboards.PATIENCE)
    session.execute(
        text("SELECT pg_advisory_xact_lock(:lock, :contest)"),
        {"lock": locks.CONTEST_STANDING, "contest": contest_id},
    )
    # Read before the standings: what is ranked meanwhile makes it due again.
    basis = _basis(session, contest_id)
    session.execute(delete(ContestStanding).where(ContestStanding.contest_id == contest_id))
    people = sum(
        _rank_division(session, contest_id, division_id) for division_id in divisions_of(session, contest_id)
    )
    session.execute(update(Contest).where(Contest.id == contest_id).values(standing_basis=basis))
    return people


def divisions_of(session: Session, contest_id: int) -> Sequence[int]:
    """Return the ids of the divisions that have people in the standings of closed rounds."""
    return session.scalars(
        select(Standing.division_id)
        .join(Standing.round)
        .where(Round.contest_id == contest_id, Round.closed_at.is_not(None))
        .distinct()
    ).all()


def ranked(session: Session, contest_id: int, division_id: int) -> list[dict[str, Any]]:
    """Return the rows of a division as they follow from its rounds, in their order.

    Who is excluded from one of the contest's rounds is left out.
    """
    of_contest = select(Round.id).where(Round.contest_id == contest_id)
    rows = session.execute(
        select(
            Standing.account_id,
            Standing.unit_id,
            Standing.points,
            Standing.duration_ms,
            Standing.submitted_at,
            Standing.registered_at,
            Attempt.public_id,
        )
        .join(Attempt, Attempt.id == Standing.attempt_id)
        .where(
            Standing.division_id == division_id,
            Standing.round_id.in_(of_contest.where(Round.closed_at.is_not(None))),
            ~exists().where(
                Exclusion.account_id == Standing.account_id,
                Exclusion.round_id.in_(of_contest),
                Exclusion.lifted_at.is_(None),
            ),
        )
        .order_by(Standing.account_id)
        .execution_options(yield_per=10_000)
    )
    results, facts = [], {}
    for account_id, group in groupby(rows, key=lambda row: row.account_id):
        taken = list(group)
        one = total([_result(row) for row in taken])
        results.append(one)
        facts[one.attempt] = (account_id, taken[0].unit_id, len(taken))
    rows_in_order = []
    for place in rank_totals(results):
        account_id, unit_id, rounds = facts[place.result.attempt]
        rows_in_order.append(
            {
                "account_id": account_id,
                "unit_id": unit_id,
                "points": place.result.points,
                "duration_ms": place.result.duration_ms,
                "submitted_at": place.result.submitted_at,
                "rounds": rounds,
                "position": place.position,
                "rank": place.rank,
                "separated_by": place.separated_by,
            }
        )
    return rows_in_order


def _rank_division(session: Session, contest_id: int, division_id: int) -> int:
    rows = ranked(session, contest_id, division_id)
    columns = {
        "accounts": "account_id",
        "units": "unit_id",
        "points": "points",
        "durations": "duration_ms",
        "moments": "submitted_at",
        "rounds": "rounds",
        "positions": "position",
        "ranks": "rank",
        "separations": "separated_by",
    }
    session.execute(
        _INSERT,
        {
            "contest": contest_id,
            "division": division_id,
            **{parameter: [row[column] for row in rows] for parameter, column in columns.items()},
        },
    )
    return len(rows)


def _result(row: Row[*tuple[Any, ...]]) -> Result:
    return Result(
        attempt=row.public_id,
        points=row.points,
        duration_ms=row.duration_ms,
        submitted_at=row.submitted_at,
        registered_at=row.registered_at,
    )


# --- pages ---------------------------------------------------------------------------------------


def rounds_of(session: Session, contest: Contest) -> Sequence[Round]:
    """Return the rounds that the standing is made of."""
    made_of = [round_id for round_id, *_ in contest.standing_basis or ()]
    return session.scalars(select(Round).where(Round.id.in_(made_of)).order_by(Round.number)).all()


def page(
    session: Session, contest_id: int, division_id: int, *, number: int = 1, size: int = 50
) -> Page[ContestStanding]:
    """Return a page of a division's people in their order, with account and unit."""
    of_division = (ContestStanding.contest_id == contest_id, ContestStanding.division_id == division_id)
    total = session.scalar(select(func.max(ContestStanding.position)).where(*of_division)) or 0
    pages = max(1, -(-total // size))
    number = min(max(1, number), pages)
    rows = session.scalars(
        select(ContestStanding)
        .where(*of_division, ContestStanding.position.between((number - 1) * size + 1, number * size))
        .order_by(ContestStanding.position)
        .options(joinedload(ContestStanding.account), joinedload(ContestStanding.unit))
    ).all()
    return Page(rows, number, pages, total)


def sentences(session: Session, rows: Sequence[ContestStanding]) -> dict[int, str]:
    """Return why each of some consecutive rows stands above the next, by row id."""
    if not rows:
        return {}
    after = session.scalar(
        select(ContestStanding).where(
            ContestStanding.contest_id == rows[-1].contest_id,
            ContestStanding.division_id == rows[-1].division_id,
            ContestStanding.position == rows[-1].position + 1,
        )
    )
    return {
        row.id: explain(row.separated_by, _local(row), _local(below) if below else None)
        for row, below in zip(rows, [*rows[1:], after], strict=True)
    }


def _local(row: ContestStanding) -> Result:
    submitted_at = row.submitted_at.astimezone(LOCAL_ZONE)
    return Result(
        attempt="",
        points=row.points,
        duration_ms=row.duration_ms,
        submitted_at=submitted_at,
        registered_at=submitted_at,
    )
