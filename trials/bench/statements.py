"""How many statements and Redis commands a request takes, counted by the two servers themselves.

The database logs what it is asked and Redis counts its commands; requests come one at a time, several
of each kind, and the median counts, so that a heartbeat between them moves nothing.
"""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import psycopg
from redis import Redis

from trials import data
from trials.bench import pages, requests, signing_in
from trials.bench import world as who
from trials.bench.bench import Bench
from trials.bench.load import HOST, Answer, read_answer, request
from trials.bench.windows import Row
from trials.ground import Ground

TIMES = 5
# How PostgreSQL's log begins a statement, by the simple or the extended protocol.
ASKED = re.compile(r"LOG: +(?:statement|execute [^:]*): *(\S*)")
AROUND = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
MOST_OF_START, MOST_OF_SUBMIT = 3, 2


def measure(bench: Bench) -> None:
    """Count what the main requests take, and hold start and submit against their limits."""
    ground = bench.world.large
    if ground.servers is None:
        why = "not counted: the log of the given database server is out of reach"
        bench.add(Row("statements of start and submit", why, "", "counted", False))
        return
    with _loud(ground):
        web = ground.web("web-counted")
        counts = {name: _count(bench, web.port, source) for name, source in _sources(bench).items()}
        web.stop()
    bench.say(f"  {'request':<24}{'statements':>12}{'begin/commit':>14}{'Redis commands':>16}")
    for name, (statements, around, commands) in counts.items():
        bench.say(f"  {name:<24}{statements:>12}{around:>14}{commands:>16}")
    for name, most in (("start", MOST_OF_START), ("submit", MOST_OF_SUBMIT)):
        found = counts[name][0]
        what = f"statements of a {name}, without begin and commit"
        bench.add(Row(what, str(found), "", f"≤ {most}", found <= most))
    loud = [name for name in pages.FOR_EVERYBODY if counts[name][2]]
    bench.add(
        Row(
            "Redis commands of the pages for everybody",
            ", ".join(f"{name}: {counts[name][2]}" for name in loud) or "0",
            "",
            "0",
            not loud,
        )
    )


def _sources(bench: Bench) -> dict[str, Callable[[int], tuple[bytes, int]]]:
    """Return for each kind of request how its n-th is made, and the status that its answer must have."""
    world, ground = bench.world, bench.world.large
    shapes = requests.shapes_of(ground, world.live)

    def nth(group: str, n: int) -> int:
        return world.groups[group].last - n  # from the end: other measurements begin at the beginning

    def start(n: int) -> tuple[bytes, int]:
        return requests.start(ground, world.live, nth(who.START, n)), 303

    def save(n: int) -> tuple[bytes, int]:
        person = nth(who.CROWD, n)
        made = requests.saves_of(ground, world.live, data.People(person, person)).next()
        assert made
        return made[0], 200

    def submit(n: int) -> tuple[bytes, int]:
        person = nth(who.CROWD, TIMES + n)
        shape = shapes[data.public_id(world.live, person)]
        return requests.submission(ground, world.live, person, shape), 303

    def paper(n: int) -> tuple[bytes, int]:
        person = nth(who.CROWD, 2 * TIMES + n)
        path = f"/attempts/{data.public_id(world.live, person)}"
        return request("GET", path, requests.cookie(ground, person)), 200

    def result(n: int) -> tuple[bytes, int]:
        person = nth(who.CROWD, TIMES + n)  # who has just submitted
        path = f"/attempts/{data.public_id(world.live, person)}/result"
        return request("GET", path, requests.cookie(ground, person)), 200

    def page(path: str, *, own: bool) -> Callable[[int], tuple[bytes, int]]:
        def one(n: int) -> tuple[bytes, int]:
            headers = (requests.cookie(ground, nth(who.LOOK, n)),) if own else ()
            return request("GET", path, *headers), 200

        return one

    return {
        "start": start,
        "paper": paper,
        "save": save,
        "submit": submit,
        "result": result,
        **{name: page(path, own=False) for name, (path, _) in pages.FOR_EVERYBODY.items()},
        **{name: page(path, own=True) for name, (path, _) in pages.OWN.items()},
        "sign-in": lambda n: (signing_in.request_of(ground, world.phones[-1 - n], n), 303),
    }


def _count(bench: Bench, port: int, source: Callable[[int], tuple[bytes, int]]) -> tuple[int, int, int]:
    """Return the medians of statements, of what begins and ends transactions, and of Redis commands."""
    ground = bench.world.large
    log = ground.folder / "servers" / "log" / "postgres.log"
    found = []
    with Redis.from_url(ground.settings.redis_url) as redis:
        for n in range(TIMES):
            sent, status = source(n)
            size, commands = log.stat().st_size, _commands(redis)
            answer = ask(port, sent)
            if answer.status != status:
                raise RuntimeError(f"{sent[:80]!r} was answered {answer.status}, not {status}")
            with log.open("rb") as file:
                file.seek(size)
                asked = ASKED.findall(file.read().decode(errors="replace"))
            around = sum(one.rstrip(";").upper() in AROUND for one in asked)
            found.append((len(asked) - around, around, _commands(redis) - commands))
    statements, around, commands = (int(median(column)) for column in zip(*found, strict=True))
    return statements, around, commands


def ask(port: int, sent: bytes) -> Answer:
    """Send one request on a connection of its own and return its answer."""
    received = b""
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(sent)
        while (answer := read_answer(received)) is None:
            part = connection.recv(262_144)
            if not part:
                raise ConnectionError(f"no whole answer to {sent[:80]!r}")
            received += part
    return answer


def _commands(redis: Redis) -> int:
    """Return how many commands the server has done, those aside that ask for this."""
    stats = redis.info("commandstats")
    return sum(one["calls"] for name, one in stats.items() if name.partition("cmdstat_")[2] != "info")


@contextmanager
def _loud(ground: Ground) -> Iterator[None]:
    """Let the database log every statement of new connections of the application."""
    own = ground.plain_database_url.partition("?")
    role = own[0].partition("//")[2].partition("@")[0]
    superuser = f"{own[0].replace(f'{role}@', 'postgres@').rpartition('/')[0]}/postgres?{own[2]}"
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {role} SET log_statement = 'all'")
        yield
        connection.execute(f"ALTER ROLE {role} RESET log_statement")
