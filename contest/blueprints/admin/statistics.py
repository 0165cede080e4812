"""Statistics for organizers and leaders: the public page's figures, whole."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from contest import contests, dashboards, statistics
from contest.clock import db_now
from contest.extensions import db
from contest.models import RoundDivision
from contest.models.units import GROUPS
from contest.readings import shared
from contest.rules.statistics import AGE_NAMES, FEWEST
from contest.statistics import Figures
from question_bank.items import TOPICS

bp = Blueprint("admin_statistics", __name__, url_prefix="/admin")


@bp.get("/rounds/<int(max=2147483647):round_id>/statistics")
def show(round_id: int) -> ResponseReturnValue:
    """Show all figures of a round's division, also while it is open."""
    session = db.session()
    round = contests.find_round(session, round_id)
    asked = dashboards.division_of(round, request.args.get("division"))
    asked_id = asked.id

    def read() -> Figures:
        session = db.session()
        return statistics.of_division(session, session.get_one(RoundDivision, asked_id), is_public=False)

    return render_template(
        "admin/statistics/show.html",
        contest=round.contest,
        round=round,
        state=dashboards.state_of(session, round, now=db_now(session)),
        asked=asked,
        figures=shared(("all statistics", asked_id), read),
        groups=GROUPS,
        topics=TOPICS,
        age_names=AGE_NAMES,
        fewest=FEWEST,
    )
