"""Regrading: the scored attempts of a round scored again, some thousands a step, then ranked anew.

A step is one transaction. It goes by the corrections as they are when it runs, and a correction is
accepted only while no step runs, so that an attempt never keeps the points of an older key.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.orm import Session

from contest import audit, books, contests, leaderboards, publishing, scoring, tasks
from contest.formatting import vn_number
from contest.models import Attempt, Correction, Round, Task

KIND = "round.regrade"
CHUNK = 2_000

# In the order of ids, as every step takes them; without a code every scored attempt of the round.
_TAKE = text("""
SELECT a.id, a.points, a.pool_id, a.paper, a.responses, p.sha256 AS pool_sha256, r.is_partial
FROM attempts a
JOIN pools p ON p.id = a.pool_id
JOIN rounds r ON r.id = a.round_id
WHERE a.round_id = :round AND a.id > :after AND a.scored_at IS NOT NULL
  AND (CAST(:having AS jsonb) IS NULL OR a.paper @> CAST(:having AS jsonb))
ORDER BY a.id LIMIT :most FOR NO KEY UPDATE OF a
""").bindparams(having=None)
_WRITE_POINTS = text("""
UPDATE attempts a SET points = new.points
FROM unnest(CAST(:ids AS bigint[]), CAST(:points AS integer[])) AS new (id, points)
WHERE a.id = new.id
""")


def add_task(
    session: Session,
    round: Round,
    *,
    title: str,
    code: str | None = None,
    corrections: Sequence[int] = (),
    now: datetime,
    actor_id: int | None = None,
) -> Task:
    """Put a regrade on the list: of the attempts that have a code, or of all.

    `corrections` are the ids of those that every score follows when it is done.
    """
    return tasks.add(
        session,
        KIND,
        f"round/{round.id}",
        title=title,
        argument={"round": round.id, "code": code, "corrections": list(corrections)},
        actor_id=actor_id,
        now=now,
    )


def rescore(session: Session, round: Round, *, now: datetime) -> Task:
    """Put a regrade of the whole round on the list; it catches up on corrections that wait."""
    pending = session.scalars(
        select(Correction.id).where(Correction.round_id == round.id, Correction.applied_at.is_(None))
    ).all()
    return add_task(session, round, title=f"Chấm lại vòng {round.number}", corrections=pending, now=now)


def step(session: Session, task: Task, now: datetime, *, data_key: str) -> bool:
    """Regrade the next attempts; when none is left, rank in a step of its own, after which all is done."""
    if task.result.get("is_scored"):
        _finish(session, task, data_key=data_key, now=now)
        return True
    round_id = task.argument["round"]
    scoring.share_turn(session, [round_id])
    if not task.total:
        task.total = _count(session, task)
    rows = session.execute(
        _TAKE,
        {
            "round": round_id,
            "after": task.result.get("after", 0),
            "having": _having(task),
            "most": CHUNK,
        },
    ).all()
    changed = _regrade(session, round_id, rows)
    task.done += len(rows)
    task.result = {
        "after": rows[-1].id if rows else task.result.get("after", 0),
        "changed": task.result.get("changed", 0) + changed,
        "is_scored": len(rows) < CHUNK,
    }
    return False


def _having(task: Task) -> str | None:
    code = task.argument["code"]
    return json.dumps([{"code": code}]) if code else None


def _count(session: Session, task: Task) -> int:
    code = task.argument["code"]
    query = select(func.count()).where(
        Attempt.round_id == task.argument["round"], Attempt.scored_at.is_not(None)
    )
    return session.scalar(query.where(Attempt.paper.contains([{"code": code}])) if code else query) or 0


def _regrade(session: Session, round_id: int, rows: Sequence[Row[Any]]) -> int:
    """Write the points of attempts as they are by the corrections now; return how many changed."""
    if not rows:
        return 0
    corrections = scoring.corrections_of(session, round_id)
    points = {row.id: scoring.points_or_none(session, row, corrections) for row in rows}
    changed = {
        row.id: points[row.id] for row in rows if points[row.id] is not None and points[row.id] != row.points
    }
    session.execute(_WRITE_POINTS, {"ids": list(changed), "points": list(changed.values())})
    scoring.choose_counted(session, [row.id for row in rows])
    return len(changed)


def _finish(session: Session, task: Task, *, data_key: str, now: datetime) -> None:
    leaderboards.take_turn(session, task.argument["round"])
    round = contests.find_round(session, task.argument["round"])
    session.refresh(round)
    if round.books_closed_at is not None:
        books.recount(session, round, reason=task.title, data_key=data_key, now=now)
    else:
        publishing.rank_round(session, round, data_key=data_key, now=now)
    session.execute(
        update(Correction)
        .where(Correction.id.in_(task.argument["corrections"]), Correction.applied_at.is_(None))
        .values(applied_at=now)
    )
    changed = task.result["changed"]
    audit.record(
        session,
        "round.regrade",
        f"round/{round.id}",
        now=now,
        actor_id=task.created_by_id,
        after={
            "attempts": task.done,
            "changed": changed,
            "code": task.argument["code"],
            "corrections": task.argument["corrections"],
        },
        reason=task.title,
    )
    task.result = {
        "changed": changed,
        "text": f"Đã chấm lại {vn_number(task.done)} bài, {vn_number(changed)} bài đổi điểm; "
        "thứ hạng đã được tính lại.",
        "url": f"/admin/rounds/{round.id}/corrections",
        "label": "Các đính chính của vòng",
    }
