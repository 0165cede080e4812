"""Items of the bank that read alike: searched for in a task, looked at in pairs, told apart by people.

What somebody told apart stays so by the two texts' fingerprints, wherever they come up again: in the
bank, or in a file that is to be imported.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, exists, func, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or_leave
from sqlalchemy.orm import Session, aliased, contains_eager

from contest import audit, bank, item_lists, tasks
from contest.errors import Conflict
from contest.formatting import vn_number
from contest.leaderboards import Page
from contest.models import BankItem, Distinction, FoundDuplicate, ItemVersion, Task
from question_bank.duplicates import NearDuplicate, near_duplicates

KIND, SUBJECT = "bank.duplicates", "bank"
# So many items are compared with all before them in one step, which takes some seconds.
CHUNK = 10_000
ORDER_LOCK = 7_301_002
PAGE_SIZE = 20


@dataclass(frozen=True)
class Pair:
    """Two items that read alike, as they are now, and how alike their stems are, to 1."""

    first: ItemVersion
    second: ItemVersion
    similarity: float


# --- comparing -----------------------------------------------------------------------------------


def stems(session: Session) -> Sequence[Row[int, str, str]]:
    """Return item id, stem and fingerprint of all that is not retired, in the order of item ids."""
    return session.execute(
        select(ItemVersion.item_id, ItemVersion.stem, ItemVersion.fingerprint)
        .where(item_lists.is_newest(), ItemVersion.retired_at.is_(None))
        .order_by(ItemVersion.item_id)
    ).all()


def alike(
    session: Session, texts: Sequence[str], fingerprints: Sequence[str], *, since: int = 0
) -> list[NearDuplicate]:
    """Return the pairs of stems that are alike and that nobody told apart, the most alike first."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, fingerprint in enumerate(fingerprints):
        places[fingerprint].append(place)
    told = session.execute(select(Distinction.first_fingerprint, Distinction.second_fingerprint))
    apart = {
        (min(one, other), max(one, other))
        for first, second in told
        for one in places.get(first, ())
        for other in places.get(second, ())
    }
    return near_duplicates(texts, since=since, apart=apart)


def search(session: Session) -> tuple[int, list[tuple[str, str, float]]]:
    """Return how many items there are, and the codes of those that read alike, at once."""
    rows = stems(session)
    codes: Mapping[int, str] = dict(session.execute(select(BankItem.id, BankItem.code)).all())
    found = alike(session, [row.stem for row in rows], [row.fingerprint for row in rows])
    return len(rows), [
        (codes[rows[one.first].item_id], codes[rows[one.second].item_id], one.similarity) for one in found
    ]


# --- the search as a task ------------------------------------------------------------------------


def order(session: Session, *, now: datetime, actor_id: int) -> Task:
    """Return the task that searches the whole bank: the open one, or a new one."""
    session.execute(select(func.pg_advisory_xact_lock(ORDER_LOCK)))  # a second click waits here
    last = tasks.newest(session, KIND, SUBJECT)
    if last is not None and last.finished_at is None:
        return last
    return tasks.add(session, KIND, SUBJECT, title="Tìm câu hỏi gần giống nhau", actor_id=actor_id, now=now)


def look(session: Session, task: Task, now: datetime) -> bool:
    """Compare the next items with all before them; return whether they were the last. A step of a task."""
    rows = stems(session)
    since = bisect_right(rows, task.result.get("after", 0), key=lambda row: row.item_id)
    seen = rows[: since + CHUNK]
    found = alike(session, [row.stem for row in seen], [row.fingerprint for row in seen], since=since)
    if found:
        session.execute(insert(FoundDuplicate), [_row(task, seen, one) for one in found])
    pairs = task.result.get("pairs", 0) + len(found)
    task.done, task.total = len(seen), len(rows)
    if len(seen) < len(rows):
        task.result = {"after": seen[-1].item_id, "pairs": pairs}
        return False
    session.execute(delete(FoundDuplicate).where(FoundDuplicate.task_id != task.id))
    task.result = {
        "items": len(rows),
        "text": f"Trong {vn_number(len(rows))} câu hỏi có {vn_number(pairs)} cặp câu gần giống nhau.",
        "url": "/admin/bank/duplicates",
        "label": "Xem từng cặp",
    }
    return True


def _row(task: Task, rows: Sequence[Row[int, str, str]], found: NearDuplicate) -> dict[str, Any]:
    first, second = rows[found.first], rows[found.second]
    return {
        "task_id": task.id,
        "first_item_id": first.item_id,
        "second_item_id": second.item_id,
        "first_fingerprint": first.fingerprint,
        "second_fingerprint": second.fingerprint,
        "similarity": found.similarity,
    }


def last_search(session: Session) -> Task | None:
    """Return the newest search that came to its end."""
    return session.scalar(
        select(Task)
        .where(
            Task.kind == KIND,
            Task.subject == SUBJECT,
            Task.finished_at.is_not(None),
            Task.error.is_(None),
        )
        .order_by(Task.id.desc())
        .limit(1)
    )


# --- looking and telling apart -------------------------------------------------------------------


def page_of_pairs(session: Session, task: Task, *, number: int) -> Page[Pair]:
    """Return a page of what a search found and what still holds, the most alike first."""
    first, second = aliased(ItemVersion), aliased(ItemVersion)
    query = (
        select(first, second, FoundDuplicate.similarity)
        .select_from(FoundDuplicate)
        .join(first, first.item_id == FoundDuplicate.first_item_id)
        .join(second, second.item_id == FoundDuplicate.second_item_id)
        .where(
            FoundDuplicate.task_id == task.id,
            *_still_says(first, FoundDuplicate.first_fingerprint),
            *_still_says(second, FoundDuplicate.second_fingerprint),
            ~exists().where(
                Distinction.first_fingerprint
                == func.least(FoundDuplicate.first_fingerprint, FoundDuplicate.second_fingerprint),
                Distinction.second_fingerprint
                == func.greatest(FoundDuplicate.first_fingerprint, FoundDuplicate.second_fingerprint),
            ),
        )
    )
    total = (
        session.scalar(select(func.count()).select_from(query.with_only_columns(first.id).subquery())) or 0
    )
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, number), pages)
    items = aliased(BankItem), aliased(BankItem)
    rows = session.execute(
        query.join(items[0], items[0].id == first.item_id)
        .join(items[1], items[1].id == second.item_id)
        .options(
            contains_eager(first.item.of_type(items[0])),
            contains_eager(second.item.of_type(items[1])),
        )
        .order_by(FoundDuplicate.similarity.desc(), first.item_id, second.item_id)
        .offset((number - 1) * PAGE_SIZE)
        .limit(PAGE_SIZE)
    )
    return Page([Pair(*row) for row in rows], number, pages, total)


def _still_says(version: Any, fingerprint: Any) -> Iterable[Any]:
    """Return the conditions under which an item says what it said: its newest version, not retired."""
    other = aliased(ItemVersion)
    newest = select(func.max(other.number)).where(other.item_id == version.item_id).scalar_subquery()
    return version.fingerprint == fingerprint, version.retired_at.is_(None), version.number == newest


def tell_apart(
    session: Session, codes: tuple[str, str], seen: tuple[str, str], *, actor_id: int, now: datetime
) -> bool:
    """Note that two items are different questions; return False if that was known.

    `seen` are the fingerprints that the person looked at. Raises Conflict where a text has changed since,
    or where both say the same.
    """
    versions = [bank.newest_version(session, code) for code in codes]
    if tuple(version.fingerprint for version in versions) != seen:
        raise Conflict("Một trong hai câu hỏi vừa được sửa. Bạn hãy đọc lại cả hai câu.")
    if seen[0] == seen[1]:
        raise Conflict("Hai câu hỏi này giống hệt nhau; bạn hãy sửa hoặc ngừng dùng một câu.")
    first, second = sorted(seen)
    made = session.scalar(
        insert_or_leave(Distinction)
        .values(first_fingerprint=first, second_fingerprint=second, made_by_id=actor_id, made_at=now)
        .on_conflict_do_nothing()
        .returning(Distinction.made_by_id)
    )
    if made is None:
        return False
    audit.record(
        session,
        "bank.tell_apart",
        f"item/{codes[0]}",
        now=now,
        actor_id=actor_id,
        after={"codes": list(codes), "fingerprints": list(seen)},
    )
    return True
