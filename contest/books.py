"""The closed books: whom they counted, and the truth of the prediction counted again after a correction."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from contest import attempt_facts, audit, contests, exclusions, leaderboards, proposals, publishing, scoring
from contest.contests import truths_of
from contest.errors import Conflict
from contest.models import Attempt, Exclusion, Round, Standing


def out_at_books(round: Round) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on Exclusion for those who were out when the round's books were closed."""
    closed_at = round.books_closed_at
    return (
        Exclusion.round_id == round.id,
        Exclusion.excluded_at <= closed_at,
        Exclusion.lifted_at.is_(None) | (Exclusion.lifted_at > closed_at),
    )


def counted_people(
    session: Session, round: Round, points: Mapping[int, int] | None = None
) -> dict[int, tuple[int, int]]:
    """Return how many people the books counted by division id, and how many of them have full points now.

    Who was excluded since is counted still, who was let in since is not. `points` by attempt are those
    that people without a standing would have.
    """
    counts = {
        row.division_id: (row.people, row.full)
        for row in session.execute(
            select(
                Standing.division_id,
                func.count().label("people"),
                func.count().filter(Standing.points == Standing.full_points).label("full"),
            )
            .where(
                Standing.round_id == round.id,
                Standing.account_id.not_in(select(Exclusion.account_id).where(*out_at_books(round))),
            )
            .group_by(Standing.division_id)
        )
    }
    for rows in scoring.attempts_of_people(session, _attempts_of_excluded_since(session, round)):
        one = scoring.counted_of(rows, points)
        people, full = counts.get(one.division_id, (0, 0))
        is_full = (points or {}).get(one.id, one.points) == one.full_points
        counts[one.division_id] = (people + 1, full + is_full)
    return counts


def _attempts_of_excluded_since(session: Session, round: Round) -> list[int]:
    out_then = select(Exclusion.account_id).where(*out_at_books(round))
    out_now = select(Exclusion.account_id).where(
        Exclusion.round_id == round.id, Exclusion.lifted_at.is_(None), Exclusion.account_id.not_in(out_then)
    )
    query = select(Attempt.id).where(Attempt.round_id == round.id, Attempt.account_id.in_(out_now))
    return list(session.scalars(query))


def close(session: Session, round: Round, *, data_key: str, now: datetime, actor_id: int) -> int:
    """Close the books: count the truth, rank people by the whole chain and units; return how many people.

    Raises Conflict before the round is closed or a second time, and while an exclusion waits for its
    second person: after the books it could not move the truth any more.
    """
    leaderboards.take_turn(session, round.id)
    moving = (exclusions.EXCLUDE, exclusions.LIFT)
    waiting = [one for one in proposals.waiting(session, round_id=round.id) if one.kind in moving]
    if waiting:
        raise Conflict(
            f"Còn {len(waiting)} đề nghị về việc không xếp hạng chờ người thứ hai: cần quyết định trước đã."
        )
    contests.count_books(session, round, now=now)
    people = publishing.rank_round(session, round, data_key=data_key, now=now)
    audit.record(
        session,
        "round.close_books",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        before={"books_closed_at": None},
        after={
            "truth": {asked.division.code: asked.truth for asked in round.divisions},
            "attempts": attempt_facts.digest_of_round(session, round),
        },
    )
    return people


def recount(session: Session, round: Round, *, reason: str, data_key: str, now: datetime) -> None:
    """Count the truth again over the people of the books, after a correction, and rank the round by it.

    The caller has taken its turn at ranking.
    """
    session.refresh(round, with_for_update=True)
    truths = truths_of(round, counted_people(session, round))
    before = {asked.division.code: asked.truth for asked in round.divisions}
    for asked in round.divisions:
        asked.truth = truths[asked.division_id]
    session.flush()
    publishing.rank_round(session, round, data_key=data_key, now=now)
    audit.record(
        session,
        "round.recount_truth",
        f"round/{round.id}",
        now=now,
        before={"truth": before},
        after={"truth": {asked.division.code: asked.truth for asked in round.divisions}},
        reason=reason,
    )
