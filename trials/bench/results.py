"""Scoring what waits, and closing and ranking the round of a province."""

import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

from redis import Redis
from rq import Queue
from sqlalchemy import func, select

from contest import books, contests, leaderboards, scoring
from contest.attempts import paper_of
from contest.clock import db_now
from contest.extensions import db
from contest.models import Attempt, Pool, Standing
from contest.pools import loaded
from contest.rules.scoring import score
from tests import builders
from trials import data
from trials.bench import FORKED_QUEUE
from trials.bench.bench import Bench
from trials.bench.windows import MICRO, Window, judged
from trials.ground import Ground, TrialError

AT_LEAST_PER_SECOND = 8_000
SHEETS_PER_WINDOW = 10_000
FORKED_JOBS = 60
FORKED_WITHIN = 60.0
LONGEST_CLOSING = 20.0
SORTS = 3


@dataclass(frozen=True)
class Sheets:
    """Papers with what was answered, and the keys: what the pure function scores."""

    papers: list[tuple[Any, Any]]
    keys: dict[str, tuple[int, ...]]


def measure(bench: Bench) -> None:
    """Score all that waits, each window beside the pure function; then close and rank the round."""
    ground = bench.world.closing
    with ground.app():
        forked = _forked_per_second(ground)
        bench.say(f"  one forked RQ job per attempt: {forked:.0f} attempts/s")
        _score(bench, ground, forked)
        _close(bench, ground)


# --- scoring -------------------------------------------------------------------------------------


def _score(bench: Bench, ground: Ground, forked: float) -> None:
    most = SHEETS_PER_WINDOW if bench.world.sizes.closing > 2 * SHEETS_PER_WINDOW else 2_000
    sheets = _sheets(bench, most)
    scored, pure = [], []
    while (window := _batches(ground, most)).requests == most:
        scored.append(bench.note(window))
        pure.append(bench.note(_pure(sheets)))
    bench.note(window) if window.requests else None
    rate = statistics.median(MICRO / one.whole_cpu_us for one in scored)
    alone = statistics.median(MICRO / one.cpu_us for one in pure)
    bench.add(
        judged(
            "scoring, database included",
            f"{rate:,.0f} attempts per CPU second",
            f"pure function {alone:,.0f}/s; one forked RQ job per attempt {forked:.0f}/s",
            f"≥ {AT_LEAST_PER_SECOND:,}",
            rate >= AT_LEAST_PER_SECOND,
            scored,
            pure,
        )
    )


def _sheets(bench: Bench, most: int) -> Sheets:
    session, live = db.session(), bench.world.live
    rows = session.execute(
        select(Attempt.paper, Attempt.responses).where(Attempt.round_id == live.round_id).limit(most)
    ).all()
    pool = session.get_one(Pool, live.pool_id)
    sheets = Sheets(
        [(paper_of(row.paper), row.responses) for row in rows],
        dict(loaded(session, pool.id, pool.sha256).keys),
    )
    session.commit()
    return sheets


def _pure(sheets: Sheets) -> Window:
    began, cpu = time.perf_counter(), time.process_time()
    for paper, responses in sheets.papers:
        score(paper, responses, sheets.keys)
    return _window("pure scoring", len(sheets.papers), began, cpu, 0.0)


def _batches(ground: Ground, most: int) -> Window:
    """Score batch after batch as a worker does, each committed, until so many attempts are scored."""
    session, count, done = db.session(), 0, 1
    began, cpu, database = time.perf_counter(), time.process_time(), ground.database_cpu_seconds()
    while done and count < most:
        done = scoring.score_batch(
            session, data_key=ground.settings.data_key, most=min(scoring.BATCH, most - count)
        )
        session.commit()
        count += done
    return _window("scoring in batches", count, began, cpu, ground.database_cpu_seconds() - database)


def _window(name: str, count: int, began: float, cpu_began: float, database: float) -> Window:
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    each = seconds / count * 1000 if count else 0.0
    return Window(name, count, 0, "", seconds, cpu, database, each, each)


def _forked_per_second(ground: Ground) -> float:
    """Return how many attempts a second are scored by a forked job each."""
    with Redis.from_url(ground.settings.redis_url) as redis:
        queue = Queue(FORKED_QUEUE, connection=redis)
        queue.enqueue_many(
            [Queue.prepare_data("trials.bench.forked.score_one", result_ttl=0) for _ in range(FORKED_JOBS)]
        )
        worker = ground.start("forked", [sys.executable, "-m", "trials.bench.forked"])
        give_up_at = time.monotonic() + FORKED_WITHIN
        # From the second job on: the first waits until the worker has started.
        while queue.count >= FORKED_JOBS - 1:
            _pause(give_up_at, worker.has_ended())
        began = time.perf_counter()
        while queue.count:
            _pause(give_up_at, worker.has_ended())
        rate = (FORKED_JOBS - 2) / (time.perf_counter() - began)
        while not worker.has_ended():
            _pause(give_up_at, False)
        failed = queue.failed_job_registry.count
    if failed:
        raise TrialError(f"{failed} of the forked jobs failed; see {worker.log}.")
    return rate


def _pause(give_up_at: float, has_ended: bool) -> None:
    if has_ended or time.monotonic() > give_up_at:
        raise TrialError("The worker of the forked jobs ended early or takes too long.")
    time.sleep(0.005)


# --- closing -------------------------------------------------------------------------------------


def _close(bench: Bench, ground: Ground) -> None:
    """Close the round and its books, which ranks people and units; the sort of the same rows beside it."""
    session, place, data_key = db.session(), bench.world.live, ground.settings.data_key
    people = session.scalar(select(func.count()).where(Standing.round_id == place.round_id))
    if people != bench.world.sizes.closing:
        raise TrialError(f"{people} people stand in the round, not {bench.world.sizes.closing}.")
    data.vacuum()
    staff = builders.make_staff().id
    sorts = [_sorting(bench) for _ in range(SORTS)]
    round = contests.find_round(session, place.round_id)
    session.execute(leaderboards.PATIENCE)
    round.closes_at = db_now(session)
    session.commit()
    began = time.perf_counter()
    assert contests.close_round(session, place.round_id, now=db_now(session)), "the round does not close"
    session.commit()
    round = contests.find_round(session, place.round_id)
    books.close(session, round, data_key=data_key, now=db_now(session), actor_id=staff)
    session.commit()
    took = time.perf_counter() - began
    ranked = session.scalar(
        select(func.count()).where(Standing.round_id == place.round_id, Standing.rank.is_not(None))
    )
    sorts += [_sorting(bench) for _ in range(SORTS)]
    session.rollback()
    if ranked != people:
        raise TrialError(f"{ranked} of {people} people have a rank after the closing.")
    bench.say(f"  closed and ranked {people:,} people in {took:.1f} s")
    bench.add(
        judged(
            f"close and rank a round of {people:,}",
            f"{took:.1f} s",
            f"sorting the same rows: {statistics.median(one.seconds for one in sorts):.2f} s",
            f"≤ {LONGEST_CLOSING:.0f} s",
            took <= LONGEST_CLOSING,
            [],
            sorts,
        )
    )


def _sorting(bench: Bench) -> Window:
    """Sort the rows that the ranking sorts, by what it sorts them by."""
    session, place = db.session(), bench.world.live
    session.execute(leaderboards.PATIENCE)
    rows = leaderboards.standings_of(session, place.round_id, place.division_id)
    session.commit()
    began, cpu = time.perf_counter(), time.process_time()
    ordered = sorted(rows, key=lambda row: (-row.points, row.duration_ms, row.submitted_at))
    window = _window("sorting the rows", len(ordered), began, cpu, 0.0)
    return bench.note(window)
