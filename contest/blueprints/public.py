"""What everybody reads: the landing page, the rules, and what happens to people's data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, current_app, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug import Response

from contest import (
    accounts,
    contest_settings,
    contests,
    headcounts,
    leaderboards,
    registrations,
    resits,
    round_settings,
    turnout,
)
from contest.clock import db_now
from contest.contests import Phase
from contest.errors import NotThere
from contest.extensions import db
from contest.formatting import vn_datetime, vn_duration
from contest.models import (
    Attempt,
    Contest,
    Pool,
    Prize,
    Publication,
    Registration,
    Resit,
    Round,
    RoundDivision,
)
from contest.models.units import GROUPS
from contest.rules import wording
from contest.rules.articles import chapters
from contest.rules.eligibility import youngest
from contest.rules.timing import next_start

bp = Blueprint("public", __name__)

MOST_ACTIVE = 8


@dataclass(frozen=True)
class Step:
    """What the one big button of the landing page does for this person, and the sentence above it."""

    label: str
    href: str
    sentence: str = ""
    # Starting an attempt changes something, so it is a form.
    is_start: bool = False
    # The quiet button beside it.
    other: tuple[str, str] | None = None


@bp.get("/")
def landing() -> ResponseReturnValue:
    """The page of the newest contest."""
    contest = contests.current_contest(db.session())
    return _contest_page(contest) if contest else render_template("public/no_contest.html")


@bp.get("/contests/<slug>")
def contest_page(slug: str) -> ResponseReturnValue:
    """The page of one contest."""
    return _contest_page(contests.find_contest(db.session(), slug, with_drafts=_is_staff()))


def _contest_page(contest: Contest) -> ResponseReturnValue:
    now = db_now(db.session())
    entry = _own_entry(contest)
    own = contests.rounds_of_division(db.session(), contest.id, entry.division_id) if entry else ()
    round = contests.round_on_show(contest, now=now, preferred=own)
    if round is None:
        return render_template("public/no_round.html", contest=contest)
    asked = _asked(contest)
    return render_template(
        "public/landing.html",
        contest=contest,
        round=round,
        where=contests.phase(round, now=now),
        Phase=Phase,
        step=_next_step(contest, round, entry, asked[round.id], now=now),
        phases={one.id: contests.phase(one, now=now) for one in contest.rounds},
        sizes={one.id: _sizes(asked[one.id]) for one in contest.rounds},
        who=_who(contest, asked),
        prizes=_prizes(contest)[round.id],
        participation=_participation(contest, asked, now=now),
        now=now,
        remaining_ms=lambda at: max(0, int((at - now).total_seconds() * 1000)),
        remaining=lambda at: _remaining(at, now),
    )


def _remaining(at: datetime, now: datetime) -> str:
    """Return "6 ngày 14:03:22", as the countdown in the browser goes on to write it."""
    seconds = max(0, -int((now - at).total_seconds() // 1))
    days, seconds = divmod(seconds, 86_400)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{days} ngày {clock}" if days else clock


# --- the one big button --------------------------------------------------------------------------


def _own_entry(contest: Contest) -> Registration | None:
    if not current_user.is_authenticated:
        return None
    return registrations.of_account(db.session(), current_user.id, contest.id)


def _next_step(
    contest: Contest,
    round: Round,
    entry: Registration | None,
    asked: Sequence[RoundDivision],
    *,
    now: datetime,
) -> Step:
    """Return what this person does next in a round, by its phase, their sign-in, entry and attempts."""
    where = contests.phase(round, now=now)
    if where is Phase.CLOSING and entry and (resit := _resit(round, now=now)):
        until = f"Bạn được thi lại một lượt, vào thi trước {vn_datetime(resit.closes_at)}."
        return Step("Vào thi lại", url_for("attempts.start", round_id=round.id), until, is_start=True)
    if where not in (Phase.PLANNED, Phase.OPEN):
        return _step_after(contest, round, now=now)
    if entry is None:
        return _step_to_enter()
    mine = next((one for one in asked if one.division_id == entry.division_id), None)
    if mine is None:
        rules = url_for("public.rules", slug=contest.slug)
        return Step("Xem thể lệ", rules, f"Vòng này không dành cho bảng {entry.division.name} của bạn.")
    if where is Phase.PLANNED:
        return Step(
            "Xem thể lệ",
            url_for("public.rules", slug=contest.slug),
            "Bạn đã đăng ký. Nút Vào thi hiện ở đây khi vòng thi mở.",
        )
    return _step_to_sit(round, mine, now=now)


def _step_to_enter() -> Step:
    register = url_for("accounts.register")
    if not current_user.is_authenticated:
        sign_in = ("Đăng nhập", url_for("accounts.login"))
        return Step("Đăng ký dự thi", register, "Đăng ký một lần, thi mọi vòng.", other=sign_in)
    if current_user.is_staff:
        admin = url_for("admin_dashboard.index")
        return Step("Vào trang quản trị", admin, "Tài khoản quản trị không dự thi.")
    return Step("Đăng ký dự thi", register, "Bạn chưa đăng ký cuộc thi này.")


def _step_to_sit(round: Round, mine: RoundDivision, *, now: datetime) -> Step:
    tries = [one for one in _own_attempts(round) if one.voided_at is None]
    sitting = next((one for one in tries if one.submitted_at is None and now < one.deadline_at), None)
    if sitting:
        return Step(
            "Tiếp tục làm bài",
            url_for("attempts.show", public_id=sitting.public_id),
            f"Bạn đang làm dở một bài, hết giờ lúc {vn_datetime(sitting.deadline_at)}. Bài đã lưu vẫn còn.",
        )
    left = round.attempts_allowed - len(tries)
    handed_in = tries[-1].submitted_at if tries else None
    next_at = next_start(handed_in, round.cooldown_ms)
    if left > 0 and round.paused_until is not None and now < round.paused_until:
        rules = url_for("public.rules", slug=round.contest.slug)
        return Step("Xem thể lệ", rules, f"Vòng thi tạm dừng đến {vn_datetime(round.paused_until)}.")
    if left > 0 and next_at is not None and now < next_at:
        result = url_for("attempts.result", public_id=tries[-1].public_id)
        return Step(
            "Xem kết quả", result, f"Bạn còn {left} lượt thi, bắt đầu được từ {vn_datetime(next_at)}."
        )
    if left > 0:
        short = f"{_size(mine)} câu trong {vn_duration(round.duration_ms)}. Bạn còn {left} lượt thi."
        return Step("Vào thi", url_for("attempts.start", round_id=round.id), short, is_start=True)
    return Step(
        "Xem kết quả",
        url_for("attempts.result", public_id=tries[-1].public_id),
        f"Bạn đã nộp bài lúc {vn_datetime(handed_in)}." if handed_in else "Bài của bạn đã hết giờ.",
    )


def _step_after(contest: Contest, round: Round, *, now: datetime) -> Step:
    """Return what there is to see of a round that is over."""
    own = _own_attempts(round) if current_user.is_authenticated else []
    if own:
        mine = url_for("attempts.result", public_id=own[-1].public_id)
        return Step("Xem kết quả", mine, "Bạn đã tham gia vòng này.")
    if db.session.scalar(select(Publication.id).where(Publication.round_id == round.id).limit(1)):
        winners = url_for("leaderboards.winners", slug=contest.slug, round=round.number)
        return Step("Xem kết quả", winners, "Kết quả của vòng này đã được công bố.")
    if leaderboards.is_public(round, now=now):
        board = url_for("leaderboards.units", slug=contest.slug, round=round.number)
        return Step("Xem bảng xếp hạng", board, "Kết quả chính thức sẽ được Ban Tổ chức công bố.")
    return Step(
        "Xem thể lệ", url_for("public.rules", slug=contest.slug), "Những bài thi cuối đang được chấm."
    )


def _resit(round: Round, *, now: datetime) -> Resit | None:
    return resits.to_take(db.session(), current_user.id, round.contest_id, now=now).get(round.id)


def _own_attempts(round: Round) -> list[Attempt]:
    attempts = registrations.own_attempts(db.session(), current_user.id, round.contest_id)
    return [one for one in attempts if one.round_id == round.id]


# --- what a round asks ---------------------------------------------------------------------------


def _asked(contest: Contest) -> Mapping[int, list[RoundDivision]]:
    """Return what each round asks of its divisions, by the round's id."""
    rows = db.session.scalars(
        select(RoundDivision)
        .join(RoundDivision.round)
        .where(Round.contest_id == contest.id)
        .options(joinedload(RoundDivision.division))
    ).all()
    rows = sorted(rows, key=lambda one: one.division.position)
    return {round.id: [one for one in rows if one.round_id == round.id] for round in contest.rounds}


def _who(contest: Contest, asked: Mapping[int, Sequence[RoundDivision]]) -> dict[int, str]:
    """Return whom the rounds are for that are not for everybody, by the round's id."""
    divisions = contest_settings.settings_of_contest(contest).divisions
    return {
        round.id: wording.who({one.division.code for one in asked[round.id]}, divisions)
        for round in contest.rounds
        if 0 < len(asked[round.id]) < len(divisions)
    }


def _prizes(contest: Contest) -> Mapping[int, list[Prize]]:
    """Return the prizes of each round, highest first, by the round's id."""
    rows = db.session.scalars(
        select(Prize)
        .join(Round, Round.id == Prize.round_id)
        .where(Round.contest_id == contest.id)
        .order_by(Prize.position)
        .options(joinedload(Prize.division))
    ).all()
    return {round.id: [one for one in rows if one.round_id == round.id] for round in contest.rounds}


def _size(asked: RoundDivision) -> int:
    """Return how many items a paper of the division has."""
    return sum(int(cell["count"]) for cell in asked.specification)


def _sizes(asked: Sequence[RoundDivision]) -> str:
    """Return how many items the papers of a round have: "15", or "15 hoặc 20"."""
    return " hoặc ".join(str(size) for size in sorted({_size(one) for one in asked}))


def _participation(
    contest: Contest, asked: Mapping[int, Sequence[RoundDivision]], *, now: datetime
) -> dict[str, Any] | None:
    """Return the turnout of the communes in the newest round whose board is public, or None."""
    for round in reversed(contest.rounds):
        residents = next((one for one in asked[round.id] if one.division.unit_kind == "commune"), None)
        if residents and leaderboards.is_public(round, now=now):
            lines = turnout.turnout(leaderboards.unit_rows(db.session(), round.id, residents.division_id))
            first = [line for line in lines if line.rate][:MOST_ACTIVE]
            if first:
                return {
                    "round": round,
                    "division": residents.division,
                    "first": first,
                    "lines": lines,
                    "on_map": turnout.on_map(lines),
                    "is_provisional": round.books_closed_at is None,
                }
    return None


# --- the rules -----------------------------------------------------------------------------------


@bp.get("/contests/<slug>/rules")
def rules(slug: str) -> ResponseReturnValue:
    """The rules, generated from what the contest is really run by."""
    session = db.session()
    contest = contests.find_contest(session, slug, with_drafts=_is_staff())
    rounds = round_settings.settings_of_rounds(session, [round.id for round in contest.rounds])
    return render_template(
        "public/rules.html",
        contest=contest,
        chapters=chapters(contest_settings.settings_of_contest(contest), rounds, GROUPS),
        roman=("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"),
        names={one.code: one.name for one in contest.divisions},
        who=_who(contest, _asked(contest)),
        pools=_pools(contest),
        seeds={round.id: _seed(round) for round in contest.rounds},
        sources=headcounts.sources(session, contest) if contest.headcounts_locked_at else (),
    )


@bp.get("/contests/<slug>/headcounts.csv")
def headcounts_file(slug: str) -> ResponseReturnValue:
    """The locked headcounts, byte for byte as their digest was made."""
    contest = contests.find_contest(db.session(), slug)
    if contest.headcounts_locked_at is None:
        raise NotThere("Số người của các đơn vị chưa được công bố.")
    content = headcounts.write(db.session(), contest, only_known=True)
    return Response(
        content,
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="so-nguoi-{contest.slug}.csv"'},
    )


def _is_staff() -> bool:
    return bool(current_user.is_authenticated and current_user.is_staff)


def _pools(contest: Contest) -> Mapping[int, list[Any]]:
    """Return the frozen pools of each round, without their files, by the round's id."""
    rows = db.session.execute(
        select(Pool.round_id, Pool.division_id, Pool.version, Pool.sha256)
        .join(Round, Round.id == Pool.round_id)
        .where(Round.contest_id == contest.id)
        .order_by(Pool.id)
    ).all()
    return {round.id: [row for row in rows if row.round_id == round.id] for round in contest.rounds}


def _seed(round: Round) -> str | None:
    seed = contests.revealed_seed(round, data_key=current_app.config["CONTEST"].data_key)
    return seed.hex() if seed else None


@bp.get("/privacy")
def privacy() -> ResponseReturnValue:
    """What people agree to, word for word, and what they can ask for."""
    contest = contests.current_contest(db.session())
    return render_template(
        "public/privacy.html",
        contest=contest,
        consents=accounts.CONSENTS,
        version=accounts.CONSENT_VERSION,
        minimum_age=youngest(contest.minimum_age if contest else 0),
    )
