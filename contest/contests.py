"""Contests and rounds: found, opened, ended, closed, their books closed.

A round's state is its moments. `opened_at`: pools frozen and configuration locked, so that attempts
can start from `opens_at` on. `closed_at`: no attempt is open any more, so that seed and keys may be
shown. `books_closed_at`: the truth of the prediction is counted and stands.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum

from sqlalchemy import exists, func, select, text, update
from sqlalchemy.orm import Session, selectinload

from contest import audit, leaderboards, pools, readiness, round_settings, unranked
from contest.errors import Conflict, NotThere
from contest.formatting import vn_datetime
from contest.models import (
    Attempt,
    Contest,
    Correction,
    Division,
    Exclusion,
    Outage,
    OutageDecision,
    Publication,
    Resit,
    Round,
    RoundDivision,
    Standing,
)
from contest.rules.prediction import truth
from contest.security import seal, unseal
from question_bank.draw import lot_key, round_seed

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


def seconds_to_next_moment(session: Session) -> float:
    """Return how long the clock alone changes nothing of what the public sees; a day if nothing is near."""
    moments = text("""
        SELECT extract(epoch FROM min(moment) - statement_timestamp())
        FROM rounds,
             LATERAL unnest(ARRAY[opens_at, closes_at, paused_until, complaints_close_at]) moment
        WHERE moment > statement_timestamp()
    """)
    seconds = session.scalar(moments)
    return 86_400.0 if seconds is None else float(seconds)


def current_contest(session: Session) -> Contest | None:
    """Return the contest that the site shows: the newest one that is announced."""
    return session.scalar(
        select(Contest)
        .where(Contest.announced_at.is_not(None))
        .order_by(Contest.announced_at.desc(), Contest.id.desc())
        .limit(1)
        .options(selectinload(Contest.rounds))
    )


def find_contest(session: Session, slug: str, *, with_drafts: bool = False) -> Contest:
    """Return a contest by its address, one that is not announced only if asked for. Raises NotThere."""
    contest = session.scalar(
        select(Contest).where(Contest.slug == slug).options(selectinload(Contest.rounds))
    )
    if contest is None or (contest.announced_at is None and not with_drafts):
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


def rounds_of_division(session: Session, contest_id: int, division_id: int) -> set[int]:
    """Return the ids of a contest's rounds that are for a division."""
    return set(
        session.scalars(
            select(RoundDivision.round_id)
            .join(RoundDivision.round)
            .where(Round.contest_id == contest_id, RoundDivision.division_id == division_id)
        )
    )


def division_on_show(
    contest: Contest, all_asked: Sequence[RoundDivision], code: str, own: Division | None = None
) -> tuple[RoundDivision, Division | None]:
    """Return what to show of a round: the division of a code, else the viewer's own, else the first.

    Beside it stands the division that the round would have been shown for, if it is not for that one.
    Raises NotThere for a code that the contest has not.
    """
    wanted = next((one for one in contest.divisions if one.code == code), None) if code else own
    if code and wanted is None:
        raise NotThere("Cuộc thi không có bảng thi đó.")
    if wanted is None:
        return all_asked[0], None
    asked = next((one for one in all_asked if one.division_id == wanted.id), None)
    return (asked, None) if asked else (all_asked[0], wanted)


def round_on_show(contest: Contest, *, now: datetime, preferred: Collection[int] = ()) -> Round | None:
    """Return the round that people come for: the open one, else the next, else the last.

    It is one of those with a preferred id, if there are any.
    """
    rounds = [round for round in contest.rounds if round.id in preferred] or contest.rounds
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
    """Keep the round's secret, 32 random bytes, and its commitment, once; another one changes nothing.

    The secret is the round seed, unless a public text is mixed in.
    """
    session.refresh(round, with_for_update=True)  # a second click waits here
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

    `seed` is the round's secret unless one was committed before. Raises Conflict if the round was
    opened before, or for anything that readiness.checks holds against it.
    """
    pools.hold_releases(session)
    # One opening of a contest at a time: no pool takes an item that another is taking.
    session.execute(select(Contest.id).where(Contest.id == round.contest_id).with_for_update(key_share=True))
    session.refresh(round, with_for_update=True)
    if round.opened_at is not None:
        raise Conflict("Vòng thi này đã được mở.")
    readiness.refuse_unready(session, round, now=now)
    commit_seed(session, round, seed=seed, data_key=data_key, now=now, actor_id=actor_id)
    digests = {asked.division.code: pools.freeze(session, asked, now=now).sha256 for asked in round.divisions}
    round.opened_at = now
    session.flush()
    configuration = round_settings.settings_record(session, round)
    unranked.exclude(session, round.id, now=now)
    audit.record(
        session,
        "round.open",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        after={"pools": digests, "configuration": configuration},
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

    Re-sits that may still be taken, and pauses that are still in the durations, are waited for.
    The row is locked first: a start under way holds it shared until it commits, so that the look at
    the attempts that follows misses none.
    """
    leaderboards.take_turn(session, round_id)
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
            ~exists().where(Resit.round_id == round_id, Resit.taken_id.is_(None), Resit.closes_at > now),
            ~exists().where(
                Outage.round_id == round_id, ~exists().where(OutageDecision.outage_id == Outage.id)
            ),
        )
        .values(closed_at=now)
        .returning(Round.id)
    ).scalar_one_or_none()
    if closed is None:
        return False
    # Whoever came to work here in the meantime.
    unranked.exclude(session, round_id, now=now)
    after = {"closed_at": now.isoformat()}
    audit.record(
        session, "round.close", f"round/{round_id}", now=now, before={"closed_at": None}, after=after
    )
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
    return truths_of(round, {row.division_id: (row.people, row.full) for row in rows})


def truths_of(round: Round, by_division: Mapping[int, tuple[int, int]]) -> dict[int, int | None]:
    """Return the truth of each division by its id, from how many people it has and how many are full."""
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


def count_books(session: Session, round: Round, *, now: datetime) -> None:
    """Count the truth of the prediction once and for all, as a part of closing the books (books.close).

    Raises Conflict before the round is closed, or a second time.
    """
    leaderboards.take_turn(session, round.id)
    session.refresh(round, with_for_update=True)
    if round.closed_at is None:
        raise Conflict("Vòng thi chưa đóng: còn bài chưa nộp hoặc chưa chấm xong.")
    if round.books_closed_at is not None:
        raise Conflict(f"Vòng thi đã chốt sổ lúc {vn_datetime(round.books_closed_at)}.")
    refuse_while_regrading(session, round.id)
    truths = counted_truths(session, round)
    for asked in round.divisions:
        asked.truth = truths[asked.division_id]
    round.books_closed_at = _after_exclusions(session, round, now)
    session.flush()


def refuse_while_regrading(session: Session, round_id: int) -> None:
    """Raise Conflict while some scores of the round do not follow a correction yet."""
    if session.scalar(
        select(exists().where(Correction.round_id == round_id, Correction.applied_at.is_(None)))
    ):
        raise Conflict("Vòng thi đang được chấm lại theo một đính chính; bạn thử lại sau khi chấm xong.")


def _after_exclusions(session: Session, round: Round, now: datetime) -> datetime:
    """Return the moment of the books: no earlier than an exclusion or lifting that they follow.

    `now` was read before this waited for its turn.
    """
    last = session.scalar(
        select(func.greatest(func.max(Exclusion.excluded_at), func.max(Exclusion.lifted_at))).where(
            Exclusion.round_id == round.id
        )
    )
    return max(now, last or now)


def revealed_seed(round: Round, *, data_key: str) -> bytes | None:
    """Return the round's seed if it may be shown: after the round is closed for all."""
    if round.closed_at is None or round.seed_sealed is None:
        return None
    return round_seed(unseal(data_key, round.seed_sealed, SEED_PURPOSE), round.seed_text)


def waits_for_lot_text(round: Round) -> bool:
    """Tell whether the round's prizes can't be decided yet: the text named for its lots is not known."""
    return bool(round.lot_text_source) and round.lot_text is None


def are_prizes_decided(round: Round) -> bool:
    """Tell whether it can be said who wins what: the books are closed, and the lots have their text."""
    return round.books_closed_at is not None and not waits_for_lot_text(round)


def key_of_lots(round: Round, *, data_key: str) -> bytes:
    """Return the key of a closed round's lots. Raises Conflict while the text named for them is missing."""
    seed = revealed_seed(round, data_key=data_key)
    if seed is None:
        raise Conflict("Vòng thi chưa đóng nên chưa bốc thăm được.")
    if waits_for_lot_text(round):
        raise Conflict("Cần ghi văn bản công khai dùng để bốc thăm trước khi xét giải.")
    return lot_key(seed, round.lot_text)


def newest_publication(session: Session, round_id: int) -> Publication | None:
    """Return the last published version of a round's results."""
    return session.scalar(
        select(Publication)
        .where(Publication.round_id == round_id)
        .order_by(Publication.version.desc())
        .limit(1)
    )
