"""What waits for a second person: read with its effect then and now, accepted, rejected or taken back."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from contest import (
    contests,
    corrections,
    dashboards,
    exclusions,
    jobs,
    leaderboards,
    official_results,
    proposals,
    publication_tasks,
)
from contest.clock import db_now
from contest.errors import Conflict, ContestError, NotAllowed
from contest.extensions import db
from contest.fields import typed_reason
from contest.models import Proposal, Round

bp = Blueprint("admin_proposals", __name__, url_prefix="/admin")
PROPOSAL = "/proposals/<int(max=2147483647):proposal_id>"
DECIDED_SHOWN = 30


@dataclass(frozen=True)
class Kind:
    """A kind of proposal: what it is called, what it would change now, and what doing it is."""

    name: str
    effect: Callable[[Proposal], Sequence[str]]
    # Does it in the transaction of the acceptance; returns the sentence that says so.
    apply: Callable[[Proposal, datetime], str]


@bp.get("/proposals")
def index() -> ResponseReturnValue:
    """List what waits for a second person, and what was decided lately."""
    session = db.session()
    decided = session.scalars(
        select(Proposal)
        .where(Proposal.decided_at.is_not(None))
        .order_by(Proposal.decided_at.desc())
        .limit(DECIDED_SHOWN)
        .options(
            joinedload(Proposal.proposed_by), joinedload(Proposal.decided_by), joinedload(Proposal.round)
        )
    ).all()
    return render_template(
        "admin/proposals/index.html",
        waiting=proposals.waiting(session),
        decided=decided,
        kinds={name: kind.name for name, kind in KINDS.items()},
        **_frame(),
    )


@bp.get(PROPOSAL)
def show(proposal_id: int) -> ResponseReturnValue:
    """Show a proposal: what its effect was when it was made, and what it is now."""
    proposal = proposals.find(db.session(), proposal_id)
    effect = _effect_now(proposal) if proposal.decided_at is None else None
    return render_template(
        "admin/proposals/show.html",
        proposal=proposal,
        seen=_digest(effect or ()),
        kind=KINDS[proposal.kind].name if proposal.kind in KINDS else proposal.kind,
        effect=effect,
        is_own=proposal.proposed_by_id == current_user.id,
        **_frame(proposal.round),
    )


@bp.post(f"{PROPOSAL}/acceptance")
def accept(proposal_id: int) -> ResponseReturnValue:
    """Sign as the second person, and do what is proposed."""
    session = db.session()
    if round_id := proposals.find(session, proposal_id).round_id:
        # Before the signature is logged: whoever ranks the round logs last, and the log takes one at a time.
        leaderboards.take_turn(session, round_id)
    told: list[str] = []

    def do(proposal: Proposal) -> None:
        if proposal.kind not in KINDS:
            raise Conflict("Loại đề nghị này không còn dùng.")
        _refuse_unseen(proposal, request.form.get("seen", ""))
        told.append(KINDS[proposal.kind].apply(proposal, db_now(session)))

    proposals.accept(session, proposal_id, actor_id=current_user.id, now=db_now(session), do=do)
    db.session.commit()
    jobs.ring_for_tasks()
    flash(told[0], "success")
    return redirect(url_for("admin_proposals.show", proposal_id=proposal_id), 303)


@bp.post(f"{PROPOSAL}/rejection")
def reject(proposal_id: int) -> ResponseReturnValue:
    """Turn a proposal down; whoever made it takes it back so."""
    session = db.session()
    is_own = proposals.find(session, proposal_id).proposed_by_id == current_user.id
    if not is_own and "approver" not in current_user.roles:
        raise NotAllowed("Chỉ người phê duyệt, hoặc người đã đề nghị, khép được đề nghị này.")
    proposals.reject(
        session, proposal_id, reason=typed_reason(), actor_id=current_user.id, now=db_now(session)
    )
    db.session.commit()
    flash("Đã rút đề nghị." if is_own else "Đã từ chối đề nghị.", "success")
    return redirect(url_for("admin_proposals.index"), 303)


@bp.app_template_global()
def waiting_proposals() -> int:
    """Return how many proposals wait, for the badge in the navigation."""
    return db.session.scalar(select(func.count()).where(Proposal.decided_at.is_(None))) or 0


def _digest(effect: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(effect).encode()).hexdigest()


def _refuse_unseen(proposal: Proposal, seen: str) -> None:
    """Raise Conflict if the effect is not the one that the page has shown.

    While a round is open it moves with every submission; then what was proposed is what counts.
    """
    if proposal.round is None or proposal.round.closed_at is None:
        return
    if _digest(KINDS[proposal.kind].effect(proposal)) != seen:
        raise Conflict("Ảnh hưởng của đề nghị vừa thay đổi so với trang bạn đã xem. Bạn hãy xem lại rồi ký.")


def _effect_now(proposal: Proposal) -> Sequence[str]:
    if proposal.kind not in KINDS:
        return []
    try:
        return KINDS[proposal.kind].effect(proposal)
    except ContestError as refusal:
        return [f"Hiện không thực hiện được: {refusal.sentence}"]


def _frame(round: Round | None = None) -> dict[str, Any]:
    session = db.session()
    now = db_now(session)
    contest = round.contest if round else contests.current_contest(session)
    round = round or (contests.round_on_show(contest, now=now) if contest else None)
    state = dashboards.state_of(session, round, now=now) if round else None
    return {"contest": contest, "round": round, "state": state}


# --- the kinds -----------------------------------------------------------------------------------


def _round(proposal: Proposal) -> Round:
    return contests.find_round(db.session(), proposal.round_id or 0)


def _data_key() -> str:
    return str(current_app.config["CONTEST"].data_key)


def _effect_of_exclusion(proposal: Proposal) -> Sequence[str]:
    return exclusions.effect(
        db.session(), _round(proposal), proposal.content["account"], data_key=_data_key()
    )


def _exclude(proposal: Proposal, now: datetime) -> str:
    exclusions.exclude(
        db.session(),
        _round(proposal),
        proposal.content["account"],
        kind=proposal.content["kind"],
        reason=proposal.reason,
        now=now,
        actor_id=proposal.proposed_by_id,
        approved_by_id=proposal.decided_by_id,
    )
    return "Đã chấp nhận. Người này không còn được xếp hạng; thứ hạng đang được tính lại."


def _effect_of_lifting(proposal: Proposal) -> Sequence[str]:
    return exclusions.effect_of_lifting(db.session(), _round(proposal), proposal.content["account"])


def _lift(proposal: Proposal, now: datetime) -> str:
    exclusions.lift(
        db.session(),
        _round(proposal),
        proposal.content["account"],
        reason=proposal.reason,
        now=now,
        actor_id=proposal.proposed_by_id,
        approved_by_id=proposal.decided_by_id,
    )
    return "Đã chấp nhận. Người này được xếp hạng lại; thứ hạng đang được tính lại."


def _effect_of_correction(proposal: Proposal) -> Sequence[str]:
    return corrections.effect(
        db.session(),
        _round(proposal),
        proposal.content["code"],
        proposal.content["keys"],
        data_key=_data_key(),
    )


def _correct(proposal: Proposal, now: datetime) -> str:
    corrections.make(db.session(), _round(proposal), proposal, now=now)
    return "Đã chấp nhận. Các bài thi có câu này đang được chấm lại."


def _effect_of_official(proposal: Proposal) -> Sequence[str]:
    return official_results.effect(db.session(), _round(proposal), data_key=_data_key())


def _make_official(proposal: Proposal, now: datetime) -> str:
    session, round = db.session(), _round(proposal)
    if publication_tasks.takes_long(session, round):
        publication_tasks.order(
            session,
            round,
            reason=proposal.reason,
            data_key=_data_key(),
            now=now,
            actor_id=current_user.id,
            proposal=proposal,
        )
        return "Đã phê duyệt. Kết quả chính thức đang được công bố; xong thì hiện ở trang kết quả."
    publication = official_results.publish(db.session(), proposal, data_key=_data_key(), now=now)
    return f"Đã phê duyệt. Kết quả chính thức được công bố là bản {publication.version}."


KINDS: dict[str, Kind] = {
    exclusions.EXCLUDE: Kind("Không xếp hạng", _effect_of_exclusion, _exclude),
    exclusions.LIFT: Kind("Xếp hạng lại", _effect_of_lifting, _lift),
    corrections.CORRECT: Kind("Đính chính câu hỏi", _effect_of_correction, _correct),
    official_results.KIND: Kind("Công bố kết quả chính thức", _effect_of_official, _make_official),
}
