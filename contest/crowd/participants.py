"""A virtual participant: does over HTTP what the pages and quiz.js do, and notes what it is told."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import NoReturn
from urllib.parse import urlencode

import altcha

from contest.crowd.http1 import Answer, Connections, NoAnswer
from contest.crowd.ledger import Entry, Ledger, Sent

# As in quiz.js.
DEBOUNCE = 0.8
SPACING = 0.3
PATIENCE = 15.0
LONGEST_WAIT = 30.0
ATTEMPT = re.compile(r"/attempts/([A-Za-z0-9_-]{22})$")
RECEIPT = re.compile(r"/receipts/([0-9A-Z]{12})")
CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
DATA = {name: re.compile(rf'data-{name}="([^"]*)"') for name in ("csrf", "seq", "shape")}
PROOF = re.compile(r"data-proof=")
OPTION = re.compile(r'<option[^>]*value="([0-9]+)"')


@dataclass(frozen=True)
class Site:
    """Where the people go: the connections to it, the round they are for, its cookies' name."""

    connections: Connections
    landing: str
    round_id: int
    session_cookie: str
    ledger: Ledger
    # Gives the token of a page's forms, for who has had the page open since before.
    csrf_of: Callable[[str], str]
    # Who only thinks or waits for their turn; at the end they are not waited for.
    resting: set[asyncio.Task[None]] = field(default_factory=set)

    async def rest(self, seconds: float) -> None:
        """Let the present participant think, or wait for their turn."""
        task = asyncio.current_task()
        assert task is not None
        self.resting.add(task)
        await asyncio.sleep(max(0.0, seconds))
        self.resting.discard(task)


class GaveUp(Exception):
    """The participant can't go on; what kept it is noted as an error, if it is one."""


class Participant:
    """One person with one device."""

    def __init__(self, site: Site, random: Random, *, token: str = "", account_id: int | None = None) -> None:
        self.site = site
        self.random = random
        self.account_id = account_id
        self.cookies = {site.session_cookie: token} if token else {}
        self.csrf = site.csrf_of(token) if token else ""
        self.editor = f"{random.getrandbits(60):x}"
        self.attempt, self.shape = "", ""
        self.seq = self.base = 0
        self.responses: dict[str, list[str]] = {}
        self.entry: Entry | None = None
        self.is_closed = False

    # --- coming ------------------------------------------------------------------------------------

    async def arrive(self) -> None:
        """Look at the contest, start, wait for one's turn if told to, and open the paper."""
        page = await self.get("landing", self.site.landing)
        if match := CSRF.search(page.text):
            self.csrf = match[1]
        await self._start()
        await self._open_paper()

    async def register(self, phone: str, division: str = "citizens") -> None:
        """Fill in the form of somebody who has no account. The first consent is enough."""
        form = (await self.get("register", "/register")).text
        communes = choices(form, "commune")
        fields = {
            "csrf_token": (CSRF.search(form) or ["", ""])[1],
            "name": "Người Thử Máy",
            "birth_date": "05/03/1990",
            "phone": phone,
            "password": f"thu may {self.random.getrandbits(40):x}",
            "division": division,
            "commune": self.random.choice(communes) if communes else "",
            "unit": "" if division == "citizens" else self.random.choice(choices(form, "unit")),
            "participation": "y",
        }
        if PROOF.search(form):
            fields["altcha"] = await self._proof("register")
        answer = await self.persist("register", "POST", "/register", urlencode(fields))
        if answer.status != 303 or self.site.session_cookie not in self.cookies:
            self.wrong("register", answer)
        self.site.ledger.phones.append(phone)
        self.csrf = self.site.csrf_of(self.cookies[self.site.session_cookie])

    async def _proof(self, purpose: str) -> str:
        """Return a proof of work for a form, as the widget makes it while somebody fills in the form."""
        answer = await self.get("proof", f"/proof?for={purpose}")
        # Aside: it takes a core's time, and the others go on.
        return await asyncio.to_thread(solved, answer.text)

    async def _start(self) -> None:
        began, where, has_waited = time.monotonic(), f"/rounds/{self.site.round_id}", False
        body = urlencode({"csrf_token": self.csrf})
        while True:
            answer = await self.persist("start", "POST", f"{where}/attempts", body)
            location = answer.headers.get("location", "")
            if match := ATTEMPT.search(location):
                break
            if answer.status != 303 or not location.endswith(f"{where}/waiting"):
                self.wrong("start", answer)
            has_waited = True
            await self._wait_for_turn(where)
        if has_waited:
            self.site.ledger.waited.append(time.monotonic() - began)
        self.site.ledger.started += 1
        self.sits(match[1])

    async def _wait_for_turn(self, where: str) -> None:
        """Wait in the line before the round as its page does: it asks again when it is told to."""
        await self.get("waiting", f"{where}/waiting")
        while True:
            answer = await self.persist("place", "GET", f"{where}/place")
            if answer.status == 404:
                return  # the ticket is no more: starting again gives another
            if answer.status != 200:
                self.wrong("place", answer)
            told = json.loads(answer.text)
            if told["called"]:
                return
            await self.site.rest(float(told["look_in"]))

    def sits(self, attempt: str, shape: str = "") -> None:
        """Note the attempt that the server has acknowledged."""
        self.attempt, self.shape = attempt, shape
        self.entry = self.site.ledger.entries.setdefault(attempt, Entry(self.account_id))

    async def _open_paper(self) -> None:
        page = (await self.get("paper", f"/attempts/{self.attempt}")).text
        found = {name: pattern.search(page) for name, pattern in DATA.items()}
        if not all(found.values()):
            self.site.ledger.errors["paper without a form"] += 1
            raise GaveUp
        facts = {name: match[1] for name, match in found.items() if match}
        self.csrf, self.shape = facts["csrf"], facts["shape"]
        self.seq = self.base = int(facts["seq"])

    # --- answering -----------------------------------------------------------------------------------

    def answers_something(self) -> None:
        """Choose an option of some question."""
        position = self.random.randrange(len(self.shape) // 2)
        label = "abcdefgh"[self.random.randrange(int(self.shape[2 * position]))]
        self.responses = self.responses | {str(position + 1): [label]}

    def next_sheet(self) -> Sent:
        """Put what is chosen now on a sheet of its own; one that was on its way never changes."""
        self.seq += 1
        sheet = Sent(self.seq, self.editor, self.responses)
        if self.entry:
            self.entry.sends(sheet)
        return sheet

    async def save(self) -> None:
        """Save the whole sheet, as often as it takes; what is chosen meanwhile goes with the next try."""
        sheet, failures, entry = self.next_sheet(), 0, self.entry
        assert entry is not None
        path = f"/attempts/{self.attempt}/responses"
        while not self.is_closed:
            body = json.dumps(
                {
                    "seq": sheet.seq,
                    "base": self.base,
                    "editor": sheet.editor,
                    "shape": self.shape,
                    "responses": sheet.responses,
                    "prediction": None,
                }
            )
            answer = await self.ask("save", "PUT", path, body)
            status = answer.status if answer else 0
            if answer is not None and status == 200:
                self._understand(json.loads(answer.text), sheet, entry)
                return
            if answer is not None and status == 409:
                self.is_closed = True
                if json.loads(answer.text).get("stored"):
                    entry.takes(sheet)
                return
            if answer is not None and status == 429:
                await asyncio.sleep(answer.retry_after or 1.0)
                continue
            if answer is not None and not is_for_a_while(answer):
                self.wrong("save", answer)
            failures += 1
            await asyncio.sleep(self.back_off(failures, answer))
            if self.random.random() < 0.5:
                self.answers_something()
                sheet = self.next_sheet()

    def _understand(self, told: dict[str, object], sheet: Sent, entry: Entry) -> None:
        if told.get("stored") is True and told.get("seq") == sheet.seq:
            entry.takes(sheet)
            self.base = sheet.seq
            return
        # Only this device saves, so that nothing else can be newer.
        self.site.ledger.errors["save overtaken"] += 1
        raise GaveUp

    async def hand_in(self) -> None:
        """Submit the form with the last sheet, as often as it takes, and look at the receipt."""
        entry = self.entry
        assert entry is not None
        sheet = self.next_sheet()
        fields: list[tuple[str, str]] = [
            ("csrf_token", self.csrf),
            ("seq", str(sheet.seq)),
            ("base", str(self.base)),
            ("editor", sheet.editor),
            ("shape", self.shape),
        ]
        fields += [
            (f"q{position}", label) for position, labels in sheet.responses.items() for label in labels
        ]
        answer = await self.persist(
            "submit", "POST", f"/attempts/{self.attempt}/submission", urlencode(fields)
        )
        location = answer.headers.get("location", "")
        if answer.status != 303 or not location.endswith("/result"):
            self.wrong("submit", answer)
        self.is_closed, entry.handed_in = True, sheet
        page = (await self.get("result", f"/attempts/{self.attempt}/result")).text
        if match := RECEIPT.search(page):
            entry.receipt = match[1]
        else:
            self.site.ledger.errors["result without a receipt"] += 1

    # --- asking --------------------------------------------------------------------------------------

    async def get(self, operation: str, path: str) -> Answer:
        """Return a page, asked for until it comes."""
        answer = await self.persist(operation, "GET", path)
        if answer.status != 200:
            self.wrong(operation, answer)
        return answer

    async def persist(self, operation: str, method: str, path: str, body: str = "") -> Answer:
        """Ask until an answer comes that is no refusal for a while: people press again."""
        failures = 0
        while True:
            answer = await self.ask(operation, method, path, body)
            if answer is not None and not is_for_a_while(answer):
                return answer
            failures += 1
            await asyncio.sleep(self.back_off(failures, answer))

    async def ask(self, operation: str, method: str, path: str, body: str = "") -> Answer | None:
        """Send one request as the browser would; None if no answer came."""
        headers = f"Cookie: {'; '.join(f'{name}={value}' for name, value in self.cookies.items())}\r\n"
        if method == "PUT":
            headers += "Content-Type: application/json\r\nAccept: application/json\r\n"
            headers += f"X-CSRFToken: {self.csrf}\r\n"
        else:
            headers += "Accept: text/html\r\nAccept-Encoding: gzip\r\n"
            if body:
                headers += "Content-Type: application/x-www-form-urlencoded\r\n"
        began = time.perf_counter()
        try:
            answer = await self.site.connections.ask(method, path, headers, body.encode(), within=PATIENCE)
        except NoAnswer as error:
            self.site.ledger.notes(operation, 0, 0)
            self.site.ledger.no_answers[str(error)] += 1
            return None
        self.site.ledger.notes(operation, answer.status, (time.perf_counter() - began) * 1000)
        for line in answer.headers.get("set-cookie", "").split("\n"):
            name, _, value = line.partition(";")[0].partition("=")
            if value:
                self.cookies[name.strip()] = value
        return answer

    def back_off(self, failures: int, answer: Answer | None) -> float:
        """Return how long quiz.js waits after so many failures in a row."""
        longest = min(LONGEST_WAIT, 2.0 ** min(failures - 1, 5))
        wait = answer.retry_after if answer else 0.0
        return max(wait, longest / 2) + self.random.random() * longest / 2

    def wrong(self, operation: str, answer: Answer) -> NoReturn:
        """Note an answer that no page expects, and give up."""
        self.site.ledger.errors[f"{operation} {answer.status}"] += 1
        raise GaveUp


def choices(form: str, name: str) -> list[str]:
    """Return the codes that a list of the registration form offers."""
    found = re.search(rf'<select[^>]*name="{name}".*?</select>', form, re.DOTALL)
    return OPTION.findall(found[0]) if found else []


def solved(puzzle: str) -> str:
    """Return the solution of a puzzle as a form carries it."""
    challenge = altcha.Challenge.from_dict(json.loads(puzzle))
    solution = altcha.solve_challenge(challenge)
    if solution is None:
        raise GaveUp
    return altcha.Payload(challenge, solution).to_base64()


def is_for_a_while(answer: Answer) -> bool:
    """Tell whether this is an honest refusal for a while: 503 with Retry-After."""
    return answer.status == 503 and "retry-after" in answer.headers
