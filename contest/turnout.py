"""Turnout: how many of each commune's residents took part in a round, for the map on the landing page."""

import csv
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources

from contest.formatting import vn_number
from contest.models import UnitStanding
from contest.rules.tile_map import Tile, class_of, label_lines, read_tiles

PER_RESIDENTS = 1000


@dataclass(frozen=True)
class CommuneTurnout:
    """A commune's people and rate, and how the map shows it."""

    name: str
    people: int
    # None where the number of residents is not known.
    rate: Fraction | None
    # None where the commune has no place on the map.
    tile: Tile | None
    # 0 to 5, see rules.tile_map.
    colour: int

    @property
    def per_thousand(self) -> str:
        """Return the people per 1,000 residents: "12,36", cut off after two digits and not rounded."""
        return "–" if self.rate is None else vn_number((self.rate * PER_RESIDENTS * 100 // 1) / 100, 2)

    @property
    def label(self) -> list[str]:
        return label_lines(self.name)


def turnout(rows: Iterable[UnitStanding]) -> list[CommuneTurnout]:
    """Return the communes of a division's unit places (the unit loaded), the highest rate first."""
    rates = {row: Fraction(row.people, row.headcount) if row.headcount else None for row in rows}
    highest = max((rate for rate in rates.values() if rate is not None), default=Fraction(0))
    tiles = commune_tiles()
    lines = [
        CommuneTurnout(
            name=row.unit.name,
            people=row.people,
            rate=rate,
            tile=tiles.get(row.unit.code),
            colour=class_of(rate or Fraction(0), highest),
        )
        for row, rate in rates.items()
    ]
    return sorted(lines, key=lambda line: -1 if line.rate is None else line.rate, reverse=True)


def on_map(lines: Sequence[CommuneTurnout]) -> list[CommuneTurnout]:
    """Return the communes that have a place on the map, from north to south and west to east."""
    placed = [(line.tile.row, line.tile.column, line) for line in lines if line.tile]
    return [line for _, _, line in sorted(placed, key=lambda place: place[:2])]


@functools.cache
def commune_tiles() -> Mapping[str, Tile]:
    """Return where each of the 99 communes lies on the map, by its code."""
    file = resources.files("contest") / "data" / "commune_tiles.csv"
    return read_tiles(list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())))
