#!/usr/bin/env python3
"""Measure closing a round of a whole province: ranks, units, prizes, and a correction of an item.

    python3 scripts/bootstrap.py shell .venv/bin/python scripts/measure_results.py --attempts 200000

Works on an embedded database of its own, filled by SQL from some real attempts, and prints JSON.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import flask_migrate
from sqlalchemy import select, text

from contest import (
    contest_standings,
    contests,
    corrections,
    create_app,
    jobs,
    leaderboards,
    proposals,
    publishing,
    regrading,
    tasks,
)
from contest.clock import db_now
from contest.embedded import EmbeddedServers
from contest.extensions import db
from contest.models import Attempt, Headcount, Round, Unit
from contest.settings import Settings
from tests import builders

SAMPLES = 60
UNITS = 99

PEOPLE = text("""
INSERT INTO accounts (draw_id, login_tag, login_sealed, name, search_text, password_hash)
SELECT lpad(n::text, 22, 'x'), decode(md5(n::text), 'hex'), '', 'Nguyễn Văn An', 'nguyen van an', ''
FROM generate_series(1, :people) n
""")
ENTRIES = text("""
INSERT INTO registrations (contest_id, account_id, division_id, unit_id, commune_id, registered_at)
SELECT :contest, a.id, :division, (CAST(:units AS int[]))[1 + a.id % :many], (CAST(:units AS int[]))[1],
       now() - interval '2 days'
FROM accounts a WHERE a.draw_id LIKE 'xxx%'
""")
ATTEMPTS = text("""
INSERT INTO attempts (public_id, receipt_code, account_id, round_id, division_id, unit_id, number, pool_id,
                      paper, paper_shape, started_at, closes_at, deadline_at, grace_ms, responses,
                      prediction, submitted_at, how, scored_at, points, duration_ms)
SELECT md5('a' || g.account_id), md5('r' || g.account_id), g.account_id, s.round_id, g.division_id,
       g.unit_id, 1, s.pool_id, s.paper, s.paper_shape, s.started_at, s.closes_at, s.deadline_at, s.grace_ms,
       s.responses, (random() * 100000)::int, s.started_at + d.ms * interval '1 millisecond', 'person', now(),
       s.points, d.ms
FROM registrations g
JOIN LATERAL (SELECT 60000 + (random() * 600000)::int + g.account_id * 0 AS ms) d ON true
JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place FROM attempts WHERE id <= :samples) s
     ON s.place = g.account_id % :many
WHERE g.registered_at < now() - interval '1 day'
""")
STANDINGS = text("""
INSERT INTO standings (round_id, account_id, division_id, unit_id, attempt_id, points, full_points,
                       duration_ms, submitted_at, attempts_used, registered_at, prediction)
SELECT a.round_id, a.account_id, a.division_id, a.unit_id, a.id, a.points,
       jsonb_array_length(a.paper) * 840, a.duration_ms, a.submitted_at, 1, now(), a.prediction
FROM attempts a ON CONFLICT DO NOTHING
""")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=200_000)
    wanted = parser.parse_args().attempts
    with tempfile.TemporaryDirectory() as folder, EmbeddedServers(Path(folder), durable=False) as servers:
        app = create_app(
            Settings.from_env(
                {
                    "CONTEST_ENV": "test",
                    "CONTEST_DATABASE_URL": servers.database_url,
                    "CONTEST_REDIS_URL": servers.redis_url,
                    "CONTEST_SECRET_KEY": "s" * 40,
                    "CONTEST_DATA_KEY": "d" * 40,
                    "CONTEST_DATA_DIR": folder,
                }
            )
        )
        with app.app_context():
            flask_migrate.upgrade()
            print(json.dumps(measure(fill(wanted), wanted), indent=1, ensure_ascii=False))
            db.session.remove()
            db.engine.dispose()


def fill(wanted: int) -> Round:
    """Make a round that so many people have sat, all scored."""
    contest = builders.make_contest()
    units = [builders.make_unit(f"Xã số {number}") for number in range(UNITS)]
    division = next(one for one in contest.divisions if one.code == "citizens")
    db.session.add_all(
        Headcount(division_id=division.id, unit_id=unit.id, headcount=wanted // 20, source="Số liệu thử")
        for unit in units
    )
    round = builders.open_now(builders.make_round(contest, prizes=(("Giải Nhất", 5), ("Giải Nhì", 95))))
    for number in range(SAMPLES):
        builders.finish_attempt(
            builders.make_person(contest), round, right=5 if number % 5 < 2 else number % 5
        )
    session = db.session()
    session.execute(leaderboards.PATIENCE)
    session.execute(PEOPLE, {"people": wanted})
    unit_ids = [unit.id for unit in session.scalars(select(Unit)) if unit.name.startswith("Xã số")]
    session.execute(
        ENTRIES, {"contest": contest.id, "division": division.id, "units": unit_ids, "many": len(unit_ids)}
    )
    samples = session.scalars(select(Attempt.id).order_by(Attempt.id).limit(SAMPLES)).all()
    session.execute(ATTEMPTS, {"samples": samples[-1], "many": SAMPLES})
    session.execute(STANDINGS)
    round.closes_at = db_now(session)
    session.commit()
    assert contests.close_round(session, round.id, now=db_now(session))
    session.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
    return contests.find_round(session, round.id)


def measure(round: Round, wanted: int) -> dict[str, Any]:
    """Return how long each step takes in seconds, and the memory after it in MB."""
    session, figures = db.session(), {"attempts": wanted}
    data_key = builders.data_key()
    staff = builders.make_staff().id

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        figures[f"{name}_seconds"] = round_to(time.monotonic() - began)
        figures[f"{name}_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    figures["start_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    with timed("books_ranks_units"):
        contests.close_books(session, round, now=db_now(session), actor_id=staff)
        leaderboards.rank_round(session, round, now=db_now(session))
        session.commit()
    with timed("prize_list"):
        publishing.winners(session, round, data_key=data_key)
    with timed("publication"):
        publishing.publish(session, round, reason="", data_key=data_key, now=db_now(session), actor_id=staff)
        session.commit()
    code = sorted(corrections.items_of(session, round))[0]
    with timed("effect_of_voiding"):
        figures["effect"] = corrections.effect(session, round, code, None, data_key=data_key)
        session.rollback()
    now, approver = db_now(session), builders.make_staff("approver").id
    proposal = corrections.propose(
        session,
        round,
        code,
        None,
        reason="Thử",
        note="Thử",
        data_key=data_key,
        now=now,
        actor_id=staff,
    )
    accepted = proposals.accept(session, proposal.id, actor_id=approver, now=now)
    corrections.make(session, round, accepted, now=now)
    session.commit()
    with timed("regrade"):
        while jobs.do_tasks():
            pass
    task = tasks.newest(session, regrading.KIND, f"round/{round.id}")
    figures["regraded"], figures["changed"] = task.done, task.result.get("changed")
    contest = round.contest
    contest.has_standing = True
    session.commit()
    with timed("contest_standing"):
        contest_standings.rank(session, contest.id)
        session.commit()
    return figures


def round_to(seconds: float) -> float:
    return int(seconds * 100) / 100


if __name__ == "__main__":
    main()
