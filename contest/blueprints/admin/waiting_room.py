"""The waiting room as organizers see it: who waits, how fast the line moves, how the web fares."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from contest import waiting_room
from contest.clock import db_now
from contest.errors import BadInput
from contest.extensions import db
from contest.fields import typed_reason
from contest.rules.admission import Mode, Verdict
from contest.waiting_room import HIGHEST_RATE

bp = Blueprint("admin_waiting_room", __name__, url_prefix="/admin")


@bp.get("/waiting-room")
def show() -> ResponseReturnValue:
    """Show the line and what it follows, and how to set it."""
    return render_template(
        "admin/waiting_room/show.html",
        seen=waiting_room.overview(db.session()),
        now=db_now(db.session()),
        Mode=Mode,
        Verdict=Verdict,
        highest_rate=HIGHEST_RATE,
    )


@bp.post("/waiting-room")
def choose() -> ResponseReturnValue:
    """Let the line be moved by health, at a fixed rate, or hold nobody."""
    session = db.session()
    room = waiting_room.choose(
        session,
        _mode(),
        _rate(),
        reason=typed_reason(),
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    done = {
        "auto": "Phòng chờ tự điều chỉnh theo sức chịu tải.",
        "fixed": f"Phòng chờ cho vào {room.fixed_rate} người mỗi giây.",
        "open": "Phòng chờ đã mở hẳn: ai bấm vào thi cũng được vào ngay.",
    }
    flash(done[room.mode], "success")
    return redirect(url_for("admin_waiting_room.show"), 303)


def _mode() -> Mode:
    try:
        return Mode(request.form.get("mode", ""))
    except ValueError:
        raise BadInput("Bạn cần chọn một chế độ của phòng chờ.") from None


def _rate() -> int | None:
    text = request.form.get("rate", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else None
