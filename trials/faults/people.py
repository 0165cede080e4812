"""People before their papers: each a thread that saves as the page does, and writes a ledger."""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from urllib.parse import urlencode

from contest.security import csrf_token
from trials import data
from trials.faults.ledger import Entry, Ledger, Responses, Told
from trials.ground import Ground

PATIENCE = 10.0  # how long a phone waits for an answer
PAUSE = 0.3  # a little more than the flood limit wants
FORM = "application/x-www-form-urlencoded"


@dataclass
class Person:
    """Somebody with a session and, if they sit, a paper."""

    account_id: int
    attempt: str
    shape: str
    token: str
    csrf: str
    seq: int = 0


@dataclass
class Crowd:
    """Some people at one site; `acting` lets them save in the background."""

    port: int
    people: list[Person]
    ledger: Ledger = field(default_factory=Ledger)
    # Everybody else hands in after so many sheets; None: nobody does.
    hand_in_after: int | None = None
    pause: float = PAUSE
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Crowd":
        self._threads = [
            threading.Thread(target=self._act, args=(one, number)) for number, one in enumerate(self.people)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_acks(self, *, since: float = 0, count: int | None = None, within: float = 20) -> float:
        """Return how long it took from now until so many were acknowledged that began after a moment.

        Infinity: not within the time.
        """
        began = time.monotonic()
        count = len(self.people) if count is None else count
        while time.monotonic() - began < within:
            if sum(one.began >= since for one in self.ledger.acked()) >= count:
                return time.monotonic() - began
            time.sleep(0.02)
        return float("inf")

    def _act(self, person: Person, number: int) -> None:
        line = Line(self.port)
        random = Random(number)
        self._stop.wait(random.random() * self.pause)
        while not self._stop.is_set():
            if self.hand_in_after is not None and number % 2 and person.seq >= self.hand_in_after:
                if submit(line, person, self.ledger) is Told.ACKED:
                    break
            else:
                save(line, person, self.ledger, person.seq + 1)
            self._stop.wait(self.pause)
        line.close()


class Line:
    """A connection that is kept, and opened again when it breaks."""

    def __init__(self, port: int, *, patience: float = PATIENCE) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)

    def ask(
        self, method: str, path: str, person: Person | None, *, body: str = "", kind: str = FORM
    ) -> tuple[int, str | None, bytes] | None:
        """Return status, Retry-After and body of an answer; None if there was none."""
        headers = {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"}
        if person:
            headers |= {"Cookie": f"contest_sid={person.token}", "X-CSRFToken": person.csrf}
        try:
            self._connection.request(method, path, body.encode() if body else None, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.headers["Retry-After"], answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return None

    def close(self) -> None:
        self._connection.close()


def sheet_of(seq: int) -> Responses:
    """Return a sheet that is another one for each seq."""
    return {str(n + 1): ["ab"[seq >> n & 1]] for n in range(8)}


def save(line: Line, person: Person, ledger: Ledger, seq: int, *, base: int | None = None) -> Told:
    """Send a whole sheet as the page does and note what was told; an acknowledged one is their last."""
    sheet = sheet_of(seq)
    body = {
        "seq": seq,
        "base": person.seq if base is None else base,
        "editor": "e",
        "shape": person.shape,
        "responses": sheet,
        "prediction": None,
    }
    began = time.monotonic()
    path = f"/attempts/{person.attempt}/responses"
    answer = line.ask("PUT", path, person, body=json.dumps(body), kind="application/json")
    told = Told.UNKNOWN
    if answer is not None:
        is_stored = answer[0] == HTTPStatus.OK and json.loads(answer[2])["stored"]
        told = Told.ACKED if is_stored else Told.REFUSED
    _note(ledger, "save", person, seq, sheet, told, began, answer)
    if told is Told.ACKED:
        person.seq = max(person.seq, seq)
    return told


def submit(line: Line, person: Person, ledger: Ledger) -> Told:
    """Hand in what is stored and note what was told."""
    began = time.monotonic()
    answer = line.ask(
        "POST", f"/attempts/{person.attempt}/submission", person, body=urlencode({"csrf_token": person.csrf})
    )
    told = Told.UNKNOWN
    if answer is not None:
        told = Told.ACKED if answer[0] == HTTPStatus.SEE_OTHER else Told.REFUSED
    _note(ledger, "submit", person, 0, {}, told, began, answer)
    return told


def _note(
    ledger: Ledger,
    op: str,
    person: Person,
    seq: int,
    sheet: Responses,
    told: Told,
    began: float,
    answer: tuple[int, str | None, bytes] | None,
) -> None:
    status, retry_after = (answer[0], answer[1]) if answer else (None, None)
    ledger.add(Entry(op, person.attempt, seq, sheet, told, began, time.monotonic(), status, retry_after))


def persons(ground: Ground, place: data.Place, people: data.People) -> list[Person]:
    """Return people with their sessions; those who sit with their papers."""
    secret = ground.settings.secret_key
    with ground.connect() as connection:
        shapes = dict(
            connection.execute(
                "SELECT public_id, paper_shape FROM attempts WHERE round_id = %s", [place.round_id]
            ).fetchall()
        )
    made = []
    for account_id in people.ids():
        token = data.session_token(secret, account_id)
        attempt = data.public_id(place, account_id)
        made.append(Person(account_id, attempt, shapes.get(attempt, ""), token, csrf_token(secret, token)))
    return made
