"""Drifts: how each question of a round goes over time, while it is open, from a sample of each stretch.

A question that suddenly gets easy may be known. What is read is bounded, however many take part: the
last papers of each stretch of time.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from contest import done_papers
from contest.done_papers import Reader
from contest.models import RoundDivision
from question_bank.drift import Drift, Window, drift, windows_of

# Stretches of time that are told apart; what lies before them is one more.
WINDOWS = 12
PAPERS_PER_WINDOW = 400
STEPS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "3h": timedelta(hours=3),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
}


@dataclass(frozen=True)
class Course:
    """An item over the stretches of time, and its most striking change, if any could be tested."""

    code: str
    windows: Sequence[Window]
    change: Drift | None


@dataclass(frozen=True)
class Courses:
    """The items of a round's division over time, the most striking first, and all of them together."""

    step: str
    # When each window begins; the first may hold much more time than the others.
    begins: Sequence[datetime]
    papers: int
    items: Sequence[Course]
    together: Sequence[Window]

    @property
    def flagged(self) -> list[Course]:
        """The items whose change is no chance."""
        return [item for item in self.items if item.change and item.change.flag]


def step_of(asked: RoundDivision, *, now: datetime) -> str:
    """Return the shortest of STEPS whose windows reach from the opening until now, or the longest."""
    span = min(now, asked.round.closes_at) - asked.round.opens_at
    return next((name for name, step in STEPS.items() if step * WINDOWS >= span), "1d")


def read(session: Session, asked: RoundDivision, *, step: str, now: datetime) -> Courses:
    """Return how the items of a round's division went until now, in stretches of one of STEPS."""
    end = min(now, asked.round.closes_at + timedelta(milliseconds=asked.round.duration_ms))
    begins = _begins(asked.round.opens_at, end, STEPS[step])
    ends = [*begins[1:], now + timedelta(days=1)]
    rows = done_papers.sample(session, asked, begins, ends, most=PAPERS_PER_WINDOW)
    reader = Reader(session, asked.round)
    answers: defaultdict[str, list[tuple[float, bool]]] = defaultdict(list)
    for row in rows:
        moment = row.submitted_at.timestamp()
        for answer in reader.answers(row):
            answers[answer.item].append((moment, answer.score == 1))
    edges = [begin.timestamp() for begin in begins[1:]]
    windows = {code: windows_of(told, edges) for code, told in answers.items()}
    changes: dict[str, Drift] = {}
    for change in drift(windows):
        changes.setdefault(change.item, change)  # the most striking comes first
    courses = [Course(code, windows[code], changes.get(code)) for code in sorted(windows)]
    return Courses(
        step,
        begins,
        len(rows),
        sorted(courses, key=lambda one: one.change.adjusted_p if one.change else 2),
        windows_of((one for told in answers.values() for one in told), edges),
    )


def _begins(opens_at: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """Return when the windows begin, in steps from the opening: the last WINDOWS, and one for all before."""
    steps = max(1, -((opens_at - end) // step))
    begins = [opens_at + place * step for place in range(max(0, steps - WINDOWS), steps)]
    return begins if begins[0] == opens_at else [opens_at, *begins]
