"""Proposals: one person says what is to be done and why, another decides.

Doing what was accepted is the operation of its kind.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from contest import audit
from contest.errors import Conflict, NotThere
from contest.impartiality import refuse_oneself
from contest.models import Proposal


def propose(
    session: Session,
    kind: str,
    subject: str,
    *,
    title: str,
    content: Mapping[str, Any],
    effect: Sequence[str],
    reason: str,
    round_id: int | None = None,
    actor_id: int,
    now: datetime,
) -> Proposal:
    """Put an action before a second person. Raises Conflict without a reason, or if one is open already."""
    if not reason:
        raise Conflict("Bạn cần ghi lý do của đề nghị.")
    proposal = Proposal(
        kind=kind,
        subject=subject,
        round_id=round_id,
        title=title,
        content=dict(content),
        effect=list(effect),
        reason=reason,
        proposed_by_id=actor_id,
        proposed_at=now,
    )
    try:
        with session.begin_nested():
            session.add(proposal)
    except IntegrityError:
        raise Conflict("Đã có một đề nghị như vậy đang chờ người thứ hai quyết định.") from None
    _record(session, "propose", proposal, actor_id=actor_id, now=now, reason=reason)
    return proposal


def accept(
    session: Session,
    proposal_id: int,
    *,
    actor_id: int,
    now: datetime,
    do: Callable[[Proposal], object] = lambda _: None,
) -> Proposal:
    """Sign as the second person, and do what is proposed; the log is signed last (contest/locks.py).

    Raises Conflict for who proposed it or is concerned by it, or if it was decided before; NotThere.
    """
    proposal = find(session, proposal_id)
    if proposal.proposed_by_id == actor_id:
        raise Conflict("Người đề nghị không tự phê duyệt đề nghị của mình.")
    refuse_oneself(proposal.content.get("account", 0), actor_id)
    return _decide(session, proposal, True, "", actor_id=actor_id, now=now, do=do)


def reject(session: Session, proposal_id: int, *, reason: str, actor_id: int, now: datetime) -> Proposal:
    """Turn a proposal down, or take one's own back. Raises Conflict without a reason or a second time."""
    if not reason:
        raise Conflict("Bạn cần ghi lý do không chấp nhận.")
    return _decide(session, find(session, proposal_id), False, reason, actor_id=actor_id, now=now)


def _decide(
    session: Session,
    proposal: Proposal,
    is_accepted: bool,
    reason: str,
    *,
    actor_id: int,
    now: datetime,
    do: Callable[[Proposal], object] = lambda _: None,
) -> Proposal:
    decided = session.scalar(
        update(Proposal)
        .where(Proposal.id == proposal.id, Proposal.decided_at.is_(None))
        .values(decided_by_id=actor_id, decided_at=now, is_accepted=is_accepted, decision_reason=reason)
        .returning(Proposal)
        .execution_options(populate_existing=True)
    )
    if decided is None:
        raise Conflict("Đề nghị này đã được quyết định.")
    do(decided)
    _record(
        session, "accept" if is_accepted else "reject", decided, actor_id=actor_id, now=now, reason=reason
    )
    return decided


def _record(
    session: Session, what: str, proposal: Proposal, *, actor_id: int, now: datetime, reason: str
) -> None:
    audit.record(
        session,
        f"{proposal.kind}.{what}",
        proposal.subject,
        now=now,
        actor_id=actor_id,
        after={"proposal": proposal.id, "content": proposal.content, "effect": proposal.effect},
        reason=reason,
    )


def find(session: Session, proposal_id: int) -> Proposal:
    """Return a proposal. Raises NotThere."""
    proposal = session.get(Proposal, proposal_id)
    if proposal is None:
        raise NotThere("Không tìm thấy đề nghị này.")
    return proposal


def waiting(session: Session, *, round_id: int | None = None, kind: str | None = None) -> Sequence[Proposal]:
    """Return the proposals that nobody has decided, the oldest first: all, or of a round or kind."""
    query = (
        select(Proposal)
        .where(Proposal.decided_at.is_(None))
        .order_by(Proposal.id)
        .options(joinedload(Proposal.proposed_by), joinedload(Proposal.round))
    )
    if round_id is not None:
        query = query.where(Proposal.round_id == round_id)
    if kind is not None:
        query = query.where(Proposal.kind == kind)
    return session.scalars(query).all()
