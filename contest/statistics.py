"""Statistics: who took part in a round, how well, and which topics are known where.

Participation is counted by the database. What needs the papers is counted once, with the analysis of the
closed round, and read from there. What is kept is whole; `of_division` hides for the public what is of
too few people.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, load_only

from contest import units
from contest.clock import LOCAL_ZONE
from contest.models import Headcount, Registration, Round, RoundAnalysis, RoundDivision
from contest.models.units import GROUPS
from contest.rules.scoring import POINT
from contest.rules.statistics import (
    AGE_BANDS,
    FEWEST,
    UNKNOWN_AGE,
    age_band,
    hidden_cells,
    hidden_in_groups,
    score_ranges,
)
from question_bank.item_analysis import Answer

HOURS = 24

# --- counting ------------------------------------------------------------------------------------

_PARTICIPATION = text("""
SELECT grouping(day, hour, commune, kind, birth_date) AS left_out,
       day, hour, commune, kind, birth_date, count(*) AS people
FROM (SELECT (s.submitted_at AT TIME ZONE :zone)::date AS day,
             extract(hour FROM s.submitted_at AT TIME ZONE :zone)::integer AS hour,
             c.code AS commune, u."group" AS kind, p.birth_date
      FROM standings s
      JOIN rounds r ON r.id = s.round_id
      JOIN registrations g ON g.contest_id = r.contest_id AND g.account_id = s.account_id
      JOIN units c ON c.id = g.commune_id
      JOIN units u ON u.id = s.unit_id
      JOIN accounts p ON p.id = s.account_id
      WHERE s.round_id = :round AND s.division_id = :division) person
GROUP BY GROUPING SETS ((day), (hour), (commune), (kind), (birth_date))
""")
# Lines of counts that stand by themselves; communes and groups may be parts of one another.
_LINES = ("days", "hours", "ages")
# A bit for each column that a set of the query leaves out.
_SETS = {
    0b01111: ("days", "day"),
    0b10111: ("hours", "hour"),
    0b11011: ("communes", "commune"),
    0b11101: ("groups", "kind"),
    0b11110: ("ages", "birth_date"),
}

_SCORES = text("""
SELECT points / :point AS whole, max(full_points) / :point AS size, count(*) AS people,
       count(*) FILTER (WHERE points = full_points) AS full, sum(points) AS points,
       sum(full_points) AS full_points
FROM standings WHERE round_id = :round AND division_id = :division GROUP BY points / :point
""")

_MEDIAN = text("""
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_ms) FROM standings
WHERE round_id = :round AND division_id = :division
""")


def count(session: Session, asked: RoundDivision) -> dict[str, Any]:
    """Return who has a counted attempt in a round's division and how they scored, as it is kept."""
    of_division = {"round": asked.round_id, "division": asked.division_id}
    opened_on = asked.round.opens_at.astimezone(LOCAL_ZONE).date()
    counted: dict[str, Counter[str]] = {name: Counter() for name, _ in _SETS.values()}
    for row in session.execute(_PARTICIPATION, {**of_division, "zone": LOCAL_ZONE.key}).mappings():
        name, column = _SETS[row["left_out"]]
        key = age_band(row[column], opened_on) if name == "ages" else str(row[column])
        counted[name][key] += row["people"]
    scores = session.execute(_SCORES, {**of_division, "point": POINT}).all()
    return {
        **counted,
        "people": sum(row.people for row in scores),
        "scores": {str(row.whole): row.people for row in scores},
        "size": max((row.size for row in scores), default=0),
        "full": sum(row.full for row in scores),
        "points": sum(row.points for row in scores),
        "full_points": sum(row.full_points for row in scores),
        "median_duration_ms": session.scalar(_MEDIAN, of_division),
    }


class Knowledge:
    """What the people of each place know of each topic: points and answers, paper by paper."""

    def __init__(self) -> None:
        # Points, as shares of an item's, and answers.
        self._cells: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(
            lambda: defaultdict(lambda: [0, 0])
        )

    def add(self, place: str, answers: Iterable[Answer], topics: Mapping[str, str]) -> None:
        """Count a paper; an item without a topic in `topics` does not count."""
        cells = self._cells[place]
        for item, _, score in answers:
            topic = topics.get(item)
            if topic is not None:
                cell = cells[topic]
                cell[0] += score
                cell[1] += 1

    def counted(self) -> dict[str, dict[str, list[int]]]:
        """Return points and answers by place and topic, as they are kept."""
        return {
            place: {
                topic: [round(POINT * points), int(answers)] for topic, (points, answers) in cells.items()
            }
            for place, cells in self._cells.items()
        }


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A commune, or a group of units: who took part. None where it is hidden, or not known."""

    code: str
    name: str
    group: str
    people: int | None
    headcount: int | None


@dataclass(frozen=True)
class Topic:
    """How well a topic is known in all: the share of points, and in the last round that asked for it."""

    code: str
    answers: int
    share: Fraction
    before: Fraction | None


@dataclass(frozen=True)
class KnowledgeLine:
    """How well a place knows each topic, and by how much that changed; no entry where that is not known."""

    place: Place
    shares: Mapping[str, Fraction]
    changes: Mapping[str, Fraction]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All figures of a round's division as plain data; None is hidden. Parts without data are empty."""

    division: str
    name: str
    is_of_residents: bool
    # The moment of the figures that need the papers; None before the round is analysed.
    analysed_at: datetime | None
    # Who has a counted attempt, who is registered, and how many there are by the units' headcounts.
    people: int | None
    registered: int | None
    headcount: int | None
    days: Sequence[tuple[date, int | None]]
    hours: Sequence[int | None]
    # By band of age, and by group of units.
    ages: Sequence[tuple[str, int | None]]
    groups: Sequence[tuple[str, int | None]]
    communes: Sequence[Place]
    # From and to so many whole points, of `size` in a paper.
    scores: Sequence[tuple[int, int, int]]
    size: int
    mean: Fraction | None
    full: int | None
    median_duration_ms: int | None
    topics: Sequence[Topic]
    knowledge: Sequence[KnowledgeLine]

    @property
    def rate(self) -> Fraction | None:
        """The share of the division's people who took part."""
        return Fraction(self.people, self.headcount) if self.people and self.headcount else None


def of_round(session: Session, round: Round, *, is_public: bool) -> list[Figures]:
    """Return all figures of a round, by division in their order."""
    asked = sorted(round.divisions, key=lambda one: one.division.position)
    return [of_division(session, one, is_public=is_public) for one in asked]


def of_division(session: Session, asked: RoundDivision, *, is_public: bool) -> Figures:
    """Return all figures of a round's division; for the public without what is of too few people.

    Before the round is analysed there are those of participation only.
    """
    analysis = session.scalar(
        select(RoundAnalysis).where(
            RoundAnalysis.round_id == asked.round_id, RoundAnalysis.division_id == asked.division_id
        )
    )
    counted = analysis.statistics if analysis else count(session, asked)
    reader = _Reader(session, asked, is_public=is_public)
    shown = reader.shown(counted)
    has_scores = analysis is not None and shown["people"]["people"] is not None and counted["people"] > 0
    scores = _scores(counted, is_public=is_public) if has_scores else []
    has_full = has_scores and scores[-1][0] == counted["size"]
    communes = reader.communes(shown["communes"])
    return Figures(
        division=asked.division.code,
        name=asked.division.name,
        is_of_residents=reader.is_of_residents,
        analysed_at=analysis.computed_at if analysis else None,
        people=shown["people"]["people"],
        registered=None if is_public else reader.registered(),  # less those who took part: perhaps few
        headcount=sum(reader.headcounts.values()) or None,
        days=_without_gaps(shown["days"]),
        hours=[shown["hours"].get(str(hour), 0) for hour in range(HOURS)],
        ages=[(band, shown["ages"].get(band, 0)) for band in AGE_BANDS]
        + [(band, people) for band, people in shown["ages"].items() if band == UNKNOWN_AGE],
        groups=[(group, shown["groups"][group]) for group in _ordered(shown["groups"])],
        communes=communes,
        scores=scores,
        size=counted["size"],
        mean=Fraction(counted["points"], counted["full_points"]) if has_scores else None,
        full=counted["full"] if has_full else None,
        median_duration_ms=counted["median_duration_ms"] if has_scores else None,
        topics=reader.topics(counted) if has_scores else [],
        knowledge=reader.knowledge(counted, communes, shown["groups"]) if has_scores else [],
    )


def _scores(counted: Mapping[str, Any], *, is_public: bool) -> list[tuple[int, int, int]]:
    people = [counted["scores"].get(str(score), 0) for score in range(counted["size"] + 1)]
    if is_public:
        return score_ranges(people)
    return [(score, score, count) for score, count in enumerate(people)]


def _without_gaps(days: Mapping[str, int | None]) -> list[tuple[date, int | None]]:
    """Return the days from the first to the last, those without anybody too."""
    known = {date.fromisoformat(day): people for day, people in days.items()}
    if not known:
        return []
    first, last = min(known), max(known)
    every = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    return [(day, known.get(day, 0)) for day in every]


class _Reader:
    """Reads the figures of a round's division, hiding for the public what is of too few people."""

    def __init__(self, session: Session, asked: RoundDivision, *, is_public: bool) -> None:
        self._session, self._asked, self._is_public = session, asked, is_public
        self.is_of_residents = asked.division.unit_kind == "commune"
        self._communes = units.listed(session, "commune")
        self._group_of = {unit.code: unit.group for unit in self._communes}
        self.headcounts: dict[int, int] = dict(
            session.execute(
                select(Headcount.unit_id, Headcount.headcount).where(
                    Headcount.division_id == asked.division_id
                )
            ).all()
        )
        self._earlier = list(
            session.scalars(
                select(RoundAnalysis)
                .join(RoundAnalysis.round)
                .where(
                    RoundAnalysis.division_id == asked.division_id,
                    Round.contest_id == asked.round.contest_id,
                    Round.opens_at < asked.round.opens_at,
                )
                .order_by(Round.opens_at.desc())
                .options(load_only(RoundAnalysis.statistics))
            )
        )

    def registered(self) -> int:
        query = select(func.count()).where(Registration.division_id == self._asked.division_id)
        return self._session.scalar(query) or 0

    def shown(self, counted: Mapping[str, Any]) -> dict[str, dict[str, int | None]]:
        """Return counts by line and cell, None for what is hidden."""
        hidden = self._hidden(counted) if self._is_public else {}
        lines = {name: counted[name] for name in (*_LINES, "communes", "groups")}
        lines["people"] = {"people": counted["people"]}
        return {
            name: {key: None if key in hidden.get(name, ()) else people for key, people in line.items()}
            for name, line in lines.items()
        }

    def _hidden(self, counted: Mapping[str, Any]) -> dict[str, frozenset[str]]:
        hidden = {name: hidden_cells(counted[name]) for name in _LINES}
        hidden["people"] = hidden_cells({"people": counted["people"]})
        if self.is_of_residents:  # their units are communes, so the groups' totals are known of these
            hidden["communes"], hidden["groups"] = hidden_in_groups(counted["communes"], self._group_of)
        else:
            hidden["communes"] = hidden_cells(counted["communes"])
            hidden["groups"] = hidden_cells(counted["groups"])
        return hidden

    def communes(self, people: Mapping[str, int | None]) -> list[Place]:
        """Return all communes in their order, with how many residents took part."""
        return [
            Place(
                code=unit.code,
                name=unit.name,
                group=unit.group,
                people=people.get(unit.code, 0),
                headcount=self.headcounts.get(unit.id) if self.is_of_residents else None,
            )
            for unit in self._communes
        ]

    def topics(self, counted: Mapping[str, Any]) -> list[Topic]:
        """Return how well each topic is known in all, the least known first."""
        cells = _totals(counted)
        before = {topic: _share(cell) for topic, (_, cell) in self._before(cells).items()}
        found = [
            Topic(topic, answers, _share((points, answers)), before.get(topic))
            for topic, (points, answers) in cells.items()
        ]
        return sorted(found, key=lambda one: (one.share, len(one.code), one.code))

    def knowledge(
        self,
        counted: Mapping[str, Any],
        communes: Sequence[Place],
        groups: Mapping[str, int | None],
    ) -> list[KnowledgeLine]:
        """Return how well each place knows each topic; hidden places are left out."""
        places = communes
        if not self.is_of_residents:
            places = [
                Place(group, GROUPS.get(group, group), group, groups[group], None)
                for group in _ordered(groups)
            ]
        before = self._before(_totals(counted))
        seen = {id(one): self.shown(one.statistics)[self._line] for one, _ in before.values()}
        lines = []
        for place in places:
            cells = counted["knowledge"].get(place.code)
            if not place.people or not cells:
                continue
            shares = {topic: _share(cell) for topic, cell in cells.items()}
            changes = {}
            for topic, (earlier, _) in before.items():
                cell = earlier.statistics["knowledge"].get(place.code, {}).get(topic)
                if topic in shares and cell and seen[id(earlier)].get(place.code):
                    changes[topic] = shares[topic] - _share(cell)
            lines.append(KnowledgeLine(place, shares, changes))
        return lines

    @property
    def _line(self) -> str:
        return "communes" if self.is_of_residents else "groups"

    def _before(self, topics: Iterable[str]) -> dict[str, tuple[RoundAnalysis, Sequence[int]]]:
        """Return the last earlier analysis in which each topic was asked for, and the topic's cell in all."""
        found: dict[str, tuple[RoundAnalysis, Sequence[int]]] = {}
        for earlier in self._earlier:
            cells = _totals(earlier.statistics)
            for topic in topics:
                if topic in cells and earlier.statistics["people"] >= (FEWEST if self._is_public else 1):
                    found.setdefault(topic, (earlier, cells[topic]))
        return found


def _ordered(groups: Mapping[str, int | None]) -> list[str]:
    """Return the groups that there are, in their usual order, those without a name last."""
    return [group for group in dict.fromkeys((*GROUPS, *sorted(groups))) if group in groups]


def _totals(counted: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return points and answers by topic, over all places."""
    totals: dict[str, tuple[int, int]] = {}
    for cells in counted["knowledge"].values():
        for topic, (points, answers) in cells.items():
            before = totals.get(topic, (0, 0))
            totals[topic] = (before[0] + points, before[1] + answers)
    return totals


def _share(cell: Sequence[int]) -> Fraction:
    points, answers = cell
    return Fraction(points, answers * POINT)
