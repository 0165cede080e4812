"""What goes wrong in a round, and what is made of it: outages decided on, the round paused or extended."""

from datetime import datetime, timedelta

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug import Response

from contest import contests, dashboards, deadlines, outages, pauses
from contest.clock import db_now
from contest.contests import Phase
from contest.errors import BadInput
from contest.extensions import db
from contest.fields import typed_reason
from contest.formatting import read_moment, vn_datetime, vn_number

bp = Blueprint("admin_incidents", __name__, url_prefix="/admin")
ROUND = "/rounds/<int(max=2147483647):round_id>"
OUTAGE = f"{ROUND}/outages/<int(max=2147483647):outage_id>"


@bp.get(f"{ROUND}/incidents")
def show(round_id: int) -> ResponseReturnValue:
    """Show a round's outages, those to decide on with their effect, and how to pause and extend it."""
    session = db.session()
    now = db_now(session)
    round = contests.find_round(session, round_id)
    state = dashboards.state_of(session, round, now=now)
    incidents = outages.of_round(session, round, now=now)
    return render_template(
        "admin/incidents/show.html",
        contest=round.contest,
        round=round,
        state=state,
        now=now,
        asked=[one for one in reversed(incidents) if one.is_asked],
        others=[one for one in incidents if not one.is_asked],
        is_paused=round.paused_until is not None and now < round.paused_until,
        may_pause=state.phase is Phase.OPEN,
        may_extend=round.opened_at is not None and round.closed_at is None,
        counts=dashboards.counts(session, round.id),
    )


@bp.post(f"{ROUND}/outages")
def note(round_id: int) -> ResponseReturnValue:
    """Note an outage that the system could not see."""
    session = db.session()
    contests.find_round(session, round_id)
    outages.note(
        session,
        _moment("from_at", "giờ bắt đầu"),
        _moment("until_at", "giờ kết thúc"),
        reason=typed_reason(),
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    return _done(round_id, "Đã ghi nhận sự cố. Bạn xem ảnh hưởng và quyết định ở dưới đây.")


@bp.post(f"{OUTAGE}/compensation")
def compensate(round_id: int, outage_id: int) -> ResponseReturnValue:
    """Give back the time that an outage took."""
    session = db.session()
    decision = outages.compensate(
        session,
        contests.find_round(session, round_id),
        outages.find(session, outage_id),
        reason=typed_reason(),
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    return _done(
        round_id,
        f"Đã bù giờ: {vn_number(decision.extended)} bài đang mở được lùi hạn, "
        f"{vn_number(decision.attempts - decision.extended)} bài đã nộp được trừ thời gian gián đoạn.",
    )


@bp.post(f"{OUTAGE}/dismissal")
def leave(round_id: int, outage_id: int) -> ResponseReturnValue:
    """Decide that an outage changes nothing."""
    session = db.session()
    outages.leave(
        session,
        contests.find_round(session, round_id),
        outages.find(session, outage_id),
        reason=typed_reason(),
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    return _done(round_id, "Đã ghi quyết định không bù giờ.")


@bp.post(f"{ROUND}/pause")
def pause(round_id: int) -> ResponseReturnValue:
    """Pause the round for a while."""
    session = db.session()
    minutes = request.form.get("minutes", "").strip()
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) <= 4):
        raise BadInput("Bạn cần ghi số phút tạm dừng.")
    paused = pauses.pause(
        session,
        contests.find_round(session, round_id),
        timedelta(minutes=int(minutes)),
        reason=typed_reason(),
        actor_id=current_user.id,
    )
    db.session.commit()
    return _done(
        round_id, f"Đã tạm dừng đến {vn_datetime(paused.until_at)}; ai đang làm bài được cộng đủ giờ."
    )


@bp.post(f"{ROUND}/resumption")
def resume(round_id: int) -> ResponseReturnValue:
    """End a pause before its time."""
    session = db.session()
    round = contests.find_round(session, round_id)
    pauses.resume(session, round, actor_id=current_user.id)
    db.session.commit()
    return _done(round_id, "Vòng thi tiếp tục. Người đang làm bài được cộng đúng thời gian đã tạm dừng.")


@bp.post(f"{ROUND}/extension")
def extend(round_id: int) -> ResponseReturnValue:
    """Let the round close later."""
    session = db.session()
    closes_at = _moment("closes_at", "thời điểm đóng mới")
    moved = deadlines.extend_round(
        session,
        contests.find_round(session, round_id),
        closes_at,
        reason=typed_reason(),
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    return _done(
        round_id,
        f"Vòng thi đóng lúc {vn_datetime(closes_at)}. Đã tính lại hạn nộp của {vn_number(moved)} bài.",
    )


def _done(round_id: int, sentence: str) -> Response:
    flash(sentence, "success")
    return redirect(url_for("admin_incidents.show", round_id=round_id), 303)


def _moment(name: str, label: str) -> datetime:
    at = read_moment(request.form.get(name, ""))
    if at is None:
        raise BadInput(f"Bạn cần chọn {label}.")
    return at
