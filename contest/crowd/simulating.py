"""A crowd before a running site: people sit and save, come, hand in, at the rates of a scenario."""

import asyncio
import math
import resource
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random

from contest.crowd.http1 import Connections
from contest.crowd.ledger import Ledger
from contest.crowd.participants import GaveUp, Participant, Site
from contest.crowd.preparing import Prepared
from contest.rules.crowds import Scenario
from contest.security import csrf_token

# Whoever waits for an answer at the end gets so long.
LAST_ANSWERS = 45.0
TICK = 0.25
# Of the average thought.
SHORTEST_THOUGHT = 0.25


@dataclass(frozen=True)
class Place:
    """Where the site is, and what a page of it is known by."""

    base: str
    # The name under which the site may be asked for, where it is not the one in `base`.
    host: str | None
    landing: str
    round_id: int
    session_cookie: str
    secret_key: str


@dataclass
class Outcome:
    """How a crowd went."""

    ledger: Ledger
    # Of the measured time.
    seconds: float
    saves_due: int
    starts_due: int
    handed_in_seconds: float | None
    # What the generator itself took of a core, and how late it was.
    generator_cpu: float
    generator_requests: int
    lateness_ms: float
    connections: int
    # People who had no answer when their time was over.
    unfinished: int = 0

    @property
    def cpu_us_per_request(self) -> float:
        """The microseconds of a core that the generator took for a request."""
        return self.generator_cpu / self.generator_requests * 1e6 if self.generator_requests else 0.0


@dataclass
class Simulation:
    """Drives one scenario: `people` are prepared, the first `scenario.sitting` of them sitting already."""

    scenario: Scenario
    place: Place
    people: Sequence[Prepared]
    phones: Sequence[str] = ()
    seed: int = 0
    progress: Callable[[float], None] = lambda _seconds: None
    ledger: Ledger = field(default_factory=Ledger)

    def run(self) -> Outcome:
        """Let the crowd come and return how it went."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # many wait for an answer at once
        return asyncio.run(self._run())

    async def _run(self) -> Outcome:
        self._random = Random(self.seed)
        self._connections = Connections(self.place.base, host=self.place.host)
        self._site = Site(
            self._connections,
            self.place.landing,
            self.place.round_id,
            self.place.session_cookie,
            self.ledger,
            lambda token: csrf_token(self.place.secret_key, token),
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._sitting: list[_Sitter] = []
        self._saves_due = 0
        self._last_handed_in = 0.0
        self._lateness: list[float] = []
        self._is_over = False
        for one in self.people[: self.scenario.sitting]:
            self._sit(self._participant(one, sitting=True), first=True)
        warm_up = self.scenario.warm_up if self.scenario.sitting and not self.scenario.handing_in else 0.0
        await self._wait(warm_up)
        self.ledger.starts_afresh()
        self._saves_due = 0
        began, cpu = time.perf_counter(), _cpu()
        if self.scenario.handing_in:
            handed_in = await self._all_hand_in()
        else:
            await self._come_and_go()
            handed_in = None
        self._is_over = True
        seconds = time.perf_counter() - began
        cpu = _cpu() - cpu
        requests = sum(self.ledger.statuses.values())
        unfinished = await self._end()
        self._connections.close()
        return Outcome(
            self.ledger,
            seconds,
            self._saves_due,
            self.scenario.coming,
            handed_in,
            cpu,
            requests,
            max(self._lateness, default=0.0) * 1000,
            self._connections.opened,
            unfinished,
        )

    # --- what happens --------------------------------------------------------------------------------

    async def _come_and_go(self) -> None:
        """New people come at random moments at the scenario's rate; as many of the others hand in."""
        newcomers = iter(self.people[self.scenario.sitting :])
        phones = iter(self.phones)
        began = time.perf_counter()
        moments = (self._random.random() * self.scenario.seconds for _ in range(self.scenario.coming))
        for due in sorted(moments):
            await self._wait(began + due - time.perf_counter())
            if self.scenario.is_registering:
                self._begin(self._register(next(phones)))
            else:
                self._begin(self._come(next(newcomers)))
            if self.scenario.sitting and self._sitting:
                place = self._random.randrange(len(self._sitting))
                self._sitting[place], self._sitting[-1] = self._sitting[-1], self._sitting[place]
                self._begin(self._sitting.pop().leave())
        await self._wait(began + self.scenario.seconds - time.perf_counter())

    async def _all_hand_in(self) -> float | None:
        """Everybody's time is over: all hand in. Return the seconds until the last was acknowledged."""
        began = time.perf_counter()
        leaving = [
            self._begin(self._hand_in_after(sitter, self._random.random() * self.scenario.handing_in))
            for sitter in self._sitting
        ]
        limit = began + max(self.scenario.seconds, self.scenario.handing_in) + LAST_ANSWERS
        while not all(task.done() for task in leaving):
            if time.perf_counter() > limit:
                return None
            await self._wait(TICK)
        return self._last_handed_in - began

    async def _hand_in_after(self, sitter: "_Sitter", seconds: float) -> None:
        await asyncio.sleep(seconds)
        await sitter.leave()
        self._last_handed_in = time.perf_counter()

    async def _come(self, one: Prepared) -> None:
        participant = self._participant(one)
        await participant.arrive()
        self._sit(participant)

    async def _register(self, phone: str) -> None:
        participant = Participant(self._site, self._random)
        await participant.register(phone)
        await participant.arrive()
        self._sit(participant)

    # --- who sits ------------------------------------------------------------------------------------

    def _participant(self, one: Prepared, *, sitting: bool = False) -> Participant:
        participant = Participant(self._site, self._random, token=one.token, account_id=one.account_id)
        if sitting and one.attempt:
            participant.sits(one.attempt, one.shape)
            for _ in range(len(one.shape) // 4):
                participant.answers_something()
        return participant

    def _sit(self, participant: Participant, *, first: bool = False) -> None:
        sitter = _Sitter(participant)
        self._sitting.append(sitter)
        if self.scenario.saves and not self._is_over:
            self._begin(self._answer(sitter, first=first))

    async def _answer(self, sitter: "_Sitter", *, first: bool) -> None:
        """Think and save until it is over; the next thought does not wait for a slow answer."""
        mean = self.scenario.think_seconds
        # Who has just come reads the first question; who sits already is anywhere in a thought.
        due = time.perf_counter() + mean * (self._rest_of_a_thought() if first else self._thought())
        while True:
            await self._site.rest(due - time.perf_counter())
            if self._is_over or sitter.is_leaving:
                return
            self._saves_due += 1
            await sitter.saves()
            due = max(due + mean * self._thought(), time.perf_counter() + 0.3)

    def _thought(self) -> float:
        """Return how long a thought is, 1 on average: some short, few long."""
        return SHORTEST_THOUGHT + self._exponential()

    def _rest_of_a_thought(self) -> float:
        """Return what is left of a thought that somebody is anywhere in, so that the rate holds at once."""
        is_in_the_first_part = self._random.random() < SHORTEST_THOUGHT
        return is_in_the_first_part * SHORTEST_THOUGHT * self._random.random() + self._exponential()

    def _exponential(self) -> float:
        return -(1.0 - SHORTEST_THOUGHT) * math.log(1.0 - self._random.random())

    # --- the tasks -----------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except GaveUp:
            pass
        except (ValueError, KeyError, TypeError) as error:
            self.ledger.errors[f"unreadable answer: {type(error).__name__}"] += 1

    async def _wait(self, seconds: float) -> None:
        """Wait, tell of the progress, and note how late the generator itself was."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            before = time.perf_counter()
            await asyncio.sleep(min(TICK, left))
            late = time.perf_counter() - before - min(TICK, left)
            self._lateness.append(late)
            self.progress(min(TICK, left))

    async def _end(self) -> int:
        """Let requests under way end; who still only thinks is stopped. Return how many had no answer."""
        until = time.perf_counter() + LAST_ANSWERS
        while self._tasks and time.perf_counter() < until:
            while self._site.resting:
                self._site.resting.pop().cancel()
            await asyncio.sleep(TICK)
        unfinished = list(self._tasks)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        return len(unfinished)


@dataclass
class _Sitter:
    """Somebody who sits, one request at a time."""

    participant: Participant
    is_leaving: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def saves(self) -> None:
        async with self.turn:
            if not self.is_leaving:
                self.participant.answers_something()
                await self.participant.save()

    async def leave(self) -> None:
        self.is_leaving = True
        async with self.turn:
            if not self.participant.is_closed:
                await self.participant.hand_in()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
