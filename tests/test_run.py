"""`contest run` as its user meets it, with small stand-ins for the commands that it runs."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# `contest run` without the application and with the other commands played by COMMANDS.
RUN = f"""
import sys, types
for name in ("contest", "contest.cli"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [{str(ROOT)!r} + "/" + name.replace(".", "/")]
from contest.cli import run
run._contest = lambda *command: [sys.executable, sys.argv[1], *command]
run.run.main(args=[], prog_name="contest run")
"""
COMMANDS = """
import http.server, json, os, signal, subprocess, sys, time
from pathlib import Path
command = sys.argv[1]
data_dir = Path(os.environ["CONTEST_DATA_DIR"])
(data_dir / f"{command}-{os.getpid()}.pid").touch()
if command == "migrate":
    print("creating the tables")
    sys.exit(os.environ.get("MIGRATE_FAILS"))
elif command == "seed-demo":
    assert sys.argv[2:] == ["--if-empty"]
    (data_dir / "demo-sign-ins.txt").write_text("organizer: admin / secret\\n")
elif command == "web":
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()
    http.server.HTTPServer(("127.0.0.1", int(os.environ["CONTEST_PORT"])), Answer).serve_forever()
else:
    if os.environ.get("DEAF"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if command == "worker":  # a job's process, in a group of its own
        job = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)
        (data_dir / f"job-{job.pid}.pid").touch()
    print(json.dumps({"event": "up", "database": os.environ["CONTEST_DATABASE_URL"]}), flush=True)
    time.sleep(60)
"""
OTHER_SERVERS = {
    "CONTEST_DATABASE_URL": "postgresql://somewhere/contest",
    "CONTEST_REDIS_URL": "redis://somewhere",
}


class Run:
    """One `contest run`, and what it leaves."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.data_dir = folder / "var"
        self.output = folder / "output"
        commands = folder / "commands.py"
        commands.write_text(COMMANDS)
        self.port = int(environ.get("CONTEST_PORT") or free_port())
        own = {
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
            "CONTEST_DATA_DIR": str(self.data_dir),
            "CONTEST_PORT": str(self.port),
            "CONTEST_SCORING_WORKERS": "2",
        }
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("CONTEST_")}
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN, str(commands)],
                env=inherited | own | environ,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, text: str) -> None:
        until(lambda: text in self.said() or self.process.poll() is not None)
        assert text in self.said()

    def wait(self) -> int:
        return self.process.wait(timeout=40)

    def pids(self, command: str = "*") -> list[int]:
        """Return the numbers of the processes that were started, dead or alive."""
        return [int(path.stem.rpartition("-")[2]) for path in self.data_dir.glob(f"{command}-*.pid")]

    def assert_nothing_is_left(self) -> None:
        assert self.pids()
        until(lambda: not any(map(is_alive, self.pids())), seconds=5)
        assert not (self.data_dir / "running.json").exists()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    started = []

    def start(**environ: str) -> Run:
        started.append(Run(tmp_path, **environ))
        return started[-1]

    yield start
    for run in started:
        run.process.kill()
        run.process.wait()


def test_it_starts_everything_and_says_where_it_is(start):
    run = start(**OTHER_SERVERS)
    run.wait_for("Ctrl-C stops everything")

    assert f"The platform runs at http://127.0.0.1:{run.port}\n" in run.said()
    assert "organizer: admin / secret\n" in run.said()
    assert "creating the tables\n" in run.said()
    until(lambda: [len(run.pids(name)) for name in ("web", "worker", "sweep")] == [1, 2, 1])
    log = run.data_dir / "log" / "worker-2.log"
    until(lambda: log.read_text().endswith("\n"))
    assert json.loads(log.read_text()) == {
        "event": "up",
        "database": OTHER_SERVERS["CONTEST_DATABASE_URL"],
    }
    running = run.data_dir / "running.json"
    assert json.loads(running.read_text()) == {
        "database_url": OTHER_SERVERS["CONTEST_DATABASE_URL"],
        "redis_url": OTHER_SERVERS["CONTEST_REDIS_URL"],
    }
    assert running.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_requested_stop_is_quick_and_whole(start, sign):
    run = start(**OTHER_SERVERS)
    run.wait_for("Ctrl-C stops everything")
    run.process.send_signal(sign)
    started = time.monotonic()

    assert run.wait() == 0
    assert time.monotonic() - started < 5
    run.assert_nothing_is_left()


def test_the_servers_of_its_own_end_with_it_and_keep_their_data(start):
    run = start()
    run.wait_for("Ctrl-C stops everything")
    running = json.loads((run.data_dir / "running.json").read_text())
    assert running["database_url"].startswith("postgresql://contest@/contest?host=/tmp/")
    servers = [
        int((run.data_dir / path).read_text().split()[0])
        for path in ("postgres/postmaster.pid", "valkey/valkey.pid")
    ]
    run.process.terminate()

    assert run.wait() == 0
    run.assert_nothing_is_left()
    assert not any(map(is_alive, servers))
    assert (run.data_dir / "postgres" / "PG_VERSION").exists()


def test_a_stop_while_the_servers_start_is_whole_too(start):
    run = start()
    run.wait_for("Starting PostgreSQL")
    run.process.terminate()

    assert run.wait() == 0
    assert "Stopped." in run.said()
    assert run.pids() == []


def test_a_second_stop_kills_what_will_not_end(start):
    run = start(**OTHER_SERVERS, DEAF="1")
    run.wait_for("Ctrl-C stops everything")
    run.process.terminate()
    run.wait_for("Stopping")
    run.process.terminate()
    started = time.monotonic()

    assert run.wait() == 0
    assert time.monotonic() - started < 2
    run.assert_nothing_is_left()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child's life to its parent's")
def test_killed_it_takes_its_programs_with_it(start):
    run = start(**OTHER_SERVERS)
    run.wait_for("Ctrl-C stops everything")
    run.process.kill()
    run.wait()

    programs = [pid for command in ("web", "worker", "sweep") for pid in run.pids(command)]
    until(lambda: not any(map(is_alive, programs)))
    for pid in run.pids("job"):  # the stand-in for a worker leaves it to us
        os.kill(pid, signal.SIGKILL)


def test_a_program_that_dies_comes_back(start):
    run = start(**OTHER_SERVERS)
    run.wait_for("Ctrl-C stops everything")
    [web] = run.pids("web")
    os.kill(web, signal.SIGKILL)

    run.wait_for("web stopped (by SIGKILL) and is started again in 0.5 s")
    until(lambda: len(run.pids("web")) == 2)
    until(lambda: answers(run.port))


def test_a_port_in_use_is_refused_before_anything_is_started(start):
    with socket.create_server(("127.0.0.1", 0)) as other:
        run = start(CONTEST_PORT=str(other.getsockname()[1]))
        assert run.wait() == 1
    assert run.said() == (
        f"Error: Port {run.port} of 127.0.0.1 can't be used (Address already in use): "
        "stop what uses it, or choose another CONTEST_PORT or CONTEST_HOST.\n"
    )
    assert not (run.data_dir / "postgres").exists()


@pytest.mark.parametrize(
    "environ,sentence",
    [
        ({"CONTEST_ENV": "prod"}, "CONTEST_ENV=prod needs servers of its own"),
        ({"CONTEST_REDIS_URL": "redis://somewhere"}, "CONTEST_DATABASE_URL is not set: set both addresses"),
        ({"CONTEST_SCORING_WORKERS": "many"}, "CONTEST_SCORING_WORKERS is 'many'; it must be a number"),
        ({"CONTEST_HOST": "no.such.host.invalid"}, "of no.such.host.invalid can't be used"),
        ({"CONTEST_DATA_DIR": "/proc/var"}, "can't be written"),
    ],
)
def test_what_can_not_work_is_refused_with_one_sentence(start, environ, sentence):
    run = start(**environ)
    assert run.wait() == 1
    assert sentence in run.said()
    assert run.said().startswith("Error: ")
    assert run.said().count("\n") == 1


def test_a_second_one_on_the_same_data_is_refused(start):
    first = start()
    first.wait_for("Ctrl-C stops everything")
    second = start()
    assert second.wait() == 1
    assert f"are running already (process {first.process.pid})" in second.said()
    assert (first.data_dir / "running.json").exists()


def test_a_failing_step_stops_everything(start):
    run = start(**OTHER_SERVERS, MIGRATE_FAILS="no such table")
    assert run.wait() == 1
    assert run.said().endswith(
        "no such table\nError: `contest migrate` failed, for the reason shown above.\n"
    )
    run.assert_nothing_is_left()


def test_in_prod_there_is_no_demo_and_no_address_on_disk(start):
    run = start(
        **OTHER_SERVERS,
        CONTEST_ENV="prod",
        CONTEST_SECRET_KEY="s" * 40,
        CONTEST_DATA_KEY="d" * 40,
        CONTEST_TRUSTED_HOSTS="thi.example.vn",
    )
    run.wait_for("Ctrl-C stops everything")
    assert run.pids("seed-demo") == []
    assert not (run.data_dir / "running.json").exists()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and waits for its parent's notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.02)
