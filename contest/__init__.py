"""The contest platform: create_app() makes the Flask application."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

    from contest.settings import Settings

MIGRATIONS = Path(__file__).parent.parent / "migrations"
# The largest body: an answer sheet, or a form.
LARGEST_BODY = 64 * 1024
ONE_YEAR = 31_536_000
# A request that waits longer than this for a connection is answered 503.
POOL_TIMEOUT = 2
# In milliseconds, for every connection; what may take longer asks for it until its commit.
TIMEOUTS = {
    "statement_timeout": 5000,
    "lock_timeout": 3000,
    "idle_in_transaction_session_timeout": 10_000,
}
# As a connection brings them along.
SESSION_TIMEOUTS = " ".join(f"-c {name}={milliseconds}" for name, milliseconds in TIMEOUTS.items())

# A line that has gone silent is given up after some seconds; by itself the system waits for two hours.
_SILENT_LINE = {
    "tcp_user_timeout": 3000,  # milliseconds
    "keepalives_idle": 3,  # seconds, as the next
    "keepalives_interval": 1,
    "keepalives_count": 3,
}


def create_app(settings: "Settings | None" = None) -> "Flask":
    """Return the application for the given settings, or those of the environment."""
    # Imported here, so that the supervisor, which imports this package too, stays small and quick.
    from werkzeug.local import LocalProxy
    from werkzeug.middleware.proxy_fix import ProxyFix

    from contest import (
        door,
        health,
        hot_connections,
        jobs,
        limits,
        logs,
        navigation,
        page_cache,
        proving,
        replica,
        responses,
        signing_in,
    )
    from contest import models as _  # noqa: F401  (the mappers)
    from contest.application import Application
    from contest.blueprints import BLUEPRINTS
    from contest.extensions import REPLICA, db
    from contest.redis_connection import QuickRedis
    from contest.settings import Settings

    settings = settings or Settings.from_env()
    app = Application(__name__)
    app.config.update(
        CONTEST=settings,
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        SEND_FILE_MAX_AGE_DEFAULT=ONE_YEAR,  # every address of a static file carries its digest
        SESSION_COOKIE_NAME="__Host-notes" if settings.secure_cookies else "contest_notes",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_SAMESITE="Lax",
        TRUSTED_HOSTS=list(settings.trusted_hosts) or None,
        WTF_CSRF_ENABLED=False,  # signing_in checks every request before any form sees it
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=_engine_options(settings),
        SQLALCHEMY_BINDS={REPLICA: _replica_options(settings)} if settings.replica_url else {},
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    db.init_app(app)
    hot_connections.init_app(app)
    app.extensions["migrate"] = LocalProxy(lambda: _migrations(app))
    logs.init_app(app)
    health.init_app(app)
    responses.init_app(app)
    signing_in.init_app(app)
    navigation.init_app(app)
    replica.init_app(app)
    app.extensions["redis"] = QuickRedis(settings.redis_url)
    limits.init_app(app)
    proving.init_app(app)
    jobs.init_app(app)
    door.init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    page_cache.init_app(app)
    if settings.proxy_count:
        hops = settings.proxy_count
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def _migrations(app: "Flask") -> Any:
    """Return what Flask-Migrate's commands ask for; it is large, and what serves people needs none of it."""
    from flask_migrate import Migrate

    from contest.extensions import db

    Migrate(app, db, directory=str(MIGRATIONS))  # takes the proxy's place
    return app.extensions["migrate"]


def _engine_options(settings: "Settings") -> dict[str, Any]:
    connect_args: dict[str, Any] = {"connect_timeout": 3, **_SILENT_LINE}
    if settings.is_pooled:
        # Each transaction may run on another server connection: there the timeouts are the role's
        # (`contest migrate` sets them), and a prepared statement would be another connection's.
        connect_args["prepare_threshold"] = None
    else:
        connect_args["options"] = SESSION_TIMEOUTS
    return {
        "pool_size": settings.web_threads,
        "max_overflow": 2,
        "pool_timeout": POOL_TIMEOUT,
        "pool_recycle": 1800,
        "pool_pre_ping": True,
        "hide_parameters": True,  # or an error would carry people's data into the log
        "connect_args": connect_args,
    }


def _replica_options(settings: "Settings") -> dict[str, Any]:
    """Return the options of the replica's engine: few threads may wait for it, and none for long."""
    return {
        **_engine_options(settings),
        "url": settings.replica_url,
        "pool_size": max(1, settings.web_threads // 4),
        "max_overflow": 0,
        "pool_timeout": 0.2,
        "pool_pre_ping": False,  # what fails there is asked of the primary anyway
        "connect_args": {"options": SESSION_TIMEOUTS, "connect_timeout": 2},
    }
