"""Measure a large question bank: lists and searches, retirement in bulk, duplicates, a large file.

    python3 scripts/bootstrap.py shell .venv/bin/python -m trials.measure_bank --items 20000

Works on a database of its own, filled with the words of the demo bank, and prints JSON.
"""

import argparse
import io
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask, current_app
from sqlalchemy import event, text

from contest import bank, duplicates, item_lists, jobs
from contest.clock import db_now
from contest.extensions import db
from contest.models import Account, Task
from question_bank.formats import xlsx
from tests import builders
from tests.visiting import Browser, visit
from trials import data
from trials.ground import ground

SUPERSEDED, SUPERSEDED_ITEMS = "Nghị định số 99/2009/NĐ-CP", 500
TIMES = 15
SEARCHES = (
    "/admin/bank",
    "/admin/bank?page=200",
    "/admin/bank?q=can+cuoc",
    "/admin/bank?q=khong+co+cau+nao+nhu+the",
    "/admin/bank?q=99/2009",
    "/admin/bank?q=thu+tuc&topic=T2&level=TH&state=approved&division=citizens",
    "/admin/bank?state=draft",
)
# Three of four in use, and the first of them rest on what is superseded.
SIGN = text("""
UPDATE item_versions
   SET reviewed_by_id = :signer, reviewed_at = now(), approved_by_id = :signer, approved_at = now(),
       legal_document = CASE WHEN id % 4 = 1 AND item_id <= :last THEN :document ELSE legal_document END,
       search_text = CASE WHEN id % 4 = 1 AND item_id <= :last THEN search_text || ' 99/2009/nd-cp'
                     ELSE search_text END
WHERE id % 4 <> 0
""")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=20_000)
    wanted = parser.parse_args().items
    with ground(durable=False) as here, here.app() as app:
        app.testing = True
        print(json.dumps(measure(fill(wanted), wanted), indent=1, ensure_ascii=False))


def fill(wanted: int) -> Account:
    """Make the bank; return an organizer."""
    builders.make_contest()
    session, signer = db.session(), builders.make_staff()
    builders.fill_bank(wanted)
    session.execute(SIGN, {"signer": signer.id, "document": SUPERSEDED, "last": 4 * SUPERSEDED_ITEMS})
    session.commit()
    data.vacuum()
    return signer


def measure(staff: Account, wanted: int) -> dict[str, Any]:
    """Return how long each thing takes in seconds, and how many statements pages need."""
    figures: dict[str, Any] = {"items": wanted}
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    browser = visit(app)
    builders.sign_in(browser, staff)
    figures["pages"] = {address: page(browser, address) for address in SEARCHES}
    figures["queries"] = {words: median(partial(found, words)) for words in ("can cuoc", "99/2009")}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.monotonic()
        with counted() as statements:
            yield
        figures[name] = {"seconds": round_to(time.monotonic() - began), "statements": len(statements)}

    with timed("retirement"):
        fields = {"which": "all", "count": str(SUPERSEDED_ITEMS), "q": "99/2009", "reason": "Đã bị thay thế"}
        answer = browser.post(
            "/admin/bank/retirements", data={"csrf_token": builders.csrf(browser), **fields}
        )
        assert answer.status_code == 303, answer.status_code
    with timed("duplicates"):
        task = duplicates.order(db.session(), now=db_now(db.session()), actor_id=staff.id)
        work(task)
    figures["duplicates"]["pairs"] = task.result["text"]
    figures["duplicates"]["page"] = page(browser, "/admin/bank/duplicates")

    items = [*changed(wanted)]
    db.session.rollback()  # writing takes longer than a transaction may idle
    file = xlsx.write(items)
    with timed("upload"):
        sent = browser.post(
            "/admin/bank/imports",
            data={"csrf_token": builders.csrf(browser), "file": (io.BytesIO(file), "lon.xlsx")},
            content_type="multipart/form-data",
        )
    task = db.session.get_one(Task, int(sent.location.rpartition("/")[2]))
    with timed("reading"):
        work(task)
    address = task.result["url"]
    with timed("plan"):
        answer = browser.get(address)
    count = answer.text.partition('name="count" value="')[2].partition('"')[0]
    figures["plan"]["count"] = count
    with timed("order"):
        sent = browser.post(
            f"{address}/application",
            data={
                "csrf_token": builders.csrf(browser),
                "count": count,
                "is_chosen": "yes",
                "divisions": "citizens",
            },
        )
    task = db.session.get_one(Task, int(sent.location.rpartition("/")[2]))
    with timed("application"):
        work(task)
    figures["application"]["text"] = task.result["text"]
    figures["largest_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return figures


def changed(wanted: int) -> Iterator[Any]:
    """Yield as many items as there are, each with an option more than the one in the bank."""
    for item in bank.items_of(db.session(), item_lists.newest_versions().limit(wanted)):
        first, *rest = item.options
        yield type(item)(
            **{**vars(item), "options": (type(first)(f"{first.text} nữa", first.is_pinned), *rest)}
        )


def work(task: Task) -> None:
    """Do the steps of a task as a worker does."""
    db.session.commit()
    while db.session.get_one(Task, task.id, populate_existing=True).finished_at is None:
        db.session.commit()
        jobs.do_tasks()
    assert task.error is None, task.error


def found(words: str) -> int:
    return len(db.session.scalars(item_lists.newest_versions(words=words).limit(50)).all())


def page(browser: Browser, address: str) -> dict[str, Any]:
    """Return the median time of a page, its computing time alone, and how many statements it needs."""
    with counted() as statements:
        assert browser.get(address).status_code == 200
    return median(lambda: browser.get(address)) | {"statements": len(statements)}


def median(work: Callable[[], Any]) -> dict[str, float]:
    """Return the median time, and the mean time that this process and its database server computed, in ms.

    On a machine that does other things too the second is what it takes.
    """
    times, backend = [], db.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    computed = computing(backend)
    for _ in range(TIMES):
        db.session.rollback()
        began = time.monotonic()
        work()
        times.append(time.monotonic() - began)
    return {
        "ms": round_to(statistics.median(times) * 1000),
        "computing_ms": round_to((computing(backend) - computed) / TIMES * 1000),
    }


def computing(backend: int) -> float:
    """Return for how many seconds this process and a process of the database server have computed."""
    ticks = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[11:13]
    return time.process_time() + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect the statements that are sent meanwhile."""
    statements: list[str] = []

    def note(*details: Any) -> None:
        statements.append(details[2])

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def round_to(number: float) -> float:
    return int(number * 100) / 100


if __name__ == "__main__":
    main()
