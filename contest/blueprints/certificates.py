"""Certificates: what anyone with the code may know, and the PDF for whom it is of."""

from io import BytesIO

from flask import Blueprint, current_app, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from contest import certificates, contests
from contest.clock import db_now
from contest.documents.certificates import certificates as print_certificates
from contest.documents.state_documents import organizers
from contest.extensions import db
from contest.models.units import GROUPS

bp = Blueprint("certificates", __name__)


@bp.get("/certificates")
def check() -> ResponseReturnValue:
    """Ask for the code of a certificate, and lead to what it certifies."""
    code = certificates.normal_code(request.args.get("code", "")).strip()
    if code:
        return redirect(url_for("certificates.show", certificate_code=certificates.shown_code(code)), 303)
    return render_template("certificates/check.html", contest=contests.current_contest(db.session()))


@bp.get("/certificates/<certificate_code>")
def show(certificate_code: str) -> ResponseReturnValue:
    """What a certificate says: of whom as published, for what, and whether it still holds."""
    found = certificates.find(db.session(), certificate_code)
    return render_template(
        "certificates/show.html",
        certificate=found,
        contest=found.round.contest,
        code=certificates.shown_code(found.code),
        name=certificates.shown_name(db.session(), found),
        group=GROUPS.get(found.unit.group, found.unit.group),
    )


@bp.get("/me/certificates/<certificate_code>.pdf")
def download(certificate_code: str) -> ResponseReturnValue:
    """Give the signed-in person's own certificate as PDF."""
    found = certificates.find_own(db.session(), certificate_code, current_user.id)
    pdf = print_certificates(
        organizers(current_app.config["CONTEST"].province, "QĐ-BTC"),
        [certificates.page_of(found)],
        site=request.url_root,
        issued_at=found.issued_at,
    )
    return send_file(
        BytesIO(pdf),
        mimetype="application/pdf",
        download_name=f"Giấy chứng nhận {certificates.shown_code(found.code)}.pdf",
        max_age=0,
    )


@bp.post("/rounds/<int(max=2147483647):round_id>/participation")
def take_part(round_id: int) -> ResponseReturnValue:
    """Certify that the signed-in person took part in a round."""
    certificates.certify_taking_part(db.session(), current_user.account, round_id, now=db_now(db.session()))
    db.session.commit()
    flash("Đã cấp giấy chứng nhận tham gia; bạn tải về ở mục Giấy chứng nhận.", "success")
    return redirect(url_for("accounts.me", _anchor="certificates"), 303)
