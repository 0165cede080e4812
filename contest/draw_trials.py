"""Trials of the draw: what papers a round's pools would give, or do give. Nothing is stored."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy.orm import Session

from contest import analyses, pools
from contest.models import Round, RoundDivision
from question_bank.draw import PoolItem
from question_bank.simulation import SimulationReport, simulate_draw


def of_round(
    session: Session, round: Round, *, papers: int, seed: str, now: datetime, division: str | None = None
) -> dict[str, SimulationReport]:
    """Return a trial by the code of each division, or of the one that is named; the same for the same seed.

    The pools are those frozen, or those that opening would freeze now. How hard the papers are follows
    from what people got on the items before.
    """
    items = pools.items_of_round(session, round, now=now)
    return {
        asked.division.code: _of_division(
            session, asked, items.get(asked.division_id, []), papers=papers, seed=seed
        )
        for asked in round.divisions
        if division in (None, asked.division.code)
    }


def _of_division(
    session: Session, asked: RoundDivision, items: list[PoolItem], *, papers: int, seed: str
) -> SimulationReport:
    return simulate_draw(
        items,
        pools.specification_cells(asked.specification),
        papers,
        sha256(seed.encode()).digest(),
        analyses.facilities(session, [item.code for item in items]),
    )
