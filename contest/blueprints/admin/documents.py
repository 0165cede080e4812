"""Documents to print: a published version in the layout of state documents, and posters for communes."""

from io import BytesIO

from flask import Blueprint, current_app, request, send_file, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from contest import contests, printed_results, round_reports
from contest.clock import db_now
from contest.documents.posters import Poster
from contest.documents.posters import posters as print_posters
from contest.documents.state_documents import organizers
from contest.errors import NotThere
from contest.extensions import db
from contest.models import Publication, Round, Unit

bp = Blueprint("admin_documents", __name__, url_prefix="/admin")

ROUND = "/rounds/<int(max=2147483647):round_id>"
VERSION = f"{ROUND}/publications/<int(max=2147483647):version>"


@bp.get(f"{VERSION}/winners.pdf")
def winner_list(round_id: int, version: int) -> ResponseReturnValue:
    """Give the winners of a published version as PDF."""
    publication = _publication(round_id, version)
    pdf = printed_results.winner_list_of(publication, province=_province())
    return _pdf(pdf, f"Danh sách đạt giải vòng {publication.round.number}, bản {version}")


@bp.get(f"{VERSION}/units.pdf")
def unit_summary(round_id: int, version: int) -> ResponseReturnValue:
    """Give the units of a published version as PDF."""
    publication = _publication(round_id, version)
    pdf = printed_results.unit_summary_of(publication, province=_province())
    return _pdf(pdf, f"Kết quả theo đơn vị vòng {publication.round.number}, bản {version}")


@bp.get(f"{ROUND}/report.pdf")
def round_report(round_id: int) -> ResponseReturnValue:
    """Give the report of a round for leaders as PDF."""
    session = db.session()
    round = contests.find_round(session, round_id)
    pdf = round_reports.report_of(session, round, province=_province(), now=db_now(session))
    return _pdf(pdf, f"Báo cáo vòng {round.number}")


@bp.get(f"{ROUND}/posters.pdf")
def posters(round_id: int) -> ResponseReturnValue:
    """Give a poster for every commune, or for the one that the address names, as PDF."""
    round = contests.find_round(db.session(), round_id)
    communes = select(Unit).where(Unit.kind == "commune").order_by(Unit.sort_key)
    if code := request.args.get("unit"):
        communes = communes.where(Unit.code == code)
    units = db.session.scalars(communes).all()
    if not units:
        raise NotThere("Không có xã, phường nào như vậy.")
    pdf = print_posters(
        [
            Poster(
                unit.name,
                url_for("public.contest_page", slug=round.contest.slug, poster=unit.code, _external=True),
            )
            for unit in units
        ],
        organizer=organizers(_province(), "").parent,
        contest=round.contest.title,
        shown_address=request.host,
        opens_at=round.opens_at,
        closes_at=round.closes_at,
        made_at=db_now(db.session()),
    )
    return _pdf(pdf, f"Áp phích vòng {round.number}")


def _publication(round_id: int, version: int) -> Publication:
    publication = db.session.scalar(
        select(Publication)
        .where(Publication.round_id == round_id, Publication.version == version)
        .options(joinedload(Publication.round).joinedload(Round.contest))
    )
    if publication is None:
        raise NotThere("Không có bản công bố này.")
    return publication


def _province() -> str:
    province: str = current_app.config["CONTEST"].province
    return province


def _pdf(pdf: bytes, name: str) -> ResponseReturnValue:
    return send_file(BytesIO(pdf), mimetype="application/pdf", download_name=f"{name}.pdf", max_age=0)
