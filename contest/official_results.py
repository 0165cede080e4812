"""Official results: proposed by one person when nothing stands open any more, approved by another."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contest import complaints, leaderboards, proposals, publishing
from contest.contests import newest_publication
from contest.errors import Conflict
from contest.formatting import vn_datetime, vn_number
from contest.models import Proposal, Publication, Round, WinnerCheck
from contest.rules.publication_changes import prize_changes

KIND = "official"


def blockers(session: Session, round: Round, *, data_key: str, now: datetime) -> Iterator[str]:
    """Yield what still stands in the way of official results, a sentence each."""
    last = newest_publication(session, round.id)
    if last is None or round.complaints_close_at is None:
        yield "Chưa công bố kết quả dự kiến."
        return
    if now < round.complaints_close_at:
        yield f"Còn nhận kiến nghị đến {vn_datetime(round.complaints_close_at)}."
    _, unanswered = complaints.counts(session, round.id)
    if unanswered:
        yield f"Còn {vn_number(unanswered)} kiến nghị chưa trả lời."
    waiting = [one for one in proposals.waiting(session, round_id=round.id) if one.kind != KIND]
    if waiting:
        yield f"Còn {vn_number(len(waiting))} đề nghị về vòng này chờ người thứ hai quyết định."
    won = [row.account_id for _, row, _ in publishing.winners(session, round, data_key=data_key)]
    verified = session.scalar(
        select(func.count()).where(
            WinnerCheck.round_id == round.id,
            WinnerCheck.account_id.in_(won),
            WinnerCheck.verified_at.is_not(None),
        )
    )
    if (missing := len(won) - (verified or 0)) > 0:
        yield f"Còn {vn_number(missing)} người đạt giải chưa được xác minh nhân thân."


def effect(session: Session, round: Round, *, data_key: str) -> list[str]:
    """Return what publishing now would change against the last version, as sentences."""
    last = newest_publication(session, round.id)
    now_won = publishing.winner_rows(session, round, data_key=data_key)
    if last is None:
        return [f"{vn_number(len(now_won))} người đạt giải."]
    changes = prize_changes(last.content["winners"], now_won)
    if not changes:
        return [f"Danh sách đạt giải như bản {last.version}: {vn_number(len(now_won))} người."]
    return [f"Khác bản {last.version}:"] + [
        f"{one.name} ({one.unit}): {one.before or 'không có giải'} → {one.after or 'không có giải'}"
        for one in changes
    ]


def propose(
    session: Session, round: Round, *, reason: str, data_key: str, now: datetime, actor_id: int
) -> Proposal:
    """Put the official results before a second person. Raises Conflict while anything stands open."""
    _refuse(session, round, data_key=data_key, now=now)
    return proposals.propose(
        session,
        KIND,
        f"round/{round.id}",
        round_id=round.id,
        title=f"Công bố kết quả chính thức, {round.title}",
        content={"round": round.id},
        effect=effect(session, round, data_key=data_key),
        reason=reason,
        actor_id=actor_id,
        now=now,
    )


def publish(session: Session, proposal: Proposal, *, data_key: str, now: datetime) -> Publication:
    """Publish what was proposed and has just been accepted. Raises Conflict if something came up since."""
    assert proposal.round is not None
    assert proposal.decided_by_id is not None
    leaderboards.take_turn(session, proposal.round.id)
    session.refresh(proposal.round, with_for_update=True)  # nobody moves the window meanwhile
    _refuse(session, proposal.round, data_key=data_key, now=now)
    return publishing.publish(
        session,
        proposal.round,
        reason=proposal.reason,
        data_key=data_key,
        now=now,
        actor_id=proposal.proposed_by_id,
        approved_by_id=proposal.decided_by_id,
    )


def _refuse(session: Session, round: Round, *, data_key: str, now: datetime) -> None:
    if round.books_closed_at is None:
        raise Conflict("Cần chốt sổ vòng thi trước.")
    standing = list(blockers(session, round, data_key=data_key, now=now))
    if standing:
        raise Conflict(" ".join(standing))
