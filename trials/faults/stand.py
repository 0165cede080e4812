"""Where rows are tried: one platform behind proxies, people who sit, and all that can be killed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from urllib.parse import unquote, urlsplit

import psycopg

from trials import data, processes
from trials.faults import invariants
from trials.faults.ledger import Ledger
from trials.faults.people import Crowd, Person, persons
from trials.faults.proxy import Mode, Proxy, to_unix
from trials.ground import Ground, TrialError, Web, ground

PEOPLE = 24
SEATED, WAITING = 1_200, 200
ITEMS = 400


@dataclass
class Stand:
    """The platform under trial, whole again at the beginning of each row."""

    ground: Ground
    place: data.Place
    database: Proxy
    redis: Proxy
    # All, in the order in which they are used up.
    seated: data.People
    waiting: data.People
    random: Random
    # What each started web process gets beside the platform's own environment.
    env: dict[str, str]
    target: str = "wsgi:app"
    # A negative control leaves it out.
    has_sweeper: bool = True
    _taken: int = 0
    _taken_waiting: int = 0
    _web: Web | None = None

    @property
    def web(self) -> Web:
        """The web server, started when it is first asked for."""
        if self._web is None or self._web.has_ended():
            self._web = self.ground.web("web", target=self.target, env=self.env)
        return self._web

    def crowd(self, *, count: int = PEOPLE, hand_in_after: int | None = None, pause: float = 0.3) -> Crowd:
        """Return people who sit and have not acted yet."""
        people = self.seated.part(self._taken, count)
        self._taken += count
        return Crowd(self.web.port, self._persons(people), hand_in_after=hand_in_after, pause=pause)

    def newcomers(self, count: int = 1) -> list[Person]:
        """Return people who have entered and have no attempt yet."""
        people = self.waiting.part(self._taken_waiting, count)
        self._taken_waiting += count
        return self._persons(people)

    def _persons(self, people: data.People) -> list[Person]:
        return persons(self.ground, self.place, people)

    def skip_to(self, other: "Stand") -> None:
        """Take nobody who has acted on a copy of this stand."""
        self._taken, self._taken_waiting = other._taken, other._taken_waiting

    def broken(self, ledger: Ledger) -> list[str]:
        """Return what does not hold after a fault."""
        return invariants.broken(self.ground, ledger)

    def end(self) -> None:
        """Stop all programs and let the network be good again; the servers stay."""
        for proxy in (self.database, self.redis):
            proxy.set(Mode.PASS)
        self.ground.stop()
        self._web = None
        if self.ground.servers:
            self.ground.servers.check()

    def kill_server(self, name: str, sign: signal.Signals) -> None:
        """Send one of the embedded servers a signal and wait for its end."""
        pid = self._server(name)
        processes_before = processes.tree(pid)
        for each in processes_before if sign is signal.SIGKILL else [pid]:
            _send(each, sign)
        wait_until(lambda: name in self._dead(), within=10)

    def signal_server(self, name: str, sign: signal.Signals) -> None:
        """Send one of the embedded servers a signal that it outlives."""
        _send(self._server(name), sign)

    def start_servers(self) -> None:
        """Start again the servers that have died. From the main thread: they end with it."""
        if self.ground.servers is None:
            raise TrialError("Servers that were given can't be started again here.")
        self.ground.servers.check()
        self.ground.__dict__.pop("postmaster", None)

    def waiting_for_scores(self) -> int:
        """Return how many attempts are handed in and not scored."""
        with self.ground.connect() as connection:
            found = connection.execute(
                "SELECT count(*) FROM attempts WHERE submitted_at IS NOT NULL AND scored_at IS NULL"
            ).fetchone()
        assert found
        return int(found[0])

    def _server(self, name: str) -> int:
        if self.ground.servers is None:
            raise TrialError("Servers that were given are not ours to kill.")
        return self.ground.servers.pids[name]

    def _dead(self) -> list[str]:
        assert self.ground.servers
        return [one.name for one in self.ground.servers._servers if one.has_died()]


def _send(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        pass


def wait_until(holds: Callable[[], bool], *, within: float) -> float:
    """Return how long it took until something held; infinity if it did not within the time."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > within:
            return float("inf")
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def stand(*, seed: int) -> Iterator[Stand]:
    """Give a filled platform whose web processes reach both servers through proxies."""
    with ground(web_workers=2, web_threads=6) as here:
        place, seated, waiting = _fill(here)
        database_socket, redis_socket = _sockets(here)
        with Proxy(to_unix(database_socket)) as database, Proxy(to_unix(redis_socket)) as redis:
            name = here.plain_database_url.partition("?")[0].rpartition("/")[2]
            user = psycopg.conninfo.conninfo_to_dict(here.plain_database_url)["user"]
            env = {
                "CONTEST_DATABASE_URL": (
                    f"postgresql://{user}@127.0.0.1:{database.port}/{name}?sslmode=disable&gssencmode=disable"
                ),
                "CONTEST_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
            }
            yield Stand(here, place, database, redis, seated, waiting, Random(seed), env)


def _fill(here: Ground) -> tuple[data.Place, data.People, data.People]:
    with here.app():
        data.make_bank(ITEMS)
        contest = data.make_contest("nam-nay", 1_000)
        place = data.make_round(contest, data.specification(0, 10), weeks_ago=0)
        units = data.unit_ids()
    with here.app(), here.connect() as connection:
        people = data.add_people(connection, SEATED + WAITING)
        data.enter(connection, place, people, units)
        sheets = data.keep_sheets(connection, place)
        seated, waiting = people.part(0, SEATED), people.part(SEATED, WAITING)
        data.sit(connection, place, seated, sheets)
        data.sign_in(connection, people, here.settings.secret_key)
        data.vacuum()
    return place, seated, waiting


def _sockets(here: Ground) -> tuple[str, str]:
    """Return where the embedded servers listen."""
    if here.servers is None:
        raise TrialError(
            "The faults kill their own servers: unset CONTEST_DATABASE_URL and CONTEST_REDIS_URL."
        )
    folder = unquote(str(psycopg.conninfo.conninfo_to_dict(here.plain_database_url)["host"]))
    return f"{folder}/.s.PGSQL.5432", urlsplit(here.servers.redis_url).path
