"""The closed books: whom they counted, and the truth of the prediction counted again after a correction."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from contest import audit, scoring
from contest.contests import truths_of
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


def recount(session: Session, round: Round, *, reason: str, now: datetime) -> None:
    """Count the truth of the prediction again, over the people of the books, after a correction.

    The caller has taken its turn at ranking, and ranks the round next.
    """
    session.refresh(round, with_for_update=True)
    truths = truths_of(round, counted_people(session, round))
    before = {asked.division.code: asked.truth for asked in round.divisions}
    for asked in round.divisions:
        asked.truth = truths[asked.division_id]
    session.flush()
    audit.record(
        session,
        "round.recount_truth",
        f"round/{round.id}",
        now=now,
        before={"truth": before},
        after={"truth": {asked.division.code: asked.truth for asked in round.divisions}},
        reason=reason,
    )
