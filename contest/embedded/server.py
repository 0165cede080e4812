"""PostgreSQL and Valkey as programs: how each is prepared, started, watched and stopped."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from contest.embedded.runtime import EmbeddedError, Runtime, give
from contest.launch import HAS_PROC, User, fresh_log, kill_group, launch

READY_WITHIN = 120  # seconds; a recovery after a crash may take long


class Server:
    """One of the two servers: how both are started, watched and stopped."""

    name: str
    folder: str
    program: str
    pid_file: str
    stop_signal: signal.Signals
    at_once_signal: signal.Signals

    def __init__(self, data: Path, runtime: Runtime, user: User | None, *, durable: bool) -> None:
        self.data, self.runtime, self.user, self.durable = data, runtime, user, durable
        self.log = fresh_log(data.parent / "log", self.folder)
        self.log_start = 0
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the data directory if it is missing."""
        raise NotImplementedError

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        self.process = self.spawn(self.command(), cwd=self.data, at_parents_death=self.stop_signal)

    def spawn(
        self, command: Sequence[str | Path], *, cwd: Path, at_parents_death: signal.Signals
    ) -> subprocess.Popen[bytes]:
        # Nothing of the caller's locale, and no PGHOST or the like, may reach the servers.
        env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        return launch(
            command, log=self.log, cwd=cwd, env=env, user=self.user, at_parents_death=at_parents_death
        )

    def directory(self, path: Path) -> str:
        """Return how the server names its working directory.

        Another user may be shut out by a directory above, as in a home; what was entered before
        the change of user stays open to it under this name.
        """
        return "/proc/self/cwd" if self.user and HAS_PROC else str(path)

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def wait(self) -> None:
        """Return when the server answers; raise EmbeddedError if it ended or stays silent."""
        give_up_at = time.monotonic() + READY_WITHIN
        while not self.is_ready():
            if self.has_died():
                if not self.may_try_again() or time.monotonic() > give_up_at:
                    raise EmbeddedError(f"{self.name} did not start: {self.reason()}.")
                time.sleep(0.2)
                self.start()
            if time.monotonic() > give_up_at:
                raise EmbeddedError(
                    f"{self.name} gave no answer within {READY_WITHIN} seconds; see {self.log}."
                )
            time.sleep(0.01)

    def may_try_again(self) -> bool:
        return False

    def said(self) -> str:
        """Return what the server has written since its last start."""
        return self.log.read_bytes()[self.log_start :].decode(errors="replace")

    def reason(self) -> str:
        """Return the line of its log that best says why the server ended, and where the rest is."""
        lines = self.said().splitlines() or ["it ended without a word"]
        telling = [line for line in lines if re.search("FATAL|PANIC|error", line)] or lines
        return f"{re.sub('^.*?(FATAL|PANIC|error): +', '', telling[-1]).strip()} (see {self.log})"

    def stop(self, *, at_once: bool) -> None:
        if self.process is None:
            return
        for sign, seconds in ((self.stop_signal, 20), (self.at_once_signal, 6), (signal.SIGKILL, None)):
            if at_once and sign is self.stop_signal:
                continue
            self.process.send_signal(sign)
            try:
                self.process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        self.process = None


class Postgres(Server):
    """The embedded PostgreSQL."""

    name = "PostgreSQL"
    folder = "postgres"
    program = "postgres"
    pid_file = "postmaster.pid"
    stop_signal = signal.SIGINT  # the fast shutdown; SIGTERM would wait for the last client
    at_once_signal = signal.SIGQUIT

    def prepare(self) -> None:
        for left in self.data.parent.glob("postgres.new.*"):
            shutil.rmtree(left, ignore_errors=True)
        if self.data.is_dir() and not any(self.data.iterdir()):
            self.data.rmdir()
        if not self.data.exists():
            self._initialise()
        self._check_version()
        self._write_who_may_connect()

    def _initialise(self) -> None:
        """Make the data directory beside its place, so that one half made is never taken for whole."""
        new = Path(tempfile.mkdtemp(prefix="postgres.new.", dir=self.data.parent))
        give(new, self.user)
        command: list[str | Path] = [
            self.runtime.postgres / "bin/initdb",
            f"--pgdata={self.directory(new)}",
            "--username=postgres",
            "--auth=peer",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *([] if self.durable else ["--no-sync"]),
        ]
        process = self.spawn(command, cwd=new, at_parents_death=signal.SIGKILL)
        try:
            failed = process.wait()
        finally:
            kill_group(process)
        if failed:
            raise EmbeddedError(f"PostgreSQL's data can't be made: {self.reason()}.")
        new.rename(self.data)
        _sync(self.data.parent)

    def _check_version(self) -> None:
        try:
            present = (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise EmbeddedError(f"{self.data} is not a data directory of PostgreSQL.") from None
        postgres = self.runtime.postgres / "bin/postgres"
        installed = subprocess.run([postgres, "--version"], capture_output=True, text=True).stdout
        if not installed:
            raise EmbeddedError(f"{postgres} does not run on this machine.")
        if present != installed.split()[-1].partition(".")[0]:
            raise EmbeddedError(
                f"{self.data} was made by PostgreSQL {present}, which {installed.strip()} can't read: "
                "restore a backup into a new data directory."
            )

    def _write_who_may_connect(self) -> None:
        """Let in the user that started the servers, and root, under any role."""
        names = {"root", pwd.getpwuid(os.getuid()).pw_name}
        (self.runtime.path / "hba.conf").write_text("local all all peer map=starter\n")
        (self.runtime.path / "ident.conf").write_text(
            "".join(f'starter "{name}" all\n' for name in sorted(names))
        )
        for file in ("hba.conf", "ident.conf"):
            give(self.runtime.path / file, self.user)

    def command(self) -> Sequence[str | Path]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.runtime.path,
            "unix_socket_permissions": "0700",
            "port": 5432,
            "hba_file": self.runtime.path / "hba.conf",
            "ident_file": self.runtime.path / "ident.conf",
            "max_connections": 100,
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            "synchronous_commit": "on",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [self.runtime.postgres / "bin/postgres", "-D", self.directory(self.data), *options]

    def is_ready(self) -> bool:
        try:
            url = database_url(self.runtime.path, user="postgres", database="postgres")
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def may_try_again(self) -> bool:
        # After its postmaster was killed, the last of the old server's processes end a little later.
        return "is still in use" in self.said()


class Valkey(Server):
    """The embedded Valkey."""

    name = "Valkey"
    folder = "valkey"
    program = "valkey-server"
    pid_file = "valkey.pid"
    socket_name = "valkey.sock"
    stop_signal = signal.SIGTERM
    at_once_signal = signal.SIGKILL

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        give(self.data, self.user)

    def command(self) -> Sequence[str | Path]:
        settings: dict[str, str | Path] = {
            "port": "0",
            "unixsocket": self.runtime.path / self.socket_name,
            "unixsocketperm": "700",
            "dir": self.directory(self.data),
            "pidfile": self.pid_file,
            "appendonly": "yes",
            "appendfsync": "everysec" if self.durable else "no",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "notice",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return [self.runtime.valkey, *options]

    def is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.runtime.path / self.socket_name))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False


def end_left_server(server: type[Server], data: Path, left_runtime: str) -> None:
    """End what a killed predecessor has left running on a data directory, and its claim to it."""
    data = data.resolve()
    pid_file = data / server.pid_file
    for sign in (server.stop_signal, server.at_once_signal, signal.SIGKILL):
        give_up_at = time.monotonic() + 10
        for pid in _left_processes(server, data, left_runtime):
            # A process of PostgreSQL that has lost its postmaster ends by itself.
            if sign is signal.SIGKILL or pid == _read_pid(pid_file):
                os.kill(pid, sign)
        while _left_processes(server, data, left_runtime):
            if time.monotonic() > give_up_at:
                break
            time.sleep(0.02)
        else:
            # The number in it may by now be another program's, which would keep PostgreSQL from starting.
            pid_file.unlink(missing_ok=True)
            return
    raise EmbeddedError(f"An old {server.name} on {data} does not end.")


def _left_processes(server: type[Server], data: Path, left_runtime: str) -> list[int]:
    if HAS_PROC:
        folders = [entry.parent for entry in Path("/proc").glob("[0-9]*/cwd") if _leads_to(entry, data)]
        return [int(folder.name) for folder in folders if _leads_to(folder / "exe", server.program)]
    if not left_runtime:
        return []
    shown = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True).stdout
    return [
        int(line.split()[0]) for line in shown.splitlines() if server.program in line and left_runtime in line
    ]


def _leads_to(link: Path, target: Path | str) -> bool:
    """Tell whether a link of /proc leads to a path, or to a program of a name."""
    try:
        there = link.readlink()
    except OSError:  # another user's process, or one that has ended
        return False
    # The program may have been removed or replaced since it was started.
    return there == target or there.name.removesuffix(" (deleted)") == target


def _read_pid(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _sync(folder: Path) -> None:
    """Force a rename in a directory to disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def database_url(socket_dir: Path, *, user: str, database: str) -> str:
    """Return the address of a database behind a socket, as psycopg and SQLAlchemy take it."""
    return f"postgresql://{user}@/{database}?host={socket_dir}&port=5432"
