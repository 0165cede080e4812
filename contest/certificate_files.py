"""Certificates in bulk: a task that prints a round's certificates, one file of many at each step."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from contest import audit, certificates, tasks
from contest.documents.archives import zipped
from contest.documents.certificates import certificates as print_certificates
from contest.documents.state_documents import organizers
from contest.errors import Conflict, NotThere
from contest.models import Certificate, Round, Task, TaskFile

KIND = "certificates"
BATCH = 100


def order(session: Session, round: Round, *, site: str, province: str, now: datetime, actor_id: int) -> Task:
    """Return the task that prints the round's certificates: the open one, or a new one.

    The files of the ones before are dropped. Raises Conflict where nothing was issued.
    """
    session.refresh(round, with_for_update=True)  # a second click waits here
    subject = f"round/{round.id}"
    last = tasks.newest(session, KIND, subject)
    if last is not None and last.finished_at is None:
        return last
    total = session.scalar(
        select(func.count()).where(
            Certificate.round_id == round.id,
            Certificate.revoked_at.is_(None),
            Certificate.kind != "participation",
        )
    )
    if not total:
        raise Conflict("Vòng này chưa cấp giấy chứng nhận nào.")
    earlier = select(Task.id).where(Task.kind == KIND, Task.subject == subject)
    session.execute(delete(TaskFile).where(TaskFile.task_id.in_(earlier)))
    audit.record(
        session, "certificates.print", subject, now=now, actor_id=actor_id, after={"certificates": total}
    )
    return tasks.add(
        session,
        KIND,
        subject,
        title=f"In giấy chứng nhận, vòng {round.number}",
        argument={"round_id": round.id, "site": site, "province": province},
        total=total,
        actor_id=actor_id,
        now=now,
    )


def print_some(session: Session, task: Task, now: datetime) -> bool:
    """Print the next certificates into a file; return whether they were the last. A step of a task."""
    batch = certificates.of_round(
        session, task.argument["round_id"], after=task.result.get("after", 0), limit=BATCH
    )
    if batch:
        first, last = task.done + 1, task.done + len(batch)
        pdf = print_certificates(
            organizers(task.argument["province"], "QĐ-BTC"),
            [certificates.page_of(one) for one in batch],
            site=task.argument["site"],
            issued_at=batch[-1].issued_at,
        )
        name = f"giay-chung-nhan-{first:04d}-{last:04d}.pdf"
        session.add(TaskFile(task_id=task.id, name=name, content=pdf))
        task.done, task.total = last, max(task.total, last)
        task.result = {"after": batch[-1].id}
    if len(batch) == BATCH:
        return False
    task.result = {
        **task.result,
        "text": f"Đã in {task.done} giấy chứng nhận.",
        "url": f"/admin/tasks/{task.id}/files.zip",
        "label": "Tải tệp ZIP",
    }
    return True


def archive(session: Session, task_id: int) -> Iterator[bytes]:
    """Return the ZIP of a finished task's files, piece by piece. Raises NotThere where there is none."""
    task = tasks.find(session, task_id)
    ids = session.scalars(select(TaskFile.id).where(TaskFile.task_id == task.id).order_by(TaskFile.id)).all()
    if task.finished_at is None or not ids:
        raise NotThere("Công việc này không có tệp, hoặc tệp đã được thay bằng bản in sau.")
    return zipped(
        (
            (file.name, file.content)
            for id in ids
            for file in session.execute(select(TaskFile.name, TaskFile.content).where(TaskFile.id == id))
        ),
        made_at=task.finished_at,
    )
