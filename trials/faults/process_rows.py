"""Processes killed and restarted."""

import os
import signal
import time
from functools import partial

from trials.faults.people import Line, submit
from trials.faults.rows import Finding, row
from trials.faults.stand import Stand, wait_until


@row(4, "D", "nothing lost; everybody acknowledged again within 3 s")
def web_killed(stand: Stand) -> Finding:
    """A web process killed, three times, another each time."""
    found = Finding()
    longest = 0.0
    with stand.crowd() as crowd:
        for _ in range(3):
            crowd.wait_for_acks(since=time.monotonic())
            os.kill(stand.random.choice(stand.web.workers()), signal.SIGKILL)
            killed = time.monotonic()
            longest = max(longest, crowd.wait_for_acks(since=killed))
    found.within("acknowledged again", longest, 3)
    found.judge(stand, crowd)
    return found


@row(5, "D", "all scored within 20 s, each once")
def worker_killed(stand: Stand) -> Finding:
    """The worker killed while it scores, and not started again."""
    found = Finding()
    worker = stand.ground.worker()
    crowd, line = stand.crowd(count=100), Line(stand.web.port)
    for number, person in enumerate(crowd.people):
        submit(line, person, crowd.ledger)
        if number == 50:
            worker.kill()
    line.close()
    stand.ground.sweep()
    found.facts["waited for the sweeper"] = stand.waiting_for_scores()
    found.within("all scored", wait_until(lambda: not stand.waiting_for_scores(), within=25), 20)
    found.judge(stand, crowd)
    return found


@row(10, "D", "no acknowledgement lost, no request failed")
def restarted_gracefully(stand: Stand) -> Finding:
    """The web told to restart its processes twice (SIGHUP) while people save."""
    found = Finding()
    with stand.crowd() as crowd:
        for _ in range(2):
            crowd.wait_for_acks(since=time.monotonic())
            before = set(stand.web.workers())
            stand.web.send(signal.SIGHUP)
            found.within("restarted", wait_until(partial(_are_gone, stand, before), within=30), 25)
        crowd.wait_for_acks(since=time.monotonic())
    unanswered = [one for one in crowd.ledger.entries if one.status is None]
    found.facts["requests without an answer"] = len(unanswered)
    found.must(not unanswered, f"{len(unanswered)} requests had no answer and were sent again")
    refused = [one for one in crowd.ledger.entries if (one.status or 0) >= 500]
    found.must(not refused, f"{len(refused)} requests were refused")
    found.judge(stand, crowd)
    return found


def _are_gone(stand: Stand, workers: set[int]) -> bool:
    return not workers & set(stand.web.workers())


@row(17, "D", "all scored by the sweeper within 15 s")
def rings_lost(stand: Stand) -> Finding:
    """Nothing that is put into the queue ever arrives: Redis away from the first to the last."""
    found = Finding()
    stand.kill_server("Valkey", signal.SIGKILL)
    start_sweep(stand)
    crowd, line = stand.crowd(), Line(stand.web.port)
    for person in crowd.people:
        submit(line, person, crowd.ledger)
    line.close()
    found.within("all scored", wait_until(lambda: not stand.waiting_for_scores(), within=16), 15)
    found.judge(stand, crowd)
    return found


def start_sweep(stand: Stand) -> None:
    """Start the sweeper, unless a negative control leaves it out."""
    if stand.has_sweeper:
        stand.ground.sweep()
