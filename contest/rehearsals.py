"""Rehearsals: the expected crowd, virtual, in a shadow of a round; the record is the rehearsal's task.

The shadow is a contest of its own that is marked as a rehearsal: it is never announced, found, ranked
or closed, and taken away wholly afterwards. A process of its own drives the crowd and keeps telling
that it is alive; of one that no longer does, the sweeper takes the remains away.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.orm import Session, joinedload

from contest import audit, locks, pools, tasks
from contest.contests import SEED_PURPOSE
from contest.crowd import removing
from contest.errors import BadInput, Conflict, NotThere
from contest.formatting import vn_datetime, vn_number
from contest.models import Attempt, Contest, Division, Pool, Round, RoundDivision, Task
from contest.rules.crowds import (
    FEWEST_MINUTES,
    FEWEST_PEOPLE,
    MOST_MINUTES,
    MOST_PEOPLE,
    SHARES,
    STEP_SECONDS,
    Scenario,
    Step,
    expected,
    verdict,
)
from contest.security import seal
from question_bank.draw import shortfalls

KIND = "rehearsal"
LAUNCH = "rehearsal.launch"
# Before and while people really take part, the server is theirs.
QUIET_BEFORE = timedelta(hours=1)
# Of a process that has told nothing for so long, the sweeper takes the remains away.
GIVEN_UP_AFTER = timedelta(seconds=90)
SHADOW_LASTS = timedelta(hours=1)
STOPPED = "Diễn tập dừng giữa chừng; người ảo và vòng diễn tập đã được xóa."
COPIED_OF_ROUND = (
    "title",
    "duration_ms",
    "grace_ms",
    "attempts_allowed",
    "counts",
    "is_partial",
    "score_shown",
)
COPIED_OF_DIVISION = (
    "specification",
    "barred",
    "chain",
    "prediction_counted",
    "prediction_over",
    "unit_formula",
    "unit_threshold_percent",
)


# --- asked for -----------------------------------------------------------------------------------


def order(
    session: Session,
    round: Round,
    *,
    people: int | None,
    minutes: int | None,
    seed: bytes,
    data_key: str,
    now: datetime,
    actor_id: int,
) -> Task:
    """Put a rehearsal of a round with the expected crowd on the list, its shadow made and open.

    Raises BadInput for a crowd that is none; Conflict while people really take part or soon will, while
    another rehearsal runs, and where the bank has too few items for the round's papers.
    """
    expected_people, within = _refuse_crowd(people, minutes)
    session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": locks.REHEARSAL})
    refuse_now(session, now=now)
    crowd = expected(expected_people, within, round.duration_ms)
    task = tasks.add(
        session,
        KIND,
        f"round/{round.id}",
        title=f"Diễn tập vòng {round.number}: {vn_number(expected_people)} người trong {within} phút",
        argument={"round": round.id, "people": expected_people, "minutes": within, "sitting": crowd.sitting},
        total=int(len(SHARES) * STEP_SECONDS),
        actor_id=actor_id,
        now=now,
    )
    _open_shadow(session, task, round, seed=seed, data_key=data_key, now=now)
    tasks.add(session, LAUNCH, f"task/{task.id}", title="Bắt đầu diễn tập", actor_id=actor_id, now=now)
    audit.record(
        session,
        "rehearsal.order",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        after={"task": task.id, "people": expected_people, "minutes": within},
    )
    return task


def refuse_now(session: Session, *, now: datetime) -> None:
    """Raise Conflict with the reason why no rehearsal may run now, if there is one."""
    is_open = Round.opened_at.is_not(None) & (Round.opens_at <= now + QUIET_BEFORE)
    is_coming = Round.opened_at.is_(None) & Round.opens_at.between(now, now + QUIET_BEFORE)
    busy = session.scalar(
        select(Round)
        .join(Round.contest)
        .where(~Contest.is_rehearsal, Round.closed_at.is_(None), is_open | is_coming)
        .order_by(Round.opens_at)
        .limit(1)
    )
    if busy is not None and busy.opens_at > now:
        raise Conflict(
            f"{busy.title} mở lúc {vn_datetime(busy.opens_at)}. "
            "Trong một giờ trước giờ mở không diễn tập được."
        )
    if busy is not None and busy.closes_at <= now:
        raise Conflict(f"{busy.title} đã hết giờ nhưng chưa đóng xong. Bạn hãy diễn tập sau khi vòng đóng.")
    if busy is not None:
        raise Conflict(f"{busy.title} đang mở. Bạn hãy diễn tập khi không có vòng thi nào đang mở.")
    sitting = (
        exists()
        .where(Attempt.submitted_at.is_(None), Attempt.voided_at.is_(None), Attempt.round_id == Round.id)
        .where(Round.contest_id == Contest.id, ~Contest.is_rehearsal)
    )
    if session.scalar(select(sitting)):
        raise Conflict("Đang có người làm bài thi. Bạn hãy diễn tập khi mọi bài đã nộp.")
    if session.scalar(select(exists().where(Task.kind == KIND, Task.finished_at.is_(None)))):
        raise Conflict("Một cuộc diễn tập đang chạy. Bạn hãy chờ nó xong.")


def _refuse_crowd(people: int | None, minutes: int | None) -> tuple[int, int]:
    """Return the crowd. Raises BadInput if it is none that can be rehearsed."""
    wrong = {}
    if people is None or not FEWEST_PEOPLE <= people <= MOST_PEOPLE:
        wrong["people"] = f"Số người cần là số từ {FEWEST_PEOPLE} đến {vn_number(MOST_PEOPLE)}."
    if minutes is None or not FEWEST_MINUTES <= minutes <= MOST_MINUTES:
        wrong["minutes"] = f"Số phút cần là số từ {FEWEST_MINUTES} đến {vn_number(MOST_MINUTES)}."
    if wrong or people is None or minutes is None:
        raise BadInput(" ".join(wrong.values()), wrong)
    return people, minutes


# --- the shadow ----------------------------------------------------------------------------------


def _open_shadow(
    session: Session, task: Task, round: Round, *, seed: bytes, data_key: str, now: datetime
) -> None:
    contest = Contest(
        slug=_slug(task),
        title=f"Diễn tập: {round.contest.title}",
        summary="",
        minimum_age=round.contest.minimum_age,
        is_rehearsal=True,
        created_at=now,
    )
    shadow = Round(
        contest=contest,
        number=1,
        opens_at=now,
        closes_at=now + SHADOW_LASTS + timedelta(milliseconds=round.duration_ms),
        is_leaderboard_live=False,
        **{name: getattr(round, name) for name in COPIED_OF_ROUND},
    )
    for asked in round.divisions:
        division = Division(
            contest=contest,
            code=asked.division.code,
            name=asked.division.name,
            position=asked.division.position,
            unit_kind=asked.division.unit_kind,
            unit_groups=list(asked.division.unit_groups),
            is_residence_required=asked.division.is_residence_required,
        )
        copied = {name: getattr(asked, name) for name in COPIED_OF_DIVISION}
        shadow.divisions.append(RoundDivision(division=division, **copied))
    pools.hold_releases(session)
    session.add(contest)
    session.flush()
    for asked in shadow.divisions:
        items = list(pools.pool_items(pools.freeze(session, asked, now=now).file).values())
        if shortfalls(items, pools.specification_cells(asked.specification)) or not asked.specification:
            raise Conflict(
                f"Ngân hàng câu hỏi chưa đủ cho đề thi của bảng {asked.division.name} nên chưa diễn tập được."
            )
    shadow.seed_sealed = seal(data_key, seed, SEED_PURPOSE)
    shadow.seed_commitment = hashlib.sha256(seed).hexdigest()
    shadow.committed_at = shadow.opened_at = now
    session.flush()


def shadow_of(session: Session, task: Task) -> Round:
    """Return the shadow round of a rehearsal. Raises NotThere once it is taken away."""
    shadow = session.scalar(
        select(Round).join(Round.contest).where(Contest.slug == _slug(task), Contest.is_rehearsal)
    )
    if shadow is None:
        raise NotThere("Vòng diễn tập này không còn.")
    return shadow


def crowd_of(task: Task) -> str:
    """Return the name of the crowd of a rehearsal."""
    return f"rehearsal-{task.id}"


def scenario_of(task: Task, round: Round) -> Scenario:
    """Return the expected crowd of a rehearsal."""
    return expected(task.argument["people"], task.argument["minutes"], round.duration_ms)


def take_away(session: Session, task: Task) -> None:
    """Remove the virtual people and the shadow of a rehearsal, as far as they are there."""
    removing.remove(session, crowd_of(task))
    contest_id = session.scalar(select(Contest.id).where(Contest.slug == _slug(task), Contest.is_rehearsal))
    if contest_id is None:
        return
    session.expire_all()
    rounds = select(Round.id).where(Round.contest_id == contest_id)
    for part in (Pool, RoundDivision):
        session.execute(delete(part).where(part.round_id.in_(rounds)))
    for model in (Round, Division):
        session.execute(delete(model).where(model.contest_id == contest_id))
    session.execute(delete(Contest).where(Contest.id == contest_id))


def _slug(task: Task) -> str:
    return f"dien-tap-{task.id}"


# --- under way -----------------------------------------------------------------------------------


def claim(session: Session, task_id: int, *, now: datetime) -> Task | None:
    """Begin a rehearsal that nobody has begun; None if somebody has, or it is over."""
    claimed = session.scalar(
        update(Task)
        .where(Task.id == task_id, Task.kind == KIND, Task.finished_at.is_(None), Task.stepped_at.is_(None))
        .values(stepped_at=now)
        .returning(Task.id)
    )
    return None if claimed is None else session.get_one(Task, task_id, populate_existing=True)


def tell(session: Session, task_id: int, done: int) -> bool:
    """Say how far a rehearsal is and that its process lives; tell whether it is still to go on."""
    told = (
        update(Task)
        .where(Task.id == task_id, Task.finished_at.is_(None))
        .values(done=func.least(done, Task.total), stepped_at=func.statement_timestamp())
        .returning(Task.id)
    )
    return session.scalar(told) is not None


def finish(
    session: Session, task: Task, steps: Sequence[Step], details: Sequence[dict[str, Any]], *, now: datetime
) -> None:
    """Keep what a rehearsal found, with its verdict, and take its people and shadow away."""
    kind, sentence = verdict(steps, task.argument["sitting"])
    _end(session, task, now=now, after={"verdict": sentence})
    task.done = task.total
    task.result = {"kind": kind, "text": sentence, "steps": list(details)}
    session.flush()


def give_up(session: Session, task: Task, sentence: str, *, now: datetime) -> None:
    """End a rehearsal that can't go on, and take its people and shadow away."""
    _end(session, task, now=now, after={"error": sentence})
    task.error = sentence
    session.flush()


def _end(session: Session, task: Task, *, now: datetime, after: dict[str, Any]) -> None:
    session.refresh(task, with_for_update=True)
    if task.finished_at is not None:
        raise Conflict("Cuộc diễn tập này đã kết thúc.")
    take_away(session, task)
    task.finished_at = now
    session.flush()
    audit.record(session, "rehearsal.end", task.subject, now=now, after={"task": task.id} | after)


def stop(session: Session, task_id: int, *, now: datetime, actor_id: int) -> None:
    """End a rehearsal before its time: its process sees it and stops. Raises Conflict if it is over."""
    task = find(session, task_id)
    give_up(session, task, "Diễn tập được dừng theo yêu cầu; người ảo và vòng diễn tập đã được xóa.", now=now)
    audit.record(session, "rehearsal.stop", task.subject, now=now, actor_id=actor_id, after={"task": task.id})


def abandoned(session: Session, *, now: datetime) -> Sequence[Task]:
    """Return the rehearsals whose process has told nothing for long."""
    alive = func.coalesce(Task.stepped_at, Task.created_at)
    return session.scalars(
        select(Task).where(Task.kind == KIND, Task.finished_at.is_(None), alive < now - GIVEN_UP_AFTER)
    ).all()


# --- the records ---------------------------------------------------------------------------------


def find(session: Session, task_id: int) -> Task:
    """Return a rehearsal. Raises NotThere."""
    task = session.get(Task, task_id)
    if task is None or task.kind != KIND:
        raise NotThere("Không tìm thấy cuộc diễn tập này.")
    return task


def newest(session: Session, count: int) -> Sequence[Task]:
    """Return the newest rehearsals."""
    return session.scalars(
        select(Task)
        .where(Task.kind == KIND)
        .order_by(Task.id.desc())
        .limit(count)
        .options(joinedload(Task.created_by))
    ).all()
