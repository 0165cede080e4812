"""A round's configuration, and the steps of its life: opened, ended early, its books closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug import Response

from contest import (
    books,
    contest_settings,
    contests,
    dashboards,
    headcounts,
    pools,
    readiness,
    round_settings,
)
from contest.clock import db_now
from contest.contests import Phase
from contest.extensions import db
from contest.fields import typed_reason
from contest.formatting import vn_number
from contest.models import AuditEvent, Pool, Prize, Publication, Round, RoundDivision
from contest.rules import wording
from contest.rules.explaining import CRITERIA_IN_WORDS
from contest.security import new_round_seed
from question_bank.draw import Cell, PoolItem, shortfalls
from question_bank.items import LEVELS, TOPICS

bp = Blueprint("admin_rounds", __name__, url_prefix="/admin")
ROUND = "/rounds/<int(max=2147483647):round_id>"

HISTORY_SHOWN = 20
LEVEL_NAMES = {"NB": "Nhận biết", "TH": "Thông hiểu", "VD": "Vận dụng"}


@bp.get(ROUND)
def show(round_id: int) -> ResponseReturnValue:
    """Show a round's whole configuration, the steps behind it, and the next one with what it does."""
    session = db.session()
    now = db_now(session)
    round = contests.find_round(session, round_id)
    state = dashboards.state_of(session, round, now=now)
    items = pools.items_of_round(session, round, now=now)
    return render_template(
        "admin/rounds/show.html",
        contest=round.contest,
        round=round,
        state=state,
        steps=_steps(round),
        is_asked=request.args.get("step") == state.step.value,
        matrices=[_matrix(asked, items.get(asked.division_id, ())) for asked in round.divisions],
        headcounts=headcounts.known(session, [asked.division for asked in round.divisions]),
        history=_history(round),
        changed=wording.changed,
        sentences=wording.of_round(
            round_settings.settings_of_round(session, round),
            contest_settings.settings_of_contest(round.contest).divisions,
        ),
        pools=_frozen(round),
        prizes=session.scalars(
            select(Prize)
            .where(Prize.round_id == round.id)
            .order_by(Prize.position)
            .options(joinedload(Prize.division))
        ).all(),
        checks=readiness.checks(session, round, now=now, items=items) if round.opened_at is None else (),
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
    contests.end_round(session, round, reason=typed_reason(), now=db_now(session), actor_id=current_user.id)
    db.session.commit()
    return _done(round_id, "Đã đóng sớm vòng thi. Không nhận thêm lượt mới; ai đang làm bài vẫn đủ giờ.")


@bp.post(f"{ROUND}/books")
def close_books(round_id: int) -> ResponseReturnValue:
    """Count the truth of the prediction, and rank by the whole chain."""
    session = db.session()
    round = contests.find_round(session, round_id)
    data_key = current_app.config["CONTEST"].data_key
    people = books.close(session, round, data_key=data_key, now=db_now(session), actor_id=current_user.id)
    db.session.commit()
    return _done(round_id, f"Đã chốt sổ và xếp hạng {vn_number(people)} người theo đủ các tiêu chí.")


def _done(round_id: int, sentence: str) -> Response:
    flash(sentence, "success")
    return redirect(url_for("admin_rounds.show", round_id=round_id), 303)


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


def _history(round: Round) -> Sequence[AuditEvent]:
    """Return the saved changes of a round's configuration, the newest first."""
    actions = ("round.create", "round.configure", "round.seed_text", "round.lot_text")
    return db.session.scalars(
        select(AuditEvent)
        .where(AuditEvent.subject == f"round/{round.id}", AuditEvent.action.in_(actions))
        .order_by(AuditEvent.id.desc())
        .limit(HISTORY_SHOWN)
        .options(joinedload(AuditEvent.actor))
    ).all()


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
