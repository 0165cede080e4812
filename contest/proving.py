"""Asking the people of a request for proof of work: with a form, or before what is asked for very often."""

from math import ceil
from typing import Any

from flask import Flask, current_app, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from contest import limits, proofs
from contest.errors import ProofWanted
from contest.extensions import db
from contest.proofs import Proof
from contest.rules.figures import vn_duration
from contest.rules.rates import SLOW_LANE
from contest.settings import Settings
from contest.signing_in import local_target, turns_of

# What a proof is good for; one made for the one does not open the other.
REGISTER, PASS, CODE = "register", "pass", "code"  # CODE: before a one-time code is sent
PURPOSES = (REGISTER, PASS, CODE)
# The fields of a form: the proof, and how long somebody without one has waited.
FIELD, TICKET_FIELD = "altcha", "slow"
FAILED = (
    "Bước kiểm tra tự động chưa xong hoặc đã quá hạn. Bạn vui lòng bấm lại; nếu vẫn chưa được, "
    "bạn đến bộ phận một cửa hoặc nhờ Tổ công nghệ số cộng đồng."
)


def init_app(app: Flask) -> None:
    """Let forms ask for proof, and show the page that asks before anything else."""
    app.jinja_env.globals.update(slow_ticket=_ticket, asks_for_proof=is_asked_for)
    app.register_error_handler(ProofWanted, _ask)


class ProvenForm(FlaskForm):  # type: ignore[misc]
    """A form that is valid with a proof of work only; first of its base classes."""

    proof_purpose: str

    def validate_on_submit(self, extra_validators: dict[str, Any] | None = None) -> bool:
        """Use the proof, whatever the fields hold, and only then look at them."""
        if self.is_submitted() and (sentence := refusal(self.proof_purpose)):
            self.form_errors = [sentence]
            return False
        return bool(super().validate_on_submit(extra_validators))


def is_asked_for() -> bool:
    """Whether this site asks for proof at all."""
    return _settings().proof_work > 0


def refusal(purpose: str) -> str:
    """Use the proof that a form carries and commit that; return "" or the sentence why it does not do.

    Call it before anything that the form asks for: each proof is one try, whatever becomes of it.
    """
    if not is_asked_for():
        return ""
    proof = proofs.read(_settings().secret_key, request.form.get(FIELD, ""), purpose)
    if proof is None:
        return _slow_refusal(purpose)
    return "" if _take(proof) else FAILED


def _slow_refusal(purpose: str) -> str:
    """Let somebody whose browser can't prove through, slowly and few at a time."""
    found = proofs.read_slow_ticket(
        _settings().secret_key, request.form.get(TICKET_FIELD, ""), purpose, now=proofs.web_now()
    )
    if found is None:
        return FAILED
    ticket, seconds = found
    if seconds:
        return (
            "Trình duyệt của bạn không chạy được bước kiểm tra tự động. Bạn vui lòng chờ "
            f"{vn_duration(1000 * seconds)} rồi bấm lại."
        )
    verdict = limits.allow(SLOW_LANE, list(turns_of(SLOW_LANE)))
    if not verdict.is_ok:
        minutes = max(1, ceil(verdict.retry_after / 60))
        return (
            f"{SLOW_LANE.sentence} Bạn vui lòng thử lại sau {vn_duration(60_000 * minutes)}, "
            "dùng trình duyệt khác, hoặc đến bộ phận một cửa để được giúp."
        )
    g.is_ticket_used = True
    return "" if _take(ticket) else FAILED


def _take(proof: Proof) -> bool:
    is_new = proofs.take(db.session(), proof)
    db.session.commit()
    return is_new


def _ticket(purpose: str) -> str:
    """Return the place in the slow lane: the one that the form had, until it is used."""
    had = request.form.get(TICKET_FIELD, "")
    at, secret_key = proofs.web_now(), _settings().secret_key
    found = proofs.read_slow_ticket(secret_key, had, purpose, now=at)
    return had if found and not g.get("is_ticket_used") else proofs.slow_ticket(secret_key, purpose, now=at)


def _ask(error: ProofWanted) -> ResponseReturnValue:
    """Show the page that asks for proof, and lead on from there."""
    db.session.rollback()
    return (
        proof_page(_way_back(), sentence=error.sentence),
        error.status,
        {"Retry-After": str(error.retry_after)},
    )


def proof_page(target: str, *, sentence: str = "", failure: str = "") -> str:
    """Return the page that asks for proof before going on to `target`."""
    return render_template("proofs/ask.html", target=target, sentence=sentence, failure=failure)


def _way_back() -> str:
    """Return where to go on to: what was asked for, or the form that was sent."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    rule = request.url_rule
    if rule is None or "GET" not in (rule.methods or ()):
        return url_for("public.landing")
    return url_for(
        request.endpoint or "", **(request.view_args or {}), next=local_target(request.form.get("next"))
    )


def _settings() -> Settings:
    settings: Settings = current_app.config["CONTEST"]
    return settings
