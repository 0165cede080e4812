"""A round's configuration in forms: times, divisions and papers, prizes; cloned, deleted, committed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug import Response

from contest import (
    contest_settings,
    contests,
    dashboards,
    pools,
    public_texts,
    readiness,
    round_settings,
)
from contest.blueprints.admin.configuration.form import (
    DivisionForm,
    PrizeRow,
    RoundForm,
    prizes_of,
    shown_prizes,
    typed_prizes,
)
from contest.blueprints.admin.configuration.paper import (
    barred_codes,
    counts,
    shown_paper,
    typed_paper,
    with_blank_rows,
)
from contest.clock import db_now
from contest.errors import BadInput, NotThere
from contest.extensions import db
from contest.fields import moment, typed_reason
from contest.models import Contest, Round, RoundDivision
from contest.rules import wording
from contest.rules.configuration import (
    ContestDivision,
    DivisionSettings,
    RoundSettings,
    without_stray_prizes,
)
from contest.rules.explaining import CRITERIA_IN_WORDS
from contest.saved_changes import ChangedMeanwhile
from contest.security import new_round_seed
from question_bank.draw import shortfalls
from question_bank.items import LEVELS, TOPICS
from question_bank.text import clean_text

bp = Blueprint("admin_configuration", __name__, url_prefix="/admin")
ROUND = "/rounds/<int(max=2147483647):round_id>"
SAVED, SAME = "Đã lưu cấu hình.", "Không có gì thay đổi."


# --- the round -----------------------------------------------------------------------------------


@bp.route("/contests/<int(max=2147483647):contest_id>/rounds/new", methods=["GET", "POST"])
def new(contest_id: int) -> ResponseReturnValue:
    """Make a round, beginning with what the last one was, a week later."""
    session = db.session()
    contest = contest_settings.find_contest(session, contest_id)
    now = db_now(session)
    proposed = round_settings.proposed_round(session, contest, now=now)
    divisions = contest_settings.settings_of_contest(contest).divisions
    form, settings, is_valid = _round_form(contest, divisions, proposed)
    # What the last round gives to a division that this one leaves out is not taken over.
    settings = without_stray_prizes(settings)
    if is_valid and "preview" not in request.form:
        try:
            round = round_settings.create_round(session, contest, settings, now=now, actor_id=current_user.id)
        except BadInput as error:
            session.rollback()
            form.take(error.fields)
        else:
            session.commit()
            return _done(round.id, "Đã lập vòng thi. Việc tiếp theo là cấu trúc đề của từng bảng.")
    page = render_template(
        "admin/configuration/edit.html",
        form=form,
        sentences=wording.of_round(settings, divisions),
        has_prizes=bool(proposed.prizes),
        is_new=True,
        **_frame(contest, None),
    )
    return page, 422 if form.errors and "preview" not in request.form else 200


@bp.route(f"{ROUND}/configuration", methods=["GET", "POST"])
def edit(round_id: int) -> ResponseReturnValue:
    """Change when a round is, how often one sits, what is shown."""
    session = db.session()
    round = contests.find_round(session, round_id)
    present = round_settings.settings_of_round(session, round)
    contest = contest_settings.find_contest(session, round.contest_id)
    divisions = contest_settings.settings_of_contest(contest).divisions
    form, settings, is_valid = _round_form(contest, divisions, present)
    seen, told = _seen(round), ""
    if is_valid and "preview" not in request.form:
        saved = _save(round, settings)
        if isinstance(saved, Response):
            return saved
        form.take(saved.problems)
        seen, told = saved.seen, saved.told
    page = render_template(
        "admin/configuration/edit.html",
        form=form,
        sentences=wording.of_round(settings, divisions),
        is_new=False,
        seen=seen,
        told=told,
        **_frame(round.contest, round),
    )
    return page, _status(bool(form.errors), told)


def _round_form(
    contest: Contest, divisions: Sequence[ContestDivision], present: RoundSettings
) -> tuple[RoundForm, RoundSettings, bool]:
    """Return the form as it is shown or was sent, the settings that it makes, whether they can be saved."""
    form = RoundForm(request.form if request.method == "POST" else None)
    form.offer(divisions)
    if request.method == "GET":
        form.show(present)
        return form, present, False
    is_valid = form.validate_on_submit()
    offered = round_settings.offered_divisions(db.session(), contest)
    return form, form.settings(present, offered), is_valid


# --- a division ----------------------------------------------------------------------------------


@bp.route(f"{ROUND}/divisions/<division>/configuration", methods=["GET", "POST"])
def edit_division(round_id: int, division: str) -> ResponseReturnValue:
    """Change a division's paper, ranking and prediction, the bank's counts beside the paper."""
    session = db.session()
    round = contests.find_round(session, round_id)
    asked = _asked(round, division)
    whole_round = round_settings.settings_of_round(session, round)
    present = next(one for one in whole_round.divisions if one.division == division)
    form = DivisionForm(request.form if request.method == "POST" else None)
    fitting = dict(pools.available(session, round, division))
    is_valid = form.validate_on_submit()
    places = {code: (one.topic, one.level) for code, one in fitting.items()}
    if request.method == "GET":
        form.show(present)
        paper, settings = shown_paper(present), present
        paper.cells(places)
    else:
        paper = typed_paper(request.form)
        cells = paper.cells(places)
        settings = replace(form.settings(present), specification=cells, barred=barred_codes(paper))
    seen, told = _seen(round), ""
    if is_valid and not paper.problems and "preview" not in request.form:
        saved = _save(round, _with_division(whole_round, settings))
        if isinstance(saved, Response):
            return saved
        of_division = {name.removeprefix(f"{division}."): words for name, words in saved.problems.items()}
        paper.problems |= {
            name: of_division.pop(name) for name in ("specification", "barred") if name in of_division
        }
        form.take(of_division)
        seen, told = saved.seen, saved.told
    pool = pools.counting_pool(session, round, division, settings.specification, settings.barred)
    page = render_template(
        "admin/configuration/division.html",
        form=form,
        paper=paper if request.method == "GET" else with_blank_rows(paper),
        asked=asked,
        sentences=wording.of_division(settings, contest_settings.settings_of(asked.division)),
        counts=counts(pool, settings.specification, paper),
        lacking=readiness.lacks(shortfalls(pool, settings.specification)),
        criteria=CRITERIA_IN_WORDS,
        topics=TOPICS,
        levels=[(level, wording.LEVEL_NAMES[level]) for level in LEVELS],
        unknown_barred=[code for code in settings.barred if code not in fitting],
        seen=seen,
        told=told,
        **_frame(round.contest, round),
    )
    return page, _status(bool(form.errors or paper.problems), told)


def _asked(round: Round, code: str) -> RoundDivision:
    asked = next((one for one in round.divisions if one.division.code == code), None)
    if asked is None:
        raise NotThere("Vòng này không có bảng thi đó.")
    return asked


def _with_division(settings: RoundSettings, changed: DivisionSettings) -> RoundSettings:
    divisions = (changed if one.division == changed.division else one for one in settings.divisions)
    return replace(settings, divisions=tuple(divisions))


# --- prizes --------------------------------------------------------------------------------------


@bp.route(f"{ROUND}/prizes", methods=["GET", "POST"])
def prizes(round_id: int) -> ResponseReturnValue:
    """Change the prize table, one order for all divisions."""
    session = db.session()
    round = contests.find_round(session, round_id)
    present = round_settings.settings_of_round(session, round)
    seen, told = _seen(round), ""
    problems: list[str] = []
    if request.method == "GET":
        rows, table = shown_prizes(present.prizes), present.prizes
    else:
        rows = typed_prizes(request.form, {prize.code for prize in present.prizes})
        made = prizes_of(rows)
        table = tuple(prize for _, prize in made)
        if not any(row.problems for row in rows) and "preview" not in request.form:
            saved = _save(round, replace(present, prizes=table))
            if isinstance(saved, Response):
                return saved
            seen, told = saved.seen, saved.told
            for name, words in saved.problems.items():
                part, _, rest = name.partition(".")
                place, _, box = rest.partition(".")
                if part == "prizes" and place.isdecimal():
                    made[int(place)][0].problems[box] = words
                else:
                    problems.append(words)
        rows += [PrizeRow()]
    page = render_template(
        "admin/configuration/prizes.html",
        rows=rows,
        sentence=wording.prizes(table),
        problems=problems,
        has_problems=bool(problems) or any(row.problems for row in rows),
        seen=seen,
        told=told,
        **_frame(round.contest, round),
    )
    return page, _status(bool(problems) or any(row.problems for row in rows), told)


# --- saving --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """Why nothing was saved: what is wrong by field, or that somebody else has saved meanwhile."""

    problems: dict[str, str]
    seen: int
    told: str = ""


def _save(round: Round, settings: RoundSettings) -> Response | Refused:
    session, round_id, seen = db.session(), round.id, _seen(round)
    try:
        is_changed = round_settings.save_round(
            session, round, settings, seen=seen, now=db_now(session), actor_id=current_user.id
        )
    except BadInput as error:
        session.rollback()
        return Refused(error.fields, seen)
    except ChangedMeanwhile as error:
        session.rollback()
        return Refused({}, error.version, error.sentence)
    session.commit()
    return _done(round_id, SAVED if is_changed else SAME)


def _seen(round: Round) -> int:
    """Return the version of the configuration that the person has read."""
    return request.form.get("seen", round.configuration_version, type=int)


def _status(has_problems: bool, told: str) -> int:
    if told:
        return 409
    return 422 if has_problems and "preview" not in request.form else 200


def _done(round_id: int, sentence: str) -> Response:
    flash(sentence, "success")
    return redirect(url_for("admin_rounds.show", round_id=round_id), 303)


def _frame(contest: Contest, round: Round | None) -> dict[str, Any]:
    """Return what every page here shows: the contest, and the state of the round."""
    session = db.session()
    state = dashboards.state_of(session, round, now=db_now(session)) if round else None
    return {"contest": contest, "round": round, "state": state}


# --- one step each -------------------------------------------------------------------------------


@bp.post(f"{ROUND}/clone")
def clone(round_id: int) -> ResponseReturnValue:
    """Make next week's round like this one."""
    session = db.session()
    round = contests.find_round(session, round_id)
    contest = contest_settings.find_contest(session, round.contest_id)
    made = round_settings.clone_round(session, contest, round, now=db_now(session), actor_id=current_user.id)
    session.commit()
    return _done(made.id, f"Đã lập vòng {made.number} theo vòng {round.number}, lùi một tuần.")


@bp.post(f"{ROUND}/deletion")
def delete(round_id: int) -> ResponseReturnValue:
    """Delete a round that was never opened."""
    session = db.session()
    round = contests.find_round(session, round_id)
    number, contest_id = round.number, round.contest_id
    reason = typed_reason()
    round_settings.delete_round(session, round, reason=reason, now=db_now(session), actor_id=current_user.id)
    session.commit()
    flash(f"Đã xóa vòng {number}.", "success")
    return redirect(url_for("admin_contests.show", contest_id=contest_id), 303)


@bp.post(f"{ROUND}/commitment")
def commit_seed(round_id: int) -> ResponseReturnValue:
    """Make the round's secret and publish its digest, ahead of the opening."""
    session = db.session()
    round = contests.find_round(session, round_id)
    contests.commit_seed(
        session,
        round,
        seed=new_round_seed(),
        data_key=current_app.config["CONTEST"].data_key,
        now=db_now(session),
        actor_id=current_user.id,
    )
    session.commit()
    return _done(round_id, "Đã công bố cam kết hạt giống trên trang thể lệ.")


@bp.post(f"{ROUND}/seed-text")
def seed_text(round_id: int) -> ResponseReturnValue:
    """Write down the public text that is mixed into the seed."""
    session = db.session()
    round = contests.find_round(session, round_id)
    public_texts.set_seed_text(
        session, round, request.form.get("reason", ""), now=db_now(session), actor_id=current_user.id
    )
    session.commit()
    return _done(round_id, "Đã ghi văn bản công khai trộn vào hạt giống.")


@bp.post(f"{ROUND}/lot-text")
def lot_text(round_id: int) -> ResponseReturnValue:
    """Write down the public text that the lots are drawn by."""
    session = db.session()
    round = contests.find_round(session, round_id)
    public_texts.set_lot_text(
        session, round, request.form.get("reason", ""), now=db_now(session), actor_id=current_user.id
    )
    session.commit()
    return _done(round_id, "Đã ghi văn bản công khai dùng để bốc thăm.")


@bp.post(f"{ROUND}/backup")
def confirm_backup(round_id: int) -> ResponseReturnValue:
    """Note when the last backup was made."""
    session = db.session()
    contests.find_round(session, round_id)
    try:
        backed_up_at = moment(clean_text(request.form.get("reason", "")))
    except ValueError as error:
        raise BadInput(str(error)) from None
    readiness.confirm_backup(
        session, backed_up_at=backed_up_at, now=db_now(session), actor_id=current_user.id
    )
    session.commit()
    return _done(round_id, "Đã ghi nhận thời điểm sao lưu.")
