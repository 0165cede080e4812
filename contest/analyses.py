"""Analyses: how the questions of a closed round did, from its counted attempts; worked out once and kept.

Reading 200,000 papers takes many seconds, so it is never done in a request: the sweeper does it once a
round is closed and ranked, and again when it was ranked anew. What is read is what counts: the attempt
of each person's standing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, delete, exists, func, select, text
from sqlalchemy.orm import Session

from contest import done_papers, leaderboards, locks, statistics
from contest.done_papers import Reader
from contest.errors import Conflict
from contest.models import Division, Round, RoundAnalysis, RoundDivision
from contest.statistics import Knowledge
from question_bank.item_analysis import (
    FEWEST_PAPERS,
    Flag,
    ItemAnalysis,
    ItemKey,
    OptionCounts,
    Reliability,
    Tally,
)

logger = structlog.get_logger()


# --- working it out ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AnalysedItem:
    """An item of a round's division: the version that was drawn, what it is about, how it did.

    Its key is what was accepted in the end: of several accepted keys, all options of any.
    """

    code: str
    version_id: int
    topic: str
    level: str
    key: tuple[int, ...]
    is_voided: bool
    result: ItemAnalysis


def due(session: Session) -> list[int]:
    """Return the ids of the round divisions to be analysed: of closed rounds, once their ranking has settled.

    An analysis is outdated when the round was ranked after it.
    """
    unsettled = leaderboards.rounds_to_rank(session)
    is_current = exists().where(
        _is_of(RoundDivision.round_id, RoundDivision.division_id),
        RoundAnalysis.as_of >= func.coalesce(Round.ranked_at, Round.closed_at),
    )
    query = (
        select(RoundDivision.id)
        .join(RoundDivision.round)
        .where(Round.closed_at.is_not(None), Round.id.not_in(unsettled), ~is_current)
        .order_by(RoundDivision.id)
    )
    return list(session.scalars(query))


def work_out(session: Session, asked: RoundDivision, *, now: datetime) -> RoundAnalysis | None:
    """Analyse a round's division and keep it; return None if somebody else is at it.

    Raises Conflict before the round is closed: until then papers are still being written.
    """
    if asked.round.closed_at is None:
        raise Conflict("Vòng thi chưa đóng: còn bài chưa nộp hoặc chưa chấm xong.")
    session.execute(leaderboards.PATIENCE)
    turn = text("SELECT pg_try_advisory_xact_lock(:lock, :division)")
    if not session.scalar(turn, {"lock": locks.ANALYSIS, "division": asked.id}):
        return None
    session.refresh(asked.round)  # a ranking that comes after this makes the analysis outdated
    tally, knowledge, reader = Tally(), Knowledge(), Reader(session, asked.round)
    for row in done_papers.counted(session, asked):
        try:
            answers = reader.answers(row)
        except (LookupError, TypeError, ValueError):
            # It was scored once, so somebody has changed it since; the others are still worth a look.
            logger.exception("this paper can't be read", attempt=row.id)
            continue
        tally.add(answers)
        place = row.commune if asked.division.unit_kind == "commune" else row.group
        knowledge.add(place, answers, reader.topics)
    session.execute(delete(RoundAnalysis).where(_is_of(asked.round_id, asked.division_id)))
    analysis = RoundAnalysis(
        round_id=asked.round_id,
        division_id=asked.division_id,
        computed_at=now,
        as_of=asked.round.ranked_at or asked.round.closed_at,
        papers=tally.papers,
        reliability=asdict(tally.reliability()),
        items={item.code: asdict(item) for item in _items(tally, reader)},
        statistics=statistics.count(session, asked) | {"knowledge": knowledge.counted()},
    )
    session.add(analysis)
    session.flush()
    return analysis


def _is_of(round_id: Any, division_id: Any) -> ColumnElement[bool]:
    return and_(RoundAnalysis.round_id == round_id, RoundAnalysis.division_id == division_id)


def _items(tally: Tally, reader: Reader) -> list[AnalysedItem]:
    items = reader.items
    keys = {
        code: tuple(sorted({option for key in reader.accepted(item) for option in key}))
        for code, (item, _) in items.items()
    }
    results = tally.items(
        {code: ItemKey(item.options, frozenset(keys[code])) for code, (item, _) in items.items()}
    )
    return [
        AnalysedItem(
            code=result.item,
            version_id=version_id,
            topic=item.topic,
            level=item.level,
            key=keys[result.item],
            is_voided=reader.corrections.get(result.item, ()) is None,
            result=result,
        )
        for result in results
        for item, version_id in [items[result.item]]
    ]


# --- reading -------------------------------------------------------------------------------------

ITEM_ORDERS: dict[str, Callable[[AnalysedItem], Any]] = {
    "code": lambda item: (len(item.topic), item.code),
    "facility": lambda item: item.result.facility,
    "discrimination": lambda item: item.result.discrimination,
    "exposure": lambda item: item.result.exposure,
    "left_out": lambda item: item.result.left_out / item.result.shown,
    "flags": lambda item: len(item.result.flags),
}


def find(session: Session, round_id: int, division_id: int) -> RoundAnalysis | None:
    """Return the analysis that is kept of a round's division."""
    return session.scalar(select(RoundAnalysis).where(_is_of(round_id, division_id)))


def is_outdated(analysis: RoundAnalysis, round: Round) -> bool:
    """Tell whether the round was ranked since; the sweeper will work it out anew."""
    return round.ranked_at is not None and analysis.as_of < round.ranked_at


def items_of(analysis: RoundAnalysis) -> list[AnalysedItem]:
    """Return the items of an analysis, in the order of codes."""
    return sorted(map(_item, analysis.items.values()), key=ITEM_ORDERS["code"])


def reliability_of(analysis: RoundAnalysis) -> Reliability:
    """Return how far the scores of a round's division can be trusted."""
    return Reliability(**analysis.reliability)


def ordered_items(items: Iterable[AnalysedItem], by: str, *, is_descending: bool) -> list[AnalysedItem]:
    """Return items ordered by one of ITEM_ORDERS; those without a value come last either way."""
    value, items = ITEM_ORDERS[by], list(items)
    known = [item for item in items if value(item) is not None]
    unknown = [item for item in items if value(item) is None]
    return sorted(known, key=value, reverse=is_descending) + unknown


def results_of_item(session: Session, code: str) -> list[tuple[Round, Division, AnalysedItem]]:
    """Return how an item did in each round and division that it was drawn in, the newest first."""
    rows = session.execute(
        select(Round, Division, RoundAnalysis.items[code])
        .join(Round, Round.id == RoundAnalysis.round_id)
        .join(Division, Division.id == RoundAnalysis.division_id)
        .where(RoundAnalysis.items.has_key(code))
        .order_by(Round.opens_at.desc(), Division.position)
    )
    return [(round, division, _item(stored)) for round, division, stored in rows]


_FACILITIES = text("""
SELECT DISTINCT ON (item.key) item.key AS code, (item.value -> 'result' ->> 'facility')::float8 AS facility
FROM round_analyses, jsonb_each(items) item
WHERE item.key = ANY(:codes) AND (item.value -> 'result' ->> 'shown')::integer >= :fewest
ORDER BY item.key, as_of DESC, round_analyses.id
""")


def facilities(session: Session, codes: Sequence[str]) -> dict[str, float]:
    """Return the share of points that people last got on each item, where enough had it."""
    rows = session.execute(_FACILITIES, {"codes": list(codes), "fewest": FEWEST_PAPERS})
    return {row.code: row.facility for row in rows}


def _item(stored: dict[str, Any]) -> AnalysedItem:
    result = stored["result"]
    return AnalysedItem(
        **stored
        | {
            "key": tuple(stored["key"]),
            "result": ItemAnalysis(
                **result
                | {
                    "group_sizes": tuple(result["group_sizes"]),
                    "options": tuple(OptionCounts(**counts) for counts in result["options"]),
                    "flags": tuple(Flag(**flag) for flag in result["flags"]),
                }
            ),
        }
    )
