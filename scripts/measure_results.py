#!/usr/bin/env python3
"""Measure closing a round of a whole province: ranks, units, prizes, verification, and a correction.

    python3 scripts/bootstrap.py shell .venv/bin/python scripts/measure_results.py --attempts 200000

Works on an embedded database of its own, filled with papers that are really drawn, and prints JSON.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import flask_migrate
from sqlalchemy import select, text

from contest import (
    books,
    contest_standings,
    contests,
    corrections,
    create_app,
    jobs,
    leaderboards,
    proposals,
    publishing,
    regrading,
    scoring,
    tasks,
    verifying_results,
)
from contest.clock import db_now
from contest.embedded import EmbeddedServers
from contest.extensions import db
from contest.models import Headcount, Pool, Round, Unit
from contest.pools import loaded, specification_cells
from contest.rules.scoring import LABELS
from contest.rules.sheets import paper_shape
from contest.security import unseal
from contest.settings import Settings
from question_bank.draw import draw_paper, paper_seed
from tests import builders

UNITS = 99
CELLS = [
    {"topic": "T1", "level": "NB", "count": 8, "tags": []},
    {"topic": "T2", "level": "TH", "count": 7, "tags": []},
]

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
COLUMNS = (
    "public_id, receipt_code, account_id, round_id, division_id, unit_id, number, pool_id, paper,"
    " paper_shape, started_at, closes_at, deadline_at, grace_ms, responses, prediction, submitted_at, how"
)


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
            print(json.dumps(measure(*fill(wanted)), indent=1, ensure_ascii=False))
            db.session.remove()
            db.engine.dispose()


def fill(wanted: int) -> tuple[Round, dict[str, Any]]:
    """Make a round that so many people have sat, all scored; and how long the scoring took."""
    contest = builders.make_contest()
    units = [builders.make_unit(f"Xã số {number}") for number in range(UNITS)]
    division = next(one for one in contest.divisions if one.code == "citizens")
    db.session.add_all(
        Headcount(division_id=division.id, unit_id=unit.id, headcount=wanted // 20, source="Số liệu thử")
        for unit in units
    )
    builders.make_items(30)
    round = builders.open_now(
        builders.make_round(contest, specification=CELLS, prizes=(("Giải Nhất", 5), ("Giải Nhì", 95)))
    )
    session = db.session()
    session.execute(leaderboards.PATIENCE)
    session.execute(PEOPLE, {"people": wanted})
    unit_ids = [unit.id for unit in session.scalars(select(Unit)) if unit.name.startswith("Xã số")]
    session.execute(
        ENTRIES, {"contest": contest.id, "division": division.id, "units": unit_ids, "many": len(unit_ids)}
    )
    session.commit()
    sit(round, division.id)
    figures: dict[str, Any] = {"attempts": wanted}
    began = time.monotonic()
    while scoring.score_batch(session, data_key=builders.data_key(), now=db_now(session)):
        session.commit()
    figures["scoring_seconds"] = round_to(time.monotonic() - began)
    round.closes_at = db_now(session)
    session.commit()
    assert contests.close_round(session, round.id, now=db_now(session))
    session.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
    return contests.find_round(session, round.id), figures


def sit(round: Round, division_id: int) -> None:
    """Let everybody entered draw a paper, answer most of it right, and hand it in."""
    random, session = Random(1), db.session()
    pool_row = session.scalars(select(Pool).where(Pool.division_id == division_id)).one()
    pool = loaded(session, pool_row.id, pool_row.sha256)
    items, cells = list(pool.items.values()), specification_cells(CELLS)
    seed = unseal(builders.data_key(), round.seed_sealed or b"", contests.SEED_PURPOSE)
    people = session.execute(
        text("SELECT a.id, a.draw_id, g.unit_id FROM accounts a JOIN registrations g ON g.account_id = a.id")
    ).all()
    session.execute(text("SET LOCAL statement_timeout = 0"))
    connection = session.connection().connection.driver_connection
    with connection.cursor().copy(f"COPY attempts ({COLUMNS}) FROM STDIN") as copy:
        for person in people:
            paper = draw_paper(items, cells, paper_seed(seed, person.draw_id, 1))
            responses = {}
            for position, item in enumerate(paper, start=1):
                key = pool.items[item.code].key
                right = sorted(LABELS[place] for place, index in enumerate(item.order) if index in key)
                responses[str(position)] = right if random.random() < 0.9 else ["a"]
            began = round.opens_at + timedelta(seconds=random.uniform(0, 3600))
            ended = began + timedelta(seconds=random.uniform(60, 800))
            copy.write_row(
                (
                    f"attempt-{person.id:014}",
                    f"R{person.id:011}",
                    person.id,
                    round.id,
                    division_id,
                    person.unit_id,
                    1,
                    pool_row.id,
                    json.dumps([{"code": item.code, "order": item.order} for item in paper]),
                    paper_shape(paper, pool.items),
                    began,
                    round.closes_at,
                    began + timedelta(milliseconds=round.duration_ms),
                    round.grace_ms,
                    json.dumps(responses),
                    random.randrange(100_000),
                    ended,
                    "person",
                )
            )
    session.commit()


def measure(round: Round, figures: dict[str, Any]) -> dict[str, Any]:
    """Return how long each step takes in seconds, and the memory after it in MB."""
    session = db.session()
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
        books.close(session, round, data_key=data_key, now=db_now(session), actor_id=staff)
        session.commit()
    with timed("prize_list"):
        publishing.winners(session, round, data_key=data_key)
    with timed("publication"):
        publishing.publish(session, round, reason="", data_key=data_key, now=db_now(session), actor_id=staff)
        session.commit()
    with timed("verification"):
        faults = list(verifying_results.faults(session, round, data_key=data_key))
        session.rollback()
    assert not faults, faults[:3]
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
