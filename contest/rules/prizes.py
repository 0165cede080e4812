"""Prizes: the stated order of all, one per person, a tie across a prize's edge decided by the lot."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from question_bank.draw import lot_number


@dataclass(frozen=True)
class Prize:
    """So many equal prizes of one division; `unit_points` go to the winner's unit."""

    code: str
    division: str
    count: int
    unit_points: int = 0


@dataclass(frozen=True)
class Contender:
    """A row of a division's standings, as far as prizes need it."""

    attempt: str
    draw_id: str
    rank: int


@dataclass(frozen=True)
class Award:
    """Who gets a prize, and whether the lot decided it."""

    prize: str
    attempt: str
    is_by_lot: bool


def allocate(
    prizes: Sequence[Prize],
    standings: Mapping[str, Sequence[Contender]],
    lot_key: bytes,
    skip: Collection[str] = (),
) -> list[Award]:
    """Give the prizes, highest first, down each division's standings.

    `standings` are by division in order of rank; `skip` holds the draw ids of people who get none
    (declined, or won before where the rules say so): everyone below them moves up.
    """
    queues = {
        division: _in_lot_order(division, [row for row in rows if row.draw_id not in skip], lot_key)
        for division, rows in standings.items()
    }
    given: dict[str, list[tuple[str, Contender]]] = {division: [] for division in queues}
    for prize in prizes:
        queue = queues.get(prize.division, [])
        taken, queues[prize.division] = queue[: prize.count], queue[prize.count :]
        given.setdefault(prize.division, []).extend((prize.code, row) for row in taken)
    awards = {
        division: _awards(rows, {row.rank for row in queues[division]}) for division, rows in given.items()
    }
    order = {prize.code: place for place, prize in enumerate(prizes)}
    return sorted(
        (award for division in awards.values() for award in division), key=lambda award: order[award.prize]
    )


def _in_lot_order(division: str, rows: Sequence[Contender], lot_key: bytes) -> list[Contender]:
    return sorted(rows, key=lambda row: (row.rank, lot_number(lot_key, division, row.draw_id)))


def _awards(given: Sequence[tuple[str, Contender]], left_over: Collection[int]) -> list[Award]:
    """The lot decided where people of one rank got different prizes, or some of them none."""
    prizes_of_rank: dict[int, set[str]] = {}
    for prize, row in given:
        prizes_of_rank.setdefault(row.rank, set()).add(prize)
    return [
        Award(prize, row.attempt, len(prizes_of_rank[row.rank]) > 1 or row.rank in left_over)
        for prize, row in given
    ]
