"""Deadlines and their races, sheets out of order."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from trials.faults.people import Line, Person, save, submit
from trials.faults.rows import Finding, row
from trials.faults.stand import Stand

_NEAR = """
UPDATE attempts SET started_at = statement_timestamp() - interval '10 minutes', grace_ms = 0,
       deadline_at = statement_timestamp() + interval '2 seconds'
WHERE public_id = ANY(%s) RETURNING extract(epoch FROM deadline_at - statement_timestamp())
"""
_LATE = """
SELECT count(*) FROM attempts
WHERE public_id = ANY(%s)
  AND greatest(saved_at, submitted_at) >= deadline_at + grace_ms * interval '1 millisecond'
"""


@row(12, "D", "nothing taken after deadline and grace; each acknowledgement in its time; nothing lost")
def deadline_raced(stand: Stand) -> Finding:
    """24 people save and hand in within 200 ms before and after their deadline."""
    found = Finding()
    crowd = stand.crowd()
    # Each within the flood limit: one request before the deadline and another after it.
    ids = [one.attempt for one in crowd.people]
    with stand.ground.connect() as connection:
        rows = connection.execute(_NEAR, [ids]).fetchall()
        deadline = time.monotonic() + float(rows[0][0])

    def act(number: int) -> None:
        person, line = crowd.people[number], Line(crowd.port)
        line.ask("GET", "/healthz", None)  # the connection stands
        for offset in (-0.2 + number / 24 * 0.2, 0.1 + number / 24 * 0.1):
            time.sleep(max(0, deadline + offset - time.monotonic()))
            if number % 3 or offset > 0:
                save(line, person, crowd.ledger, person.seq + 1)
            else:
                submit(line, person, crowd.ledger)
        line.close()

    with ThreadPoolExecutor(len(crowd.people)) as threads:
        list(threads.map(act, range(len(crowd.people))))
    late = [one for one in crowd.ledger.acked("save") if one.began > deadline + 0.05]
    found.facts["sent after the deadline and acknowledged"] = len(late)
    found.must(not late, f"{len(late)} sheets sent after the deadline were acknowledged")
    with stand.ground.connect() as connection:
        taken = connection.execute(_LATE, [ids]).fetchone()
    found.must(taken == (0,), f"{taken} attempts have something taken after their deadline")
    found.judge(stand, crowd)
    return found


@row(16, "D", "the sheet with the highest number that was acknowledged is stored, whatever the order")
def sheets_shuffled(stand: Stand) -> Finding:
    """Sheets sent out of order, twice and late, by 24 people from three lines each."""
    found = Finding()
    crowd = stand.crowd()
    orders = []
    for _ in crowd.people:
        order = [1, 2, 3, 4, 5, 6, 3, 5]
        stand.random.shuffle(order)
        orders.append(order)

    def act(number: int) -> None:
        person, lines = crowd.people[number], [Line(crowd.port) for _ in range(3)]
        for turn, seq in enumerate(orders[number]):
            # One editor: only the sheets' numbers decide.
            save(lines[turn % 3], person, crowd.ledger, seq, base=0)
            time.sleep(0.3)
        for line in lines:
            line.close()

    with ThreadPoolExecutor(len(crowd.people)) as threads:
        list(threads.map(act, range(len(crowd.people))))
    found.judge(stand, crowd)
    return found


def at_once(people: list[Person], act: "object", port: int) -> list[object]:
    """Let each act on a line of their own at the same moment."""
    barrier = threading.Barrier(len(people))

    def one(person: Person) -> object:
        line = Line(port)
        line.ask("GET", "/healthz", None)
        barrier.wait()
        try:
            return act(line, person)  # type: ignore[operator]
        finally:
            line.close()

    with ThreadPoolExecutor(len(people)) as threads:
        return list(threads.map(one, people))
