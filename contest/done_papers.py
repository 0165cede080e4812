"""Papers that were done, read in bulk: what each person did on each item, and what it paid."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from contest.models import Round, RoundDivision
from contest.pools import LoadedPool, loaded
from contest.rules.scoring import POINT, chosen_indices, item_points
from contest.scoring import corrections_of
from question_bank.draw import PoolItem
from question_bank.item_analysis import Answer

# So many papers are in memory at once.
CHUNK = 2_000
MOST_KNOWN = 200_000
SEPARATOR = "\x1f"

# A text for each item in its place: code, order and labels, as JSON, between separators. What many did
# the same way is read once; reading the JSON of every paper takes three times as long.
_DONE = """
ARRAY(SELECT concat_ws(chr(31), item ->> 'code', item ->> 'order', a.responses ->> position::text)
      FROM jsonb_array_elements(a.paper) WITH ORDINALITY AS drawn (item, position)
      ORDER BY position) AS done
"""
_COUNTED = text(f"""
SELECT a.id, a.pool_id, p.sha256 AS pool_sha256, c.code AS commune, u."group", {_DONE}
FROM standings s
JOIN attempts a ON a.id = s.attempt_id
JOIN pools p ON p.id = a.pool_id
JOIN rounds r ON r.id = s.round_id
JOIN registrations g ON g.contest_id = r.contest_id AND g.account_id = s.account_id
JOIN units c ON c.id = g.commune_id
JOIN units u ON u.id = s.unit_id
WHERE s.round_id = :round AND s.division_id = :division
""")  # noqa: S608
_SAMPLE = text(f"""
SELECT a.id, a.submitted_at, a.pool_id, p.sha256 AS pool_sha256, {_DONE}
FROM unnest(CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[])) AS stretch (begins, ends)
CROSS JOIN LATERAL (
    SELECT id, submitted_at, paper, responses, pool_id FROM attempts
    WHERE round_id = :round AND division_id = :division AND voided_at IS NULL
      AND submitted_at >= stretch.begins AND submitted_at < stretch.ends
    ORDER BY submitted_at DESC LIMIT :most) a
JOIN pools p ON p.id = a.pool_id
""")  # noqa: S608


def counted(session: Session, asked: RoundDivision) -> Iterable[Row[Any]]:
    """Return the counted papers of a division as they come from the server, with commune and group."""
    return session.connection().execute(
        _COUNTED,
        {"round": asked.round_id, "division": asked.division_id},
        execution_options={"yield_per": CHUNK},
    )


def sample(
    session: Session,
    asked: RoundDivision,
    begins: Sequence[datetime],
    ends: Sequence[datetime],
    *,
    most: int,
) -> Sequence[Row[Any]]:
    """Return the last papers that were submitted in each stretch of time, `most` of each, with the moment."""
    return session.execute(
        _SAMPLE,
        {
            "round": asked.round_id,
            "division": asked.division_id,
            "begins": list(begins),
            "ends": list(ends),
            "most": most,
        },
    ).all()


class Reader:
    """Reads papers of a round as answers, from rows of the queries above.

    An item that was voided is scored by its own key: a full point for everybody says nothing of it.
    """

    def __init__(self, session: Session, round: Round) -> None:
        self._session, self._is_partial = session, round.is_partial
        self._pools: dict[int, LoadedPool] = {}
        # By pool and what was done. Kept while there are not too many: they are much the same.
        self._known: dict[tuple[int, str], Answer] = {}
        # Of the items whose answers tell something: those that were not voided.
        self.topics: dict[str, str] = {}
        self.corrections = corrections_of(session, round.id)

    def answers(self, row: Row[Any]) -> list[Answer]:
        """Return what was done on a paper, item by item in their places."""
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        answers = []
        for done in row.done:
            answer = self._known.get((row.pool_id, done))
            if answer is None:
                answer = self._known[row.pool_id, done] = self._answer(row, *done.split(SEPARATOR))
            answers.append(answer)
        return answers

    def accepted(self, item: PoolItem) -> Sequence[Collection[int]]:
        """Return the keys that hold for an item: its own, or what a correction says."""
        return self.corrections.get(item.code) or (item.key,)

    @property
    def items(self) -> dict[str, tuple[PoolItem, int]]:
        """The items of the pools that were read, by code, each with the version that was drawn.

        All pools of a division have the same version of a code.
        """
        return {
            code: (item, pool.versions[code])
            for pool in self._pools.values()
            for code, item in pool.items.items()
        }

    def _answer(self, row: Row[Any], code: str, order: str, labels: str = "[]") -> Answer:
        pool = self._pools.get(row.pool_id)
        if pool is None:
            pool = self._pools[row.pool_id] = loaded(self._session, row.pool_id, row.pool_sha256)
            self.topics |= {
                code: item.topic
                for code, item in pool.items.items()
                if self.corrections.get(code, ()) is not None
            }
        chosen = chosen_indices(json.loads(labels), json.loads(order))
        accepted = self.accepted(pool.items[code])
        points = max(item_points(chosen, key, partial=self._is_partial) for key in accepted)
        return Answer(code, chosen, points / POINT)
