"""Statistics for everybody: who took part in a round and what is known where, without what shows a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from contest import contests, leaderboards, statistics
from contest.clock import db_now
from contest.contests import Phase
from contest.errors import NotThere
from contest.extensions import db
from contest.models import Contest, Division, Round, RoundDivision
from contest.models.units import GROUPS
from contest.readings import shared
from contest.statistics import Figures
from question_bank.items import TOPICS

bp = Blueprint("statistics", __name__)


@dataclass(frozen=True)
class Board:
    """What the address asks for, by the names that the tabs of leaderboards read."""

    round: Round
    phase: Phase
    asked: RoundDivision
    all_asked: Sequence[RoundDivision]
    # The asked division that the round is not for.
    left_out: Division | None
    is_public: bool


@bp.get("/contests/<slug>/statistics")
def show(slug: str) -> ResponseReturnValue:
    """The figures of a round's division, once the public may see its counts."""
    session = db.session()
    contest = contests.find_contest(session, slug)
    board = _board(contest, now=db_now(session))
    return render_template(
        "statistics/show.html",
        contest=contest,
        board=board,
        figures=_figures(board.asked) if board and board.is_public else None,
        Phase=Phase,
        groups=GROUPS,
        topics=TOPICS,
        here=_here,
    )


def _board(contest: Contest, *, now: datetime) -> Board | None:
    """Return the asked round and division, or else the newest public round; None where there is no round."""
    number, code = request.args.get("round", ""), request.args.get("division", "")
    by_number = {str(one.number): one for one in contest.rounds}
    if number and number not in by_number:
        raise NotThere("Cuộc thi không có vòng này.")
    public = [one for one in contest.rounds if leaderboards.is_public(one, now=now)]
    round = by_number.get(number) or (public[-1] if public else contests.round_on_show(contest, now=now))
    if round is None:
        return None
    all_asked = sorted(
        db.session.scalars(
            select(RoundDivision)
            .where(RoundDivision.round_id == round.id)
            .options(joinedload(RoundDivision.division), joinedload(RoundDivision.round))
        ),
        key=lambda one: one.division.position,
    )
    if not all_asked:
        return None
    asked, left_out = contests.division_on_show(contest, all_asked, code)
    is_public = leaderboards.is_public(round, now=now)
    return Board(round, contests.phase(round, now=now), asked, all_asked, left_out, is_public)


def _figures(asked: RoundDivision) -> Figures:
    asked_id = asked.id

    def read() -> Figures:
        session = db.session()
        return statistics.of_division(session, session.get_one(RoundDivision, asked_id), is_public=True)

    return shared(("statistics", asked_id), read)


def _here(**changes: str | int | None) -> dict[str, str | int]:
    """Return the filters of this address with some of them changed, for the links of the page."""
    kept = {name: value for name, value in request.args.items() if name in ("round", "division")}
    return {name: value for name, value in {**kept, **changes}.items() if value not in (None, "")}
