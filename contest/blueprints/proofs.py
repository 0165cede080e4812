"""Puzzles for proof of work, and the pass for whoever has solved one."""

from flask import Blueprint, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from contest import proofs, proving
from contest.errors import NotThere
from contest.signing_in import give_pass, local_target

bp = Blueprint("proofs", __name__)


@bp.get("/proof")
def puzzle() -> ResponseReturnValue:
    """Answer a puzzle for one purpose, the harder the more came from here lately."""
    purpose = request.args.get("for", "")
    if purpose not in proving.PURPOSES or not proving.is_asked_for():
        raise NotThere("Không có bước kiểm tra nào cho việc này.")
    settings = current_app.config["CONTEST"]
    return proofs.puzzle(
        settings.secret_key,
        purpose,
        work=settings.proof_work,
        level=1 + g.steps_over,
        now=proofs.web_now(),
    )


@bp.post("/proof")
def give() -> ResponseReturnValue:
    """Take a proof, give the device a pass for some minutes, and lead on to where it was going."""
    target = local_target(request.form.get("next")) or url_for("public.landing")
    failure = proving.refusal(proving.PASS)
    if failure:
        return proving.proof_page(target, failure=failure), 422
    response = redirect(target, 303)
    give_pass(response)
    return response
