"""Taking part: start, the paper, saving, submitting, result and receipt."""

import json
import secrets
import time
from typing import Any, NoReturn

import msgspec
from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from contest import attempts, contests, door, exclusions, jobs, papers
from contest.attempts import CLOSED, Outcome, Saved
from contest.clock import db_now
from contest.documents.qr import qr_svg
from contest.entries import NotSignedIn
from contest.errors import BadInput, Conflict, NotThere, TooSoon, TryAgain
from contest.extensions import db
from contest.hot_connections import hot_connection
from contest.models import Attempt, Round
from contest.receipts import receipt_facts
from contest.rules.exclusions import KINDS
from contest.rules.prediction import read_count, read_percentage
from contest.rules.scoring import POINT
from contest.rules.sheets import BadSheet, Sheet, read_sheet
from contest.security import plain_receipt_code, receipt_digest
from contest.signing_in import session_hash

bp = Blueprint("attempts", __name__)

# A request that waited longer has probably been given up by the phone, which sends it again.
LONGEST_WAIT = 5.0
LONGEST_CODE = 40
CLOSED_CODES = {
    Outcome.VOIDED: "voided",
    Outcome.SUBMITTED: "submitted",
    Outcome.DEADLINE_PASSED: "deadline_passed",
}


# --- the hot path: no account is loaded, each operation is one transaction ------------------------


@bp.post("/rounds/<int:round_id>/attempts")
def start(round_id: int) -> ResponseReturnValue:
    """Open an attempt, or lead to the open one; in a crowd, to a place in the line before it."""
    request.get_data()
    arrived = time.monotonic()
    turn = door.turn(round_id, waited=_waited(arrived))
    if not turn.is_called:
        return door.to_the_line(round_id, turn)
    data_key, refusal = current_app.config["CONTEST"].data_key, None
    with hot_connection() as connection, connection.transaction():
        try:
            public_id = attempts.start(
                connection, session_hash(), round_id, data_key=data_key, waited=_waited(arrived)
            )
        except Conflict as error:
            refusal = error  # the person's own overdue attempt may have been closed all the same
    if refusal is not None:
        jobs.ring_for_scoring()
        raise refusal
    door.leave_the_line(round_id, turn)
    return redirect(url_for("attempts.show", public_id=public_id), 303)


@bp.put("/attempts/<public_id>/responses")
def save(public_id: str) -> ResponseReturnValue:
    """Store a whole answer sheet; acknowledged after it is committed."""
    try:
        body = request.get_data()
    except RequestEntityTooLarge:
        return _unreadable(413, "too_large", "the body is above 64 KB")
    arrived = time.monotonic()
    try:
        sheet = read_sheet(_decoded(body))
    except (ValueError, RecursionError):
        return _unreadable(400, "bad_json", "the body is no JSON")
    except BadSheet as error:
        return _unreadable(422, "bad_sheet", str(error))
    with hot_connection() as connection:
        saved = attempts.save(connection, session_hash(), public_id, sheet, waited=_waited(arrived))
    return _answer(saved)


@bp.post("/attempts/<public_id>/responses")
def save_form(public_id: str) -> ResponseReturnValue:
    """Store the sheet of the plain form ("Lưu nháp"); a stale one is asked about, never stored."""
    sheet, arrived = _form_sheet()
    if sheet is None:
        raise _unreadable_form()
    with hot_connection() as connection:
        saved = attempts.save(connection, session_hash(), public_id, sheet, waited=_waited(arrived))
    if saved.outcome is Outcome.STALE:
        return _conflict(public_id, sheet, saved, submitting=False)
    if saved.outcome in CLOSED:
        return redirect(url_for("attempts.result", public_id=public_id), 303)
    if saved.outcome in (Outcome.WRONG_SHAPE, Outcome.TOO_FAR_AHEAD):
        raise _unreadable_form()
    if saved.outcome is Outcome.TOO_SOON:
        raise TooSoon("Bạn vừa lưu cách đây chưa đầy một giây. Bạn hãy bấm lại.")
    if saved.outcome is Outcome.UNKNOWN:
        raise TryAgain("Bài chưa lưu được. Bạn hãy bấm lại.")
    return redirect(url_for("attempts.show", public_id=public_id), 303)


@bp.post("/attempts/<public_id>/submission")
def submit(public_id: str) -> ResponseReturnValue:
    """Close the attempt with its last sheet; twice gives the same receipt."""
    has_sheet = "seq" in request.form
    sheet, arrived = _form_sheet() if has_sheet else (None, time.monotonic())
    with hot_connection() as connection:
        refused = attempts.submit(
            connection,
            session_hash(),
            public_id,
            sheet,
            is_unreadable=has_sheet and sheet is None,
            waited=_waited(arrived),
        )
    if refused is None:
        jobs.ring_for_scoring()
    elif refused.outcome is Outcome.STALE and sheet is not None:
        return _conflict(public_id, sheet, refused, submitting=True)
    elif refused.outcome not in CLOSED:
        if refused.outcome is Outcome.UNKNOWN and sheet is not None:
            raise TryAgain("Bài chưa nộp được. Bạn hãy bấm lại.")
        raise _unreadable_form()
    return redirect(url_for("attempts.result", public_id=public_id), 303)


def _waited(arrived: float) -> float:
    """Return how long the request has waited here. Raises TryAgain when it was too long."""
    waited = time.monotonic() - arrived
    if waited > LONGEST_WAIT:
        raise TryAgain("Hệ thống đang bận. Trang sẽ tự gửi lại.")
    return waited


def _decoded(body: bytes) -> object:
    """Return the JSON in a body. Raises ValueError if it is none.

    msgspec is quick but calls a number of a thousand digits no JSON; such a body is read again by
    the standard library, which leaves it to the sheet's own check.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(body, parse_int=_bounded_int, parse_constant=_no_number)


def _bounded_int(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float("inf")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _answer(saved: Saved) -> ResponseReturnValue:
    """Return a save's outcome as rules.md words it for the page."""
    stored = saved.stored
    facts: dict[str, Any] = {
        "seq": stored.seq,
        "stored": saved.outcome is Outcome.STORED,
        "saved_at": stored.saved_at.isoformat() if stored.saved_at else None,
        "remaining_ms": saved.remaining_ms,
    }
    if saved.outcome is Outcome.STORED:
        return Response(msgspec.json.encode(facts), mimetype="application/json")
    if saved.outcome is Outcome.STALE:
        return facts | {
            "sheet": {
                "responses": stored.responses,
                "prediction": stored.prediction,
                "editor": stored.editor,
            }
        }
    if saved.outcome in CLOSED:
        facts |= {"code": CLOSED_CODES[saved.outcome], "stored": saved.is_the_stored}
        return facts, 409
    if saved.outcome is Outcome.TOO_SOON:
        return {"code": "too_soon"}, 429, {"Retry-After": "1"}
    if saved.outcome is Outcome.UNKNOWN:
        return {"code": "try_again"}, 503, {"Retry-After": "1"}
    code = "wrong_shape" if saved.outcome is Outcome.WRONG_SHAPE else "seq_too_far"
    return {"code": code}, 422


def _unreadable(status: int, code: str, message: str) -> ResponseReturnValue:
    """Refuse a body; without a live session the page has to sign in first, whatever it sent."""
    if not current_user.is_authenticated:
        raise NotSignedIn
    return {"code": code, "message": message}, status


# --- the plain form ------------------------------------------------------------------------------


def _form_sheet() -> tuple[Sheet | None, float]:
    """Return the sheet in the form, None if it can't be read, and when the whole body was there."""
    form = request.form
    arrived = time.monotonic()
    try:
        return read_sheet(_sheet_fields(form)), arrived
    except BadSheet:
        return None, arrived


def _sheet_fields(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return the form's fields in the shape of the JSON body: q1, q2, … hold the chosen labels."""
    return {
        "seq": _number(form.get("seq", "")),
        "base": _number(form.get("base", "")),
        "editor": form.get("editor", ""),
        "shape": form.get("shape", ""),
        "responses": {name[1:]: form.getlist(name) for name in form if name[:1] == "q"},
        "prediction": _form_prediction(form),
    }


def _form_prediction(form: MultiDict[str, str]) -> int | str | None:
    """Return the prediction in its units; a text that is none stays one, for the sheet to refuse."""
    for name, read in (("prediction", read_count), ("prediction_percent", read_percentage)):
        text = form.get(name, "").strip()
        if text:
            value = read(text)
            return text if value is None else value
    return None


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else text


def _unreadable_form() -> Exception:
    return BadInput(
        "Phiếu trả lời gửi lên không đọc được; có thể số dự đoán không phải là số nguyên. "
        "Bạn hãy quay lại trang làm bài, kiểm tra rồi gửi lại."
    )


def _conflict(public_id: str, sheet: Sheet, saved: Saved, *, submitting: bool) -> ResponseReturnValue:
    """Show the stored sheet and the one just sent, and ask which holds."""
    attempt = _own_attempt(public_id)
    questions = papers.questions(db.session(), attempt, saved.stored.responses)
    for question in questions:
        question["stored"] = question["chosen"]
        question["sent"] = sheet.responses.get(str(question["position"]), [])
    page = render_template(
        "attempts/conflict.html",
        attempt=attempt,
        contest=attempt.round.contest,
        questions=questions,
        stored_prediction=saved.stored.prediction,
        sent_prediction=sheet.prediction,
        percentage=(papers.prediction(db.session(), attempt) or {}).get("percentage", False),
        sheet={
            "seq": saved.stored.seq,
            "next_seq": saved.stored.seq + 1,
            "base": saved.stored.seq,
            "editor": sheet.editor,
            "shape": attempt.paper_shape,
        },
        submitting=submitting,
    )
    return page, 409


# --- pages ---------------------------------------------------------------------------------------


@bp.get("/attempts/<public_id>")
def show(public_id: str) -> ResponseReturnValue:
    """The paper; a closed attempt leads to its result."""
    attempt = _own_attempt(public_id)
    now = db_now(db.session())
    if not attempts.is_sitting(attempt, now=now):
        return redirect(url_for("attempts.result", public_id=public_id), 303)
    return render_template(
        "attempts/show.html",
        attempt=attempt,
        contest=attempt.round.contest,
        round=attempt.round,
        questions=papers.questions(db.session(), attempt, attempt.responses),
        prediction=papers.prediction(db.session(), attempt),
        sheet={
            "seq": attempt.save_seq,
            "base": attempt.save_seq,
            "editor": secrets.token_urlsafe(12),
            "shape": attempt.paper_shape,
        },
        remaining_ms=int((attempt.deadline_at - now).total_seconds() * 1000),
        deadline_at=attempt.deadline_at,
        saved_at=attempt.saved_at,
        duration_ms=attempt.round.duration_ms,
    )


@bp.get("/attempts/<public_id>/result")
def result(public_id: str) -> ResponseReturnValue:
    """The receipt and what the round's rule shows of the score; what still has time leads to its paper."""
    attempt = _own_attempt(public_id)
    if attempts.is_sitting(attempt, now=db_now(db.session())):
        return redirect(url_for("attempts.show", public_id=public_id), 303)
    is_closed = attempt.round.closed_at is not None
    return render_template(
        "attempts/result.html",
        attempt=attempt,
        contest=attempt.round.contest,
        round=attempt.round,
        answered=len(attempt.responses),
        asked=len(attempt.paper),
        full_points=len(attempt.paper) * POINT,
        is_score_shown=attempt.scored_at is not None
        and (is_closed or attempt.round.score_shown == "at_once"),
        review=papers.review(db.session(), attempt) if is_closed and attempt.scored_at else None,
        digest=_digest(attempt),
        prediction=papers.prediction(db.session(), attempt),
        exclusion=exclusions.standing_one(db.session(), attempt.round_id, attempt.account_id),
        exclusion_kinds=KINDS,
    )


@bp.get("/receipts")
def receipts() -> ResponseReturnValue:
    """Ask for a receipt code; a known one leads to its receipt."""
    code = request.args.get("code", "")[:LONGEST_CODE].strip()
    attempt = _of_receipt(code) if code else None
    if attempt is not None:
        return redirect(url_for("attempts.receipt", code=attempt.receipt_code), 303)
    contest = contests.current_contest(db.session())
    return render_template("attempts/receipts.html", contest=contest, code=code), 404 if code else 200


@bp.get("/receipts/<code>")
def receipt(code: str) -> ResponseReturnValue:
    """What anyone may know of a submission: when, its digest, after the round its draw; nothing personal."""
    attempt = _submitted(code)
    data_key = current_app.config["CONTEST"].data_key
    return render_template(
        "attempts/receipt.html",
        attempt=attempt,
        contest=attempt.round.contest,
        round=attempt.round,
        digest=_digest(attempt),
        is_intact=receipt_digest(data_key, receipt_facts(attempt)) == _digest(attempt),
        redrawn=papers.redrawn(db.session(), attempt, data_key=data_key),
    )


@bp.get("/receipts/<code>/qr.svg")
def receipt_qr(code: str) -> ResponseReturnValue:
    """The address of a receipt's page as a QR code."""
    address = url_for("attempts.receipt", code=_submitted(code).receipt_code, _external=True)
    return Response(qr_svg(address, light="#fff"), mimetype="image/svg+xml")


def _submitted(code: str) -> Attempt:
    """Return the submitted attempt of a receipt. Raises NotThere."""
    attempt = _of_receipt(code)
    if attempt is None:
        raise NotThere("Không có biên nhận nào mang mã này.")
    return attempt


def _of_receipt(code: str) -> Attempt | None:
    """Return the handed-in attempt with a receipt code, however it was typed."""
    return db.session.scalar(
        select(Attempt)
        .where(Attempt.receipt_code == plain_receipt_code(code), Attempt.submitted_at.is_not(None))
        .options(
            joinedload(Attempt.round).joinedload(Round.contest),
            joinedload(Attempt.account),
            joinedload(Attempt.pool),
            joinedload(Attempt.division),
        )
    )


def _own_attempt(public_id: str) -> Attempt:
    """Return the signed-in person's attempt; someone else's is as good as missing."""
    if not current_user.is_authenticated:
        raise NotSignedIn
    attempt = db.session.scalar(
        select(Attempt)
        .where(Attempt.public_id == public_id, Attempt.account_id == current_user.id)
        .options(
            joinedload(Attempt.round).joinedload(Round.contest),
            joinedload(Attempt.pool),
            joinedload(Attempt.division),
        )
    )
    return attempt or abort(404)


def _digest(attempt: Attempt) -> str:
    """Return the receipt's digest: the stored one, or before the scoring what will be stored."""
    if attempt.receipt_digest is not None:
        return attempt.receipt_digest
    facts = receipt_facts(attempt)
    return receipt_digest(current_app.config["CONTEST"].data_key, facts)
