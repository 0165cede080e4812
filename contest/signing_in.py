"""The request's person: read from the session cookie, checked against the table of routes and for CSRF."""

import hashlib
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import AnonymousUserMixin, UserMixin, current_user
from werkzeug import Response as AnyResponse

from contest import accounts
from contest.errors import NotAllowed
from contest.extensions import db, login_manager
from contest.models import Account, Session
from contest.policies import POLICIES, Who
from contest.security import csrf_token, is_csrf_token, new_token, place_ticket, ticket_number
from contest.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Until somebody signs in, forms are bound to this cookie instead of the session's.
VISITOR_COOKIE = "visitor"
SESSION_COOKIE = "sid"
# Of somebody who waits to start.
PLACE_COOKIE = "place"


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
    login_manager.init_app(app)
    login_manager.anonymous_user = Visitor
    login_manager.request_loader(_viewer)
    login_manager.unauthorized_handler(_ask_to_sign_in)
    app.before_request(_check)
    app.after_request(_give_visitor_cookie)
    app.jinja_env.globals.update(csrf_token=form_token, viewer=current_user)


def session_token() -> str:
    """Return the token in the session cookie, or ""."""
    return request.cookies.get(_cookie_name(SESSION_COOKIE), "")


def session_hash() -> bytes:
    """Return what the database knows the session of this request by."""
    return hashlib.sha256(session_token().encode()).digest()


def set_session_cookie(response: Response, token: str, session: Session) -> None:
    """Give the browser the token of its new session."""
    _set_cookie(response, SESSION_COOKIE, token, expires=session.expires_at)


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
    """A __Host- cookie can't be planted by another host; browsers take it over HTTPS only."""
    return f"__Host-{name}" if _settings().secure_cookies else f"contest_{name}"


def _settings() -> Settings:
    settings: Settings = current_app.config["CONTEST"]
    return settings
