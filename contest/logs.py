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
QUIET_ENDPOINTS = frozenset({"static", "health.healthz", "health.readyz"})


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
        cache_logger_on_first_use=False,
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
    if request.endpoint not in QUIET_ENDPOINTS or response.status_code >= 500:
        logger.info(
            "request",
            method=request.method,
            route=request.endpoint,
            status=response.status_code,
            ms=round((time.monotonic() - g.get("started", time.monotonic())) * 1000, 1),
        )
    return response
