"""Prizes that winners did not take: recorded, struck out, and who moves up."""

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from contest import contests, dashboards, declines, publishing
from contest.clock import db_now
from contest.extensions import db
from contest.fields import typed_reason

bp = Blueprint("admin_declines", __name__, url_prefix="/admin")
ROUND = "/rounds/<int(max=2147483647):round_id>"
PERSON = f"{ROUND}/people/<int(max=2147483647):account_id>"


@bp.get(f"{ROUND}/declines")
def index(round_id: int) -> ResponseReturnValue:
    """List the winners as they are now, and who took no prize."""
    session = db.session()
    round = contests.find_round(session, round_id)
    data_key = current_app.config["CONTEST"].data_key
    is_decided = contests.are_prizes_decided(round)
    won = publishing.winners(session, round, data_key=data_key) if is_decided else ()
    return render_template(
        "admin/declines/index.html",
        contest=round.contest,
        round=round,
        state=dashboards.state_of(session, round, now=db_now(session)),
        won=won,
        declined=declines.of_round(session, round_id),
    )


@bp.post(f"{PERSON}/decline")
def decline(round_id: int, account_id: int) -> ResponseReturnValue:
    """Record that a person takes no prize; the next moves up."""
    session = db.session()
    round = contests.find_round(session, round_id)
    declines.decline(
        session, round, account_id, reason=typed_reason(), now=db_now(session), actor_id=current_user.id
    )
    db.session.commit()
    flash("Đã ghi nhận từ chối giải; người kế tiếp được xét.", "success")
    return redirect(url_for("admin_declines.index", round_id=round_id), 303)


@bp.post(f"{PERSON}/decline/end")
def take_back(round_id: int, account_id: int) -> ResponseReturnValue:
    """Strike out a decline that was recorded in error."""
    session = db.session()
    round = contests.find_round(session, round_id)
    declines.take_back(
        session, round, account_id, reason=typed_reason(), now=db_now(session), actor_id=current_user.id
    )
    db.session.commit()
    flash("Đã bỏ ghi nhận từ chối giải.", "success")
    return redirect(url_for("admin_declines.index", round_id=round_id), 303)
