"""The same thing asked for many times at once."""

from http import HTTPStatus
from urllib.parse import urlencode

from trials.faults.people import Line, Person, save, submit
from trials.faults.rows import Finding, row
from trials.faults.stand import Stand
from trials.faults.time_rows import at_once


@row(13, "D", "one final handing in, the same receipt each time")
def submitted_twice(stand: Stand) -> Finding:
    """One person hands in 20 times at once, and again later."""
    found = Finding()
    crowd = stand.crowd(count=1)
    person, line = crowd.people[0], Line(crowd.port)
    save(line, person, crowd.ledger, 1)
    at_once([person] * 20, lambda own, who: submit(own, who, crowd.ledger), crowd.port)
    before = _state(stand, person)
    receipts = {_receipt(line, person) for _ in range(2)}
    submit(line, person, crowd.ledger)
    receipts.add(_receipt(line, person))
    line.close()
    found.facts["acknowledged"] = len(crowd.ledger.acked("submit"))
    found.must(len(crowd.ledger.acked("submit")) == 21, "not every handing in was answered with the receipt")
    found.must(_state(stand, person) == before, "a later handing in has changed the attempt")
    found.must(len(receipts) == 1 and None not in receipts, "the receipts differ")
    found.judge(stand, crowd)
    return found


@row(14, "D", "exactly as many attempts as are allowed")
def started_at_once(stand: Stand) -> Finding:
    """One person presses start 50 times at once on five devices."""
    found = Finding()
    [person] = stand.newcomers()
    path, body = f"/rounds/{stand.place.round_id}/attempts", urlencode({"csrf_token": person.csrf})
    port = stand.web.port
    answers = at_once([person] * 50, lambda line, who: line.ask("POST", path, who, body=body), port)
    statuses = [one[0] if one else 0 for one in answers]  # type: ignore[index]
    found.facts["answers"] = {status: statuses.count(status) for status in sorted(set(statuses))}
    with stand.ground.connect() as connection:
        made = connection.execute(
            "SELECT count(*) FROM attempts WHERE account_id = %s", [person.account_id]
        ).fetchone()
    found.must(made == (1,), f"{made} attempts were made")
    allowed = {HTTPStatus.SEE_OTHER, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    found.must(set(statuses) <= allowed, f"answers were {set(statuses)}")
    found.must(HTTPStatus.SEE_OTHER in statuses, "nobody could start")
    return found


def _state(stand: Stand, person: Person) -> object:
    with stand.ground.connect() as connection:
        return connection.execute(
            "SELECT submitted_at, how, responses, receipt_code FROM attempts WHERE public_id = %s",
            [person.attempt],
        ).fetchone()


def _receipt(line: Line, person: Person) -> str | None:
    """Return the receipt's page: what it says of the handing in."""
    answer = line.ask("GET", f"/attempts/{person.attempt}/result", person)
    if answer is None or answer[0] != HTTPStatus.OK:
        return None
    text = answer[2].decode()
    return text[text.index("<main") :] if "<main" in text else None
