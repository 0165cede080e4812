"""Identity checks of provisional winners: opened, called, compared with the card, signed."""

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug import Response

from contest import contests, dashboards, publishing, winner_checks
from contest.clock import db_now
from contest.extensions import db
from contest.formatting import vn_number
from contest.models import Round, WinnerCheck
from question_bank.text import clean_text

bp = Blueprint("admin_winner_checks", __name__, url_prefix="/admin")

ROUND = "/rounds/<int(max=2147483647):round_id>/winner-checks"
CHECK = "/winner-checks/<int(max=2147483647):check_id>"
LONGEST_NOTE = 300
OUTCOMES = {"reached": "Gặp được", "no_answer": "Không nghe máy", "wrong_number": "Sai số"}
WAYS = {
    "card": "Đối chiếu thẻ căn cước khi gặp trực tiếp",
    "phone": "Gọi điện, đối chiếu thông tin",
    "authority": "Cơ quan, đơn vị hoặc công an xác nhận",
}


@bp.post(ROUND)
def open_checks(round_id: int) -> ResponseReturnValue:
    """Ask the winners as the standings are now for their numbers."""
    session = db.session()
    round = contests.find_round(session, round_id)
    won = publishing.winners(session, round, data_key=_data_key())
    opened = winner_checks.open_checks(
        session, round, [row.account_id for _, row, _ in won], actor_id=current_user.id, now=db_now(session)
    )
    db.session.commit()
    flash(f"Đã mời {vn_number(opened)} người bổ sung thông tin ở trang cá nhân của họ.", "success")
    return redirect(url_for("admin_results.show", round_id=round_id, _anchor="checks"), 303)


@bp.get(CHECK)
def show(check_id: int) -> ResponseReturnValue:
    """Show one winner's check: what was given, what does not fit, the calls."""
    return _page(winner_checks.find(db.session(), check_id))


@bp.post(f"{CHECK}/phone")
def phone(check_id: int) -> ResponseReturnValue:
    """Show the phone number to whoever is going to call; that it was shown is logged."""
    session = db.session()
    check = winner_checks.find(session, check_id)
    number = winner_checks.see_phone(
        session, check, data_key=_data_key(), actor_id=current_user.id, now=db_now(session)
    )
    db.session.commit()
    return _page(check, phone=number)


@bp.post(f"{CHECK}/calls")
def call(check_id: int) -> ResponseReturnValue:
    """Log a call."""
    session = db.session()
    check = winner_checks.find(session, check_id)
    winner_checks.note_call(
        session,
        check,
        outcome=request.form.get("outcome", ""),
        note=clean_text(request.form.get("note", ""))[:LONGEST_NOTE],
        actor_id=current_user.id,
        now=db_now(session),
    )
    db.session.commit()
    return _done(check, "Đã ghi cuộc gọi.")


@bp.post(f"{CHECK}/comparison")
def compare(check_id: int) -> ResponseReturnValue:
    """Tell whether the number on the card in hand is the one that the winner gave."""
    session = db.session()
    check = winner_checks.find(session, check_id, for_update=True)
    is_same = winner_checks.compare(
        session,
        check,
        request.form.get("number", ""),
        data_key=_data_key(),
        actor_id=current_user.id,
        now=db_now(session),
    )
    db.session.commit()
    return _page(check, is_same=is_same)


@bp.post(f"{CHECK}/verification")
def verify(check_id: int) -> ResponseReturnValue:
    """Sign that the winner is who they say."""
    session = db.session()
    check = winner_checks.find(session, check_id, for_update=True)
    winner_checks.verify(
        session, check, how=request.form.get("how", ""), actor_id=current_user.id, now=db_now(session)
    )
    db.session.commit()
    return _done(check, f"Đã xác minh {check.account.name}.")


def _page(check: WinnerCheck, **shown: object) -> str:
    round: Round = check.round
    session = db.session()
    return render_template(
        "admin/winner_checks/show.html",
        contest=round.contest,
        round=round,
        state=dashboards.state_of(session, round, now=db_now(session)),
        check=check,
        namesakes=winner_checks.namesakes(session, [check]).get(check.id, 0),
        outcomes=OUTCOMES,
        ways=WAYS,
        **{"phone": None, "is_same": None} | shown,
    )


def _done(check: WinnerCheck, sentence: str) -> Response:
    flash(sentence, "success")
    return redirect(url_for("admin_winner_checks.show", check_id=check.id), 303)


def _data_key() -> str:
    return str(current_app.config["CONTEST"].data_key)
