"""Dashboards: how a round goes in figures, what calls for attention, and what comes next. Reads only.

Counts and hours come from indexes alone; the breakdown by division reads the round's attempts, so
whoever asks often keeps it for a while.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from contest import heartbeats, outages, waiting_room
from contest.clock import LOCAL_ZONE
from contest.contests import Phase, phase
from contest.errors import NotThere
from contest.formatting import vn_date, vn_datetime, vn_duration, vn_number, vn_time
from contest.models import Publication, Round, RoundDivision, UnitStanding
from contest.outages import Incident
from contest.rules.timing import SWEEP_MARGIN


class Step(Enum):
    """The one next action of a round; WAIT where the clock or the workers come next, NONE at the end."""

    OPEN = "open"
    END = "end"
    CLOSE_BOOKS = "close_books"
    PUBLISH = "publish"
    WAIT = "wait"
    NONE = "none"


@dataclass(frozen=True)
class State:
    """Where a round stands: its phase, its published versions, what comes next, how long until it changes."""

    phase: Phase
    step: Step
    versions: int
    # To the next moment of the round's clock; None if no clock runs.
    remaining_ms: int | None


def state_of(session: Session, round: Round, *, now: datetime) -> State:
    """Return where a round stands at a moment."""
    versions = (
        session.scalar(select(func.max(Publication.version)).where(Publication.round_id == round.id)) or 0
    )
    stands = phase(round, now=now)
    turn = {Phase.PLANNED: round.opens_at, Phase.OPEN: round.closes_at}.get(stands)
    remaining = max(0, (turn - now) // timedelta(milliseconds=1)) if turn else None
    return State(stands, _next_step(round, stands, versions, now=now), versions, remaining)


def division_of(round: Round, code: str | None) -> RoundDivision:
    """Return the round's division of a code, the first one for any other code. Raises NotThere."""
    if not round.divisions:
        raise NotThere("Vòng thi này chưa có bảng thi nào.")
    return next((asked for asked in round.divisions if asked.division.code == code), round.divisions[0])


def _next_step(round: Round, stands: Phase, versions: int, *, now: datetime) -> Step:
    if stands is Phase.PLANNED:
        return Step.OPEN if round.opened_at is None and now < round.closes_at else Step.WAIT
    if stands is Phase.BOOKS_CLOSED:
        return Step.NONE if versions else Step.PUBLISH
    return {Phase.OPEN: Step.END, Phase.CLOSED: Step.CLOSE_BOOKS}.get(stands, Step.WAIT)


# --- counts --------------------------------------------------------------------------------------

_COUNTS = text("""
SELECT begun.started, begun.submitted, marked.scored, marked.last_scored_at,
       sitting.people AS sitting, sitting.overdue, waiting.attempts AS waiting, waiting.oldest_seconds,
       statement_timestamp() AS at
FROM (SELECT count(*) AS started, count(submitted_at) AS submitted
      FROM attempts WHERE round_id = :round) begun,
     (SELECT count(scored_at) AS scored, max(scored_at) AS last_scored_at
      FROM attempts WHERE round_id = :round) marked,
     (SELECT count(*) AS people,
             count(*) FILTER (WHERE deadline_at + grace_ms * interval '1 millisecond'
                                    < statement_timestamp() - make_interval(secs => :late)) AS overdue
      FROM attempts WHERE round_id = :round AND submitted_at IS NULL AND voided_at IS NULL) sitting,
     (SELECT count(*) AS attempts,
             coalesce(extract(epoch FROM statement_timestamp() - min(submitted_at)), 0) AS oldest_seconds
      FROM attempts WHERE round_id = :round AND submitted_at IS NOT NULL
                          AND scored_at IS NULL AND voided_at IS NULL) waiting
""")
# The sweeper comes every few seconds; what it has left open for longer, it has not seen.
SWEEPER_IS_LATE = SWEEP_MARGIN + timedelta(seconds=30)


@dataclass(frozen=True)
class Counts:
    """A round's attempts by where they are, as of a moment."""

    at: datetime
    started: int
    sitting: int
    submitted: int
    scored: int
    waiting: int
    oldest_waiting_seconds: float
    # Sitting past deadline, grace and the sweeper's time.
    overdue: int
    last_scored_at: datetime | None


def counts(session: Session, round_id: int) -> Counts:
    """Return a round's counts, from indexes alone."""
    row = session.execute(_COUNTS, {"round": round_id, "late": SWEEPER_IS_LATE.total_seconds()}).one()
    return Counts(
        at=row.at,
        started=row.started,
        sitting=row.sitting,
        submitted=row.submitted,
        scored=row.scored,
        waiting=row.waiting,
        oldest_waiting_seconds=float(row.oldest_seconds),
        overdue=row.overdue,
        last_scored_at=row.last_scored_at,
    )


# --- by division and over time -------------------------------------------------------------------

_DIVISIONS = text("""
SELECT d.code, d.name,
       coalesce(a.started, 0) AS started, coalesce(a.sitting, 0) AS sitting,
       coalesce(a.by_person, 0) AS by_person, coalesce(a.at_deadline, 0) AS at_deadline,
       coalesce(a.scored, 0) AS scored, coalesce(a.voided, 0) AS voided,
       coalesce(s.people, 0) AS people, coalesce(s.full, 0) AS full
FROM round_divisions asked
JOIN divisions d ON d.id = asked.division_id
LEFT JOIN (SELECT division_id, count(*) AS started,
                  count(*) FILTER (WHERE submitted_at IS NULL AND voided_at IS NULL) AS sitting,
                  count(*) FILTER (WHERE how = 'person') AS by_person,
                  count(*) FILTER (WHERE how = 'deadline') AS at_deadline,
                  count(scored_at) AS scored, count(voided_at) AS voided
           FROM attempts WHERE round_id = :round GROUP BY division_id) a ON a.division_id = d.id
LEFT JOIN (SELECT division_id, count(*) AS people, count(*) FILTER (WHERE points = full_points) AS full
           FROM standings WHERE round_id = :round GROUP BY division_id) s ON s.division_id = d.id
WHERE asked.round_id = :round
ORDER BY d.position
""")

_OVER_TIME = text("""
SELECT at, sum(starts)::integer AS starts, sum(submissions)::integer AS submissions
FROM (SELECT date_bin(:step, started_at, :origin) AS at, count(*) AS starts, 0 AS submissions
      FROM attempts WHERE round_id = :round GROUP BY 1
      UNION ALL
      SELECT date_bin(:step, submitted_at, :origin), 0, count(*)
      FROM attempts WHERE round_id = :round AND submitted_at IS NOT NULL GROUP BY 1) parts
GROUP BY at ORDER BY at
""")
# Up to which span of a round its chart has which step; a day beyond.
STEPS = (
    (timedelta(hours=3), timedelta(minutes=5)),
    (timedelta(days=8), timedelta(hours=1)),
    (timedelta(days=40), timedelta(hours=6)),
)
LONGEST_STEP = timedelta(days=1)


@dataclass(frozen=True)
class DivisionFigures:
    """One division's attempts by where they are, and its people with a counted attempt."""

    code: str
    name: str
    started: int
    sitting: int
    by_person: int
    at_deadline: int
    scored: int
    voided: int
    people: int
    # People with full points.
    full: int


@dataclass(frozen=True)
class Column:
    """How many started and submitted from a moment until the next column's."""

    at: datetime
    starts: int
    submissions: int


@dataclass(frozen=True)
class Timeline:
    """Starts and submissions over the time of a round, without gaps."""

    step: timedelta
    columns: Sequence[Column]

    @property
    def highest(self) -> int:
        """The highest number in any column."""
        return max((max(one.starts, one.submissions) for one in self.columns), default=0)


@dataclass(frozen=True)
class Breakdown:
    """A round's attempts by division and over time, as of a moment."""

    at: datetime
    divisions: Sequence[DivisionFigures]
    timeline: Timeline


def breakdown(session: Session, round: Round, *, now: datetime) -> Breakdown:
    """Return a round's figures by division and over time."""
    return Breakdown(now, divisions(session, round.id), timeline(session, round, now=now))


def divisions(session: Session, round_id: int) -> list[DivisionFigures]:
    """Return a round's figures by division."""
    return [DivisionFigures(**row) for row in session.execute(_DIVISIONS, {"round": round_id}).mappings()]


def timeline(session: Session, round: Round, *, now: datetime) -> Timeline:
    """Return starts and submissions in steps that begin with the local day."""
    origin = round.opens_at.astimezone(LOCAL_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    span = min(now, round.closes_at) - round.opens_at
    step = next((step for longest, step in STEPS if span <= longest), LONGEST_STEP)
    rows = session.execute(_OVER_TIME, {"round": round.id, "step": step, "origin": origin}).all()
    if not rows:
        return Timeline(step, ())
    known = {row.at: row for row in rows}
    steps = (rows[-1].at - rows[0].at) // step + 1
    moments = [rows[0].at + place * step for place in range(steps)]
    return Timeline(
        step,
        [
            Column(at, known[at].starts, known[at].submissions) if at in known else Column(at, 0, 0)
            for at in moments
        ],
    )


# --- by unit -------------------------------------------------------------------------------------


UNIT_ORDERS: dict[str, Callable[[UnitStanding], Any]] = {
    "name": lambda row: row.unit.sort_key,
    "people": lambda row: row.people,
    "headcount": lambda row: row.headcount,
    "rate": lambda row: Fraction(row.rate) if row.rate else None,
    "mean": lambda row: Fraction(row.mean) if row.mean else None,
}


def ordered_units(rows: Sequence[UnitStanding], by: str, *, is_descending: bool) -> list[UnitStanding]:
    """Return units ordered by one of UNIT_ORDERS; those without a value come last either way."""
    value = UNIT_ORDERS[by]
    known = [row for row in rows if value(row) is not None]
    unknown = [row for row in rows if value(row) is None]
    return sorted(known, key=value, reverse=is_descending) + unknown


# --- attention -----------------------------------------------------------------------------------

SCORING_IS_SLOW = 10.0
NO_WORKER_HEARD = 30.0
RANKING_IS_LATE = timedelta(minutes=2)
LAST_HOUR = timedelta(hours=1)
LAST_DAY = timedelta(days=1)
GRAVEST_FIRST = ("error", "warning", "info")


@dataclass(frozen=True)
class Alert:
    """Something that calls for attention; kind as notices have it."""

    kind: str
    text: str


@dataclass(frozen=True)
class Health:
    """What is known beside the counts: processes that fell silent, and outages to decide on."""

    silent: Mapping[str, datetime] = field(default_factory=dict)
    undecided: Sequence[Incident] = ()
    room: waiting_room.Overview | None = None


def health(session: Session, round: Round, *, now: datetime) -> Health:
    """Return which processes are silent, which outages a round has to decide on, and who waits to start."""
    return Health(
        heartbeats.silent(session, now=now),
        outages.undecided(session, round, now=now),
        waiting_room.overview(session),
    )


def alerts(
    round: Round, state: State, counted: Counts, known: Health | None = None, *, now: datetime
) -> list[Alert]:
    """Return what calls for the organizers' attention, the gravest first."""
    known = known or Health()
    found = [
        *_of_outages(known),
        *_of_pause(round, now=now),
        *_of_silence(known),
        *_of_waiting_room(known),
        *_of_workers(counted, known),
        *_of_ranking(round, counted, now=now),
        *_of_opening(round, state, now=now),
        *_of_closing(round, state, now=now),
    ]
    return sorted(found, key=lambda alert: GRAVEST_FIRST.index(alert.kind))


def _of_outages(known: Health) -> Iterator[Alert]:
    for one in known.undecided:
        outage, fell = one.outage, one.effect
        length = vn_duration((outage.until_at - outage.from_at) // timedelta(milliseconds=1))
        yield Alert(
            "error",
            f"Hệ thống gián đoạn {length}, từ {vn_time(outage.from_at)} đến {vn_time(outage.until_at)} "
            f"ngày {vn_date(outage.until_at)}; {vn_number(fell.attempts)} bài đang làm khi đó. "
            "Chưa ai quyết định bù giờ: xem trang Sự cố. Vòng thi chưa đóng hẳn được trước quyết định này.",
        )


def _of_pause(round: Round, *, now: datetime) -> Iterator[Alert]:
    if round.paused_until is not None and now < round.paused_until:
        yield Alert("warning", f"Vòng thi đang tạm dừng đến {vn_datetime(round.paused_until)}.")


PROCESSES = {
    heartbeats.WEB: "Tiến trình web",
    heartbeats.WORKER: "Tiến trình chấm bài",
    heartbeats.SWEEP: "Tiến trình quét",
}


def _of_silence(known: Health) -> Iterator[Alert]:
    for kind, last in known.silent.items():
        yield Alert(
            "error",
            f"{PROCESSES[kind]} không còn hoạt động, lần cuối lúc {vn_time(last)} ngày {vn_date(last)}. "
            "Những gì đã lưu vẫn an toàn; cần kiểm tra máy chủ.",
        )


def _of_waiting_room(known: Health) -> Iterator[Alert]:
    seen = known.room
    if seen is None:
        return
    if seen.waiting and seen.room.since_at is not None:
        yield Alert(
            "warning",
            f"{vn_number(seen.waiting)} người đang ở phòng chờ từ {vn_time(seen.room.since_at)}; "
            f"mỗi giây cho vào {vn_number(seen.room.rate, 1)} người. Xem và điều chỉnh ở trang Phòng chờ.",
        )
    if seen.room.mode == "open":
        yield Alert("warning", "Phòng chờ đang mở hẳn: máy chủ quá tải cũng không ai phải chờ.")


def _of_workers(counted: Counts, known: Health) -> Iterator[Alert]:
    seconds = counted.oldest_waiting_seconds
    longest = vn_duration(int(seconds * 1000))
    waits = f"{vn_number(counted.waiting)} bài chờ chấm, bài lâu nhất đã chờ {longest}"
    safe = "Những gì đã lưu vẫn an toàn; cần kiểm tra máy chủ."
    if seconds > NO_WORKER_HEARD and heartbeats.WORKER not in known.silent:
        yield Alert("error", f"Không thấy tiến trình chấm bài nào làm việc: {waits}. {safe}")
    elif seconds > SCORING_IS_SLOW:
        yield Alert("warning", f"Chấm bài đang chậm: {waits}.")
    if counted.overdue:
        late = vn_number(counted.overdue)
        yield Alert("error", f"{late} bài quá giờ chưa được đóng: tiến trình quét có thể đang dừng. {safe}")


def _of_ranking(round: Round, counted: Counts, *, now: datetime) -> Iterator[Alert]:
    scored = counted.last_scored_at
    if scored is None or round.books_closed_at is not None or now - scored < RANKING_IS_LATE:
        return
    if round.ranked_at is None:
        yield Alert("warning", "Đã có bài được chấm nhưng vòng thi chưa được xếp hạng lần nào.")
    elif round.ranked_at < scored:
        yield Alert("warning", f"Xếp hạng đang chậm: lần gần nhất lúc {vn_time(round.ranked_at)}.")


def _of_opening(round: Round, state: State, *, now: datetime) -> Iterator[Alert]:
    if state.phase is not Phase.PLANNED or round.opened_at is not None:
        return
    opens = vn_datetime(round.opens_at)
    if now >= round.closes_at:
        yield Alert("error", "Thời gian của vòng thi đã qua mà vòng chưa từng được mở.")
    elif now >= round.opens_at:
        yield Alert("error", f"Giờ mở của vòng thi là {opens} đã qua mà vòng chưa được mở.")
    elif round.opens_at - now < LAST_DAY:
        yield Alert("warning", f"Vòng thi bắt đầu lúc {opens} mà chưa được mở.")


def _of_closing(round: Round, state: State, *, now: datetime) -> Iterator[Alert]:
    if state.phase is Phase.OPEN and round.closes_at - now < LAST_HOUR:
        yield Alert("warning", f"Chưa đến một giờ nữa vòng thi đóng: {vn_datetime(round.closes_at)}.")
    elif state.phase is Phase.CLOSING:
        yield Alert(
            "info",
            "Vòng thi đã hết giờ, không nhận thêm lượt mới. Vòng tự đóng khi mọi bài đã nộp và chấm xong.",
        )
