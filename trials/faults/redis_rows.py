"""Redis emptied, killed and stalled."""

import signal
import time

from redis import Redis

from trials.faults.people import Line
from trials.faults.rows import Finding, row
from trials.faults.stand import Stand, wait_until

BREAKER_OPENS_WITHIN = 3.0


@row(1, "D", "nothing lost; p99 < 1 s; all scored within 10 s")
def redis_emptied(stand: Stand) -> Finding:
    """FLUSHALL three times while people save and hand in."""
    found = Finding()
    stand.ground.worker(), stand.ground.sweep()
    with stand.crowd(hand_in_after=2) as crowd, Redis.from_url(stand.ground.settings.redis_url) as redis:
        for _ in range(3):
            crowd.wait_for_acks(since=time.monotonic())
            redis.flushall()
        crowd.wait_for_acks(since=time.monotonic(), count=12)
    seconds = sorted(one.seconds for one in crowd.ledger.entries)
    found.within("p99", seconds[int(len(seconds) * 0.99)], 1)
    found.within("all scored", wait_until(lambda: not stand.waiting_for_scores(), within=15), 10)
    found.judge(stand, crowd)
    return found


@row(2, "D", "nothing lost; no answer after more than 1 s; scored within 5 s of its return")
def redis_killed(stand: Stand) -> Finding:
    """Redis killed, away for 8 s, back and empty."""
    found = Finding()
    stand.ground.worker(), stand.ground.sweep()
    with stand.crowd(hand_in_after=12) as crowd:
        crowd.wait_for_acks()
        stand.kill_server("Valkey", signal.SIGKILL)
        time.sleep(8)
        stand.start_servers()
        crowd.wait_for_acks(since=time.monotonic(), count=12)
    found.within("longest answer", crowd.ledger.longest(), 1)
    # The workers ask for their next job at once; the sweeper helps where they don't.
    found.within("all scored", wait_until(lambda: not stand.waiting_for_scores(), within=15), 10)
    found.judge(stand, crowd)
    return found


@row(3, "A", "no answer after more than 1 s once the breaker is open; nothing lost")
def redis_stalled(stand: Stand) -> Finding:
    """Redis stopped for 8 s: its socket takes everything and answers nothing."""
    found = Finding()
    with stand.crowd(hand_in_after=8, pause=0.4) as crowd:
        crowd.wait_for_acks()
        began = time.monotonic()
        stand.signal_server("Valkey", signal.SIGSTOP)
        try:
            line, asked = Line(crowd.port), []
            while time.monotonic() < began + 8:
                # What counts its rate in Redis, besides the handing in that rings.
                before = time.monotonic()
                line.ask("GET", "/receipts?code=khong-co", None)
                asked.append((before, time.monotonic() - before))
                time.sleep(0.3)
            line.close()
        finally:
            stand.signal_server("Valkey", signal.SIGCONT)
    after = began + BREAKER_OPENS_WITHIN
    slow = [one.seconds for one in crowd.ledger.entries if one.began > after]
    slow += [seconds for before, seconds in asked if before > after]
    found.must(bool(slow), "nobody was answered while Redis stalled")
    found.within("longest answer", max(slow, default=0), 1)
    found.judge(stand, crowd)
    return found
