"""The standing over all rounds of a contest, as the public and as staff see it."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from contest import accounts, contest_standings, contests
from contest.errors import NotThere
from contest.extensions import db
from contest.models import Contest, Division
from contest.rules.naming import public_name

bp = Blueprint("contest_standings", __name__)
PAGE_SIZE = 50


@bp.get("/contests/<slug>/leaderboard/contest")
def show(slug: str) -> ResponseReturnValue:
    """The people of a contest over its closed rounds in one division, their names masked."""
    session = db.session()
    contest = contests.find_contest(session, slug)
    division = _division(contest)
    page = contest_standings.page(
        session, contest.id, division.id, number=request.args.get("page", 1, type=int), size=PAGE_SIZE
    )
    granted = accounts.has_consented(session, [row.account_id for row in page.rows], "publication")
    return render_template(
        "contest_standings/show.html",
        contest=contest,
        division=division,
        rounds=contest_standings.rounds_of(session, contest),
        page=page,
        names={
            row.id: public_name(
                row.account.name, row.account.draw_id, is_publication_granted=row.account_id in granted
            )
            for row in page.rows
        },
        sentences=contest_standings.sentences(session, page.rows),
    )


@bp.get("/admin/contests/<slug>/standing")
def staff(slug: str) -> ResponseReturnValue:
    """The same under full names."""
    session = db.session()
    contest = contests.find_contest(session, slug)
    division = _division(contest)
    page = contest_standings.page(
        session, contest.id, division.id, number=request.args.get("page", 1, type=int), size=PAGE_SIZE
    )
    return render_template(
        "contest_standings/staff.html",
        contest=contest,
        division=division,
        rounds=contest_standings.rounds_of(session, contest),
        page=page,
        sentences=contest_standings.sentences(session, page.rows),
    )


def _division(contest: Contest) -> Division:
    """Return the division that the address asks for, else the first. Raises NotThere without a standing."""
    if not contest.has_standing or not contest.divisions:
        raise NotThere("Cuộc thi này không xếp hạng chung các vòng.")
    code = request.args.get("division", "")
    if not code:
        return contest.divisions[0]
    division = next((one for one in contest.divisions if one.code == code), None)
    if division is None:
        raise NotThere("Cuộc thi này không có bảng thi đó.")
    return division
