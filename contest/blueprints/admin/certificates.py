"""Certificates of a round: issued from the official publication, and printed in bulk."""

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from contest import certificate_files, certificates, contests, dashboards, jobs, tasks
from contest.clock import db_now
from contest.errors import BadInput
from contest.extensions import db
from contest.formatting import vn_number
from contest.models.units import GROUPS

bp = Blueprint("admin_certificates", __name__, url_prefix="/admin")

ROUND = "/rounds/<int(max=2147483647):round_id>"


@bp.get(f"{ROUND}/certificates")
def show(round_id: int) -> ResponseReturnValue:
    """Show what is issued, from which publication, and the last printing."""
    session = db.session()
    round = contests.find_round(session, round_id)
    return render_template(
        "admin/certificates/show.html",
        contest=round.contest,
        round=round,
        state=dashboards.state_of(session, round, now=db_now(session)),
        publication=certificates.official(session, round.id),
        issued=certificates.of_round(session, round.id),
        counts=certificates.counts(session, round.id),
        printing=tasks.newest(session, certificate_files.KIND, f"round/{round.id}"),
        shown_code=certificates.shown_code,
        groups=GROUPS,
        most_unit_places=certificates.MOST_UNIT_PLACES,
    )


@bp.post(f"{ROUND}/certificates")
def issue(round_id: int) -> ResponseReturnValue:
    """Issue what the newest official publication says."""
    session = db.session()
    places = request.form.get("unit_places", type=int)
    if places is None or not 0 <= places <= certificates.MOST_UNIT_PLACES:
        raise BadInput(f"Số hạng của đơn vị phải từ 0 đến {certificates.MOST_UNIT_PLACES}.")
    issued = certificates.issue(
        session,
        contests.find_round(session, round_id),
        unit_places=places,
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    if issued.new or issued.revoked:
        done = f"Đã cấp {vn_number(issued.new)} giấy chứng nhận mới, thu hồi {vn_number(issued.revoked)}."
    else:
        done = "Các giấy đã cấp vẫn đúng với bản công bố; không có gì thay đổi."
    flash(done, "success")
    return redirect(url_for("admin_certificates.show", round_id=round_id), 303)


@bp.post(f"{ROUND}/certificates/printing")
def print_all(round_id: int) -> ResponseReturnValue:
    """Have all certificates of the round printed, and lead to the page that shows how far it is."""
    session = db.session()
    task = certificate_files.order(
        session,
        contests.find_round(session, round_id),
        site=request.url_root,
        province=current_app.config["CONTEST"].province,
        now=db_now(session),
        actor_id=current_user.id,
    )
    db.session.commit()
    jobs.ring_for_tasks()
    return redirect(url_for("admin_tasks.show", task_id=task.id), 303)


@bp.get("/tasks/<int(max=9007199254740991):task_id>/files.zip")
def files(task_id: int) -> ResponseReturnValue:
    """Send the files that a task printed as one ZIP, while it is being written."""
    pieces = certificate_files.archive(db.session(), task_id)
    return Response(
        stream_with_context(pieces),
        mimetype="application/zip",
        headers={"Content-Disposition": f"attachment; filename=giay-chung-nhan-{task_id}.zip"},
    )
