"""The two embedded servers on one data directory."""

import fcntl
import os
import pwd
from pathlib import Path
from typing import IO, Self

import psycopg

from contest.embedded.runtime import EmbeddedError, Runtime, remove_abandoned
from contest.embedded.server import Postgres, Server, Valkey, database_url, end_left_server
from contest.launch import User

DATABASE = "contest"


class EmbeddedServers:
    """PostgreSQL and Valkey on one data directory, for as long as this object is started.

    Use it as a context manager, or call `start` and `stop`, from a thread that lives as long as
    the servers: the kernel ends them with it. With `durable=False` nothing is forced to disk,
    which is faster and right for data that may be lost with the machine.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir.resolve()
        self.durable = durable
        self._lock: IO[str] | None = None
        self._runtime: Runtime | None = None
        self._servers: list[Server] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def database_url(self) -> str:
        """The address of the database, as psycopg and SQLAlchemy take it."""
        return database_url(self._started().path, user=DATABASE, database=DATABASE)

    @property
    def redis_url(self) -> str:
        return f"unix://{self._started().path / Valkey.socket_name}"

    @staticmethod
    def are_running(data_dir: Path) -> bool:
        """Tell whether somebody runs the servers of a data directory now."""
        try:
            with open(data_dir / "embedded.lock") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @property
    def pids(self) -> dict[str, int]:
        """The numbers of the servers' own processes, by the servers' names."""
        return {server.name: server.process.pid for server in self._servers if server.process}

    def start(self) -> None:
        """Start both servers, on their first start with an empty database.

        Raises EmbeddedError when that is impossible, and leaves no process then.
        """
        if self._runtime:
            return
        self._lock = _lock(self.data_dir)
        try:
            self._start()
        except OSError as error:
            self.stop()
            raise EmbeddedError(
                f"The servers can't be started: {error.strerror} ({error.filename or self.data_dir})."
            ) from error
        except BaseException:
            self.stop()
            raise

    def check(self) -> list[str]:
        """Start again what has died, and return the names of those servers.

        Raises EmbeddedError when one can't be started; the next call tries again.
        """
        dead = [server for server in self._servers if server.has_died()]
        for server in dead:
            server.start()
            server.wait()
        return [server.name for server in dead]

    def stop(self, *, at_once: bool = False) -> None:
        """Stop both servers and wait for their end; `at_once` spares them the tidying up."""
        for server in self._servers:
            server.stop(at_once=at_once)
        self._servers = []
        if self._runtime:
            self._runtime.remove()
            self._runtime = None
        if self._lock:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None

    def _start(self) -> None:
        assert self._lock
        user = _user_for(self.data_dir / Postgres.folder)
        kinds: tuple[type[Server], ...] = (Valkey, Postgres)
        self._lock.seek(0)
        left_runtime = (*self._lock.read().splitlines(), "", "")[1]
        for kind in kinds:
            end_left_server(kind, self.data_dir / kind.folder, left_runtime)
        remove_abandoned(user)
        self._runtime = runtime = Runtime(user)
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n{runtime.path}\n")
        self._lock.flush()
        self._servers = [
            kind(self.data_dir / kind.folder, runtime, user, durable=self.durable) for kind in kinds
        ]
        for server in self._servers:
            server.prepare()
            server.start()
        for server in self._servers:
            server.wait()
        _create_database(runtime.path)

    def _started(self) -> Runtime:
        if self._runtime is None:
            raise EmbeddedError("The embedded servers are not running.")
        return self._runtime


def _lock(data_dir: Path) -> IO[str]:
    """Return the locked file that makes a data directory ours; the lock ends with the process."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = open(data_dir / "embedded.lock", "a+")  # noqa: SIM115 - open for as long as the servers run
    except OSError as error:
        raise EmbeddedError(f"The data directory {data_dir} can't be written: {error.strerror}.") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.readline().strip() or "just starting"
        file.close()
        raise EmbeddedError(
            f"The servers of {data_dir} are running already (process {holder}): "
            "stop them first, or choose another CONTEST_DATA_DIR."
        ) from None
    return file


def _user_for(data: Path) -> User | None:
    """Return whom the servers run as; None is the caller. Root takes the data's owner, or nobody."""
    owner = data.stat() if data.exists() else None
    try:
        pwd.getpwuid(os.getuid())  # PostgreSQL asks for it too, and says less clearly what is wrong
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise EmbeddedError(f"This machine's list of users is incomplete: {error.args[0]}.") from None
    if os.getuid() != 0:
        if owner and owner.st_uid != os.getuid():
            raise EmbeddedError(f"{data} belongs to another user: choose another CONTEST_DATA_DIR.")
        return None
    if owner and owner.st_uid != 0:
        return User(owner.st_uid, owner.st_gid)
    return User(nobody.pw_uid, nobody.pw_gid)


def _create_database(socket_dir: Path) -> None:
    """Create the application's role and database if they are missing; the role is no superuser."""
    url = database_url(socket_dir, user="postgres", database="postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [DATABASE]).fetchone():
            connection.execute(f"CREATE ROLE {DATABASE} LOGIN CREATEDB")
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")
