"""Leaderboards and winners: what the public sees of a round, once it may see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from contest import (
    accounts,
    archives,
    complaints,
    contests,
    leaderboards,
    published_standings,
    publishing,
    registrations,
    scoring,
    unit_lines,
)
from contest import units as unit_lists
from contest.clock import db_now
from contest.contests import Phase
from contest.errors import NotThere
from contest.extensions import db
from contest.formatting import vn_number
from contest.leaderboards import Page
from contest.models import (
    Contest,
    Correction,
    Division,
    Publication,
    Registration,
    Round,
    RoundDivision,
    Standing,
    UnitStanding,
)
from contest.models.units import GROUPS
from contest.rules.explaining import PERCENT
from contest.rules.naming import public_name
from contest.rules.publication_changes import prize_changes, unit_changes
from contest.unit_lines import UnitLine
from question_bank.text import clean_text

bp = Blueprint("leaderboards", __name__)

PAGE_SIZE = 50
IN_SIGHT = 5
# As many lines as are read from the last row of a hall.
ON_SCREEN = 10
LONGEST_SEARCH = 80
LARGEST_PAGE_NUMBER_DIGITS = 6


@dataclass(frozen=True)
class Board:
    """What the address asks for: a round of a contest, and one of its divisions."""

    contest: Contest
    round: Round
    phase: Phase
    asked: RoundDivision
    # All divisions of the round, in their order.
    all_asked: Sequence[RoundDivision]
    # The asked division, or the viewer's own, that the round is not for.
    left_out: Division | None
    # The viewer's own entry in the contest.
    entry: Registration | None
    is_public: bool
    # What the public is told of the round's items, once it is closed.
    corrections: Sequence[Correction]
    # The official version that holds, where something was changed since.
    in_force: Publication | None

    @property
    def is_provisional(self) -> bool:
        return self.round.books_closed_at is None

    @property
    def is_own_division(self) -> bool:
        return self.entry is not None and self.entry.division_id == self.asked.division_id

    @property
    def is_percentage(self) -> bool:
        return self.asked.prediction_counted == "percentage"

    @property
    def is_of_residents(self) -> bool:
        return self.asked.division.unit_kind == "commune"


def _board(slug: str) -> Board | None:
    """Return the board that the address asks for; None where the contest has no round with divisions.

    Raises NotThere for a round or division that is not there.
    """
    contest = contests.find_contest(db.session(), slug)
    now = db_now(db.session())
    round = _asked_round(contest) or _newest_public(contest, now) or contests.round_on_show(contest, now=now)
    if round is None:
        return None
    all_asked = sorted(
        db.session.scalars(
            select(RoundDivision)
            .where(RoundDivision.round_id == round.id)
            .options(joinedload(RoundDivision.division))
        ),
        key=lambda one: one.division.position,
    )
    if not all_asked:
        return None
    entry = (
        registrations.of_account(db.session(), current_user.id, contest.id)
        if current_user.is_authenticated
        else None
    )
    asked, left_out = contests.division_on_show(
        contest, all_asked, request.args.get("division", ""), entry.division if entry else None
    )
    is_public = leaderboards.is_public(round, now=now)
    corrections = scoring.corrections_in_force(db.session(), round.id) if round.closed_at else ()
    phase = contests.phase(round, now=now)
    in_force = published_standings.in_force(db.session(), round)
    return Board(contest, round, phase, asked, all_asked, left_out, entry, is_public, corrections, in_force)


def _asked_round(contest: Contest) -> Round | None:
    number = request.args.get("round", "")
    if not number:
        return None
    round = next((one for one in contest.rounds if str(one.number) == number), None)
    if round is None:
        raise NotThere("Cuộc thi không có vòng này.")
    return round


def _newest_public(contest: Contest, now: datetime) -> Round | None:
    return next((one for one in reversed(contest.rounds) if leaderboards.is_public(one, now=now)), None)


def _page_number() -> int:
    """Return the asked page; whatever is no page number is the first."""
    text = request.args.get("page", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= LARGEST_PAGE_NUMBER_DIGITS
    return int(text) if is_number else 1


def _here(**changes: str | int | None) -> dict[str, str | int]:
    """Return the filters of this address with some of them changed, for the links of the page."""
    kept = {
        name: value for name, value in request.args.items() if name in ("round", "division", "group", "q")
    }
    return {name: value for name, value in {**kept, **changes}.items() if value not in (None, "")}


def _nothing_to_show(slug: str, board: Board | None) -> ResponseReturnValue:
    """Say calmly when the board will be shown; no number is on that page."""
    contest = board.contest if board else contests.find_contest(db.session(), slug)
    return render_template("leaderboards/frozen.html", contest=contest, board=board, Phase=Phase, here=_here)


def _is_in_sight(lines: Sequence["UnitLine | PersonLine"]) -> bool:
    """Tell whether the viewer's own line is among the first of a page, so that it need not be pinned."""
    return any(line.is_own for line in lines[:IN_SIGHT])


# --- units ---------------------------------------------------------------------------------------


@bp.get("/contests/<slug>/leaderboard")
def units(slug: str) -> ResponseReturnValue:
    """The units of a round by participation and mean score, in one division; or people over all rounds."""
    if request.args.get("scope") == "contest":
        return redirect(url_for("contest_standings.show", slug=slug), 303)
    board = _board(slug)
    if board is None or not board.is_public:
        return _nothing_to_show(slug, board)
    rows = _listed(board)
    if request.args.get("view") == "screen":
        return _screen(board, rows)
    groups = {
        group: GROUPS.get(group, group) for group in sorted({row.group for row in rows}, key=_group_place)
    }
    own = next((row for row in rows if row.unit_id == _own_unit(board)), None)
    words = clean_text(request.args.get("q", "")[:LONGEST_SEARCH])
    group = _asked_group(groups, own, words)
    page = _cut(_found(rows, group, words), _page_number())
    line = unit_lines.maker(board.asked, rows, own_unit_id=_own_unit(board))
    lines = [line(row) for row in page.rows]
    return render_template(
        "leaderboards/units.html",
        contest=board.contest,
        board=board,
        groups=groups,
        group=group,
        words=words,
        page=page,
        lines=lines,
        pinned=line(own) if own and not _is_in_sight(lines) else None,
        full=sum(int(cell["count"]) for cell in board.asked.specification),
        here=_here,
    )


def _screen(board: Board, rows: Sequence[UnitStanding]) -> ResponseReturnValue:
    """The first units of each group in type that a whole hall can read; the page looks again by itself."""
    line = unit_lines.maker(board.asked, rows, own_unit_id=None)
    first: dict[str, list[UnitLine]] = {}
    for row in sorted(rows, key=lambda row: _group_place(row.group)):
        if row.rank and len(first.setdefault(row.group, [])) < ON_SCREEN:
            first[row.group].append(line(row))
    return render_template(
        "leaderboards/screen.html",
        contest=board.contest,
        board=board,
        groups=[(GROUPS.get(group, group), lines) for group, lines in first.items() if lines],
        people=sum(row.people for row in rows),
        here=_here,
    )


def _listed(board: Board) -> Sequence[UnitStanding]:
    rows = leaderboards.unit_rows(db.session(), board.round.id, board.asked.division_id)
    return rows if board.asked.is_listed_below_threshold else [row for row in rows if row.rank]


def _group_place(group: str) -> tuple[int, str]:
    known = list(GROUPS)
    return (known.index(group) if group in known else len(known), group)


def _own_unit(board: Board) -> int | None:
    """Return the viewer's unit where the board is of their division."""
    return board.entry.unit_id if board.entry and board.is_own_division else None


def _asked_group(groups: Mapping[str, str], own: UnitStanding | None, words: str) -> str:
    """Return the group to show: the asked one, else the viewer's own, else the first; a search is in all."""
    asked = request.args.get("group", "")
    if asked:
        if asked not in groups:
            raise NotThere("Bảng này không có nhóm đơn vị đó.")
        return asked
    if words or not groups:
        return ""
    return own.group if own else next(iter(groups))


def _found(rows: Sequence[UnitStanding], group: str, words: str) -> list[UnitStanding]:
    found = [row for row in rows if not group or row.group == group]
    if words:
        ids = unit_lists.ids_matching(db.session(), words)
        found = [row for row in found if row.unit_id in ids]
    return found


def _cut(rows: Sequence[UnitStanding], number: int) -> Page[UnitStanding]:
    pages = max(1, -(-len(rows) // PAGE_SIZE))
    number = min(max(1, number), pages)
    return Page(rows[(number - 1) * PAGE_SIZE : number * PAGE_SIZE], number, pages, len(rows))


# --- individuals ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class PersonLine:
    """One person as the public sees them."""

    row: Standing
    name: str
    error: str
    # Why it stands above the next row.
    sentence: str
    is_own: bool


@bp.get("/contests/<slug>/leaderboard/individuals")
def individuals(slug: str) -> ResponseReturnValue:
    """The people of a round in one division, their names masked."""
    board = _board(slug)
    if board is None or not board.is_public:
        return _nothing_to_show(slug, board)
    shown = published_standings.shown(
        db.session(),
        board.asked,
        board.in_force,
        number=_page_number(),
        size=PAGE_SIZE,
        account_id=current_user.id if current_user.is_authenticated else None,
    )
    page, own = shown.page, shown.own
    lines = _person_lines(board, [*page.rows, *([shown.below] if shown.below else [])])[: len(page.rows)]
    return render_template(
        "leaderboards/individuals.html",
        contest=board.contest,
        board=board,
        page=page,
        lines=lines,
        pinned=_person_lines(board, [own])[0] if own and not _is_in_sight(lines) else None,
        own_page=-(-(own.position or 1) // PAGE_SIZE) if own else None,
        full=sum(int(cell["count"]) for cell in board.asked.specification),
        truth=_error(shown.truth, board.is_percentage),
        has_error=shown.truth is not None,
        is_as_published=shown.is_as_published,
        here=_here,
    )


def _person_lines(board: Board, rows: Sequence[Standing]) -> list[PersonLine]:
    granted = accounts.has_consented(db.session(), [row.account_id for row in rows], "publication")
    lines = []
    for place, row in enumerate(rows):
        below = rows[place + 1] if place + 1 < len(rows) else None
        lines.append(
            PersonLine(
                row=row,
                name=public_name(
                    row.account.name,
                    row.account.draw_id,
                    is_publication_granted=row.account_id in granted,
                ),
                error=_error(row.prediction_error, board.is_percentage),
                sentence=leaderboards.sentence(board.asked, row, below),
                is_own=row.account_id == current_user.id,
            )
        )
    return lines


def _error(error: int | None, is_percentage: bool) -> str:
    if error is None:
        return "–"
    return f"{vn_number(error / PERCENT, 5)}%" if is_percentage else vn_number(error)


# --- winners -------------------------------------------------------------------------------------


@bp.get("/contests/<slug>/winners")
def winners(slug: str) -> ResponseReturnValue:
    """The published results of a round: the newest version, or an older one that the address names."""
    contest = contests.find_contest(db.session(), slug)
    versions = publishing.versions(db.session(), contest.id)
    shown = _asked_version(contest, versions)
    if shown is None:
        return render_template("leaderboards/no_winners.html", contest=contest, here=_here)
    before = next(
        (one for one in versions if one.round_id == shown.round_id and one.version == shown.version - 1), None
    )
    return render_template(
        "leaderboards/winners.html",
        contest=contest,
        shown=shown,
        content=shown.content,
        before=before,
        changes=prize_changes(before.content["winners"], shown.content["winners"]) if before else [],
        unit_changes=unit_changes(before.content["units"], shown.content["units"]) if before else [],
        takes_complaints=complaints.is_open(shown.round, now=db_now(db.session())),
        complaints=complaints.counts(db.session(), shown.round_id),
        newest={one.round_id: one for one in reversed(versions)},
        versions=[one for one in versions if one.round_id == shown.round_id],
        percentages=_percentage_divisions(shown.round_id),
        error=_error,
        groups=GROUPS,
        here=_here,
        bundle=archives.listed(db.session(), shown.id),
    )


def _asked_version(contest: Contest, versions: Sequence[Publication]) -> Publication | None:
    """Return the publication to show. Raises NotThere for a round or version that is not there."""
    round = _asked_round(contest)
    number = request.args.get("version", "")
    of_round = [one for one in versions if round is None or one.round_id == round.id]
    if not number:
        return of_round[0] if of_round else None
    shown = next((one for one in of_round if str(one.version) == number), None)
    if shown is None:
        raise NotThere("Không có bản công bố này.")
    return shown


def _percentage_divisions(round_id: int) -> frozenset[str]:
    """Return the codes of the divisions that predicted a percentage."""
    asked = db.session.scalars(
        select(RoundDivision)
        .where(RoundDivision.round_id == round_id, RoundDivision.prediction_counted == "percentage")
        .options(joinedload(RoundDivision.division))
    )
    return frozenset(one.division.code for one in asked)
