"""What every response carries, the pages for what goes wrong, and what all templates may use."""

import gzip
import hashlib
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
import structlog
from flask import Flask, Response, current_app, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, SecurityError

from contest import charts, formatting
from contest.entries import NotSignedIn
from contest.errors import ContestError, TryAgain
from contest.extensions import db, login_manager

logger = structlog.get_logger()

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
SENTENCES = {
    400: ("Yêu cầu không hợp lệ", "Trình duyệt đã gửi một yêu cầu mà hệ thống không đọc được."),
    404: ("Không tìm thấy trang", "Trang này không có, hoặc bạn không có quyền xem."),
    405: ("Không thực hiện được", "Địa chỉ này không dùng được theo cách đó."),
    413: ("Nội dung quá lớn", "Nội dung gửi lên lớn hơn mức cho phép."),
}
SORRY = ("Hệ thống gặp lỗi", "Đã có lỗi ngoài dự kiến. Những gì bạn đã lưu vẫn an toàn.")
BUSY = "Hệ thống đang bận. Những gì bạn đã lưu vẫn an toàn; bạn vui lòng thử lại sau ít giây."
SMALLEST_COMPRESSED = 1_000
COMPRESSION_LEVEL = 7


def init_app(app: Flask) -> None:
    """Set headers, error pages, filters and globals."""
    app.after_request(_compress)
    app.after_request(_set_headers)
    app.register_error_handler(ContestError, _refusal)
    app.register_error_handler(NotSignedIn, _not_signed_in)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(OperationalError, _database_away)
    app.register_error_handler(psycopg.OperationalError, _database_away)
    app.register_error_handler(PoolTimeout, _database_away)
    app.register_error_handler(Exception, _bug)
    app.jinja_env.globals.update(asset=asset, chart_ticks=charts.ticks, settings=app.config["CONTEST"])
    for name in ("vn_datetime", "vn_date", "vn_until", "vn_time", "vn_number", "vn_percent", "vn_duration"):
        app.jinja_env.filters[name] = getattr(formatting, name)
    app.jinja_env.filters["file_size"] = formatting.file_size
    app.jinja_env.filters["vn_stopwatch"] = formatting.vn_stopwatch
    app.jinja_env.filters["field_moment"] = formatting.field_moment
    app.jinja_env.filters["vn_points"] = formatting.vn_points
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def asset(name: str) -> str:
    """Return the address of a static file, with its digest, so that it can be cached for ever."""
    return url_for("static", filename=name, v=_digest(Path(current_app.static_folder or "") / name))


@lru_cache(maxsize=256)
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


def _set_headers(response: Response) -> Response:
    headers = response.headers
    for name, value in HEADERS.items():
        headers.add(name, value)  # no view sets one of these
    if current_app.config["CONTEST"].secure_cookies:
        headers.add("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    policy = g.get("policy")
    is_good = response.status_code < 400 and policy is not None
    if is_good and policy.own_seconds:
        response.headers["Cache-Control"] = f"private, max-age={policy.own_seconds}, immutable"
    elif not is_good or not policy.public_seconds:
        response.headers["Cache-Control"] = "no-store"
    return response


def _compress(response: Response) -> Response:
    """Compress a page for the wire; a proxy in front may do it instead and then asks for none."""
    if (
        (response.content_length or 0) >= SMALLEST_COMPRESSED
        and response.mimetype in ("text/html", "application/json")
        and not response.is_streamed
        and request.accept_encodings["gzip"] > 0
    ):
        response.set_data(gzip.compress(response.get_data(), COMPRESSION_LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        response.vary.add("Accept-Encoding")
    return response


def _page(status: int, title: str, message: str, incident: str = "") -> ResponseReturnValue:
    if request.method == "PUT":
        return {"code": "refused", "message": message, "incident": incident}, status
    page = render_template("errors/error.html", code=status, title=title, message=message, incident=incident)
    return page, status


def _refusal(error: ContestError) -> ResponseReturnValue:
    db.session.rollback()
    response = current_app.make_response(_page(error.status, error.title, error.sentence))
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _not_signed_in(_: NotSignedIn) -> Any:
    return login_manager.unauthorized()


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None or not error.code:
        return error
    if isinstance(request.routing_exception, SecurityError):
        # Asked for under a foreign name, and a page of ours is full of our addresses.
        return Response(SENTENCES[400][1], 400, mimetype="text/plain")
    title, message = SENTENCES.get(error.code, ("Không thực hiện được", error.name))
    return _page(error.code, title, message)


def _database_away(error: Exception) -> ResponseReturnValue:
    """The outcome is unknown or nothing was done: sending the same again is always safe."""
    db.session.rollback()
    if isinstance(error, PoolTimeout):
        current_app.extensions["gauge"].note_pool_timeout()
    logger.warning("database away or busy", error=type(error).__name__)
    response = current_app.make_response(_page(503, "Hệ thống đang bận", BUSY))
    response.headers["Retry-After"] = str(TryAgain.retry_after)
    return response


def _bug(error: Exception) -> ResponseReturnValue:
    incident = secrets.token_hex(4).upper()
    logger.error("bug", incident=incident, route=request.endpoint, exc_info=error)
    if current_app.testing:
        raise error
    try:
        db.session.rollback()
    except Exception:
        logger.exception("rollback failed", incident=incident)
    return _page(500, *SORRY, incident)
