"""People who save sheet after sheet as the page does, and a ledger of what they were told."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from flask import Flask
from flask.testing import FlaskClient

from contest.extensions import db
from contest.models import Account, Contest, Round
from tests import builders

# A little more than the flood limit wants.
PAUSE = 0.26


@dataclass
class Sitter:
    """Somebody before their paper."""

    browser: FlaskClient
    csrf: str
    public_id: str
    shape: str


@dataclass
class Savers:
    """Some people who sit and save until they are told to stop; over HTTP, each in a thread."""

    app: Flask
    sitters: list[Sitter] = field(default_factory=list)
    # By attempt: the last seq that was acknowledged, and the last that was sent.
    acknowledged: dict[str, int] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    # Answers of 503 that do not say when to try again, and the longest wait for an answer.
    without_advice: int = 0
    longest: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def sit_down(self, contest: Contest, round: Round, people: int) -> Sequence[Account]:
        """Make people who have started their attempts, and return them."""
        persons = [builders.make_person(contest) for _ in range(people)]
        for person in persons:
            attempt = builders.start(person, round)
            browser = builders.sign_in(self.app.test_client(), person)
            self.sitters.append(
                Sitter(browser, builders.csrf(browser), attempt.public_id, attempt.paper_shape)
            )
        db.session.remove()
        return persons

    def begin(self, *, until_each_has: int = 1, seconds: float = 30) -> None:
        """Begin to save; return when each has so many sheets acknowledged."""
        self._threads = [threading.Thread(target=self._save, args=(one,)) for one in self.sitters]
        for thread in self._threads:
            thread.start()
        if until_each_has:
            self.wait_for(dict.fromkeys((one.public_id for one in self.sitters), until_each_has), seconds)

    def wait_for(self, seqs: dict[str, int], seconds: float = 30) -> None:
        """Return when as much is acknowledged of each attempt."""
        give_up_at = time.monotonic() + seconds
        while any(self.acknowledged.get(one, 0) < seq for one, seq in seqs.items()):
            assert time.monotonic() < give_up_at, f"nobody can save any more: {self.statuses}"
            time.sleep(0.05)

    def go_on(self, sheets: int = 1, seconds: float = 30) -> None:
        """Return when each has had so many more sheets acknowledged."""
        self.wait_for({one: seq + sheets for one, seq in dict(self.acknowledged).items()}, seconds)

    def end(self) -> None:
        """Stop, and wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def submit(self) -> None:
        """Let all of them hand in."""
        for one in self.sitters:
            done = one.browser.post(f"/attempts/{one.public_id}/submission", data={"csrf_token": one.csrf})
            assert done.status_code == 303

    def _save(self, sitter: Sitter) -> None:
        seq = 0
        while not self._stop.is_set():
            sheet = {
                "seq": seq + 1,
                "base": seq,
                "editor": "e",
                "shape": sitter.shape,
                "responses": {"1": ["ab"[seq % 2]]},
                "prediction": seq + 1,
            }
            self.sent[sitter.public_id] = seq + 1
            began = time.monotonic()
            answer = sitter.browser.put(
                f"/attempts/{sitter.public_id}/responses", json=sheet, headers={"X-CSRFToken": sitter.csrf}
            )
            self.longest = max(self.longest, time.monotonic() - began)
            self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
            if answer.status_code == 503 and "Retry-After" not in answer.headers:
                self.without_advice += 1
            if answer.status_code == 200 and answer.get_json()["stored"]:
                seq += 1
                self.acknowledged[sitter.public_id] = seq
            self._stop.wait(PAUSE)
