"""The request's person: read from the session cookie, checked against the table of routes and for CSRF."""

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import AnonymousUserMixin, UserMixin, current_user
from werkzeug import Response as AnyResponse

from contest import accounts, devices, limits, proofs, throttles
from contest.devices import Device
from contest.errors import NotAllowed, ProofWanted, TooSoon, TryAgain
from contest.extensions import db, login_manager
from contest.models import Account, Session
from contest.policies import POLICIES, Who
from contest.rules.figures import vn_duration
from contest.rules.rates import MINUTE, PROOF, By, Rate, Step, network_of
from contest.security import (
    csrf_token,
    is_csrf_token,
    login_tag,
    new_token,
    place_ticket,
    throttle_key,
    ticket_number,
    verify_password,
)
from contest.settings import Settings
from contest.throttles import Asked
from question_bank.text import clean_text

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Until somebody signs in, forms are bound to this cookie instead of the session's.
VISITOR_COOKIE = "visitor"
SESSION_COOKIE = "sid"
# Of somebody who waits to start.
PLACE_COOKIE = "place"
# Of a device that has proved its work.
PASS_COOKIE = "pass"
DEVICE_COOKIE = "device"
DEVICE_SECONDS = 365 * 24 * 3600
# Set in the environment of a request that makes a page for everybody: it is nobody's, and has no cookies.
IS_SHARED = "contest.is_shared"
# The field in which somebody who signs in says who they are.
LOGIN_FIELD = "login"
SIGN_IN_ROUTE = "accounts.login"
FROM_HERE = "Đang có rất nhiều lượt truy cập từ cùng một mạng với bạn."
OR_WAIT = "Thiết bị của bạn cần làm một bước kiểm tra ngắn; hoặc bạn vui lòng thử lại sau ít phút."


class Viewer(UserMixin):  # type: ignore[misc]
    """The signed-in person of this request."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.account: Account = session.account
        self.id = session.account_id
        self.name = session.account.name
        self.roles = frozenset(grant.role for grant in session.account.roles)

    @property
    def is_staff(self) -> bool:
        """Whether the person works here."""
        return bool(self.roles)


class Visitor(AnonymousUserMixin):  # type: ignore[misc]
    """Somebody who is not signed in."""

    id = None
    name = ""
    roles: frozenset[str] = frozenset()
    is_staff = False


def init_app(app: Flask) -> None:
    """Check every request's route, person and token before its view."""
    # Not init_app, which asks Flask's session after each request for a remember-me cookie we don't have.
    app.login_manager = login_manager  # type: ignore[attr-defined]
    login_manager.anonymous_user = Visitor
    login_manager.request_loader(_viewer)
    login_manager.unauthorized_handler(_ask_to_sign_in)
    app.before_request(_check)
    app.before_request(_take_turn)
    app.after_request(_give_visitor_cookie)
    app.after_request(_give_device_cookie)
    app.jinja_env.globals.update(csrf_token=form_token, viewer=current_user)


def session_cookie_name(settings: Settings) -> str:
    """Return what the browser calls the session's cookie."""
    return f"{_prefix(settings)}{SESSION_COOKIE}"


def session_token() -> str:
    """Return the token in the session cookie, or ""."""
    return request.cookies.get(session_cookie_name(_settings()), "")


def session_hash() -> bytes:
    """Return what the database knows the session of this request by."""
    return hashlib.sha256(session_token().encode()).digest()


def set_session_cookie(response: Response, token: str, session: Session) -> None:
    """Give the browser the token of its new session, and know it again as the account's."""
    device = devices.remembering(_settings().secret_key, _device(), session.account.login_tag)
    g.device = g.new_device = device
    _set_cookie(response, SESSION_COOKIE, token, expires=session.expires_at)


def is_password_of(account: Account | None, password: str) -> bool:
    """Tell whether the password is the account's; if so the request is not counted as a failure.

    Nor is one that a rush leaves unread, which raises TryAgain.
    """
    failures = g.get("failures", ())
    try:
        is_right = verify_password(account.password_hash if account else None, password)
    except TryAgain:
        limits.give_back(failures)
        raise
    if is_right:
        throttles.give_back(db.session(), failures)
    return is_right


def drop_session_cookie(response: Response) -> None:
    """Take the session cookie back."""
    _drop_cookie(response, SESSION_COOKIE)


def give_ticket(response: AnyResponse, round_id: int, number: int) -> None:
    """Give the browser a ticket for its place in the line."""
    ticket = place_ticket(_settings().secret_key, session_token(), round_id, number)
    _set_cookie(response, PLACE_COOKIE, ticket)


def ticket_in_hand(round_id: int) -> int | None:
    """Return the number on the browser's ticket for a round, if it has one that is its own."""
    ticket = request.cookies.get(_cookie_name(PLACE_COOKIE), "")
    return ticket_number(_settings().secret_key, session_token(), round_id, ticket) if ticket else None


def drop_ticket(response: AnyResponse) -> AnyResponse:
    """Take the ticket back; return the response."""
    _drop_cookie(response, PLACE_COOKIE)
    return response


def give_pass(response: AnyResponse) -> None:
    """Give the device of this request a pass for some minutes."""
    given = proofs.new_pass(_settings().secret_key, _device().name, now=proofs.web_now())
    _set_cookie(response, PASS_COOKIE, given, max_age=proofs.PASS_SECONDS)


def form_token() -> str:
    """Return the CSRF token for this page's forms, bound to the session or to the visitor's cookie."""
    return csrf_token(_settings().secret_key, session_token() or _visitor_token())


def local_target(target: str | None) -> str | None:
    """Return an address of this site to go on to, or None for any other."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return None
    if any(ord(char) <= 32 or char == "\\" for char in target):
        return None
    return target


def _viewer(_: Request) -> Viewer | None:
    token = session_token()
    session = accounts.live_session(db.session(), token) if token else None
    return Viewer(session) if session else None


def _check() -> ResponseReturnValue | None:
    policy = POLICIES.get(request.endpoint or "")
    # PostgreSQL has no text with NUL, so nothing can be there.
    if policy is None or "\0" in request.path:
        abort(404)
    g.policy = policy
    if policy.largest_body is not None:
        request.max_content_length = request.max_form_memory_size = policy.largest_body
    if policy.who in (Who.SIGNED_IN, Who.STAFF) and not current_user.is_authenticated:
        return _ask_to_sign_in()
    if policy.who is Who.STAFF and not current_user.is_staff:
        abort(404)  # what is there is not told
    if policy.roles and not policy.roles & current_user.roles:
        raise NotAllowed("Việc này cần một vai trò khác trong Ban Tổ chức; tài khoản của bạn chưa được giao.")
    if request.method in SAFE_METHODS:
        return None
    if policy.who is Who.SESSION_IN_STATEMENT and not session_token():
        return _ask_to_sign_in()
    if not (_is_same_origin() and _has_token()):
        # Without a live session the page is asked to sign in, whatever its token.
        if policy.who is not Who.EVERYBODY and not current_user.is_authenticated:
            return _ask_to_sign_in()
        raise NotAllowed(
            "Trang này đã mở quá lâu hoặc được gửi từ nơi khác. Bạn hãy tải lại trang rồi thử lại; "
            "những gì đã lưu vẫn còn."
        )
    return None


def _take_turn() -> None:
    """Count the request by the route's rate.

    Raises TooSoon for one that is too fast, ProofWanted where too many come and this one has no pass.
    """
    rate = g.policy.rate
    if rate is None or (rate.only_unsafe and request.method in SAFE_METHODS):
        return
    if rate.with_argument and not request.args.get(rate.with_argument):
        return
    if request.environ.get(IS_SHARED):
        return
    asked = list(turns_of(rate))
    verdict = limits.allow(rate, asked)
    if not verdict.is_ok:
        seconds = max(1, math.ceil(verdict.retry_after))
        wait = vn_duration(1000 * (seconds if seconds <= 60 else 60 * math.ceil(seconds / 60)))
        raise TooSoon(f"{rate.sentence} Bạn vui lòng thử lại sau {wait}.", retry_after=seconds)
    g.failures = [one for one in asked if one.step.is_failures]
    g.steps_over = verdict.steps_over
    if verdict.must_prove and rate.name != PROOF.name and _settings().proof_work and not _needs_no_proof():
        # Nothing was tried: an owner who comes back with a pass finds the guesses as they were.
        if g.failures:
            limits.give_back(g.failures)
        raise ProofWanted(f"{FROM_HERE} {OR_WAIT}", retry_after=MINUTE)


def _needs_no_proof() -> bool:
    """Whether the device has a pass, or somebody signs in where they have signed in before."""
    given = request.cookies.get(_cookie_name(PASS_COOKIE), "")
    if given and proofs.is_pass(_settings().secret_key, given, _device().name, now=proofs.web_now()):
        return True
    tag = _typed_tag() if request.endpoint == SIGN_IN_ROUTE else None
    return tag is not None and devices.knows(_settings().secret_key, _device(), tag)


def turns_of(rate: Rate) -> Iterator[Asked]:
    """Yield what the request is counted by. A key says nothing of whom it counts."""
    scope = f"{rate.name}|{request.endpoint}" if rate.is_per_route else rate.name
    for number, step in enumerate(rate.steps):
        whom = _counted_by(step)
        if whom:
            key = throttle_key(_settings().secret_key, f"{scope}|{number}|{step.by.value}|{whom}")
            yield Asked(step, key)


def _counted_by(step: Step) -> str:
    """Return whom a step counts; "" if it does not count this request."""
    match step.by:
        case By.ACCOUNT:
            return str(current_user.id or "")
        case By.SESSION:
            return session_hash().hex()
        case By.DEVICE:
            return _device().name
        case By.ADDRESS:
            # With the day in it, so that nobody is followed from one day to the next.
            network = network_of(request.remote_addr)
            return network and f"{network}|{time.time() // 86400:.0f}"
        case By.SLOW_LANE:
            return network_of(request.remote_addr) or "nowhere"
        case By.SITE:
            return "site"
    tag = _typed_tag()
    if tag is None:
        return ""
    if step.by is By.IDENTITY_AND_DEVICE:
        return f"{tag.hex()}|{_device().name}"
    return "" if devices.knows(_settings().secret_key, _device(), tag) else tag.hex()


def _typed_tag() -> bytes | None:
    """Return the tag of who somebody says they are; None without a word."""
    typed = request.form.get(LOGIN_FIELD, "")
    if not typed.strip():
        return None
    return login_tag(_settings().data_key, accounts.normal_login(clean_text(typed)))


def _device() -> Device:
    """Return the device that asks; one that was never here gets a cookie with the answer."""
    if "device" not in g:
        cookie = request.cookies.get(_cookie_name(DEVICE_COOKIE), "")
        g.device = devices.read(_settings().secret_key, cookie)
        if g.device is None:
            g.device = g.new_device = devices.new_device()
    device: Device = g.device
    return device


def _give_device_cookie(response: Response) -> Response:
    device = g.get("new_device")
    if device is not None:
        cookie = devices.written(_settings().secret_key, device)
        _set_cookie(response, DEVICE_COOKIE, cookie, max_age=DEVICE_SECONDS)
        # A shared cache would give it to everybody.
        g.policy = replace(g.policy, public_seconds=0)
    return response


def _is_same_origin() -> bool:
    """Tell whether the browser says that the request comes from a page of this site."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    try:
        return origin is None or urlsplit(origin).netloc == request.host
    except ValueError:  # "http://[" is no address
        return False


def _has_token() -> bool:
    token = request.headers.get("X-CSRFToken") or request.form.get("csrf_token", "")
    holder = session_token() or request.cookies.get(_cookie_name(VISITOR_COOKIE), "")
    return bool(holder) and is_csrf_token(_settings().secret_key, holder, token)


def _ask_to_sign_in() -> ResponseReturnValue:
    if request.method == "PUT" or request.accept_mimetypes.best == "application/json":
        return {"code": "not_signed_in"}, 401
    target = request.full_path.rstrip("?") if request.method in SAFE_METHODS else None
    return redirect(url_for("accounts.login", next=target), 303)


def _visitor_token() -> str:
    token = request.cookies.get(_cookie_name(VISITOR_COOKIE)) or g.get("new_visitor_token")
    if not token:
        token = g.new_visitor_token = new_token()
    return str(token)


def _give_visitor_cookie(response: Response) -> Response:
    token = g.get("new_visitor_token")
    if token:
        _set_cookie(response, VISITOR_COOKIE, token)
    return response


def _set_cookie(response: AnyResponse, name: str, value: str, **attributes: Any) -> None:
    response.set_cookie(
        _cookie_name(name),
        value,
        path="/",
        secure=_settings().secure_cookies,
        httponly=True,
        samesite="Lax",
        **attributes,
    )


def _drop_cookie(response: AnyResponse, name: str) -> None:
    response.delete_cookie(
        _cookie_name(name),
        path="/",
        secure=_settings().secure_cookies,
        httponly=True,
        samesite="Lax",
    )


def _cookie_name(name: str) -> str:
    return f"{_prefix(_settings())}{name}"


def _prefix(settings: Settings) -> str:
    """A __Host- cookie can't be planted by another host; browsers take it over HTTPS only."""
    return "__Host-" if settings.secure_cookies else "contest_"


def _settings() -> Settings:
    settings: Settings = current_app.config["CONTEST"]
    return settings
