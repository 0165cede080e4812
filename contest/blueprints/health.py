"""Is the process alive, and can it do its work?"""

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from contest import heartbeats, jobs, scoring
from contest.clock import db_now
from contest.extensions import db

bp = Blueprint("health", __name__)

# Longer than the sweeper's patience with the workers: then neither is at work.
OLDEST_UNSCORED_SECONDS = 60


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """The process answers."""
    return {"status": "ok"}


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """The database answers; Redis away and scoring behind are warnings, because people can go on."""
    try:
        db.session.execute(text("SELECT 1"))
        oldest = scoring.oldest_waiting_seconds(db.session())
        silent = heartbeats.silent(db.session(), now=db_now(db.session()))
    except SQLAlchemyError:
        return {"status": "unavailable", "database": "away"}, 503
    warnings = []
    if not jobs.is_redis_there():
        warnings.append("redis is away: scoring is left to the sweeper")
    if oldest > OLDEST_UNSCORED_SECONDS:
        warnings.append("scoring is behind")
    warnings += [f"no heartbeat: {kind}" for kind in silent]
    return {
        "status": "ok",
        "database": "ok",
        "oldest_unscored_seconds": round(oldest, 1),
        "warnings": warnings,
    }
