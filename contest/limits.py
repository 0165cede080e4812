"""The rate limiter: one call to Redis for all keys of a request, and what takes its place without Redis.

The same arithmetic (GCRA, contest/rules/rates.py) is done in three places: by a script in Redis,
whose clock all processes share; in SQL (contest/throttles.py); and in this process alone.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence

from flask import Flask, current_app

from contest import throttles
from contest.extensions import db
from contest.redis_connection import QuickRedis
from contest.rules.rates import Away, Rate, take_turn
from contest.throttles import Asked, Verdict

# All or nothing: a key that refuses leaves every other as it was. A key that only asks for proof
# stands still while it is over its limit. No key is ever further ahead than a burst, so one that
# is was left by a clock that went back. What is no longer ahead expires by itself.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local due, wait, refused, proof = {}, 0, 0, 0
for i, key in ipairs(KEYS) do
  local apart, within = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
  local at = math.max(tonumber(redis.call('GET', key) or now) or now, now)
  if at > now + within then
    at = now + within
    redis.call('SET', key, string.format('%.0f', at), 'PX', math.ceil(within / 1000) + 1)
  end
  local early = at + apart - now - within
  if early <= 0 then
    due[i] = at + apart
  elseif ARGV[3 * i] == '1' then
    proof = proof + 1
  elseif early > wait then
    wait, refused = early, i
  end
end
if refused == 0 then
  for i, at in pairs(due) do
    redis.call('SET', KEYS[i], string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000) + 1)
  end
end
return {refused, wait, proof}
"""
PREFIX = b"limit:"
# Beyond so many keys a process forgets the one that was used the longest ago.
MOST_KEYS = 50_000


class Limiter:
    """A process's limiter. `counts` says how often what happened, by outcome and name of the rate."""

    def __init__(self, redis: QuickRedis, *, processes: int = 1) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._breaker = redis.breaker
        # Loaded by its first call, and again after Redis has forgotten it.
        self._script = redis.client.register_script(SCRIPT)
        self._processes = processes
        self._lock = threading.Lock()
        self._due: dict[bytes, int] = {}

    def note(self, outcome: str, rate: Rate) -> None:
        """Count an outcome."""
        with self._lock:
            self.counts[outcome, rate.name] += 1

    def take_in_redis(self, asked: Sequence[Asked]) -> Verdict | None:
        """Take a turn of each key in one call; None if Redis is away."""
        if not asked:
            return Verdict()
        keys = [PREFIX + one.key for one in asked]
        arguments = [
            number for one in asked for number in (one.step.apart, one.step.within, int(one.step.only_proves))
        ]
        answer = self._breaker.call(lambda: self._script(keys=keys, args=arguments))
        if answer is None:
            return None
        refused, wait, proof = answer
        if refused:
            return Verdict(refused_by=asked[refused - 1].step, retry_after=wait / 1_000_000)
        return Verdict(steps_over=proof)

    def take_in_process(self, asked: Sequence[Asked]) -> Verdict:
        """Take a turn of each key in this process, which grants its part of what all may grant."""
        now = time.monotonic_ns() // 1000
        with self._lock:
            due, steps_over, refused, longest = {}, 0, None, 0
            for one in asked:
                apart = one.step.apart * self._processes
                within = max(one.step.within, apart)
                turn = take_turn(self._due.get(one.key), now, apart=apart, within=within)
                if not turn.wait:
                    due[one.key] = turn.due
                elif one.step.only_proves:
                    steps_over += 1
                elif turn.wait > longest:
                    refused, longest = one.step, turn.wait
            if refused:
                return Verdict(refused_by=refused, retry_after=longest / 1_000_000)
            for key, at in due.items():
                self._due.pop(key, None)  # so that the first in the dictionary is the longest unused
                self._due[key] = at
            while len(self._due) > MOST_KEYS:
                del self._due[next(iter(self._due))]
        return Verdict(steps_over=steps_over)


def init_app(app: Flask) -> None:
    """Give the application its limiter."""
    processes = app.config["CONTEST"].web_workers
    app.extensions["limiter"] = Limiter(app.extensions["redis"], processes=processes)


def allow(rate: Rate, asked: Sequence[Asked]) -> Verdict:
    """Take a turn of every key that a rate counts by, and commit it. One call to Redis at most.

    What counts failures is in SQL whatever happens. While Redis is away the rate says who counts
    the others: this process, or SQL too.
    """
    limiter: Limiter = current_app.extensions["limiter"]
    in_sql = [one for one in asked if one.step.is_failures]
    others = [one for one in asked if not one.step.is_failures]
    verdict = limiter.take_in_redis(others)
    if verdict is None:
        limiter.note("redis_away", rate)
        if rate.away is Away.SQL:
            in_sql, verdict = [*in_sql, *others], Verdict()
        else:
            verdict = limiter.take_in_process(others)
    if verdict.is_ok and in_sql:
        slow = throttles.take(db.session(), in_sql)
        db.session.commit()
        verdict = slow if not slow.is_ok else Verdict(steps_over=verdict.steps_over + slow.steps_over)
    if not verdict.is_ok:
        limiter.note("refused", rate)
    elif verdict.must_prove:
        limiter.note("proof_wanted", rate)
    return verdict


def give_back(asked: Sequence[Asked]) -> None:
    """Give back, and commit, turns that were taken in SQL for a failure that never was."""
    throttles.give_back(db.session(), asked)
    db.session.commit()
