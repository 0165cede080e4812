"""What a monitor reads: Prometheus' text format, for this host or whoever has the token."""

import hmac
from collections.abc import Iterator
from ipaddress import ip_address

from flask import Blueprint, Response, abort, current_app, request

from contest import heartbeats, jobs, scoring, waiting_room
from contest.clock import db_now
from contest.extensions import db
from contest.health import BUCKETS
from contest.models import WebProcess

bp = Blueprint("metrics", __name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


@bp.get("/metrics")
def show() -> Response:
    """Answer for all web processes: each stores its counts, so that whichever is asked knows them all."""
    if not _may_read():
        abort(404)
    session = db.session()
    room = waiting_room.overview(session)
    now = db_now(session)
    lines = [
        *_of_processes([*room.processes]),
        *_gauge("contest_attempts_waiting", "Attempts waiting to be scored.", scoring.waiting(session)),
        *_gauge(
            "contest_oldest_waiting_seconds",
            "How long the oldest of them has waited.",
            scoring.oldest_waiting_seconds(session),
        ),
        *_family(
            "contest_heartbeat_age_seconds",
            "gauge",
            "Since the last heartbeat of a kind of process.",
            [
                (f'{{kind="{kind}"}}', (now - at).total_seconds())
                for kind, at in heartbeats.last(session).items()
            ],
        ),
        *_gauge("contest_waiting_room_waiting", "People in the waiting room.", room.waiting),
        *_gauge("contest_waiting_room_away", "People called who have not come yet.", room.away),
        *_gauge("contest_waiting_room_rate", "Starts a second that are let in.", room.room.rate),
        *_gauge("contest_web_strained", "0 well, 1 strained, 2 overloaded.", int(room.verdict)),
        *_gauge(
            "contest_redis_available",
            "0 while Redis is away or its breaker rests, as the asked process sees it.",
            int(jobs.is_redis_there()),
        ),
    ]
    return Response("\n".join(lines) + "\n", content_type=CONTENT_TYPE)


def _may_read() -> bool:
    token = current_app.config["CONTEST"].metrics_token
    if token:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    # Behind a proxy on this host everybody would seem to come from here.
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _of_processes(processes: list[WebProcess]) -> Iterator[str]:
    counted = [(one.id, one.counts) for one in processes if one.counts]
    yield from _family(
        "contest_requests_total",
        "counter",
        "Requests by route and status.",
        [
            (f'{{process="{id}",route="{route}",status="{status}"}}', count)
            for id, counts in counted
            for key, count in sorted(counts["requests"].items())
            for route, _, status in [key.rpartition(" ")]
        ],
    )
    yield from _family(
        "contest_turned_away_total",
        "counter",
        "Requests answered 503 so that threads stay free for people sitting.",
        [(f'{{process="{id}"}}', counts["turned_away"]) for id, counts in counted],
    )
    yield from _family(
        "contest_save_seconds",
        "histogram",
        "How long saves and submissions took.",
        [row for id, counts in counted for row in _histogram(id, counts)],
    )
    for name, text, attribute in (
        ("contest_busy_threads_ratio", "Share of a process's threads in use.", "busy"),
        ("contest_lag_milliseconds", "By how much a thread that wants to run comes late.", "lag_ms"),
        ("contest_pool_timeouts", "Requests without a database connection, last seconds.", "pool_timeouts"),
    ):
        yield from _family(
            name,
            "gauge",
            text,
            [(f'{{process="{one.id}"}}', getattr(one, attribute)) for one in processes],
        )


def _histogram(id: str, counts: dict[str, list[int]]) -> Iterator[tuple[str, float]]:
    total = 0
    for top, count in zip((*BUCKETS, "+Inf"), counts["save_buckets"], strict=True):
        total += count
        yield f'_bucket{{process="{id}",le="{top}"}}', total
    yield f'_sum{{process="{id}"}}', counts["save_seconds"]  # type: ignore[misc]
    yield f'_count{{process="{id}"}}', total


def _gauge(name: str, text: str, value: float) -> Iterator[str]:
    yield from _family(name, "gauge", text, [("", value)])


def _family(name: str, kind: str, text: str, rows: list[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    yield from (f"{name}{labels} {value:.10g}" for labels, value in rows)
