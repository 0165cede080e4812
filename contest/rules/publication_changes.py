"""What differs between two published versions of a round's results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PrizeChange:
    """A person's prize before and after; None for no prize."""

    attempt: str
    name: str
    unit: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class UnitChange:
    """A unit's rank in its group before and after; None for unranked or not listed."""

    division: str
    unit: str
    before: int | None
    after: int | None


def prize_changes(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[PrizeChange]:
    """Return whose prize differs, those who have one now first; rows as a publication holds winners."""
    old, new = ({row["attempt"]: row for row in rows} for rows in (before, after))
    return [
        PrizeChange(
            attempt,
            row["name"],
            row["unit"],
            old[attempt]["prize_title"] if attempt in old else None,
            new[attempt]["prize_title"] if attempt in new else None,
        )
        for attempt, row in (new | {key: row for key, row in old.items() if key not in new}).items()
        if attempt not in old or attempt not in new or old[attempt]["prize"] != new[attempt]["prize"]
    ]


def unit_changes(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[UnitChange]:
    """Return which units' ranks differ; rows as a publication holds units."""
    old, new = ({(row["division"], row["code"]): row for row in rows} for rows in (before, after))
    changes = []
    for key, row in (old | new).items():
        ranks = [rows[key]["rank"] if key in rows else None for rows in (old, new)]
        if ranks[0] != ranks[1]:
            changes.append(UnitChange(row["division"], row["unit"], *ranks))
    return changes
