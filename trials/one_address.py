"""Many honest people and an attacker behind one address: a school, a mobile network, and a machine in it.

The people register with a proof of work, start, save and hand in. The attacker registers as fast as it
can and solves nothing: it sends no proof, rubbish, a proof of another kind, and its places in the slow
lane, at once and after waiting.
"""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlencode

from contest.crowd.http1 import Answer, Connections, NoAnswer
from contest.crowd.ledger import Ledger
from contest.crowd.participants import CSRF, GaveUp, Participant, Site, choices, solved
from contest.proofs import SLOW_LANE_SECONDS
from contest.security import csrf_token

SAVES = 3
ATTACKERS = 8
PATIENCE = 15.0
# Whoever has got in by then has: the people who come last are answered before.
LONGEST = 240.0
TICKET = re.compile(r'name="slow" value="([^"]+)"')


@dataclass
class Neighbours:
    """How it went for the people and for the attacker beside them."""

    people: int
    served: int = 0
    tried: int = 0
    got_in: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def honest_share(self) -> float:
        """Of the people, who was served to the end."""
        return self.served / self.people

    @property
    def attackers_share(self) -> float:
        """Of the attacker's registrations, what was let in."""
        return self.got_in / max(1, self.tried)


@dataclass(frozen=True)
class Ground:
    """Where it happens: a web server whose only address that asks is ours."""

    base: str
    landing: str
    round_id: int
    secret_key: str
    division: str = "citizens"
    session_cookie: str = "contest_sid"


def try_one_address(ground: Ground, *, people: int, per_second: float, seed: int) -> Neighbours:
    """Let so many people come at a rate, and the attacker act until the last of them has gone."""
    return asyncio.run(_try(ground, people, per_second, seed))


async def _try(ground: Ground, people: int, per_second: float, seed: int) -> Neighbours:
    found = Neighbours(people)
    began = time.monotonic()
    connections = Connections(ground.base, most=400)
    site = Site(
        connections,
        ground.landing,
        ground.round_id,
        ground.session_cookie,
        found.ledger,
        lambda token: csrf_token(ground.secret_key, token),
    )
    attacker = Attacker(Connections(ground.base, most=ATTACKERS), found, Random(seed))
    attack = [asyncio.create_task(attacker.act()) for _ in range(ATTACKERS)]
    honest = [
        asyncio.create_task(_person(site, found, ground.division, number, number / per_second, seed))
        for number in range(people)
    ]
    await asyncio.wait(honest, timeout=LONGEST)
    for task in (*attack, *honest):
        task.cancel()
    await asyncio.gather(*attack, *honest, return_exceptions=True)
    connections.close()
    attacker.connections.close()
    found.seconds = time.monotonic() - began
    return found


async def _person(
    site: Site, found: Neighbours, division: str, number: int, comes_in: float, seed: int
) -> None:
    random = Random(seed + number + 1)
    await asyncio.sleep(comes_in)
    person = Participant(site, random)
    try:
        await person.register(f"09{number:08}", division)
        await person.arrive()
        for _ in range(SAVES):
            person.answers_something()
            await person.save()
            await asyncio.sleep(0.3 + random.random())
        await person.hand_in()
    except GaveUp:
        return
    found.served += bool(person.entry and person.entry.receipt)


class Attacker:
    """A machine that throws its cookies away and solves nothing, but once a puzzle of another kind."""

    def __init__(self, connections: Connections, found: Neighbours, random: Random) -> None:
        self.connections, self.found, self.random = connections, found, random
        self.others_proof = ""
        # Places in the slow lane, with the moment at which each is worth something.
        self.hoard: list[tuple[float, str]] = []

    async def act(self) -> None:
        """Register, again and again."""
        while True:
            try:
                await self._register()
            except NoAnswer:
                await asyncio.sleep(0.05)

    async def _register(self) -> None:
        form = await self._ask("GET", "/register")
        if form.status != 200:
            await asyncio.sleep(0.05)
            return
        if not self.others_proof:
            self.others_proof = await asyncio.to_thread(
                solved, (await self._ask("GET", "/proof?for=pass")).text
            )
        await self._ask("GET", "/proof?for=register")  # makes the puzzles of its neighbours harder
        page = form.text
        ticket = (TICKET.search(page) or ["", ""])[1]
        self.hoard.append((time.monotonic() + SLOW_LANE_SECONDS + 1, ticket))
        ripe = self.hoard[0][0] <= time.monotonic()
        way = self.found.tried % 4
        bypass = {
            0: {},
            1: {"altcha": self.others_proof},
            2: {"altcha": "e30=", "slow": ticket},
            3: {"slow": self.hoard.pop(0)[1] if ripe else ticket},
        }[way]
        communes = choices(page, "commune")
        self.found.tried += 1
        fields = {
            "csrf_token": (CSRF.search(page) or ["", ""])[1],
            "name": "Kẻ Phá Hoại",
            "birth_date": "05/03/1990",
            "phone": f"08{self.found.tried:08}",
            "password": f"pha hoai {self.found.tried}",
            "division": "citizens",
            "commune": self.random.choice(communes) if communes else "",
            "participation": "y",
            **bypass,
        }
        cookies = form.headers.get("set-cookie", "").split("\n")
        jar = "; ".join(line.partition(";")[0] for line in cookies)
        answer = await self._ask("POST", "/register", urlencode(fields), cookie=jar)
        self.found.statuses[answer.status] += 1
        self.found.got_in += answer.status == 303

    async def _ask(self, method: str, path: str, body: str = "", *, cookie: str = "") -> Answer:
        headers = "Accept: text/html\r\nAccept-Encoding: gzip\r\n"
        if cookie:
            headers += f"Cookie: {cookie}\r\n"
        if body:
            headers += "Content-Type: application/x-www-form-urlencoded\r\n"
        return await self.connections.ask(method, path, headers, body.encode(), within=PATIENCE)
