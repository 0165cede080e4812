"""Large files into the bank: read and compared in steps of one task, imported by another.

The first keeps what it read as files of the task, so that neither the page nor the next step reads
the whole file again. The second cleans the new items in steps; its last step stores all or nothing.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from contest import bank, imports, tasks
from contest.errors import Conflict
from contest.formatting import vn_number
from contest.imports import Defaults, Plan, Verdict
from contest.kept_readings import (
    contents_as_json,
    contents_of,
    near_as_json,
    near_of,
    reading_as_json,
    reading_of,
    verdicts_as_json,
    verdicts_of,
)
from contest.models import BankImport, Task, TaskFile
from question_bank.formats.drafts import Reading

READING, APPLICATION = "bank.import.read", "bank.import.apply"
# From here on a file is not read while somebody waits for the page: by its bytes, or by what is in it.
LARGE_FILE, LARGE_COUNT = 256 * 1024, 300
# How many items a step compares with the bank, or cleans.
CHUNK = 4_000
# What was read is kept for so long if nobody imports it; then the page offers to read the file again.
KEPT = timedelta(days=30)
CHANGED_MEANWHILE = (
    "Ngân hàng câu hỏi đã thay đổi sau khi tệp được đọc, nên chưa câu nào được nhập. "
    "Bạn hãy mở lại tệp và bấm Đọc lại tệp."
)
READ_FIRST = "Tệp này chưa được đọc xong. Bạn hãy đọc lại tệp rồi nhập."


def is_large(name: str, content: bytes) -> bool:
    """Tell whether a file is to be read and imported by tasks."""
    if len(content) > LARGE_FILE:
        return True
    reading = imports.read(name, content)
    return len(reading.items) + len(reading.problems) > LARGE_COUNT


def newest(session: Session, brought: BankImport, kind: str) -> Task | None:
    """Return the newest task of a kind that reads or imports a file."""
    return tasks.newest(session, kind, _subject(brought.id))


def running(session: Session, brought: BankImport) -> Task | None:
    """Return the task that is at work on a file now."""
    found = (newest(session, brought, kind) for kind in (APPLICATION, READING))
    return next((task for task in found if task is not None and task.finished_at is None), None)


def _subject(import_id: int) -> str:
    return f"import/{import_id}"


# --- reading ---------------------------------------------------------------------------------------


def order_reading(session: Session, brought: BankImport, *, now: datetime, actor_id: int) -> Task:
    """Return the task that is at work on a file: the open one, or a new one that reads it.

    What was read before is dropped. Raises Conflict if the file was imported.
    """
    _lock(session, brought)
    if (task := running(session, brought)) is not None:
        return task
    _drop_files(session, brought)
    old = select(Task.id).where(Task.kind.in_((READING, APPLICATION)), Task.created_at < now - KEPT)
    session.execute(delete(TaskFile).where(TaskFile.task_id.in_(old)))
    return tasks.add(
        session,
        READING,
        _subject(brought.id),
        title=f"Đọc tệp {brought.name}",
        argument={"import_id": brought.id},
        actor_id=actor_id,
        now=now,
    )


def read_some(session: Session, task: Task, now: datetime) -> bool:
    """Read the file, then compare some of its items with the bank, at last all with each other. A step.

    Returns whether that was the last.
    """
    import_id = task.argument["import_id"]
    kept = _file(session, task.id, "reading")
    if kept is None:
        brought = session.get_one(BankImport, import_id)
        reading = imports.read(brought.name, brought.content)
        _keep(session, task, "reading", reading_as_json(reading))
        for picture in {found.picture for found in reading.items if found.picture}:
            _keep(session, task, f"picture-{picture.sha256}", picture.content)
        task.total = len(reading.items)
        return False
    items = reading_of(kept).items
    if task.done < task.total:
        chunk = items[task.done : task.done + CHUNK]
        _keep(session, task, f"verdicts-{task.done:06d}", verdicts_as_json(imports.compare(session, chunk)))
        task.done += len(chunk)
        return False
    near = imports.alike(session, items, _verdicts(session, task.id))
    _keep(session, task, "near", near_as_json(near))
    task.result = {
        "text": f"Đã đọc {vn_number(task.total)} câu hỏi và so với ngân hàng. Chưa có gì được nhập.",
        "url": f"/admin/bank/imports/{import_id}",
        "label": "Xem trước",
    }
    return True


def plan(session: Session, reading: Task, defaults: Defaults) -> Plan | None:
    """Return what importing a file would do as a task has read it; None if that isn't there any more."""
    kept, near = _file(session, reading.id, "reading"), _file(session, reading.id, "near")
    if kept is None or near is None:
        return None
    return imports.plan_of(reading_of(kept), _verdicts(session, reading.id), near_of(near), defaults)


def picture(session: Session, brought: BankImport, sha256: str) -> bytes | None:
    """Return a picture of a file as it would be stored, None if it has no such picture."""
    reading = newest(session, brought, READING)
    if reading is not None:
        return _file(session, reading.id, f"picture-{sha256}")
    return imports.picture(brought, sha256)


def _verdicts(session: Session, task_id: int) -> list[Verdict]:
    return [verdict for kept in _files(session, task_id, "verdicts-") for verdict in verdicts_of(kept)]


# --- importing -------------------------------------------------------------------------------------


def order_application(
    session: Session, brought: BankImport, defaults: Defaults, *, count: int, now: datetime, actor_id: int
) -> Task:
    """Return the task that imports a file that was read: the open one, or a new one.

    Raises Conflict if it was imported, if it is not read, or if `count`, as many items as the person
    saw, is not what there is to import.
    """
    _lock(session, brought)
    last = newest(session, brought, APPLICATION)
    if last is not None and last.finished_at is None:
        return last
    reading = newest(session, brought, READING)
    planned = plan(session, reading, defaults) if reading is not None else None
    if reading is None or planned is None:
        raise Conflict(READ_FIRST)
    if count != len(planned.added) + len(planned.changed):
        raise Conflict(CHANGED_MEANWHILE)
    return tasks.add(
        session,
        APPLICATION,
        _subject(brought.id),
        title=f"Nhập tệp {brought.name}",
        argument={
            "import_id": brought.id,
            "reading_id": reading.id,
            "defaults": asdict(defaults),
            "actor_id": actor_id,
        },
        total=count,
        actor_id=actor_id,
        now=now,
    )


def apply_some(session: Session, task: Task, now: datetime) -> bool:
    """Clean the next new items; once all are, store all at once. Returns whether it did. A step."""
    reading_id = task.argument["reading_id"]
    told = task.argument["defaults"]
    defaults = Defaults(**{**told, "divisions": tuple(told["divisions"])})
    planned = plan(session, tasks.find(session, reading_id), defaults)
    if planned is None:
        return _give_up(task)
    if task.done < len(planned.added):
        chunk = planned.added[task.done : task.done + CHUNK]
        contents = [bank.content_of(imports.item_of_found(found, "", defaults)) for found in chunk]
        _keep(session, task, f"cleaned-{task.done:06d}", contents_as_json(contents))
        task.done += len(chunk)
        return False
    brought = session.get_one(BankImport, task.argument["import_id"])
    try:
        imports.take_turn(session, brought)
    except Conflict as conflict:
        task.error = str(conflict)
        return True
    kept = _file(session, reading_id, "reading")
    if kept is None or not _still_holds(session, reading_of(kept), reading_id):
        return _give_up(task)
    pictures = {found.picture.sha256 for found in planned.added if found.picture}
    shown = {sha256: _file(session, reading_id, f"picture-{sha256}") or b"" for sha256 in pictures}
    contents = [
        content for kept in _files(session, task.id, "cleaned-") for content in contents_of(kept, shown)
    ]
    added, changed = imports.store(
        session, brought, contents, planned.changed, actor_id=task.argument["actor_id"], now=now
    )
    _drop_files(session, brought)
    task.done = task.total
    task.result = {
        "text": f"Đã thêm {vn_number(added)} câu hỏi, sửa {vn_number(changed)} câu thành bản thảo mới. "
        "Người khác cần thẩm định và duyệt.",
        "url": "/admin/bank?state=draft",
        "label": "Xem các câu chờ thẩm định",
    }
    return True


def _still_holds(session: Session, reading: Reading, reading_id: int) -> bool:
    """Tell whether the items are beside the bank what they were when the person saw them."""
    seen = _verdicts(session, reading_id)
    return all(
        imports.compare(session, reading.items[start : start + CHUNK]) == seen[start : start + CHUNK]
        for start in range(0, len(seen), CHUNK)
    )


def _give_up(task: Task) -> bool:
    task.error = CHANGED_MEANWHILE
    return True


# --- what is kept ----------------------------------------------------------------------------------


def _lock(session: Session, brought: BankImport) -> None:
    session.refresh(brought, ["applied_at"], with_for_update=True)  # a second click waits here
    if brought.applied_at is not None:
        raise Conflict("Tệp này đã được nhập.")


def _keep(session: Session, task: Task, name: str, content: bytes) -> None:
    session.add(TaskFile(task_id=task.id, name=name, content=content))


def _file(session: Session, task_id: int, name: str) -> bytes | None:
    return session.scalar(select(TaskFile.content).where(TaskFile.task_id == task_id, TaskFile.name == name))


def _files(session: Session, task_id: int, start: str) -> Sequence[bytes]:
    return session.scalars(
        select(TaskFile.content)
        .where(TaskFile.task_id == task_id, TaskFile.name.startswith(start))
        .order_by(TaskFile.name)
    ).all()


def _drop_files(session: Session, brought: BankImport) -> None:
    """Drop what was kept for a file, whoever kept it."""
    own = select(Task.id).where(Task.kind.in_((READING, APPLICATION)), Task.subject == _subject(brought.id))
    session.execute(delete(TaskFile).where(TaskFile.task_id.in_(own)))
