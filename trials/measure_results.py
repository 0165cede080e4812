"""Measure closing a round of a whole province: ranks, units, prizes, verification, and a correction.

    python3 scripts/bootstrap.py shell .venv/bin/python -m trials.measure_results --attempts 200000

Works on a database of its own, where everybody has drawn a paper by the rules, and prints JSON.
"""

import argparse
import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from typing import Any

from sqlalchemy import text

from contest import (
    books,
    contest_standings,
    contests,
    corrections,
    jobs,
    proposals,
    publishing,
    regrading,
    scoring,
    tasks,
    verifying_results,
)
from contest.clock import db_now
from contest.extensions import db
from contest.models import Pool, Round
from contest.pools import loaded, specification_cells
from contest.rules.sheets import paper_shape
from contest.security import unseal
from question_bank.draw import draw_paper, paper_seed
from tests import builders
from trials import data
from trials.ground import Ground, ground

ITEMS = 200
COLUMNS = (
    "public_id, receipt_code, account_id, round_id, division_id, unit_id, number, pool_id, paper,"
    " paper_shape, started_at, closes_at, deadline_at, grace_ms, responses, prediction, submitted_at, how"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=200_000)
    wanted = parser.parse_args().attempts
    with ground(durable=False) as here, here.app():
        print(json.dumps(measure(*fill(here, wanted)), indent=1, ensure_ascii=False))


def fill(here: Ground, wanted: int) -> tuple[Round, dict[str, Any]]:
    """Make a round that so many people have sat, all scored; and how long the scoring took."""
    data.make_bank(ITEMS)
    contest = data.make_contest("vong-lon", wanted // 20)
    place = data.make_round(contest, data.specification(), weeks_ago=0, by_the_book=True)
    session = db.session()
    with here.connect() as connection:
        people = data.add_people(connection, wanted)
        data.enter(connection, place, people, data.unit_ids())
    session.commit()
    round = contests.find_round(session, place.round_id)
    sit(round, place)
    figures: dict[str, Any] = {"attempts": wanted}
    began = time.monotonic()
    while scoring.score_batch(session, data_key=builders.data_key()):
        session.commit()
    figures["scoring_seconds"] = round_to(time.monotonic() - began)
    round.closes_at = db_now(session)
    session.commit()
    assert contests.close_round(session, round.id, now=db_now(session))
    session.commit()
    data.vacuum()
    return contests.find_round(session, round.id), figures


def sit(round: Round, place: data.Place) -> None:
    """Let everybody entered draw a paper, answer most of it right, and hand it in."""
    random, session = Random(1), db.session()
    pool_row = session.get_one(Pool, place.pool_id)
    pool = loaded(session, pool_row.id, pool_row.sha256)
    items, cells = list(pool.items.values()), specification_cells(data.specification())
    seed = unseal(builders.data_key(), round.seed_sealed or b"", contests.SEED_PURPOSE)
    people = session.execute(
        text("SELECT a.id, a.draw_id, g.unit_id FROM accounts a JOIN registrations g ON g.account_id = a.id")
    ).all()
    session.execute(text("SET LOCAL statement_timeout = 0"))
    connection = session.connection().connection.driver_connection
    assert connection is not None
    with connection.cursor().copy(f"COPY attempts ({COLUMNS}) FROM STDIN") as copy:
        for person in people:
            paper = draw_paper(items, cells, paper_seed(seed, person.draw_id, 1))
            responses = data.answered(paper, pool.items, random)
            began = round.opens_at + timedelta(seconds=random.uniform(0, 3600))
            ended = began + timedelta(seconds=random.uniform(60, 800))
            copy.write_row(
                (
                    f"attempt-{person.id:014}",
                    f"R{person.id:011}",
                    person.id,
                    round.id,
                    place.division_id,
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
    assert task is not None
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
