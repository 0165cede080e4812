"""Turns counted in SQL: failed sign-ins always, and what must not go uncounted while Redis is away.

One row per key and one conditional statement per turn, as in Redis; the database's clock decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from contest.rules.rates import Step

PRUNED_AT_ONCE = 10_000


@dataclass(frozen=True)
class Asked:
    """A turn that is asked for: by whom, and as what step of a rate."""

    step: Step
    key: bytes


@dataclass(frozen=True)
class Verdict:
    """Whether a turn is granted, and if so how much proof of work should be asked for."""

    refused_by: Step | None = None
    # Seconds until it makes sense to ask again.
    retry_after: float = 0.0
    # How many steps that only ask for proof of work are over their limits.
    steps_over: int = 0

    @property
    def must_prove(self) -> bool:
        """Whether proof of work should be asked for."""
        return self.steps_over > 0

    @property
    def is_ok(self) -> bool:
        """Whether the turn is granted."""
        return self.refused_by is None


_TAKE = text("""
INSERT INTO throttles AS t (key, due_at)
VALUES (:key, statement_timestamp() + :apart * interval '1 microsecond')
ON CONFLICT (key) DO UPDATE
SET due_at = greatest(t.due_at, statement_timestamp()) + :apart * interval '1 microsecond'
WHERE t.due_at + :apart * interval '1 microsecond'
      <= statement_timestamp() + :within * interval '1 microsecond'
RETURNING key
""")

# No key is ever further ahead than a burst: one that is was left by a clock that went back.
_WAIT = text("""
UPDATE throttles
SET due_at = least(due_at, statement_timestamp() + :within * interval '1 microsecond')
WHERE key = :key
RETURNING extract(epoch FROM due_at - statement_timestamp()
                             + (:apart - :within) * interval '1 microsecond')
""")


_GIVE_BACK = text("""
UPDATE throttles SET due_at = due_at - :apart * interval '1 microsecond' WHERE key = :key
""")

_PRUNE = text("""
DELETE FROM throttles
WHERE key IN (SELECT key FROM throttles WHERE due_at < statement_timestamp()
              ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED)
""")


class _NoTurnLeft(Exception):
    """A key has none."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked


def take(session: Session, asked: Iterable[Asked]) -> Verdict:
    """Take a turn of each key, or of none if one that refuses has none left; commit in either case."""
    try:
        with session.begin_nested():
            return Verdict(steps_over=_take_all(session, asked))
    except _NoTurnLeft as none_left:
        one = none_left.asked
    # Gone if the sweeper has forgotten it meanwhile.
    wait = session.scalar(_WAIT, {"key": one.key, "apart": one.step.apart, "within": one.step.within})
    return Verdict(refused_by=one.step, retry_after=max(float(wait or 0), 0.0))


def _take_all(session: Session, asked: Iterable[Asked]) -> int:
    """Take the turns and return how many steps ask for proof. Raises _NoTurnLeft."""
    steps_over = 0
    # In the order of the keys, so that of two who ask for the same none blocks the other for good.
    for one in sorted(asked, key=lambda one: one.key):
        values = {"key": one.key, "apart": one.step.apart, "within": one.step.within}
        if session.scalar(_TAKE, values) is None:
            if not one.step.only_proves:
                raise _NoTurnLeft(one)
            steps_over += 1
    return steps_over


def give_back(session: Session, asked: Iterable[Asked]) -> None:
    """Give back the turns of what turned out to be no failure."""
    for one in sorted(asked, key=lambda one: one.key):
        session.execute(_GIVE_BACK, {"key": one.key, "apart": one.step.apart})


def prune(session: Session) -> int:
    """Forget keys that are no longer ahead, some at a time; return how many."""
    pruned = session.execute(_PRUNE, {"most": PRUNED_AT_ONCE})
    return int(pruned.rowcount)  # type: ignore[attr-defined]
