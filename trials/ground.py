"""A platform of its own to try things on: servers, database, web, workers and sweeper.

    with ground(web_workers=1) as here:
        with here.app():
            ...                          # fill the database
        web = here.web()                 # a real `contest web`; web.url, web.cpu_seconds()
        here.worker(), here.sweep()
        ...
        web.stop()                       # or left to the end of the block

Everything lies in a new directory, listens on the loopback interface only, is ended by its number,
and is gone after the block. With CONTEST_DATABASE_URL and CONTEST_REDIS_URL set, a new database on that
server and that Redis, which must be empty, are used instead of embedded ones.
"""

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import flask_migrate
import psycopg
from flask import Flask
from psycopg import sql
from redis import Redis

from contest import create_app
from contest.cli.processes import GRANIAN_ENV, granian_command
from contest.embedded import EmbeddedServers
from contest.extensions import db
from contest.launch import HAS_PROC, kill_group, launch
from contest.settings import Settings
from trials import processes

ROOT = Path(__file__).resolve().parent.parent
URL_NAMES = ("CONTEST_DATABASE_URL", "CONTEST_REDIS_URL")
ANSWER_WITHIN = 60.0
STOP_WITHIN = 15.0
LAST_LINES = 20


class TrialError(Exception):
    """A trial can't be held; the message is one finished sentence."""


@dataclass
class Running:
    """One started program and whatever it has started itself."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The number of the program itself; of a web, granian's supervising process."""
        return self.process.pid

    def tree(self) -> list[int]:
        """Return the numbers of all its processes, its own first."""
        return processes.tree(self.pid)

    def cpu_seconds(self) -> float:
        """Return for how long all its processes have computed."""
        return processes.cpu_seconds(self.tree())

    def memory(self) -> dict[int, processes.Memory]:
        """Return the memory of each of its processes."""
        return {pid: processes.memory(pid) for pid in self.tree()}

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def send(self, sign: signal.Signals) -> None:
        """Send the program itself a signal."""
        self.process.send_signal(sign)

    def stop(self, *, within: float = STOP_WITHIN) -> None:
        """Ask it to end as a deployment would, and kill what is left of it after a while."""
        left = [pid for pid in self.tree() if pid != self.pid]
        if not self.has_ended():
            self.process.terminate()
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            pass
        self._end(left)

    def kill(self) -> None:
        """End it and all its processes at once, as a power cut does."""
        self._end([pid for pid in self.tree() if pid != self.pid])

    def _end(self, children: Sequence[int]) -> None:
        kill_group(self.process)
        for pid in children:
            # Only what still is a child of what was ended: a number is soon another program's.
            if processes.parent(pid) in (1, os.getpid(), self.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass


@dataclass
class Web(Running):
    """A web server on a port of the loopback interface."""

    port: int
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def workers(self) -> list[int]:
        """Return the processes that serve: granian's children that have loaded the application."""
        return [
            pid
            for pid in self.tree()[1:]
            if "spawn_main" in processes.command_of(pid) or "granian" in processes.command_of(pid)
        ]

    def answers(self, path: str = "/healthz") -> bool:
        """Tell whether a page of it answers 200 just now."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait(self, *, within: float = ANSWER_WITHIN) -> None:
        """Return when it answers. Raises TrialError with the end of its log if it does not."""
        give_up_at = time.monotonic() + within
        while not self.answers():
            if self.has_ended() or time.monotonic() > give_up_at:
                lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
                raise TrialError(f"{self.name} does not answer; the end of its log:\n" + "\n".join(lines))
            time.sleep(0.05)


@dataclass(eq=False)
class Ground:
    """The servers, the settings and all that was started."""

    folder: Path
    settings: Settings
    env: dict[str, str]
    # None where the servers were given.
    servers: EmbeddedServers | None
    running: list[Running] = field(default_factory=list)

    @contextmanager
    def app(self, **changes: object) -> Iterator[Flask]:
        """Give an application on the database, in its context: to fill it and to look at it."""
        app = create_app(replace(self.settings, **changes))  # type: ignore[arg-type]
        with app.app_context():
            try:
                yield app
            finally:
                db.session.remove()
                db.engine.dispose()

    @property
    def plain_database_url(self) -> str:
        """The address of the database as psycopg itself takes it."""
        return self.settings.database_url.replace("+psycopg", "", 1)

    def connect(self) -> psycopg.Connection[Any]:
        """Return a connection of its own to the database, in autocommit."""
        return psycopg.connect(self.plain_database_url, autocommit=True)

    def copy(self, name: str) -> "Ground":
        """Return the same platform on a copy of the database as it is now, under another name.

        Whatever is started there is stopped there: use the copy as a context manager. Nobody may be
        connected to the database meanwhile.
        """
        url = self.plain_database_url
        own = url.partition("?")[0].rpartition("/")[2]
        new = f"{own}_{name}"
        with psycopg.connect(_beside(url, "postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(new), sql.Identifier(own))
            )
        env = {**self.env, "CONTEST_DATABASE_URL": _beside(url, new)}
        return Ground(self.folder, Settings.from_env(env), env, self.servers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Running:
        """Start a program with the platform's environment and more of it."""
        log, process = self._launch(name, command, env or {})
        running = Running(name, process, log)
        self.running.append(running)
        return running

    def web(
        self,
        name: str = "web",
        *,
        target: str = "wsgi:app",
        port: int = 0,
        env: Mapping[str, str] | None = None,
    ) -> Web:
        """Start a web server as `contest web` does, and return when it answers.

        With another `target` the same server serves another application.
        """
        port = port or free_port()
        env = {**GRANIAN_ENV, **(env or {}), "CONTEST_PORT": str(port)}
        settings = Settings.from_env({**self.env, **env})
        log, process = self._launch(name, granian_command(settings, target), env)
        web = Web(name, process, log, port)
        self.running.append(web)
        web.wait()
        return web

    def worker(self, name: str = "worker", *, env: Mapping[str, str] | None = None) -> Running:
        """Start a `contest worker`."""
        return self.start(name, [sys.executable, "-m", "contest.cli", "worker"], env=env)

    def sweep(self, name: str = "sweep", *, env: Mapping[str, str] | None = None) -> Running:
        """Start the `contest sweep`."""
        return self.start(name, [sys.executable, "-m", "contest.cli", "sweep"], env=env)

    def database_cpu_seconds(self) -> float:
        """Return for how long the database server has computed; 0 where it is not on this machine."""
        return processes.cpu_seconds(processes.tree(self.postmaster)) if self.postmaster else 0.0

    @cached_property
    def postmaster(self) -> int | None:
        """The number of the database server's first process; None where it is not on this machine."""
        with self.connect() as connection:
            [backend] = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
            is_here = "postgres" in processes.command_of(backend)
            return processes.parent(backend) if is_here else None

    def stop(self) -> None:
        """Stop all that was started, the last first."""
        for running in reversed(self.running):
            running.stop()
        self.running.clear()

    def _launch(
        self, name: str, command: Sequence[str], env: Mapping[str, str]
    ) -> tuple[Path, subprocess.Popen[bytes]]:
        log = self.folder / "log" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        return log, launch(command, log=log, env={**self.env, **env}, cwd=ROOT)


@contextmanager
def ground(*, durable: bool = True, **settings: object) -> Iterator[Ground]:
    """Give a migrated, empty platform whose settings are those of `Settings`; nothing is left behind.

    With `durable=False` nothing is forced to disk. Raises TrialError where it can't be had.
    """
    if not HAS_PROC:
        raise TrialError("Trials read /proc to measure what a process takes, so they need Linux.")
    folder = Path(tempfile.mkdtemp(prefix="contest-trial-"))
    try:
        folder.chmod(0o755)  # the embedded servers may run as another user
        with _servers(folder, durable=durable) as (servers, database_url, redis_url):
            env = _environment(folder, database_url, redis_url, settings)
            here = Ground(folder, Settings.from_env(env), env, servers)
            with here.app():
                flask_migrate.upgrade()
            try:
                yield here
            except Exception:
                _keep_logs(folder / "log")
                raise
            finally:
                here.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep_logs(logs: Path) -> None:
    """Keep what the programs of a failed trial have said."""
    kept = ROOT / "var" / "trial-logs"
    if logs.exists():
        shutil.copytree(logs, kept, dirs_exist_ok=True)
        print(f"The logs of what was started are in {kept}.", file=sys.stderr)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(
    folder: Path, database_url: str, redis_url: str, settings: Mapping[str, object]
) -> dict[str, str]:
    """Return the environment of all that is started: the caller's own settings have no part in it."""
    ours = {
        # As in production, but for what that demands of names and secrets; "test" would keep no page.
        "env": "dev",
        "database_url": database_url,
        "redis_url": redis_url,
        "secret_key": secrets.token_urlsafe(32),
        "data_key": secrets.token_urlsafe(32),
        "data_dir": folder / "data",
        # All people of a trial come from one address; what tries the proof of work sets it.
        "proof_work": 0,
        **settings,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONTEST_")}
    return kept | {f"CONTEST_{name.upper()}": str(value) for name, value in ours.items()}


@contextmanager
def _servers(folder: Path, *, durable: bool) -> Iterator[tuple[EmbeddedServers | None, str, str]]:
    given = [os.environ.get(name, "").strip() for name in URL_NAMES]
    if not any(given):
        with EmbeddedServers(folder / "servers", durable=durable) as servers:
            yield servers, servers.database_url, servers.redis_url
        return
    if not all(given):
        raise TrialError(f"Set both {URL_NAMES[0]} and {URL_NAMES[1]}, or neither for servers of our own.")
    database_url, redis_url = given
    with Redis.from_url(redis_url) as redis:
        if redis.dbsize():
            raise TrialError(f"The Redis of {URL_NAMES[1]} is not empty: a trial may clear it.")
    name = f"contest_trial_{secrets.token_hex(4)}"
    with psycopg.connect(database_url.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield None, _beside(database_url, name), redis_url
        finally:
            # With its copies.
            made = connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{name}%"]
            ).fetchall()
            for (database,) in made:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()


def _beside(url: str, name: str) -> str:
    """Return the address of another database on the same server."""
    head, mark, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{mark}{query}"
