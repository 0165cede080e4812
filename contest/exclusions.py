"""Exclusions: people kept out of a round's standings for a stated kind of reason, and let in again.

Before the books are closed it takes two people, because it moves the truth of the prediction;
afterwards the truth stands, and an organizer does it alone.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from contest import audit, leaderboards, proposals, publishing, scoring
from contest.contests import are_prizes_decided
from contest.errors import Conflict, NotThere
from contest.formatting import vn_number
from contest.impartiality import refuse_oneself
from contest.models import Attempt, Exclusion, Headcount, Proposal, Registration, Round, Standing
from contest.rules.exclusions import KINDS

EXCLUDE, LIFT = "exclusion", "exclusion_lift"


def of_round(session: Session, round_id: int) -> Sequence[Exclusion]:
    """Return the exclusions of a round, lifted ones too, the newest first, with the people."""
    return session.scalars(
        select(Exclusion)
        .where(Exclusion.round_id == round_id)
        .order_by(Exclusion.id.desc())
        .options(
            joinedload(Exclusion.account),
            joinedload(Exclusion.excluded_by),
            joinedload(Exclusion.approved_by),
        )
    ).all()


def standing_one(session: Session, round_id: int, account_id: int) -> Exclusion | None:
    """Return the exclusion that keeps a person out of a round now, or None."""
    return session.scalar(
        select(Exclusion).where(
            Exclusion.round_id == round_id, Exclusion.account_id == account_id, Exclusion.lifted_at.is_(None)
        )
    )


def needs_two(round: Round, lifted: Exclusion | None = None) -> bool:
    """Tell whether an exclusion, or lifting one, needs a second person now.

    What the rules decided (organizers, item writers) no single person undoes, after the books either.
    """
    return round.books_closed_at is None or (lifted is not None and lifted.excluded_by_id is None)


def find_entry(session: Session, round: Round, account_id: int) -> Registration:
    """Return a person's entry into the round's contest. Raises NotThere."""
    entry = session.scalar(
        select(Registration)
        .where(Registration.contest_id == round.contest_id, Registration.account_id == account_id)
        .options(
            joinedload(Registration.account), joinedload(Registration.division), joinedload(Registration.unit)
        )
    )
    if entry is None:
        raise NotThere("Không tìm thấy người này trong cuộc thi.")
    return entry


def propose(
    session: Session, round: Round, account_id: int, *, kind: str, reason: str, now: datetime, actor_id: int
) -> Proposal:
    """Ask a second person to exclude somebody. Raises Conflict without a reason, or if they are out."""
    entry = find_entry(session, round, account_id)
    refuse_oneself(account_id, actor_id)
    _refuse(session, round, account_id, kind)
    return proposals.propose(
        session,
        EXCLUDE,
        _subject(round.id, account_id),
        title=f"Không xếp hạng {entry.account.name} ở vòng {round.number}",
        content={"account": account_id, "kind": kind},
        effect=effect(session, round, account_id),
        reason=reason,
        round_id=round.id,
        actor_id=actor_id,
        now=now,
    )


def exclude(
    session: Session,
    round: Round,
    account_id: int,
    *,
    kind: str,
    reason: str,
    now: datetime,
    actor_id: int,
    approved_by_id: int | None = None,
) -> Exclusion:
    """Keep a person out of the round's standings from now on; its ranks are made anew soon.

    Raises Conflict without a reason, before the books without a second person, or if they are out already.
    """
    find_entry(session, round, account_id)
    refuse_oneself(account_id, actor_id, approved_by_id)
    _take_turns(session, round)
    if needs_two(round) and approved_by_id is None:
        raise Conflict("Trước khi chốt sổ, việc không xếp hạng một người cần người thứ hai phê duyệt.")
    if not reason:
        raise Conflict("Bạn cần ghi lý do.")
    _refuse(session, round, account_id, kind)
    exclusion = Exclusion(
        round_id=round.id,
        account_id=account_id,
        kind=kind,
        reason=reason,
        excluded_by_id=actor_id,
        approved_by_id=approved_by_id,
    )
    try:
        with session.begin_nested():
            session.add(exclusion)
    except IntegrityError:
        raise Conflict("Người này đã không được xếp hạng ở vòng này.") from None
    session.refresh(exclusion)
    struck = session.execute(
        delete(Standing)
        .where(Standing.round_id == round.id, Standing.account_id == account_id)
        .returning(Standing.rank, Standing.attempt_id)
    ).one_or_none()
    leaderboards.call_for_ranking(session, round)
    audit.record(
        session,
        "exclusion.make",
        _subject(round.id, account_id),
        now=now,
        actor_id=actor_id,
        before={"rank": struck.rank, "attempt": struck.attempt_id} if struck else None,
        after={
            "exclusion": exclusion.id,
            "kind": kind,
            "approved_by": approved_by_id,
            "excluded_at": exclusion.excluded_at.isoformat(),
        },
        reason=reason,
    )
    return exclusion


def propose_lifting(
    session: Session, round: Round, account_id: int, *, reason: str, now: datetime, actor_id: int
) -> Proposal:
    """Ask a second person to let somebody in again. Raises Conflict without a reason, or if they are in."""
    entry = find_entry(session, round, account_id)
    refuse_oneself(account_id, actor_id)
    _find_standing(session, round, account_id)
    return proposals.propose(
        session,
        LIFT,
        _subject(round.id, account_id),
        title=f"Xếp hạng lại {entry.account.name} ở vòng {round.number}",
        content={"account": account_id},
        effect=effect_of_lifting(session, round, account_id),
        reason=reason,
        round_id=round.id,
        actor_id=actor_id,
        now=now,
    )


def lift(
    session: Session,
    round: Round,
    account_id: int,
    *,
    reason: str,
    now: datetime,
    actor_id: int,
    approved_by_id: int | None = None,
) -> Exclusion:
    """Let a person into the standings again, by the attempt that counts; ranks are made anew soon.

    Raises Conflict without a reason, before the books without a second person, or if they are not out.
    """
    refuse_oneself(account_id, actor_id, approved_by_id)
    _take_turns(session, round)
    exclusion = _find_standing(session, round, account_id)
    if needs_two(round, exclusion) and approved_by_id is None:
        raise Conflict("Việc xếp hạng lại người này cần người thứ hai phê duyệt.")
    if not reason:
        raise Conflict("Bạn cần ghi lý do.")
    # Its moment is the statement's, as that of the exclusion: both are compared with the books'.
    session.execute(
        update(Exclusion)
        .where(Exclusion.id == exclusion.id)
        .values(lifted_at=func.statement_timestamp(), lifted_by_id=actor_id, lift_reason=reason)
    )
    session.refresh(exclusion)
    assert exclusion.lifted_at is not None, "just lifted"
    scoring.stand(session, _valid_attempts(session, round.id, account_id))
    leaderboards.call_for_ranking(session, round)
    audit.record(
        session,
        "exclusion.lift",
        _subject(round.id, account_id),
        now=now,
        actor_id=actor_id,
        before={"exclusion": exclusion.id, "kind": exclusion.kind},
        after={"approved_by": approved_by_id, "lifted_at": exclusion.lifted_at.isoformat()},
        reason=reason,
    )
    return exclusion


def _take_turns(session: Session, round: Round) -> None:
    """Wait for a ranking and for scorings under way: neither forgets the exclusion then."""
    leaderboards.take_turn(session, round.id)
    session.refresh(round)
    if round.opened_at is None:
        raise Conflict("Vòng thi chưa mở.")
    scoring.take_turn(session, round.id)


def _refuse(session: Session, round: Round, account_id: int, kind: str) -> None:
    if kind not in KINDS:
        raise Conflict("Bạn hãy chọn loại lý do trong danh sách.")
    if round.opened_at is None:
        raise Conflict("Vòng thi chưa mở.")
    if standing_one(session, round.id, account_id) is not None:
        raise Conflict("Người này đã không được xếp hạng ở vòng này.")


def _find_standing(session: Session, round: Round, account_id: int) -> Exclusion:
    exclusion = standing_one(session, round.id, account_id)
    if exclusion is None:
        raise Conflict("Người này đang được xếp hạng bình thường ở vòng này.")
    return exclusion


def _subject(round_id: int, account_id: int) -> str:
    return f"round/{round_id}/account/{account_id}"


def _valid_attempts(session: Session, round_id: int, account_id: int) -> Sequence[int]:
    return session.scalars(
        select(Attempt.id).where(
            Attempt.round_id == round_id,
            Attempt.account_id == account_id,
            Attempt.scored_at.is_not(None),
            Attempt.voided_at.is_(None),
        )
    ).all()


# --- what it would change ------------------------------------------------------------------------


def effect(session: Session, round: Round, account_id: int, *, data_key: str = "") -> list[str]:
    """Return what excluding a person would change, in sentences; prizes where the data key is given."""
    entry = find_entry(session, round, account_id)
    row = leaderboards.own_standing(session, round.id, account_id)
    if row is None:
        sentences = ["Người này chưa có bài được tính ở vòng này; bài nộp sau sẽ không được xếp hạng."]
    elif row.rank is None:
        sentences = ["Bài của người này không còn trong bảng xếp hạng."]
    else:
        below = session.scalar(
            select(func.count()).where(
                Standing.round_id == round.id,
                Standing.division_id == row.division_id,
                Standing.rank > row.rank,
            )
        )
        sentences = [
            f"Hạng {vn_number(row.rank)} của bảng {entry.division.name} được bỏ; "
            f"{vn_number(below or 0)} người xếp sau tiến lên một bậc."
        ]
        sentences += _effect_on_prizes(session, round, account_id, data_key)
    return [*sentences, *_effect_on_unit(session, round, entry, -1), *_effect_on_truth(round, entry)]


def effect_of_lifting(session: Session, round: Round, account_id: int) -> list[str]:
    """Return what letting a person in again would change, in sentences."""
    entry = find_entry(session, round, account_id)
    attempts = _valid_attempts(session, round.id, account_id)
    first = (
        f"Người này được xếp hạng lại trong bảng {entry.division.name} theo bài được tính."
        if attempts
        else "Người này chưa có bài được tính ở vòng này; bài nộp sau sẽ được xếp hạng."
    )
    return [first, *_effect_on_unit(session, round, entry, 1), *_effect_on_truth(round, entry)]


def _effect_on_prizes(session: Session, round: Round, account_id: int, data_key: str) -> list[str]:
    if not data_key or not are_prizes_decided(round):
        return []
    won = publishing.winners(session, round, data_key=data_key)
    prize = next((prize for prize, row, _ in won if row.account_id == account_id), None)
    if prize is None:
        return ["Danh sách đạt giải không đổi."]
    return [f"{prize.title} đang dự kiến trao cho người này được xét cho người kế tiếp."]


def _effect_on_unit(session: Session, round: Round, entry: Registration, change: int) -> list[str]:
    headcount = session.scalar(
        select(Headcount.headcount).where(
            Headcount.division_id == entry.division_id, Headcount.unit_id == entry.unit_id
        )
    )
    if not headcount:
        return []
    out = session.scalar(
        select(func.count())
        .select_from(Exclusion)
        .join(Registration, Registration.account_id == Exclusion.account_id)
        .where(
            Exclusion.round_id == round.id,
            Exclusion.lifted_at.is_(None),
            Registration.contest_id == round.contest_id,
            Registration.division_id == entry.division_id,
            Registration.unit_id == entry.unit_id,
        )
    )
    now = headcount - (out or 0)
    return [
        f"Số người dùng để tính tỷ lệ của {entry.unit.name}: "
        f"từ {vn_number(now)} thành {vn_number(now + change)}."
    ]


def _effect_on_truth(round: Round, entry: Registration) -> list[str]:
    asked = next((one for one in round.divisions if one.division_id == entry.division_id), None)
    if asked is None or asked.prediction_counted is None:
        return []
    if round.books_closed_at is None:
        return ["Đáp số câu dự đoán, khi chốt sổ, được đếm theo thay đổi này."]
    return ["Đáp số câu dự đoán đã chốt và không đổi."]
