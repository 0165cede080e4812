"""Printed results: a published version as the values that state documents are made of."""

from fractions import Fraction
from typing import Any

from contest.documents.state_documents import PublishedVersion, organizers
from contest.documents.winner_lists import RoundNamed, UnitResult, Winner, unit_summary, winner_list
from contest.formatting import vn_number
from contest.models import Publication, Round
from contest.models.units import GROUPS
from contest.rules.explaining import PERCENT
from contest.rules.naming import told_apart

SYMBOL = "TB-BTC"


def winner_list_of(publication: Publication, *, province: str) -> bytes:
    """Return the winners of a published version as PDF, division by division."""
    return winner_list(
        organizers(province, SYMBOL),
        _version(publication),
        named(publication.round),
        winners_of(publication),
        complaints_until=None if publication.kind == "official" else publication.round.complaints_close_at,
    )


def winners_of(publication: Publication) -> list[Winner]:
    """Return the winners of a published version, division by division."""
    content = publication.content
    names = _division_names(content)
    order = list(names)
    percentages = {
        asked.division.code
        for asked in publication.round.divisions
        if asked.prediction_counted == "percentage"
    }
    return [
        Winner(
            prize=row["prize_title"],
            division=names[row["division"]],
            name=told_apart(row["name"], row.get("birth_year")),
            unit=row["unit"],
            points=row["points"],
            prediction_error=_error(row["prediction_error"], row["division"] in percentages),
            duration_ms=row["duration_ms"],
            is_by_lot=row["is_by_lot"],
        )
        for row in sorted(content["winners"], key=lambda row: order.index(row["division"]))
    ]


def unit_summary_of(publication: Publication, *, province: str) -> bytes:
    """Return the units of a published version as PDF, group by group."""
    content = publication.content
    names = _division_names(content)
    order, groups = list(names), list(GROUPS)
    rows = sorted(
        content["units"],
        key=lambda row: (
            order.index(row["division"]),
            groups.index(row["group"]) if row["group"] in groups else len(groups),
        ),
    )
    units = [
        UnitResult(
            division=names[row["division"]],
            group=GROUPS.get(row["group"], row["group"]),
            unit=row["unit"],
            rank=row["rank"],
            people=row["people"],
            headcount=row["headcount"],
            rate=_fraction(row["rate"]),
            mean=_fraction(row["mean"]),
        )
        for row in rows
    ]
    return unit_summary(organizers(province, SYMBOL), _version(publication), named(publication.round), units)


def _division_names(content: dict[str, Any]) -> dict[str, str]:
    return {division["code"]: division["name"] for division in content["divisions"]}


def _version(publication: Publication) -> PublishedVersion:
    return PublishedVersion(
        publication.version, publication.kind == "official", publication.published_at, publication.sha256
    )


def named(round: Round) -> RoundNamed:
    """Return a round as documents name it."""
    return RoundNamed(round.contest.title, round.title, round.opens_at, round.closes_at)


def _error(error: int | None, is_percentage: bool) -> str | None:
    """Return how far off a prediction was, in people or in percent."""
    if error is None:
        return None
    return f"{vn_number(error / PERCENT, 5)}%" if is_percentage else vn_number(error)


def _fraction(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)
