"""Units as a board shows them: their rate in words and as a bar, and why one has no rank."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from contest.formatting import vn_number, vn_percent
from contest.models import RoundDivision, UnitStanding
from contest.models.units import GROUPS
from contest.turnout import PER_RESIDENTS


@dataclass(frozen=True)
class UnitLine:
    """One unit as it is shown."""

    row: UnitStanding
    group: str
    rate: str
    bar: float
    mean: str
    # Why it has no rank.
    note: str
    is_own: bool


def maker(
    asked: RoundDivision, rows: Sequence[UnitStanding], *, own_unit_id: int | None
) -> Callable[[UnitStanding], UnitLine]:
    """Return what words a row of `rows`, which are all of the division's units that are listed.

    The bars of residents are as long as their share of the highest rate in their group; of other
    units as their rate.
    """
    full = sum(int(cell["count"]) for cell in asked.specification)
    is_of_residents = asked.division.unit_kind == "commune"
    rates = {row.id: Fraction(row.rate) if row.rate else Fraction(0) for row in rows}
    longest: dict[str, Fraction] = {}
    for row in rows:
        longest[row.group] = max(longest.get(row.group, Fraction(0)), rates[row.id])

    def line(row: UnitStanding) -> UnitLine:
        rate = rates[row.id]
        if is_of_residents:
            share, words = rate / (longest[row.group] or 1), _cut_off(rate * PER_RESIDENTS)
        else:
            share, words = min(rate, Fraction(1)), vn_percent(rate)
        return UnitLine(
            row=row,
            group=GROUPS.get(row.group, row.group),
            rate=words if row.rate else "–",
            bar=float(share),
            mean=_cut_off(Fraction(row.mean) * full) if row.mean else "–",
            note=_why_no_rank(row, rate, asked),
            is_own=row.unit_id == own_unit_id,
        )

    return line


def _cut_off(number: Fraction) -> str:
    """Return "12,36", cut off after two digits and not rounded."""
    return vn_number((number * 100 // 1) / 100, 2)


def _why_no_rank(row: UnitStanding, rate: Fraction, asked: RoundDivision) -> str:
    if row.rank:
        return ""
    if not row.headcount:
        return "Chưa có số người của đơn vị nên chưa xếp hạng"
    if not row.people:
        return "Chưa có người dự thi"
    if rate < Fraction(asked.unit_threshold_percent, 100):
        return f"Chưa đạt ngưỡng {asked.unit_threshold_percent}% để xếp hạng"
    return "Chưa đủ điều kiện xếp hạng"
