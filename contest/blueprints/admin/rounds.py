"""A round's configuration, and the steps of its life: opened, ended early, its books closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload
from werkzeug import Response

from contest import contests, dashboards, leaderboards, pools
from contest.clock import db_now
from contest.contests import Phase
from contest.extensions import db
from contest.formatting import vn_number
from contest.models import Headcount, Pool, Prize, Publication, Round, RoundDivision, Unit
from contest.rules.explaining import CRITERIA_IN_WORDS
from contest.security import new_round_seed
from question_bank.draw import Cell, PoolItem, shortfalls
from question_bank.items import LEVELS, TOPICS
from question_bank.text import clean_text

bp = Blueprint("admin_rounds", __name__, url_prefix="/admin")
ROUND = "/rounds/<int(max=2147483647):round_id>"

LONGEST_REASON = 300
LEVEL_NAMES = {"NB": "Nhận biết", "TH": "Thông hiểu", "VD": "Vận dụng"}


@bp.get(ROUND)
def show(round_id: int) -> ResponseReturnValue:
    """Show a round's whole configuration, the steps behind it, and the next one with what it does."""
    session = db.session()
    now = db_now(session)
    round = contests.find_round(session, round_id)
    state = dashboards.state_of(session, round, now=now)
    matrices = _matrices(round, now=now)
    headcounts = _headcounts(round)
    return render_template(
        "admin/rounds/show.html",
        contest=round.contest,
        round=round,
        state=state,
        steps=_steps(round),
        is_asked=request.args.get("step") == state.step.value,
        matrices=matrices,
        headcounts=headcounts,
        pools=_frozen(round),
        prizes=session.scalars(
            select(Prize)
            .where(Prize.round_id == round.id)
            .order_by(Prize.position)
            .options(joinedload(Prize.division))
        ).all(),
        checks=_checks(round, matrices, headcounts, now=now) if state.phase is Phase.PLANNED else (),
        counts=dashboards.counts(session, round.id) if state.phase is Phase.OPEN else None,
        people=dashboards.divisions(session, round.id) if state.phase is Phase.CLOSED else (),
        levels=[(level, LEVEL_NAMES[level]) for level in LEVELS],
        topics=TOPICS,
        criteria=CRITERIA_IN_WORDS,
    )


@bp.post(f"{ROUND}/opening")
def open_round(round_id: int) -> ResponseReturnValue:
    """Freeze the pools and lock the configuration."""
    session = db.session()
    round = contests.find_round(session, round_id)
    contests.open_round(
        session,
        round,
        seed=new_round_seed(),
        data_key=current_app.config["CONTEST"].data_key,
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    return _done(round_id, "Đã mở vòng thi. Cấu hình và bộ câu hỏi đã được khóa, mã cam kết đã được công bố.")


@bp.post(f"{ROUND}/ending")
def end(round_id: int) -> ResponseReturnValue:
    """Bring the closing forward to now."""
    session = db.session()
    round = contests.find_round(session, round_id)
    contests.end_round(session, round, reason=_reason(), now=db_now(session), actor_id=current_user.id)
    db.session.commit()
    return _done(round_id, "Đã đóng sớm vòng thi. Không nhận thêm lượt mới; ai đang làm bài vẫn đủ giờ.")


@bp.post(f"{ROUND}/books")
def close_books(round_id: int) -> ResponseReturnValue:
    """Count the truth of the prediction, and rank by the whole chain."""
    session = db.session()
    round = contests.find_round(session, round_id)
    contests.close_books(session, round, now=db_now(session), actor_id=current_user.id)
    people = leaderboards.rank_round(session, round, now=db_now(session))
    db.session.commit()
    return _done(round_id, f"Đã chốt sổ và xếp hạng {vn_number(people)} người theo đủ các tiêu chí.")


def _done(round_id: int, sentence: str) -> Response:
    flash(sentence, "success")
    return redirect(url_for("admin_rounds.show", round_id=round_id), 303)


def _reason() -> str:
    return clean_text(request.form.get("reason", ""))[:LONGEST_REASON]


def _steps(round: Round) -> list[tuple[str, datetime | None]]:
    """Return the steps of a round's life, each with its moment once it is behind."""
    published = (
        select(Publication.published_at)
        .where(Publication.round_id == round.id)
        .order_by(Publication.version)
        .limit(1)
    )
    return [
        ("Mở", round.opened_at),
        ("Đóng", round.closed_at),
        ("Chốt sổ", round.books_closed_at),
        ("Công bố", db.session.scalar(published)),
    ]


# --- the specification beside the pool -----------------------------------------------------------


@dataclass(frozen=True)
class CellOfMatrix:
    """What one line of a specification asks of a topic and level, and what the pool has for it."""

    count: int
    has: int
    tags: Sequence[str]
    is_short: bool


@dataclass(frozen=True)
class Matrix:
    """A division's specification by topic and level, its pool beside it."""

    asked: RoundDivision
    cells: Mapping[tuple[str, str], Sequence[CellOfMatrix]]
    topics: Sequence[str]
    short: Sequence[tuple[Cell, int]]
    in_pool: int

    @property
    def total(self) -> int:
        """How many items a paper has."""
        return self.at()

    def at(self, topic: str | None = None, level: str | None = None) -> int:
        """Return how many items of a topic, of a level, or of all, a paper has."""
        return sum(
            cell.count
            for (of_topic, of_level), cells in self.cells.items()
            for cell in cells
            if topic in (None, of_topic) and level in (None, of_level)
        )


def _matrices(round: Round, *, now: datetime) -> list[Matrix]:
    items = pools.items_of_round(db.session(), round, now=now)
    return [_matrix(asked, items.get(asked.division_id, ())) for asked in round.divisions]


def _matrix(asked: RoundDivision, items: Sequence[PoolItem]) -> Matrix:
    specification = pools.specification_cells(asked.specification)
    short = shortfalls(items, specification)
    cells: dict[tuple[str, str], list[CellOfMatrix]] = {}
    for cell in specification:
        cells.setdefault((cell.topic, cell.level), []).append(
            CellOfMatrix(
                count=cell.count,
                has=sum(cell.takes(item) for item in items),
                tags=sorted(cell.tags),
                is_short=any(lacking == cell for lacking, _ in short),
            )
        )
    topics = list(dict.fromkeys(cell.topic for cell in specification))
    return Matrix(asked, cells, topics, short, len(items))


def _frozen(round: Round) -> Sequence[Pool]:
    """Return the pools of a round, every version, the oldest first."""
    return db.session.scalars(
        select(Pool).where(Pool.round_id == round.id).order_by(Pool.division_id, Pool.version)
    ).all()


# --- ready to open? ------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeadcountsOfDivision:
    """How many of a division's units have a headcount, how many people that makes, and by which sources."""

    units: int
    known: int
    people: int
    sources: Sequence[str]


def _headcounts(round: Round) -> dict[int, HeadcountsOfDivision]:
    """Return what is known of the headcounts of each division by its id."""
    units = dict(db.session.execute(select(Unit.kind, func.count()).group_by(Unit.kind)).all())
    rows = db.session.execute(
        select(
            Headcount.division_id,
            func.count().label("known"),
            func.sum(Headcount.headcount).label("people"),
            func.array_agg(Headcount.source.distinct()).label("sources"),
        )
        .where(Headcount.division_id.in_([asked.division_id for asked in round.divisions]))
        .group_by(Headcount.division_id)
    )
    known = {row.division_id: row for row in rows}
    found = {}
    for asked in round.divisions:
        row = known.get(asked.division_id)
        of_communes = asked.division.unit_kind == "commune"
        found[asked.division_id] = HeadcountsOfDivision(
            units=units.get("commune", 0) if of_communes else sum(units.values()),
            known=row.known if row else 0,
            people=row.people if row else 0,
            sources=row.sources if row else (),
        )
    return found


def _checks(
    round: Round,
    matrices: Sequence[Matrix],
    headcounts: Mapping[int, HeadcountsOfDivision],
    *,
    now: datetime,
) -> list[tuple[str, str, str]]:
    """Return what must be (error) or should be (warning) in order before opening: kind, title, words."""
    checks = [_check_of_items(matrix) for matrix in matrices]
    for asked in round.divisions:
        known = headcounts[asked.division_id]
        missing = known.units - known.known
        words = f"{vn_number(known.known)}/{vn_number(known.units)} đơn vị có số người."
        if missing > 0:
            words += " Đơn vị không có số người không được xếp hạng."
        checks.append(
            ("warning" if missing > 0 else "success", f"Số người của đơn vị, {asked.division.name}", words)
        )
    if round.seed_commitment:
        checks.append(("success", "Cam kết hạt giống", "Đã có, công bố trước giờ mở."))
    else:
        checks.append(("success", "Cam kết hạt giống", "Được tạo và công bố ngay khi bấm mở."))
    if now >= round.closes_at:
        checks.append(("error", "Thời gian", "Vòng thi đã qua thời điểm đóng."))
    elif now >= round.opens_at:
        checks.append(("warning", "Thời gian", "Đã qua giờ mở; người dự thi vào được ngay khi bấm mở."))
    else:
        checks.append(("success", "Thời gian", "Mở trước giờ thi; chưa ai vào được trước giờ đã công bố."))
    return checks


def _check_of_items(matrix: Matrix) -> tuple[str, str, str]:
    title = f"Câu hỏi, {matrix.asked.division.name}"
    if not matrix.short:
        return ("success", title, f"{vn_number(matrix.in_pool)} câu phù hợp cho đề {matrix.total} câu.")
    lacks = "; ".join(
        f"{cell.topic}, {LEVEL_NAMES.get(cell.level, cell.level).lower()}: cần {cell.count}, có {sure}"
        for cell, sure in matrix.short
    )
    return ("error", title, f"Chưa đủ: {lacks}.")
