"""`contest run`: the whole platform in one command, for trying out, demonstrations and small sites."""

import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from contest.embedded import EmbeddedError, EmbeddedServers
from contest.launch import adopt_orphans, kill_descendants, kill_group, launch
from contest.settings import RUNNING_FILE, Settings, SettingsError
from contest.supervisor import Supervisor

URL_NAMES = ("CONTEST_DATABASE_URL", "CONTEST_REDIS_URL")
SIGN_INS_FILE = "demo-sign-ins.txt"
PAUSE = 0.25  # seconds between two looks at what runs
ANSWER_WITHIN = 60  # seconds for the web's first answer
STOP_WITHIN = 5  # seconds for a program to end before it is killed
TRY_SERVERS_AGAIN_AFTER = 10  # seconds


class Refusal(Exception):
    """The platform can't run; the message is one finished sentence."""


class StopRequested(BaseException):
    """A person or the system has asked for the end."""


@click.command()
def run() -> None:
    """Run the platform with all it needs, until Ctrl-C.

    Starts a PostgreSQL and a Valkey of its own, unless CONTEST_DATABASE_URL and CONTEST_REDIS_URL
    name some; then the web, the workers and the sweeper.
    """
    try:
        settings, own_servers = _settings(os.environ)
        _check_port(settings)
        _Platform(settings, os.environ, own_servers=own_servers).run()
    except (SettingsError, EmbeddedError, Refusal) as error:
        raise click.ClickException(str(error)) from None


class _Platform:
    """Everything that `contest run` runs."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, own_servers: bool) -> None:
        self.settings = settings
        self.environ = dict(environ)
        self.servers = EmbeddedServers(settings.data_dir) if own_servers else None
        self.supervisor = Supervisor(settings.data_dir / "log", self.environ, _say)
        self.running_file: Path | None = None
        self.look_at_servers_at = 0.0
        self.is_stopping = False

    def run(self) -> None:
        """Start everything, keep it running and return after the stop that was asked for."""
        adopt_orphans()
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, self._on_signal)
        try:
            self._start()
            while True:
                time.sleep(PAUSE)
                self._look_after()
        except StopRequested:
            _say("Stopping …")
        finally:
            self.is_stopping = True
            self._stop()
        _say("Stopped.")

    def _start(self) -> None:
        if self.servers:
            _say("Starting PostgreSQL and Valkey …")
            self.servers.start()
            addresses = (self.servers.database_url, self.servers.redis_url)
            self.environ |= dict(zip(URL_NAMES, addresses, strict=True))
        self.environ["CONTEST_DATA_DIR"] = str(self.settings.data_dir)
        if self.settings.env != "prod":
            self.running_file = self.settings.data_dir / RUNNING_FILE
            _write_running_file(self.running_file, *(self.environ[name] for name in URL_NAMES))
        self._do("migrate")
        if self.settings.env != "prod":
            self._do("seed-demo", "--if-empty")
        self._add("web", "web")
        for number in range(1, self.settings.scoring_workers + 1):
            self._add(f"worker-{number}", "worker")
        self._add("sweep", "sweep")
        self._await_web()
        self._welcome()

    def _do(self, *command: str) -> None:
        """Run a command of ours to its end, its output shown; raise Refusal if it fails."""
        process = launch(_contest(*command), log=None, env=self.environ)
        try:
            failed = process.wait()
        finally:
            kill_group(process)
        if failed:
            raise Refusal(f"`contest {' '.join(command)}` failed, for the reason shown above.")

    def _add(self, name: str, command: str) -> None:
        self.supervisor.add(name, _contest(command))

    def _look_after(self) -> None:
        """Start again what has died."""
        if self.servers and time.monotonic() >= self.look_at_servers_at:
            try:
                for name in self.servers.check():
                    _say(f"{name} had stopped and was started again.")
            except EmbeddedError as error:
                _say(str(error))
                self.look_at_servers_at = time.monotonic() + TRY_SERVERS_AGAIN_AFTER
        self.supervisor.check()

    def _await_web(self) -> None:
        _say("Starting the web, the workers and the sweeper …")
        give_up_at = time.monotonic() + ANSWER_WITHIN
        while not _answers(self.settings):
            if time.monotonic() > give_up_at:
                raise Refusal(f"The web does not answer; see {self.settings.data_dir / 'log' / 'web.log'}.")
            time.sleep(PAUSE)
            self._look_after()

    def _welcome(self) -> None:
        _say(f"\nThe platform runs at {self.settings.address}\n")
        sign_ins = self.settings.data_dir / SIGN_INS_FILE
        if sign_ins.exists():
            _say(sign_ins.read_text())
        _say(f"Data and logs are in {self.settings.data_dir}. Ctrl-C stops everything.")

    def _stop(self) -> None:
        """Stop what runs, in the order in which it needs one another."""
        names = [program.name for program in self.supervisor.programs]
        self.supervisor.stop(["web"], within=STOP_WITHIN)
        self.supervisor.stop(names, within=STOP_WITHIN)
        if self.servers:
            self.servers.stop()
        kill_descendants()  # a job's process that its worker left behind, for example
        self._remove_running_file()

    def _remove_running_file(self) -> None:
        if self.running_file:  # one that is there without us is another's
            self.running_file.unlink(missing_ok=True)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self.is_stopping:
            self.is_stopping = True
            raise StopRequested
        self._end_at_once()

    def _end_at_once(self) -> NoReturn:
        """Kill everything and end: what is stored survives that, as it survives a power cut."""
        kill_descendants()
        self._remove_running_file()
        os._exit(0)


def _settings(environ: Mapping[str, str]) -> tuple[Settings, bool]:
    """Return the settings, and whether the servers are our own; raise what forbids to run."""
    missing = [name for name in URL_NAMES if not environ.get(name, "").strip()]
    if missing and environ.get("CONTEST_ENV", "").strip() == "prod":
        raise Refusal(
            "CONTEST_ENV=prod needs servers of its own: set CONTEST_DATABASE_URL and CONTEST_REDIS_URL."
        )
    if len(missing) == 1:
        raise Refusal(f"{missing[0]} is not set: set both addresses, or neither for servers of our own.")
    # The addresses of our own are known later; everything else is looked at before anything starts.
    stand_ins = dict(zip(URL_NAMES, ("postgresql://", "unix://"), strict=True)) if missing else {}
    try:
        settings = Settings.from_env({**environ, **stand_ins})
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal(f"{error.filename} can't be written: {error.strerror}.") from None
    return settings, bool(missing)


def _check_port(settings: Settings) -> None:
    """Raise Refusal if the web could not listen."""
    host, port = settings.host, settings.port
    try:
        [(family, kind, _, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Refusal(
            f"Port {port} of {host} can't be used ({error.strerror}): "
            "stop what uses it, or choose another CONTEST_PORT or CONTEST_HOST."
        ) from None


def _write_running_file(path: Path, database_url: str, redis_url: str) -> None:
    """Let the other commands find the servers of this data directory."""
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"database_url": database_url, "redis_url": redis_url}, file)
    new.replace(path)


def _contest(*command: str) -> list[str]:
    return [sys.executable, "-m", "contest.cli", *command]


def _answers(settings: Settings) -> bool:
    headers = {"Host": settings.asked_host} if settings.asked_host else {}
    connection = http.client.HTTPConnection(settings.reachable_host, settings.port, timeout=2)
    try:
        connection.request("GET", "/healthz", headers=headers)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _say(text: str) -> None:
    click.echo(text)
