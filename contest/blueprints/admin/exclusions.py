"""People kept out of a round's standings: the list of a round, and one person's page."""

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from contest import contests, dashboards, exclusions, leaderboards, proposals
from contest.clock import db_now
from contest.errors import ContestError
from contest.extensions import db
from contest.fields import typed_reason
from contest.models import Exclusion, Registration, Round
from contest.rules.exclusions import KINDS

bp = Blueprint("admin_exclusions", __name__, url_prefix="/admin")
ROUND = "/rounds/<int(max=2147483647):round_id>"
PERSON = f"{ROUND}/people/<int(max=2147483647):account_id>"
PROPOSED = "Đã gửi đề nghị; người phê duyệt sẽ quyết định."


@bp.get(f"{ROUND}/exclusions")
def index(round_id: int) -> ResponseReturnValue:
    """List who is or was kept out of a round, and what waits for a second person."""
    session = db.session()
    round = contests.find_round(session, round_id)
    waiting = [
        one
        for one in proposals.waiting(session, round_id=round_id)
        if one.kind in (exclusions.EXCLUDE, exclusions.LIFT)
    ]
    return render_template(
        "admin/exclusions/index.html",
        excluded=exclusions.of_round(session, round_id),
        waiting=waiting,
        kinds=KINDS,
        **_frame(round),
    )


@bp.get(PERSON)
def show(round_id: int, account_id: int) -> ResponseReturnValue:
    """Show a person's place in a round, and what keeping them out or letting them in would change."""
    session = db.session()
    round = contests.find_round(session, round_id)
    entry = exclusions.find_entry(session, round, account_id)
    current = exclusions.standing_one(session, round_id, account_id)
    return render_template(
        "admin/exclusions/show.html",
        entry=entry,
        standing=leaderboards.own_standing(session, round_id, account_id),
        current=current,
        past=[
            one
            for one in exclusions.of_round(session, round_id)
            if one.account_id == account_id and one.lifted_at
        ],
        proposal=next(
            (
                one
                for one in proposals.waiting(session, round_id=round_id)
                if one.content.get("account") == account_id
            ),
            None,
        ),
        effect=_effect(round, entry, current),
        needs_two=exclusions.needs_two(round, current),
        kinds=KINDS,
        **_frame(round),
    )


@bp.post(f"{PERSON}/exclusion")
def exclude(round_id: int, account_id: int) -> ResponseReturnValue:
    """Keep a person out; before the books it is proposed to a second person."""
    session = db.session()
    round = contests.find_round(session, round_id)
    needs_two = exclusions.needs_two(round)
    do = exclusions.propose if needs_two else exclusions.exclude
    do(
        session,
        round,
        account_id,
        kind=request.form.get("kind", ""),
        reason=typed_reason(),
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    done = "Người này không còn được xếp hạng; thứ hạng đang được tính lại."
    return _done(round, account_id, PROPOSED if needs_two else done)


@bp.post(f"{PERSON}/lifting")
def lift(round_id: int, account_id: int) -> ResponseReturnValue:
    """Let a person in again; before the books it is proposed to a second person."""
    session = db.session()
    round = contests.find_round(session, round_id)
    needs_two = exclusions.needs_two(round, exclusions.standing_one(session, round_id, account_id))
    do = exclusions.propose_lifting if needs_two else exclusions.lift
    do(session, round, account_id, reason=typed_reason(), now=db_now(session), actor_id=current_user.id)
    db.session.commit()
    done = "Người này được xếp hạng lại; thứ hạng đang được tính lại."
    return _done(round, account_id, PROPOSED if needs_two else done)


def _done(round: Round, account_id: int, sentence: str) -> ResponseReturnValue:
    flash(sentence, "success")
    return redirect(url_for("admin_exclusions.show", round_id=round.id, account_id=account_id), 303)


def _effect(round: Round, entry: Registration, current: Exclusion | None) -> list[str]:
    session = db.session()
    try:
        if current is not None:
            return exclusions.effect_of_lifting(session, round, entry.account_id)
        data_key = current_app.config["CONTEST"].data_key
        return exclusions.effect(session, round, entry.account_id, data_key=data_key)
    except ContestError as refusal:
        return [refusal.sentence]


def _frame(round: Round) -> dict[str, Any]:
    state = dashboards.state_of(db.session(), round, now=db_now(db.session()))
    return {"contest": round.contest, "round": round, "state": state}
