"""Contests and rounds: found, opened, ended, closed, their books closed.

A round's state is its moments. `opened_at`: pools frozen and configuration locked, so that attempts
can start from `opens_at` on. `closed_at`: no attempt is open any more, so that seed and keys may be
shown. `books_closed_at`: the truth of the prediction is counted and stands.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session, selectinload

from contest import audit, leaderboards, pools
from contest.errors import Conflict, NotThere
from contest.formatting import vn_datetime
from contest.models import Attempt, Contest, Publication, Round, RoundDivision, Standing
from contest.rules.prediction import truth
from contest.security import seal, unseal
from question_bank.draw import round_seed, shortfalls

SEED_PURPOSE = "round seed"


class Phase(Enum):
    """Where a round stands."""

    PLANNED = "planned"
    OPEN = "open"
    CLOSING = "closing"  # over, while the last attempts are being closed and scored
    CLOSED = "closed"
    BOOKS_CLOSED = "books_closed"


def phase(round: Round, *, now: datetime) -> Phase:
    """Return where a round stands at a moment."""
    if round.books_closed_at is not None:
        return Phase.BOOKS_CLOSED
    if round.closed_at is not None:
        return Phase.CLOSED
    if round.opened_at is None or now < round.opens_at:
        return Phase.PLANNED
    return Phase.OPEN if now < round.closes_at else Phase.CLOSING


def current_contest(session: Session) -> Contest | None:
    """Return the contest that the site shows: the newest one."""
    return session.scalar(
        select(Contest).order_by(Contest.id.desc()).limit(1).options(selectinload(Contest.rounds))
    )


def find_contest(session: Session, slug: str) -> Contest:
    """Return a contest by its address. Raises NotThere."""
    contest = session.scalar(
        select(Contest).where(Contest.slug == slug).options(selectinload(Contest.rounds))
    )
    if contest is None:
        raise NotThere("Không tìm thấy cuộc thi này.")
    return contest


def find_round(session: Session, round_id: int) -> Round:
    """Return a round with its divisions. Raises NotThere."""
    round = session.scalar(
        select(Round)
        .where(Round.id == round_id)
        .options(
            selectinload(Round.divisions).joinedload(RoundDivision.division), selectinload(Round.contest)
        )
    )
    if round is None:
        raise NotThere("Không tìm thấy vòng thi này.")
    return round


def round_on_show(contest: Contest, *, now: datetime) -> Round | None:
    """Return the round that people come for: the open one, else the next, else the last."""
    rounds = contest.rounds
    by_phase = {round.id: phase(round, now=now) for round in rounds}
    for wanted in (Phase.OPEN, Phase.PLANNED):
        for round in rounds:
            if by_phase[round.id] is wanted:
                return round
    return rounds[-1] if rounds else None


# --- opening -------------------------------------------------------------------------------------


def commit_seed(
    session: Session, round: Round, *, seed: bytes, data_key: str, now: datetime, actor_id: int | None
) -> None:
    """Keep the round's seed, 32 random bytes, and its commitment, once; another seed changes nothing."""
    if round.seed_commitment is not None:
        return
    round.seed_sealed = seal(data_key, seed, SEED_PURPOSE)
    round.seed_commitment = hashlib.sha256(seed).hexdigest()
    round.committed_at = now
    audit.record(
        session,
        "round.commit_seed",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        after={"commitment": round.seed_commitment},
    )


def open_round(
    session: Session, round: Round, *, seed: bytes, data_key: str, now: datetime, actor_id: int | None
) -> None:
    """Freeze the pools and lock the configuration, so that attempts can start from opens_at on.

    `seed` is the round's unless one was committed before. Raises Conflict if the round was opened
    before, is over, or a specification can't be filled.
    """
    # One opening of a contest at a time: no pool takes an item that another is taking.
    session.execute(select(Contest.id).where(Contest.id == round.contest_id).with_for_update(key_share=True))
    session.refresh(round, with_for_update=True)
    if round.opened_at is not None:
        raise Conflict("Vòng thi này đã được mở.")
    if now >= round.closes_at:
        raise Conflict("Vòng thi này đã qua thời điểm đóng.")
    commit_seed(session, round, seed=seed, data_key=data_key, now=now, actor_id=actor_id)
    digests = {}
    for asked in round.divisions:
        pool = pools.freeze(session, asked, now=now)
        short = shortfalls(
            list(pools.pool_items(pool.file).values()), pools.specification_cells(asked.specification)
        )
        if short:
            lacks = "; ".join(f"{cell.topic}/{cell.level} cần {cell.count}, có {has}" for cell, has in short)
            raise Conflict(f"Ngân hàng câu hỏi chưa đủ cho bảng {asked.division.name}: {lacks}.")
        digests[asked.division.code] = pool.sha256
    round.opened_at = now
    session.flush()
    audit.record(
        session, "round.open", f"round/{round.id}", now=now, actor_id=actor_id, after={"pools": digests}
    )


# --- closing -------------------------------------------------------------------------------------


def end_round(session: Session, round: Round, *, reason: str, now: datetime, actor_id: int) -> None:
    """Bring the closing forward to now: no new starts, while whoever is sitting keeps their time.

    Raises Conflict unless the round is open, or without a reason.
    """
    session.refresh(round, with_for_update=True)
    if phase(round, now=now) is not Phase.OPEN:
        raise Conflict("Chỉ đóng sớm được vòng thi đang mở.")
    if not reason:
        raise Conflict("Bạn cần ghi lý do đóng sớm.")
    planned = round.closes_at
    round.closes_at = now
    audit.record(
        session,
        "round.end",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        before={"closes_at": planned.isoformat()},
        after={"closes_at": now.isoformat()},
        reason=reason,
    )


def close_round(session: Session, round_id: int, *, now: datetime) -> bool:
    """Mark a round closed once it is over and every attempt is closed and scored; tell whether it was.

    The row is locked first: a start under way holds it shared until it commits, so that the look at
    the attempts that follows misses none.
    """
    session.execute(select(Round.id).where(Round.id == round_id).with_for_update())
    unfinished = exists().where(
        Attempt.round_id == round_id, Attempt.voided_at.is_(None), Attempt.scored_at.is_(None)
    )
    closed = session.execute(
        update(Round)
        .where(
            Round.id == round_id,
            Round.opened_at.is_not(None),
            Round.closed_at.is_(None),
            Round.closes_at <= now,
            ~unfinished,
        )
        .values(closed_at=now)
        .returning(Round.id)
    ).scalar_one_or_none()
    if closed is None:
        return False
    audit.record(session, "round.close", f"round/{round_id}", now=now)
    return True


def rounds_to_close(session: Session, *, now: datetime) -> list[int]:
    """Return the ids of rounds that are over but not marked closed."""
    return list(
        session.scalars(
            select(Round.id).where(
                Round.opened_at.is_not(None), Round.closed_at.is_(None), Round.closes_at <= now
            )
        )
    )


def counted_truths(session: Session, round: Round) -> dict[int, int | None]:
    """Return what the books would say now: the truth of each division of the round by its id.

    People are those with a standing; full points are those of the whole paper.
    """
    rows = session.execute(
        select(
            Standing.division_id,
            func.count().label("people"),
            func.count().filter(Standing.points == Standing.full_points).label("full"),
        )
        .where(Standing.round_id == round.id)
        .group_by(Standing.division_id)
    ).all()
    by_division = {row.division_id: (row.people, row.full) for row in rows}
    everyone = (
        sum(people for people, _ in by_division.values()),
        sum(full for _, full in by_division.values()),
    )
    truths: dict[int, int | None] = {}
    for asked in round.divisions:
        if asked.prediction_counted is None:
            truths[asked.division_id] = None
            continue
        people, full = (
            everyone if asked.prediction_over == "round" else by_division.get(asked.division_id, (0, 0))
        )
        truths[asked.division_id] = truth(asked.prediction_counted, people=people, full=full)
    return truths


def close_books(session: Session, round: Round, *, now: datetime, actor_id: int) -> Mapping[int, int | None]:
    """Count the truth of the prediction once and for all; return it by division id.

    The caller ranks the round next, in the same transaction. Raises Conflict before the round is
    closed, or a second time.
    """
    leaderboards.take_turn(session, round.id)
    session.refresh(round, with_for_update=True)
    if round.closed_at is None:
        raise Conflict("Vòng thi chưa đóng: còn bài chưa nộp hoặc chưa chấm xong.")
    if round.books_closed_at is not None:
        raise Conflict(f"Vòng thi đã chốt sổ lúc {vn_datetime(round.books_closed_at)}.")
    truths = counted_truths(session, round)
    for asked in round.divisions:
        asked.truth = truths[asked.division_id]
    round.books_closed_at = now
    session.flush()
    audit.record(
        session,
        "round.close_books",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        after={"truth": {asked.division.code: asked.truth for asked in round.divisions}},
    )
    return truths


def revealed_seed(round: Round, *, data_key: str) -> bytes | None:
    """Return the round's seed if it may be shown: after the round is closed for all."""
    if round.closed_at is None or round.seed_sealed is None:
        return None
    return round_seed(unseal(data_key, round.seed_sealed, SEED_PURPOSE), round.seed_text)


def newest_publication(session: Session, round_id: int) -> Publication | None:
    """Return the last published version of a round's results."""
    return session.scalar(
        select(Publication)
        .where(Publication.round_id == round_id)
        .order_by(Publication.version.desc())
        .limit(1)
    )
