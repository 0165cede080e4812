"""Results: standings as staff see them, the winners to be, and every published version."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import Row, select
from sqlalchemy.orm import joinedload

from contest import (
    accounts,
    complaints,
    contests,
    dashboards,
    jobs,
    leaderboards,
    official_results,
    proposals,
    publication_tasks,
    publishing,
    winner_checks,
    workbooks,
)
from contest.clock import db_now
from contest.errors import NotThere
from contest.extensions import db
from contest.fields import typed_reason
from contest.models import Account, Prize, Publication, Round, RoundDivision, Standing
from contest.models.units import GROUPS
from contest.rules.explaining import CRITERIA_IN_WORDS, PERCENT
from contest.rules.naming import public_name
from contest.rules.publication_changes import prize_changes

bp = Blueprint("admin_results", __name__, url_prefix="/admin")

ROUND = "/rounds/<int(max=2147483647):round_id>"
PAGE_SIZE = 50
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@bp.get(f"{ROUND}/standings")
def individuals(round_id: int) -> ResponseReturnValue:
    """Show a division's people in their order, under their full names."""
    session = db.session()
    round = contests.find_round(session, round_id)
    asked = dashboards.division_of(round, request.args.get("division"))
    page = leaderboards.people_page(
        session,
        round.id,
        asked.division_id,
        number=request.args.get("page", 1, type=int),
        size=PAGE_SIZE,
    )
    return render_template(
        "admin/results/individuals.html",
        contest=round.contest,
        round=round,
        state=dashboards.state_of(session, round, now=db_now(session)),
        asked=asked,
        chain=leaderboards.chain_of(round, asked),
        criteria=CRITERIA_IN_WORDS,
        page=page,
        sentences=leaderboards.sentences(db.session(), asked, page.rows),
        percent=_percent(asked),
    )


@bp.get(f"{ROUND}/standings/units")
def units(round_id: int) -> ResponseReturnValue:
    """Show a division's units in their order within each group."""
    session = db.session()
    round = contests.find_round(session, round_id)
    asked = dashboards.division_of(round, request.args.get("division"))
    rows = leaderboards.unit_rows(session, round.id, asked.division_id)
    groups = {row.group: [one for one in rows if one.group == row.group] for row in rows}
    return render_template(
        "admin/results/units.html",
        contest=round.contest,
        round=round,
        state=dashboards.state_of(session, round, now=db_now(session)),
        asked=asked,
        groups=[(GROUPS.get(group, group), members) for group, members in groups.items()],
    )


@bp.get(f"{ROUND}/results")
def show(round_id: int) -> ResponseReturnValue:
    """Show the winners as the standings are now, what differs from the last version, and all versions."""
    session = db.session()
    round = contests.find_round(session, round_id)
    data_key = current_app.config["CONTEST"].data_key
    now = db_now(session)
    awards = _awards(round) if contests.are_prizes_decided(round) else []
    last = contests.newest_publication(session, round_id)
    rows = publishing.winner_rows(session, round, data_key=data_key) if last else []
    checks = winner_checks.of_round(session, round_id)
    return render_template(
        "admin/results/show.html",
        contest=round.contest,
        round=round,
        state=dashboards.state_of(session, round, now=now),
        awards=awards,
        waits_for_lot_text=contests.waits_for_lot_text(round),
        last=last,
        changes=prize_changes(last.content["winners"], rows) if last else [],
        checks=checks,
        namesakes=winner_checks.namesakes(session, checks.values()),
        complaints=complaints.counts(session, round_id),
        blockers=list(official_results.blockers(session, round, data_key=data_key, now=now)) if last else [],
        proposed=proposals.waiting(session, round_id=round_id, kind=official_results.KIND),
        versions=_versions(round_id),
        percents={asked.division_id: _percent(asked) for asked in round.divisions},
    )


@bp.post(f"{ROUND}/publications")
def publish(round_id: int) -> ResponseReturnValue:
    """Publish the results as they are now, as the next version."""
    session = db.session()
    round = contests.find_round(session, round_id)
    reason = typed_reason()
    if publication_tasks.takes_long(session, round):
        task = publication_tasks.order(
            session,
            round,
            reason=reason,
            data_key=current_app.config["CONTEST"].data_key,
            now=db_now(session),
            actor_id=current_user.id,
        )
        db.session.commit()
        jobs.ring_for_tasks()
        return redirect(url_for("admin_tasks.show", task_id=task.id), 303)
    publication = publishing.publish(
        session,
        round,
        reason=reason,
        data_key=current_app.config["CONTEST"].data_key,
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    flash(f"Đã công bố kết quả, bản số {publication.version}.", "success")
    return redirect(url_for("admin_results.show", round_id=round_id), 303)


@bp.post(f"{ROUND}/official")
def propose_official(round_id: int) -> ResponseReturnValue:
    """Put the official results before a second person."""
    session = db.session()
    official_results.propose(
        session,
        contests.find_round(session, round_id),
        reason=typed_reason(),
        data_key=current_app.config["CONTEST"].data_key,
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    flash("Đã đề nghị công bố chính thức. Người phê duyệt cần ký.", "success")
    return redirect(url_for("admin_results.show", round_id=round_id), 303)


@bp.get(f"{ROUND}/publications/<int(max=2147483647):version>.xlsx")
def workbook(round_id: int, version: int) -> ResponseReturnValue:
    """Give a published version as XLSX."""
    publication = db.session.scalar(
        select(Publication)
        .where(Publication.round_id == round_id, Publication.version == version)
        .options(joinedload(Publication.round))
    )
    if publication is None:
        raise NotThere("Không có bản công bố này.")
    return send_file(
        BytesIO(workbooks.publication_workbook(publication)),
        mimetype=XLSX,
        as_attachment=True,
        download_name=f"Kết quả vòng {publication.round.number}, bản {version}.xlsx",
        max_age=0,
    )


# --- standings -----------------------------------------------------------------------------------


def _percent(asked: RoundDivision) -> int:
    """Return how many whole numbers of a prediction make one per cent; 1 where people are counted."""
    return PERCENT if asked.prediction_counted == "percentage" else 1


# --- winners -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Award:
    """A prize and who would get it, with the name that would be published."""

    prize: Prize
    standing: Standing
    is_by_lot: bool
    public_name: str


def _awards(round: Round) -> list[Award]:
    session = db.session()
    won = publishing.winners(session, round, data_key=current_app.config["CONTEST"].data_key)
    granted = accounts.has_consented(session, [row.account_id for _, row, _ in won], "publication")
    return [
        Award(
            prize,
            row,
            is_by_lot,
            public_name(
                row.account.name,
                row.account.draw_id,
                is_publication_granted=row.account_id in granted,
                is_winner=True,
            ),
        )
        for prize, row, is_by_lot in won
    ]


def _versions(round_id: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the published versions without their contents, the newest first."""
    return db.session.execute(
        select(
            Publication.version,
            Publication.kind,
            Publication.published_at,
            Publication.reason,
            Publication.sha256,
            Account.name.label("published_by"),
        )
        .join(Publication.published_by)
        .where(Publication.round_id == round_id)
        .order_by(Publication.version.desc())
    ).all()
