"""A schematic map: one tile of equal size per commune, roughly where the commune lies.

The places of `data/commune_tiles.csv` were drawn for this project: no measured border is in them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

# Communes are coloured by how their rate compares with the highest: the upper bounds of the classes,
# as shares of it. Class 0 is for communes where nobody took part.
CLASS_BOUNDS = (Fraction(1, 5), Fraction(2, 5), Fraction(3, 5), Fraction(4, 5), Fraction(1))
# What a tile of the map has room for.
LONGEST_LINE = 7


@dataclass(frozen=True)
class Tile:
    """A place on the map, counted from the north-west corner."""

    column: int
    row: int


def read_tiles(rows: Sequence[Mapping[str, str]]) -> dict[str, Tile]:
    """Return the tiles by the communes' codes. Raises ValueError where two communes share a tile."""
    tiles = {row["code"]: Tile(int(row["column"]), int(row["row"])) for row in rows}
    if len(set(tiles.values())) != len(rows):
        raise ValueError("two communes on one tile")
    return tiles


def class_of(rate: Fraction, highest: Fraction) -> int:
    """Return 0 for a rate of zero, else the class from 1 to 5 that the share of the highest rate falls in."""
    if not rate:
        return 0
    return next(number for number, bound in enumerate(CLASS_BOUNDS, start=1) if rate <= highest * bound)


def label_lines(name: str) -> list[str]:
    """Return a commune's name without its type, on one line or two as a tile has room for.

    >>> label_lines("Xã Tây Yên Tử")
    ['Tây Yên', 'Tử']
    """
    words = name.split(" ")[1:]
    first = [words[0]]
    for word in words[1:]:
        if len(" ".join([*first, word])) > LONGEST_LINE:
            break
        first.append(word)
    rest = words[len(first) :]
    return [" ".join(first), *([" ".join(rest)] if rest else [])]
