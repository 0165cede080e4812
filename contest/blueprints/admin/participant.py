"""One person: their attempts, voided and sat again, and their extra time. Predictions are never shown."""

from datetime import datetime, timedelta

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug import Response

from contest import accounts, contests, dashboards, extra_times, registrations, resits
from contest.clock import db_now
from contest.errors import BadInput, NotThere
from contest.extensions import db
from contest.fields import typed_reason
from contest.formatting import read_moment
from contest.models import Attempt, Registration, Round

bp = Blueprint("admin_participant", __name__, url_prefix="/admin")
PERSON = "/participants/<int(max=2147483647):registration_id>"


@bp.get(PERSON)
def show(registration_id: int) -> ResponseReturnValue:
    """Show a person's attempts in the contest, how many were voided, re-sits and extra time."""
    session = db.session()
    now = db_now(session)
    person = _person(registration_id)
    contest = person.contest
    round = contests.round_on_show(contest, now=now)
    login = accounts.login_of(person.account, data_key=current_app.config["CONTEST"].data_key)
    return render_template(
        "admin/participants/show.html",
        contest=contest,
        round=round,
        state=dashboards.state_of(session, round, now=now) if round else None,
        now=now,
        person=person,
        phone="*" * max(0, len(login) - 3) + login[-3:],
        attempts=registrations.own_attempts(session, person.account_id, contest.id),
        rounds={one.id: one for one in contest.rounds},
        round_choices=[(str(one.number), one.title) for one in contest.rounds],
        voids=resits.voids(session, person.account_id, contest.id),
        resits={one.voided_id: one for one in resits.of_person(session, person.account_id, contest.id)},
        granted=extra_times.of_person(session, person),
    )


@bp.post("/attempts/<public_id>/voiding")
def void(public_id: str) -> ResponseReturnValue:
    """Void an attempt, and let it be sat again if a closing is given."""
    session = db.session()
    attempt = resits.find(session, public_id)
    resits.void(
        session,
        attempt,
        reason=typed_reason(),
        resit_until=_moment() if request.form.get("closes_at", "").strip() else None,
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    return _done(attempt, "Đã hủy bài thi. Lượt này không tính vào số lượt và không xếp hạng.")


@bp.post("/attempts/<public_id>/resit")
def grant_resit(public_id: str) -> ResponseReturnValue:
    """Let the person of a voided attempt start once more."""
    session = db.session()
    attempt = resits.find(session, public_id)
    resits.grant(session, attempt, _moment(), now=db_now(session), actor_id=current_user.id)
    db.session.commit()
    return _done(attempt, "Đã cho thi lại. Người dự thi thấy nút vào thi ở Trang cá nhân.")


@bp.post("/attempts/<public_id>/resit/revocation")
def revoke_resit(public_id: str) -> ResponseReturnValue:
    """Take back a re-sit that is not taken yet."""
    session = db.session()
    attempt = resits.find(session, public_id)
    resits.revoke(session, attempt, reason=typed_reason(), now=db_now(session), actor_id=current_user.id)
    db.session.commit()
    return _done(attempt, "Đã rút lượt thi lại.")


@bp.post(f"{PERSON}/extra-times")
def grant_extra(registration_id: int) -> ResponseReturnValue:
    """Grant the person extra time, in one round or in all."""
    session = db.session()
    person = _person(registration_id)
    minutes = request.form.get("minutes", "").strip()
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) <= 4):
        raise BadInput("Bạn cần ghi số phút được thêm.")
    number = request.form.get("round", "")
    rounds = {str(one.number): one for one in person.contest.rounds}
    if number and number not in rounds:
        raise BadInput("Không có vòng thi này.")
    extra_times.grant(
        session,
        person.contest,
        person,
        timedelta(minutes=int(minutes)),
        round=rounds.get(number),
        reason=typed_reason(),
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    flash("Đã thêm giờ. Nếu đang làm bài, hạn nộp được lùi ngay.", "success")
    return redirect(url_for("admin_participant.show", registration_id=registration_id), 303)


def _person(registration_id: int) -> Registration:
    person = db.session.scalar(
        select(Registration)
        .where(Registration.id == registration_id)
        .options(
            joinedload(Registration.account),
            joinedload(Registration.division),
            joinedload(Registration.unit),
            joinedload(Registration.contest),
        )
    )
    if person is None:
        raise NotThere("Không tìm thấy người dự thi này.")
    return person


def _done(attempt: Attempt, sentence: str) -> Response:
    flash(sentence, "success")
    contest_id = db.session.scalar(select(Round.contest_id).where(Round.id == attempt.round_id))
    person = registrations.of_account(db.session(), attempt.account_id, contest_id or 0)
    if person is None:
        raise NotThere("Không tìm thấy người dự thi này.")
    return redirect(url_for("admin_participant.show", registration_id=person.id), 303)


def _moment() -> datetime:
    at = read_moment(request.form.get("closes_at", ""))
    if at is None:
        raise BadInput("Bạn cần chọn hạn vào thi lại.")
    return at
