"""Logs: one JSON object a line on standard output, without personal data.

A request is logged with its route's name, never its address, body, cookies or sender.
"""

import logging
import re
import sys
import time

import structlog
from flask import Flask, Response, g, request
from structlog.typing import EventDict

logger = structlog.get_logger()
ROW_IN_ERROR = re.compile(r"DETAIL:.*?(?=\n\[SQL|\n\n|\Z)", re.DOTALL)
# Told of only when it goes wrong: of a save that is acknowledged, the attempt's row tells.
QUIET_BELOW = {"static": 500, "health.healthz": 500, "health.readyz": 500, "attempts.save": 400}


def init_app(app: Flask) -> None:
    """Log as JSON, every request included."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _leave_out_rows,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=app.config["CONTEST"].env != "test",
    )
    if app.config["CONTEST"].env != "test":
        logging.basicConfig(level=logging.WARNING, stream=sys.stdout, force=True)
    app.before_request(_note_start)
    app.after_request(_log_request)


def _leave_out_rows(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Cut the detail that PostgreSQL adds to a refused row: the row itself, people's data and all."""
    if "exception" in event:
        event["exception"] = ROW_IN_ERROR.sub("DETAIL: left out", event["exception"])
    return event


def _note_start() -> None:
    g.started = time.monotonic()


def _log_request(response: Response) -> Response:
    if not _is_quiet(request.endpoint, response.status_code):
        logger.info(
            "request",
            method=request.method,
            route=request.endpoint,
            status=response.status_code,
            ms=round((time.monotonic() - g.get("started", time.monotonic())) * 1000, 1),
        )
    return response


def _is_quiet(endpoint: str | None, status: int) -> bool:
    return status < QUIET_BELOW.get(endpoint or "", 0)
