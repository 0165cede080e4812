"""People and their attempts, found by name, phone, division, unit and state. Predictions are never shown."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import joinedload

from contest import accounts, contests, dashboards, units
from contest.clock import db_now
from contest.extensions import db
from contest.leaderboards import Page
from contest.models import Account, Attempt, Contest, Division, Registration, Round, Unit
from contest.rules.eligibility import normal_phone
from contest.rules.scoring import POINT
from question_bank.text import clean_text, fold

bp = Blueprint("admin_participants", __name__, url_prefix="/admin")

PAGE_SIZE = 50
LONGEST_SEARCH = 80
_is_voided = Attempt.voided_at.is_not(None)
STATES = {
    "open": ("Đang làm bài", (Attempt.submitted_at.is_(None), ~_is_voided)),
    "submitted": ("Chờ chấm", (Attempt.submitted_at.is_not(None), Attempt.scored_at.is_(None), ~_is_voided)),
    "scored": ("Đã chấm", (Attempt.scored_at.is_not(None), ~_is_voided)),
    "voided": ("Bị hủy", (_is_voided,)),
}


@bp.get("/participants")
def index() -> ResponseReturnValue:
    """List the people of the contest, the newest first."""
    session = db.session()
    now = db_now(session)
    contest = contests.current_contest(session)
    if contest is None:
        return render_template("admin/none.html", contest=None)
    round = contests.round_on_show(contest, now=now)
    filters = _filters(contest)
    found = select(Registration.id).where(Registration.contest_id == contest.id)
    if filters["division"]:
        found = found.where(Registration.division_id == filters["division"].id)
    if filters["unit"]:
        found = found.where(Registration.unit_id == filters["unit"].id)
    if filters["q"]:
        found = found.join(Registration.account).where(_sought(filters["q"]))
    page = _page(found.order_by(Registration.id.desc()))
    rows = session.scalars(
        select(Registration)
        .where(Registration.id.in_(page.rows))
        .order_by(Registration.id.desc())
        .options(
            joinedload(Registration.account), joinedload(Registration.division), joinedload(Registration.unit)
        )
    ).all()
    return render_template(
        "admin/participants/index.html",
        contest=contest,
        round=round,
        state=dashboards.state_of(session, round, now=now) if round else None,
        page=page,
        people=rows,
        phones={person.account_id: _masked_phone(person.account) for person in rows},
        attempts=_attempts_of(contest, rows),
        **_choices(contest),
        **filters,
    )


@bp.get("/rounds/<int(max=2147483647):round_id>/attempts")
def attempts(round_id: int) -> ResponseReturnValue:
    """List the attempts of a round, the newest first."""
    session = db.session()
    now = db_now(session)
    round = contests.find_round(session, round_id)
    filters = _filters(round.contest)
    stands = request.args.get("state", "")
    stands = stands if stands in STATES else ""
    found = select(Attempt.id).where(Attempt.round_id == round.id, *(STATES[stands][1] if stands else ()))
    if filters["division"]:
        found = found.where(Attempt.division_id == filters["division"].id)
    if filters["unit"]:
        found = found.where(Attempt.unit_id == filters["unit"].id)
    if filters["q"]:
        found = found.join(Attempt.account).where(_sought(filters["q"]))
    newest_first = Attempt.started_at.desc(), Attempt.id.desc()
    page = _page(found.order_by(*newest_first))
    return render_template(
        "admin/participants/attempts.html",
        contest=round.contest,
        round=round,
        state=dashboards.state_of(session, round, now=now),
        now=now,
        page=page,
        attempts=session.execute(_attempt_rows(page.rows).order_by(*newest_first)).all(),
        states=[(name, label) for name, (label, _) in STATES.items()],
        stands=stands,
        point=POINT,
        **_choices(round.contest),
        **filters,
    )


def _filters(contest: Contest) -> dict[str, Any]:
    """Return what the address asks for, as far as it exists."""
    code = request.args.get("unit", "")
    return {
        "q": clean_text(request.args.get("q", ""))[:LONGEST_SEARCH],
        "division": next(
            (one for one in contest.divisions if one.code == request.args.get("division")), None
        ),
        "unit": db.session.scalar(select(Unit).where(Unit.code == clean_text(code))) if code else None,
    }


def _choices(contest: Contest) -> dict[str, list[tuple[str, str]]]:
    """Return what the filters offer: pairs of code and name."""
    return {
        "divisions": [(one.code, one.name) for one in contest.divisions],
        "units": [(one.code, one.name) for one in units.listed(db.session())],
    }


def _sought(words: str) -> ColumnElement[bool]:
    """Return the condition on Account: a phone number finds its one person, other words a name."""
    if normal_phone(words):
        found = accounts.find(db.session(), words, data_key=current_app.config["CONTEST"].data_key)
        return Account.id == (found.id if found else 0)
    return Account.search_text.contains(fold(words), autoescape=True)


def _page(found: Select[int]) -> Page[int]:
    """Return the page of ids that the address asks for, the nearest one that there is.

    Only ids are counted and skipped; what belongs to them is read for the one page.
    """
    total = db.session.scalar(select(func.count()).select_from(found.order_by(None).subquery())) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, request.args.get("page", 1, type=int)), pages)
    ids = db.session.scalars(found.offset((number - 1) * PAGE_SIZE).limit(PAGE_SIZE)).all()
    return Page(ids, number, pages, total)


def _masked_phone(account: Account) -> str:
    login = accounts.login_of(account, data_key=current_app.config["CONTEST"].data_key)
    return "*" * max(0, len(login) - 3) + login[-3:]


def _attempts_of(contest: Contest, people: Sequence[Registration]) -> dict[int, int]:
    """Return how many attempts each person has made in the contest, voided ones aside."""
    query = (
        select(Attempt.account_id, func.count())
        .join(Attempt.round)
        .where(
            Round.contest_id == contest.id,
            Attempt.account_id.in_([person.account_id for person in people]),
            ~_is_voided,
        )
        .group_by(Attempt.account_id)
    )
    return dict(db.session.execute(query).all())


def _attempt_rows(ids: Sequence[int]) -> Select[*tuple[Any, ...]]:
    """Return the query of attempts: what staff may know of one, and nothing of its sheet."""
    return (
        select(
            Account.name,
            Registration.id.label("registration_id"),
            Division.name.label("division"),
            Unit.name.label("unit"),
            Attempt.account_id,
            Attempt.number,
            Attempt.receipt_code,
            Attempt.started_at,
            Attempt.deadline_at,
            Attempt.submitted_at,
            Attempt.how,
            Attempt.scored_at,
            Attempt.voided_at,
            Attempt.void_reason,
            Attempt.points,
            func.jsonb_array_length(Attempt.paper).label("asked"),
            Attempt.duration_ms,
        )
        .join(Attempt.account)
        .join(Attempt.division)
        .join(Attempt.unit)
        .join(Attempt.round)
        .join(
            Registration,
            (Registration.contest_id == Round.contest_id) & (Registration.account_id == Attempt.account_id),
        )
        .where(Attempt.id.in_(ids))
    )
