"""The organizers' first page: how a round goes, what calls for attention, what comes next."""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from contest import charts, contests, dashboards, leaderboards
from contest.clock import LOCAL_ZONE, db_now
from contest.dashboards import UNIT_ORDERS, Breakdown, Counts, Health, Timeline
from contest.extensions import db
from contest.formatting import vn_duration, vn_number, vn_percent, vn_time
from contest.models import Round
from contest.readings import shared

bp = Blueprint("admin_dashboard", __name__, url_prefix="/admin")

# Of a table of units: so many from its top, and so many from its bottom.
MOST_SHOWN, LEAST_SHOWN = 10, 5
MOST_LABELS = 12


@bp.get("/")
def index() -> ResponseReturnValue:
    """Lead to the round that is on."""
    session = db.session()
    contest = contests.current_contest(session)
    round = contests.round_on_show(contest, now=db_now(session)) if contest else None
    if round is None:
        return render_template("admin/none.html", contest=contest)
    return redirect(url_for("admin_dashboard.show", round_id=round.id), 303)


@bp.get("/rounds/<int(max=2147483647):round_id>/dashboard")
def show(round_id: int) -> ResponseReturnValue:
    """Show a round's figures by division, over time and by unit."""
    session = db.session()
    now = db_now(session)
    round = contests.find_round(session, round_id)
    state = dashboards.state_of(session, round, now=now)
    counts, breakdown = _counts(round_id), _breakdown(round_id)
    asked = dashboards.division_of(round, request.args.get("division"))
    order = request.args.get("sort", "rate")
    order = order if order in UNIT_ORDERS else "rate"
    is_descending = request.args.get("order") != "asc"
    units = leaderboards.unit_rows(session, round.id, asked.division_id)
    return render_template(
        "admin/dashboard/show.html",
        contest=round.contest,
        round=round,
        state=state,
        figures=_figures(counts),
        full_note=_full_note(breakdown),
        breakdown=breakdown,
        axis=_axis(breakdown.timeline),
        alerts=dashboards.alerts(round, state, counts, _health(round, now=now), now=now),
        asked=asked,
        units=dashboards.ordered_units(units, order, is_descending=is_descending),
        highest_rate=max((vn_share(row.rate) for row in units if row.rate), default=0),
        order=order,
        is_descending=is_descending,
        most_shown=MOST_SHOWN,
        least_shown=LEAST_SHOWN,
    )


@bp.get("/rounds/<int(max=2147483647):round_id>/figures")
def figures(round_id: int) -> ResponseReturnValue:
    """Answer with the figures and alerts of an open page, as it shows them."""
    session = db.session()
    now = db_now(session)
    round = contests.find_round(session, round_id)
    counts = _counts(round_id)
    state = dashboards.state_of(session, round, now=now)
    alerts = dashboards.alerts(round, state, counts, _health(round, now=now), now=now)
    return {
        "figures": _figures(counts),
        "alerts": render_template("admin/dashboard/_alerts.html", alerts=alerts),
    }


@bp.app_template_filter()
def vn_per_thousand(share: str) -> str:
    """Return a fraction of residents as "3,25" per 1,000, cut off and not rounded."""
    return vn_number((Fraction(share) * 100_000).__floor__() / 100, 2)


@bp.app_template_filter()
def vn_moment(at: datetime) -> str:
    """Return "08:46:06 23/11", for dense tables of one round."""
    return at.astimezone(LOCAL_ZONE).strftime("%H:%M:%S %d/%m")


@bp.app_template_filter()
def vn_share(fraction: str) -> float:
    """Return a fraction kept as text as a number to draw with."""
    return float(Fraction(fraction))


def _figures(counts: Counts) -> dict[str, str]:
    """Return the counts as the page shows them, by the names of its places."""
    return {
        "at": vn_time(counts.at),
        "started": vn_number(counts.started),
        "sitting": vn_number(counts.sitting),
        "submitted": vn_number(counts.submitted),
        "scored": vn_number(counts.scored),
        "waiting": vn_number(counts.waiting),
        "oldest": f"lâu nhất {vn_duration(int(counts.oldest_waiting_seconds * 1000))}"
        if counts.waiting
        else "không có bài nào chờ",
    }


def _full_note(breakdown: Breakdown) -> str:
    people = sum(one.people for one in breakdown.divisions)
    full = sum(one.full for one in breakdown.divisions)
    if not people:
        return "chưa có ai"
    return f"{vn_number(full)} đạt điểm tuyệt đối ({vn_percent(Fraction(full, people))})"


# --- the chart's axes ----------------------------------------------------------------------------


def _axis(timeline: Timeline) -> dict[str, Any]:
    """Return the top and ticks of the upward axis, and the labels along the other by column."""
    ticks = charts.ticks(timeline.highest)
    return {"top": ticks[-1], "ticks": ticks, "labels": _labels(timeline)}


def _labels(timeline: Timeline) -> list[tuple[int, str]]:
    moments = [column.at.astimezone(LOCAL_ZONE) for column in timeline.columns]
    if len(moments) * timeline.step > timedelta(days=2):
        labels = [(place, at.strftime("%d/%m")) for place, at in enumerate(moments) if at.hour == 0]
    else:
        labels = [(place, at.strftime("%H:%M")) for place, at in enumerate(moments) if at.minute == 0]
    return labels[:: -(-len(labels) // MOST_LABELS) or 1]


def _counts(round_id: int) -> Counts:
    return shared(("counts", round_id), lambda: dashboards.counts(db.session(), round_id))


def _health(round: Round, *, now: datetime) -> Health:
    return shared(("health", round.id), lambda: dashboards.health(db.session(), round, now=now))


def _breakdown(round_id: int) -> Breakdown:
    def read() -> Breakdown:
        session = db.session()
        return dashboards.breakdown(session, contests.find_round(session, round_id), now=db_now(session))

    return shared(("breakdown", round_id), read)
