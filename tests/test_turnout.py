"""Turnout: the communes in the order of their rates, and where the map has them."""

import csv
from fractions import Fraction
from importlib import resources

from contest.models import Unit, UnitStanding
from contest.turnout import commune_tiles, on_map, turnout


def _row(code, name, people, headcount):
    return UnitStanding(unit=Unit(code=code, name=name), people=people, headcount=headcount)


def test_every_commune_has_a_tile_of_its_own():
    file = resources.files("contest") / "data" / "communes.csv"
    codes = {row["code"] for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines())}
    assert set(commune_tiles()) == codes
    assert len(codes) == 99


def test_the_highest_rate_comes_first_and_the_unknown_last():
    lines = turnout(
        [
            _row("07210", "Phường Bắc Giang", 5, 1000),
            _row("07525", "Phường Chũ", 9, None),
            _row("09367", "Phường Từ Sơn", 0, 500),
            _row("07534", "Xã Sa Lý", 30, 2000),
        ]
    )
    assert [line.name for line in lines] == [
        "Xã Sa Lý",
        "Phường Bắc Giang",
        "Phường Từ Sơn",
        "Phường Chũ",
    ]
    assert [line.rate for line in lines] == [Fraction(3, 200), Fraction(1, 200), 0, None]
    assert [line.per_thousand for line in lines] == ["15,00", "5,00", "0,00", "–"]
    assert [line.colour for line in lines] == [5, 2, 0, 0]


def test_the_map_goes_from_north_to_south_and_leaves_out_who_has_no_place():
    lines = turnout(
        [
            _row("09367", "Phường Từ Sơn", 1, 100),
            _row("07246", "Xã Xuân Lương", 1, 100),
            _row("99999", "Xã Mới", 1, 100),
        ]
    )
    assert [line.name for line in on_map(lines)] == ["Xã Xuân Lương", "Phường Từ Sơn"]
    assert turnout([]) == []
