"""Extra time of a round: who has it, and granting it to a unit or a division."""

from datetime import timedelta

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select

from contest import contests, dashboards, extra_times, units
from contest.clock import db_now
from contest.errors import BadInput
from contest.extensions import db
from contest.fields import typed_reason
from contest.formatting import vn_number
from contest.models import Division, Round, Unit
from contest.signing_in import local_target
from question_bank.text import clean_text

bp = Blueprint("admin_extra_times", __name__, url_prefix="/admin")
ROUND = "/rounds/<int(max=2147483647):round_id>"


@bp.get(f"{ROUND}/extra-times")
def show(round_id: int) -> ResponseReturnValue:
    """List the grants that count in a round, and those that were revoked."""
    session = db.session()
    round = contests.find_round(session, round_id)
    return render_template(
        "admin/extra_times/show.html",
        contest=round.contest,
        round=round,
        state=dashboards.state_of(session, round, now=db_now(session)),
        granted=extra_times.of_round(session, round),
        divisions=[(one.division.code, one.division.name) for one in round.divisions],
        units=[(one.code, one.name) for one in units.listed(session)],
    )


@bp.post(f"{ROUND}/extra-times")
def grant(round_id: int) -> ResponseReturnValue:
    """Grant extra time to all of a unit or a division, in this round."""
    session = db.session()
    round = contests.find_round(session, round_id)
    minutes = request.form.get("minutes", "").strip()
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) <= 4):
        raise BadInput("Bạn cần ghi số phút được thêm.")
    sitting = extra_times.grant(
        session,
        round.contest,
        _group(round),
        timedelta(minutes=int(minutes)),
        round=round,
        reason=typed_reason(),
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    flash(f"Đã thêm giờ; {vn_number(sitting)} người đang làm bài được lùi hạn ngay.", "success")
    return redirect(url_for("admin_extra_times.show", round_id=round_id), 303)


@bp.post(f"{ROUND}/extra-times/<int(max=2147483647):extra_time_id>/revocation")
def revoke(round_id: int, extra_time_id: int) -> ResponseReturnValue:
    """Let a grant end for further starts."""
    session = db.session()
    round = contests.find_round(session, round_id)
    extra_times.revoke(session, round.contest, extra_time_id, now=db_now(session), actor_id=current_user.id)
    db.session.commit()
    flash("Đã thu hồi; bài đã bắt đầu giữ nguyên giờ được thêm.", "success")
    back = local_target(request.form.get("next"))
    return redirect(back or url_for("admin_extra_times.show", round_id=round_id), 303)


def _group(round: Round) -> Unit | Division:
    """Return the one group that the form names. Raises BadInput for none or two."""
    unit_code, division_code = (clean_text(request.form.get(name, "")) for name in ("unit", "division"))
    unit = db.session.scalar(select(Unit).where(Unit.code == unit_code)) if unit_code else None
    division = next((one.division for one in round.divisions if one.division.code == division_code), None)
    groups = [group for group in (unit, division) if group is not None]
    if len(groups) != 1:
        raise BadInput("Bạn hãy chọn một đơn vị hoặc một bảng thi, không chọn cả hai.")
    return groups[0]
