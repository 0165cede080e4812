"""Publishing a large round: writing its bundle takes longer than a page is waited for, so a task does it."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contest import audit, contests, leaderboards, official_results, publishing, tasks
from contest.errors import Conflict
from contest.models import Attempt, Proposal, Round, Task

KIND = "publication"
# Some three seconds of writing.
MOST_AT_ONCE = 10_000


def takes_long(session: Session, round: Round) -> bool:
    """Tell whether the round has more attempts than are published within a request."""
    attempts = session.scalar(select(func.count()).where(Attempt.round_id == round.id)) or 0
    return attempts > MOST_AT_ONCE


def order(
    session: Session,
    round: Round,
    *,
    reason: str,
    data_key: str,
    now: datetime,
    actor_id: int,
    proposal: Proposal | None = None,
) -> Task:
    """Return the task that publishes the round: the open one, or a new one; ring after the commit.

    With an accepted proposal the results are official, and the winners those of now: the task publishes
    no others. Raises Conflict as publishing would, and while another publication is on its way.
    """
    leaderboards.take_turn(session, round.id)
    session.refresh(round, with_for_update=True)  # a second click waits here
    subject, proposal_id = f"round/{round.id}", proposal.id if proposal else None
    last = tasks.newest(session, KIND, subject)
    if last is not None and last.finished_at is None:
        if last.argument["proposal"] != proposal_id:
            raise Conflict("Một bản khác của vòng này đang được công bố; bạn thử lại sau khi xong.")
        return last
    publishing.refuse(session, round, reason=reason, is_official=proposal is not None)
    won = publishing.winners_digest(session, round, data_key=data_key)
    task = tasks.add(
        session,
        KIND,
        subject,
        title=f"Công bố kết quả, {round.title}",
        argument={"round": round.id, "reason": reason, "proposal": proposal_id, "winners": won},
        total=1,
        actor_id=actor_id,
        now=now,
    )
    audit.record(
        session,
        "results.order",
        subject,
        now=now,
        actor_id=actor_id,
        after={"task": task.id, "is_official": proposal is not None},
        reason=reason,
    )
    return task


def step(session: Session, task: Task, now: datetime, *, data_key: str) -> bool:
    """Publish, in the one transaction that a publication is; a refusal ends the task with its sentence."""
    round = contests.find_round(session, task.argument["round"])
    assert task.created_by_id is not None, "somebody ordered it"
    try:
        with session.begin_nested():
            leaderboards.take_turn(session, round.id)
            if publishing.winners_digest(session, round, data_key=data_key) != task.argument["winners"]:
                raise Conflict("Danh sách đạt giải đã thay đổi sau khi có lệnh công bố; cần xem lại từ đầu.")
            if proposal_id := task.argument["proposal"]:
                proposal = session.get_one(Proposal, proposal_id)
                publication = official_results.publish(session, proposal, data_key=data_key, now=now)
            else:
                publication = publishing.publish(
                    session,
                    round,
                    reason=task.argument["reason"],
                    data_key=data_key,
                    now=now,
                    actor_id=task.created_by_id,
                )
    except Conflict as refusal:
        task.error = refusal.sentence
        return True
    task.done = 1
    task.result = {
        "text": f"Đã công bố kết quả, bản số {publication.version}.",
        "url": f"/admin/rounds/{round.id}/results",
        "label": "Xem kết quả",
    }
    return True
