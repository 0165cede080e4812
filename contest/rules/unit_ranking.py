"""The ranking of units: people ÷ headcount, mean score, and the formulas made of them, in exact fractions."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

FORMULAS = ("rate", "rate_mean", "points")


@dataclass(frozen=True, kw_only=True)
class UnitFacts:
    """What one unit is ranked by, in one division.

    `points` and `full_points` are sums over the counted attempts of its people; `excluded` are the
    people taken off the headcount.
    """

    unit: str
    group: str
    parent: str | None = None
    headcount: int | None
    excluded: int = 0
    people: int
    points: int
    full_points: int
    prize_points: int = 0


@dataclass(frozen=True, kw_only=True)
class UnitRow:
    """A unit with its place; `rank` is None for one that is unranked or below the threshold."""

    unit: str
    group: str
    rank: int | None
    people: int
    headcount: int | None
    excluded: int
    rate: Fraction | None  # above 1 where more people took part than the headcount says
    mean: Fraction | None
    value: Fraction | None


@dataclass(frozen=True, kw_only=True)
class UnitRule:
    """How the units of a division are ranked."""

    formula: str = "rate_mean"
    threshold: Fraction = Fraction(0)
    minimum_headcount: int = 0


def fraction_text(value: Fraction | None) -> str | None:
    """Return an exact fraction in lowest terms, "3/8"; None where there is none."""
    return None if value is None else f"{value.numerator}/{value.denominator}"


def rank_units(facts: Iterable[UnitFacts], rule: UnitRule) -> list[UnitRow]:
    """Rank the units of each group; unranked ones follow the ranked, and groups keep apart.

    Ties: the higher mean, then more people, then a shared rank. In a group whose units are parents,
    a unit counts its own people and its children's over its own headcount.
    """
    rows: list[UnitRow] = []
    groups: dict[str, list[UnitFacts]] = {}
    for one in _with_children(list(facts)):
        groups.setdefault(one.group, []).append(one)
    for group in sorted(groups):
        judged = [_judge(one, rule) for one in groups[group]]
        judged.sort(key=_order)
        previous: UnitRow | None = None
        for place, row in enumerate(judged, start=1):
            if row.value is None:
                rows.append(row)
                continue
            shared = previous is not None and _merit(previous) == _merit(row)
            rank = previous.rank if previous and shared else place
            previous = UnitRow(**{**row.__dict__, "rank": rank})
            rows.append(previous)
    return rows


def _with_children(facts: list[UnitFacts]) -> list[UnitFacts]:
    children: dict[str, list[UnitFacts]] = {}
    for one in facts:
        if one.parent:
            children.setdefault(one.parent, []).append(one)
    summed = ("excluded", "people", "points", "full_points", "prize_points")
    return [
        UnitFacts(
            **{
                **one.__dict__,
                **{
                    name: getattr(one, name) + sum(getattr(child, name) for child in children[one.unit])
                    for name in summed
                },
            }
        )
        if one.unit in children
        else one
        for one in facts
    ]


def _judge(one: UnitFacts, rule: UnitRule) -> UnitRow:
    present = (one.headcount or 0) - one.excluded
    rate = Fraction(one.people, present) if present > 0 else None
    mean = Fraction(one.points, one.full_points) if one.full_points else None
    is_ranked = (
        rate is not None
        and mean is not None
        and one.people > 0
        and rate >= rule.threshold
        and present >= rule.minimum_headcount
    )
    value = (
        _value(rate, mean, one.prize_points, rule.formula)
        if is_ranked and rate and mean is not None
        else None
    )
    return UnitRow(
        unit=one.unit,
        group=one.group,
        rank=None,
        people=one.people,
        headcount=one.headcount,
        excluded=one.excluded,
        rate=rate,
        mean=mean,
        value=value,
    )


def _value(rate: Fraction, mean: Fraction, prize_points: int, formula: str) -> Fraction:
    capped = min(rate, Fraction(1))
    if formula == "rate":
        return capped
    if formula == "rate_mean":
        return capped * mean
    return 100 * capped + prize_points


def _merit(row: UnitRow) -> tuple[Fraction, Fraction, int]:
    return (-(row.value or Fraction(0)), -(row.mean or Fraction(0)), -row.people)


def _order(row: UnitRow) -> tuple[object, ...]:
    """Ranked units by merit; then those without rank, by rate; equals by code."""
    if row.value is not None:
        return (0, *_merit(row), row.unit)
    return (1, -(row.rate or Fraction(0)), -(row.mean or Fraction(0)), -row.people, row.unit)
