"""A provisional winner's own page: the citizen number, typed once, of which only a tag is kept."""

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired

from contest import winner_checks
from contest.clock import db_now
from contest.errors import BadInput
from contest.extensions import db

bp = Blueprint("winner_checks", __name__)


class NumberForm(FlaskForm):  # type: ignore[misc]
    """The citizen number."""

    number = StringField(
        "Số định danh cá nhân",
        [InputRequired("Bạn hãy ghi số định danh cá nhân.")],
        description="12 chữ số trên thẻ căn cước. Không chụp, không gửi ảnh thẻ.",
    )


@bp.route("/me/rounds/<int(max=2147483647):round_id>/identity", methods=["GET", "POST"])
def identity(round_id: int) -> ResponseReturnValue:
    """Ask a provisional winner for the citizen number; only whoever is asked finds the page."""
    session = db.session()
    check = winner_checks.own(session, round_id, current_user.id)
    form = NumberForm()
    if form.validate_on_submit():
        try:
            winner_checks.give_number(
                session,
                check,
                form.number.data or "",
                birth_date=current_user.account.birth_date,
                data_key=current_app.config["CONTEST"].data_key,
                now=db_now(session),
            )
        except BadInput as error:
            form.number.errors = [error.fields["number"]]
        else:
            db.session.commit()
            flash("Đã nhận số định danh. Ban Tổ chức sẽ liên hệ với bạn.", "success")
            return redirect(url_for("accounts.me"), 303)
    page = render_template("winner_checks/identity.html", contest=check.round.contest, check=check, form=form)
    return page, 422 if form.errors else 200
