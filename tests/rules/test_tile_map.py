"""The map of communes: who lies where, which colour, what a tile has room for."""

from fractions import Fraction

import pytest

from contest.rules.tile_map import LONGEST_LINE, Tile, class_of, label_lines, read_tiles


def test_a_tile_is_one_commune_s():
    rows = [{"code": "1", "column": "0", "row": "2"}, {"code": "2", "column": "1", "row": "2"}]
    assert read_tiles(rows) == {"1": Tile(0, 2), "2": Tile(1, 2)}
    with pytest.raises(ValueError, match="one tile"):
        read_tiles([rows[0], {**rows[0], "code": "3"}])


@pytest.mark.parametrize(
    "rate, colour", [(0, 0), (1, 1), (20, 1), (21, 2), (40, 2), (60, 3), (80, 4), (81, 5), (100, 5)]
)
def test_the_colour_follows_the_share_of_the_highest_rate(rate, colour):
    assert class_of(Fraction(rate, 1000), Fraction(100, 1000)) == colour


@pytest.mark.parametrize(
    "name, lines",
    [
        ("Phường Chũ", ["Chũ"]),
        ("Phường Bắc Giang", ["Bắc", "Giang"]),
        ("Xã Sa Lý", ["Sa Lý"]),
        ("Xã Tây Yên Tử", ["Tây Yên", "Tử"]),
    ],
)
def test_a_name_takes_two_lines_at_most(name, lines):
    assert label_lines(name) == lines
    assert len(lines[0]) <= LONGEST_LINE
