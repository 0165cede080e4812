"""The questions of a round: a trial of their draw before it, drift during it, analysis after it."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from contest import analyses, bank, contests, dashboards, draw_trials, drifts
from contest.analyses import AnalysedItem
from contest.clock import LOCAL_ZONE, db_now
from contest.errors import NotThere, TryAgain
from contest.extensions import db
from contest.formatting import vn_number, vn_percent
from contest.models import RoundDivision
from contest.readings import shared
from question_bank.item_analysis import ADVICE, TOO_EASY, TOO_HARD, WEAK, meaning
from question_bank.items import LEVELS, TOPICS
from question_bank.simulation import SimulationReport

bp = Blueprint("admin_analysis", __name__, url_prefix="/admin")
ROUND = "/rounds/<int(max=2147483647):round_id>"

LEVEL_NAMES = {"NB": "Nhận biết", "TH": "Thông hiểu", "VD": "Vận dụng"}
LETTERS = "ABCDEFGH"
FLAG_NAMES = {
    "too_easy": "Quá dễ",
    "too_hard": "Quá khó",
    "reversed": "Phân biệt ngược",
    "weak": "Phân biệt kém",
    "unused": "Phương án thừa",
    "beats_key": "Nghi sai đáp án",
    "attracts_best": "Nhiễu hút người giỏi",
}
GRAVE = {"reversed", "beats_key"}
TRIALS = (1_000, 2_000, 5_000)
TRIAL = 2_000
# Drawing keeps a core busy for some seconds: in one process one at a time.
_drawing = threading.Lock()


# --- after the round -----------------------------------------------------------------------------


@bp.get(f"{ROUND}/analysis")
def show(round_id: int) -> ResponseReturnValue:
    """Show how the questions of a closed round did: a plot and a table that the address sorts and filters."""
    asked, frame = _asked(round_id)
    analysis = analyses.find(db.session(), round_id, asked.division_id)
    items = analyses.items_of(analysis) if analysis and asked.round.closed_at else []
    filters = {
        "topic": request.args.get("topic", "") if request.args.get("topic") in TOPICS else "",
        "level": request.args.get("level", "") if request.args.get("level") in LEVELS else "",
        "flagged": "yes" if request.args.get("flagged") == "yes" else "",
    }
    order = request.args.get("sort", "code")
    order = order if order in analyses.ITEM_ORDERS else "code"
    is_descending = request.args.get("order") == "desc"
    found = [item for item in items if _fits(item, filters)]
    return render_template(
        "admin/analysis/show.html",
        analysis=analysis,
        is_outdated=analysis is not None and analyses.is_outdated(analysis, asked.round),
        reliability=analyses.reliability_of(analysis) if analysis else None,
        meaning=meaning,
        items=items,
        found=analyses.ordered_items(found, order, is_descending=is_descending),
        points=_points(found, asked),
        lines={"easy": TOO_EASY, "hard": TOO_HARD, "weak": WEAK},
        filters=filters,
        order=order,
        is_descending=is_descending,
        topics=sorted({item.topic for item in items}, key=lambda topic: (len(topic), topic)),
        **frame,
    )


def _fits(item: AnalysedItem, filters: dict[str, str]) -> bool:
    return (
        filters["topic"] in ("", item.topic)
        and filters["level"] in ("", item.level)
        and (not filters["flagged"] or bool(item.result.flags))
    )


def _points(items: Sequence[AnalysedItem], asked: RoundDivision) -> list[dict[str, Any]]:
    """Return the items as points of the plot; one without a discrimination has no place in it."""
    return [
        {
            "x": item.result.facility,
            "y": item.result.discrimination,
            "label": f"{item.code}: tỷ lệ đúng {vn_percent(item.result.facility)}, "
            f"độ phân biệt {vn_number(item.result.discrimination, 2)}",
            "href": url_for(
                "admin_analysis.item",
                round_id=asked.round_id,
                code=item.code,
                division=asked.division.code,
            ),
            "is_marked": bool(item.result.flags),
        }
        for item in items
        if item.result.discrimination is not None
    ]


@bp.get(f"{ROUND}/analysis/items/<code>")
def item(round_id: int, code: str) -> ResponseReturnValue:
    """Show one question of a closed round: who chose what, what is wrong with it, what to do."""
    session = db.session()
    asked, frame = _asked(round_id)
    analysis = analyses.find(session, round_id, asked.division_id)
    found = {one.code: one for one in analyses.items_of(analysis)} if analysis else {}
    if code not in found or asked.round.closed_at is None:
        raise NotThere("Câu hỏi này không có trong phân tích của vòng thi.")
    one = found[code]
    version = bank.texts(session, [one.version_id])[one.version_id]
    return render_template(
        "admin/analysis/item.html",
        one=one,
        version=version,
        item=bank.item_of(version),
        choices=_choices(one),
        html=_html,
        others=[
            (round, division, other)
            for round, division, other in analyses.results_of_item(session, code)
            if (round.id, division.id) != (round_id, asked.division_id)
        ],
        **frame,
    )


@dataclass(frozen=True)
class Choices:
    """How many people of each score group chose each option: counts, and shares of the group."""

    labels: Sequence[str]
    # Names of the groups, how many people each has.
    groups: Sequence[tuple[str, int]]
    # By option: counts and shares, one for each group.
    counts: Sequence[Sequence[int]]
    shares: Sequence[Sequence[float]]


def _choices(one: AnalysedItem) -> Choices:
    """Return the choices by group; without groups (everybody equal) those of all people."""
    result = one.result
    upper, lower = result.group_sizes
    groups = [("Tất cả", result.shown)]
    counts = [[option.total] for option in result.options]
    if upper and lower:
        groups = [
            ("Nhóm điểm cao", upper),
            ("Nhóm giữa", result.shown - upper - lower),
            ("Nhóm điểm thấp", lower),
        ]
        counts = [
            [option.upper, option.total - option.upper - option.lower, option.lower]
            for option in result.options
        ]
    return Choices(
        LETTERS[: len(counts)],
        groups,
        counts,
        [
            [count / size if size else 0 for count, (_, size) in zip(row, groups, strict=True)]
            for row in counts
        ],
    )


def _html(cleaned: str) -> Markup:
    """Return bank text as HTML: it went through the cleaner when it was stored."""
    return Markup(cleaned)  # noqa: S704


# --- during the round ----------------------------------------------------------------------------


@bp.get(f"{ROUND}/drift")
def drift(round_id: int) -> ResponseReturnValue:
    """Show how each question goes over time, those first that changed most."""
    asked, frame = _asked(round_id)
    now = frame["now"]
    step = request.args.get("step", "")
    step = step if step in drifts.STEPS else drifts.step_of(asked, now=now)
    division_id = asked.division_id

    def read() -> drifts.Courses:
        session = db.session()
        of_round = contests.find_round(session, round_id)
        again = next(one for one in of_round.divisions if one.division_id == division_id)
        return drifts.read(session, again, step=step, now=db_now(session))

    courses = shared(("drift", round_id, division_id, step), read)
    return render_template(
        "admin/analysis/drift.html",
        courses=courses,
        begins=[at.astimezone(LOCAL_ZONE).strftime("%H:%M %d/%m") for at in courses.begins],
        step=step,
        steps=drifts.STEPS,
        sample=drifts.PAPERS_PER_WINDOW,
        **frame,
    )


# --- before the round ----------------------------------------------------------------------------


@bp.get(f"{ROUND}/draw-trial")
def draw_trial(round_id: int) -> ResponseReturnValue:
    """Draw many papers from the pools as they are, and show how even they are; nothing is stored."""
    asked, frame = _asked(round_id)
    papers = request.args.get("papers", TRIAL, type=int)
    papers = papers if papers in TRIALS else TRIAL
    if not _drawing.acquire(blocking=False):
        raise TryAgain("Một lần thử rút đề khác đang chạy. Bạn vui lòng thử lại sau ít giây.")
    try:
        code = asked.division.code
        report = draw_trials.of_round(
            db.session(), asked.round, papers=papers, seed="trial", now=frame["now"], division=code
        )[code]
    finally:
        _drawing.release()
    return render_template(
        "admin/analysis/draw_trial.html",
        report=report,
        papers=papers,
        choices=TRIALS,
        histogram=_histogram(report),
        **frame,
    )


def _histogram(report: SimulationReport) -> tuple[list[str], list[int]]:
    """Return ranges of exposure, in per cent of the papers, and how many items are in each."""
    if not report.papers or not report.exposures:
        return [], []
    shares = [100 * one.drawn / report.papers for one in report.exposures]
    width = next(width for width in (1, 2, 5, 10) if max(shares) <= 20 * width or width == 10)
    # An item in every paper belongs to the last range.
    bins = Counter(min(int(share // width), 100 // width - 1) for share in shares)
    places = range(min(bins), max(bins) + 1)
    return [f"{place * width}–{(place + 1) * width}%" for place in places], [bins[place] for place in places]


# --- what all of them show -----------------------------------------------------------------------


def _asked(round_id: int) -> tuple[RoundDivision, dict[str, Any]]:
    """Return the round's division that the address asks for, and what each of these pages shows."""
    session = db.session()
    now = db_now(session)
    round = contests.find_round(session, round_id)
    asked = dashboards.division_of(round, request.args.get("division"))
    return asked, {
        "contest": round.contest,
        "round": round,
        "state": dashboards.state_of(session, round, now=now),
        "asked": asked,
        "now": now,
        "topic_names": TOPICS,
        "levels": LEVEL_NAMES,
        "flag_names": FLAG_NAMES,
        "grave": GRAVE,
        "advice": ADVICE,
        "letters": LETTERS,
    }
