"""The embedded PostgreSQL and Valkey, with real processes that are really killed."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from contest.embedded import EmbeddedError, EmbeddedServers, runtime, server

ROOT = Path(__file__).resolve().parent.parent
AS_ROOT = os.getuid() == 0
# Starts the servers of a directory, says so, and waits to be killed. The application, which the
# package would bring along, is left out: it takes a second, and packages for this very Python.
SUPERVISOR = f"""
import sys, time, types
from pathlib import Path
sys.modules["contest"] = types.ModuleType("contest")
sys.modules["contest"].__path__ = [{str(ROOT / "contest")!r}]
from contest.embedded import EmbeddedError, EmbeddedServers
try:
    with EmbeddedServers(Path(sys.argv[1]), durable=False) as servers:
        print(servers.database_url, flush=True)
        time.sleep(60)
except EmbeddedError as error:
    print(error)
"""


# Stands for a system that can't tie a child's life to its parent's.
UNTIED = SUPERVISOR.replace(
    "try:",
    """
from contest.embedded import server
launch = server.launch
server.launch = lambda command, **options: launch(command, **options | {"at_parents_death": 0})
try:""",
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def servers(data_dir: Path) -> Iterator[EmbeddedServers]:
    with EmbeddedServers(data_dir, durable=False) as servers:
        yield servers


@pytest.fixture
def common_dir() -> Iterator[Path]:
    """Return an empty directory that every user can reach; pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="embedded-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


class Supervisor:
    """The servers of a directory, started by a process of its own."""

    def __init__(self, data_dir: Path, *, tied: bool = True, user: str | None = None) -> None:
        self.process = subprocess.Popen(
            [python_for(user), "-c", SUPERVISOR if tied else UNTIED, str(data_dir)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            cwd="/",
            stdout=subprocess.PIPE,
            text=True,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
        )

    def first_line(self) -> str:
        """Return the address of the database, or the refusal."""
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def supervise() -> Iterator[Callable[..., Supervisor]]:
    started = []

    def start(data_dir: Path, **options: object) -> Supervisor:
        started.append(Supervisor(data_dir, **options))
        return started[-1]

    yield start
    for supervisor in started:
        supervisor.kill()


def test_the_first_start_brings_an_empty_database_as_we_want_it(servers):
    assert ask(servers, "SELECT current_database(), current_user") == ("contest", "contest")
    assert ask(servers, "SELECT current_setting('is_superuser'), current_setting('TimeZone')") == (
        "off",
        "UTC",
    )
    assert ask(servers, "SELECT current_setting('server_encoding'), upper('đặng ế')") == ("UTF8", "ĐẶNG Ế")
    assert ask(servers, "SELECT current_setting('listen_addresses')") == ("",)
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE EXTENSION pg_trgm; CREATE EXTENSION unaccent")
    with client(servers) as valkey:
        wanted = {"appendonly": "yes", "maxmemory-policy": "noeviction", "save": "", "port": "0"}
        assert valkey.config_get(*wanted) == wanted


def test_only_the_owner_and_root_can_enter_what_is_stored(servers, data_dir):
    sockets = Path(servers.redis_url.removeprefix("unix://")).parent
    for folder in (data_dir / "postgres", data_dir / "valkey", sockets):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_socket_path_is_short_however_long_the_data_directory_is(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with EmbeddedServers(deep, durable=False) as servers:
        assert ask(servers, "SELECT 1") == (1,)


def test_a_later_start_finds_the_data(data_dir):
    with EmbeddedServers(data_dir) as servers:
        leave_a_mark(servers)
    with EmbeddedServers(data_dir) as servers:
        assert_marked(servers)
    assert list(data_dir.glob("postgres.new.*")) == []


def test_durable_servers_force_to_disk_what_they_acknowledge(data_dir):
    with EmbeddedServers(data_dir) as servers:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(servers, f"SHOW {setting}") == ("on",)
        with client(servers) as valkey:
            assert valkey.config_get("appendfsync") == {"appendfsync": "everysec"}


def test_a_stop_leaves_no_process_and_no_sockets(data_dir):
    servers = EmbeddedServers(data_dir, durable=False)
    servers.start()
    pids = pids_of(data_dir)
    sockets = Path(servers.redis_url.removeprefix("unix://")).parent

    with psycopg.connect(servers.database_url):  # a client that stays connected is no reason to wait
        servers.stop()

    assert not any(map(is_alive, pids))
    assert not sockets.exists()


def test_a_stop_at_once_loses_nothing_that_was_committed(data_dir):
    servers = EmbeddedServers(data_dir, durable=False)
    servers.start()
    leave_a_mark(servers)
    servers.stop(at_once=True)
    with EmbeddedServers(data_dir, durable=False) as servers:
        assert_marked(servers)


@pytest.mark.parametrize("victim", [0, 1], ids=["PostgreSQL", "Valkey"])
def test_a_killed_server_is_started_again_with_its_data(servers, data_dir, victim):
    assert servers.check() == []
    leave_a_mark(servers)
    url = servers.database_url

    pid = pids_of(data_dir)[victim]
    os.kill(pid, signal.SIGKILL)
    # A killed leader of threads looks dead a moment before its end can be waited for.
    until(lambda: servers.check() == [["PostgreSQL", "Valkey"][victim]])

    assert servers.database_url == url
    assert_marked(servers)
    assert servers.check() == []


def test_a_killed_supervisor_leaves_no_process(data_dir, supervise):
    supervisor = supervise(data_dir)
    supervisor.first_line()
    pids = pids_of(data_dir)
    assert all(map(is_alive, pids))

    supervisor.kill()

    until(lambda: not any(map(is_alive, pids)))


def test_a_start_right_after_a_killed_supervisor_takes_over(data_dir, supervise):
    supervisor = supervise(data_dir)
    supervisor.first_line()
    supervisor.kill()

    with EmbeddedServers(data_dir, durable=False) as servers:
        assert ask(servers, "SELECT 1") == (1,)


def test_the_sockets_of_killed_supervisors_are_removed_later(data_dir, supervise):
    supervisor = supervise(data_dir)
    sockets = Path(supervisor.first_line().partition("host=")[2].partition("&")[0])
    pids = pids_of(data_dir)
    user = runtime.User(sockets.stat().st_uid, sockets.stat().st_gid)
    an_hour_ago = time.time() - 3600
    os.utime(sockets, (an_hour_ago, an_hour_ago))

    runtime.remove_abandoned(user)
    assert sockets.exists()  # in use

    supervisor.kill()
    until(lambda: not any(map(is_alive, pids)))
    os.utime(sockets, (an_hour_ago, an_hour_ago))
    runtime.remove_abandoned(runtime.User(user.uid + 1, user.gid))
    assert sockets.exists()  # another user's
    runtime.remove_abandoned(user)
    assert not sockets.exists()


def test_servers_that_outlived_their_supervisor_are_ended_first(data_dir, supervise):
    supervisor = supervise(data_dir, tied=False)
    supervisor.first_line()
    pids = pids_of(data_dir)
    supervisor.kill()
    assert all(map(is_alive, pids))

    with EmbeddedServers(data_dir, durable=False) as servers:
        assert not any(map(is_alive, pids))
        assert ask(servers, "SELECT 1") == (1,)


def test_without_proc_left_servers_are_found_by_their_sockets(data_dir, supervise, monkeypatch):
    if not shutil.which("ps"):
        pytest.skip("needs ps")
    supervisor = supervise(data_dir, tied=False)
    supervisor.first_line()
    pids = pids_of(data_dir)
    left = data_dir.joinpath("embedded.lock").read_text().splitlines()[1]
    monkeypatch.setattr(server, "HAS_PROC", False)
    kinds = (server.Postgres, server.Valkey)
    assert [server._left_processes(kind, data_dir / kind.folder, left) for kind in kinds] == [
        [pid] for pid in pids
    ]

    supervisor.kill()
    for kind in kinds:
        server.end_left_server(kind, data_dir / kind.folder, left)

    assert not any(map(is_alive, pids))


def test_a_process_number_that_is_now_another_programs_does_no_harm(data_dir):
    with EmbeddedServers(data_dir, durable=False):
        stale = data_dir.joinpath("postgres", "postmaster.pid").read_text()
    with subprocess.Popen(["sleep", "60"]) as other:
        left = data_dir / "postgres" / "postmaster.pid"
        left.write_text("\n".join([str(other.pid), *stale.splitlines()[1:]]))
        with EmbeddedServers(data_dir, durable=False) as servers:
            assert ask(servers, "SELECT 1") == (1,)
        assert other.poll() is None
        other.kill()


def test_a_second_supervisor_is_refused(servers, data_dir):
    with pytest.raises(EmbeddedError, match=rf"running already \(process {os.getpid()}\): stop them first"):
        EmbeddedServers(data_dir).start()
    assert ask(servers, "SELECT 1") == (1,)


def test_a_data_directory_half_made_is_made_anew(data_dir, supervise):
    supervisor = supervise(data_dir)
    until(lambda: list(data_dir.glob("postgres.new.*/PG_VERSION")))
    supervisor.kill()
    assert not (data_dir / "postgres").exists()

    with EmbeddedServers(data_dir, durable=False) as servers:
        assert ask(servers, "SELECT 1") == (1,)
    assert list(data_dir.glob("postgres.new.*")) == []


def test_the_data_of_another_version_are_refused_untouched(data_dir):
    foreign_data(data_dir, "17")
    with pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 17, which .* can't read"):
        EmbeddedServers(data_dir).start()
    assert (data_dir / "postgres" / "PG_VERSION").read_text() == "17\n"


def test_something_else_in_the_place_of_the_data_is_refused(data_dir):
    foreign_data(data_dir, "18")
    (data_dir / "postgres" / "PG_VERSION").rename(data_dir / "postgres" / "notes.txt")
    with pytest.raises(EmbeddedError, match="is not a data directory of PostgreSQL"):
        EmbeddedServers(data_dir).start()


def test_a_server_that_can_not_start_says_why_and_leaves_no_process(data_dir):
    with EmbeddedServers(data_dir, durable=False):
        pass
    (data_dir / "postgres" / "global" / "pg_control").unlink()
    servers = EmbeddedServers(data_dir, durable=False)
    with pytest.raises(
        EmbeddedError, match=r"PostgreSQL did not start: .*pg_control.*\(see .*postgres\.log\)"
    ):
        servers.start()
    assert server._left_processes(server.Valkey, data_dir / "valkey", "") == []
    # Nor does it hold the lock.
    with pytest.raises(EmbeddedError, match="pg_control"):
        servers.start()


@pytest.mark.skipif(not AS_ROOT, reason="only root has to become another user")
def test_root_runs_the_servers_as_nobody(servers, data_dir):
    nobody = pwd.getpwnam("nobody").pw_uid
    for pid in pids_of(data_dir):
        assert os.stat(f"/proc/{pid}").st_uid == nobody


@pytest.mark.skipif(not AS_ROOT, reason="only root has to become another user")
def test_root_runs_copies_of_programs_that_nobody_can_not_reach(data_dir, monkeypatch):
    monkeypatch.setattr(runtime, "_is_open_to_all", lambda path: False)
    with EmbeddedServers(data_dir, durable=False) as servers:
        with psycopg.connect(servers.database_url) as connection:
            connection.execute("CREATE EXTENSION pg_trgm; SET timezone = 'Asia/Ho_Chi_Minh'")
        for pid in pids_of(data_dir):
            assert os.readlink(f"/proc/{pid}/exe").startswith("/tmp/contest-")


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
def test_an_ordinary_user_runs_the_servers(common_dir, supervise):
    user = pwd.getpwnam("nobody")
    os.chown(common_dir, user.pw_uid, user.pw_gid)
    supervisor = supervise(common_dir, user="nobody")
    assert "host=" in supervisor.first_line()
    pids = pids_of(common_dir)
    assert {os.stat(f"/proc/{pid}").st_uid for pid in pids} == {user.pw_uid}
    supervisor.kill()
    until(lambda: not any(map(is_alive, pids)))


def test_a_data_directory_that_can_not_be_written_is_refused(common_dir, supervise):
    if AS_ROOT:
        said = supervise(common_dir, user="nobody").first_line()
    else:
        common_dir.chmod(0o555)
        with pytest.raises(EmbeddedError) as refusal:
            EmbeddedServers(common_dir).start()
        said = str(refusal.value)
    assert said == f"The data directory {common_dir} can't be written: Permission denied."


@pytest.mark.skipif(not AS_ROOT, reason="only root can make another user's data")
def test_the_data_of_another_user_are_refused(common_dir, supervise):
    user = pwd.getpwnam("nobody")
    os.chown(common_dir, user.pw_uid, user.pw_gid)
    (common_dir / "postgres").mkdir(mode=0o700)
    assert "postgres belongs to another user" in supervise(common_dir, user="nobody").first_line()


def test_the_addresses_are_known_only_while_the_servers_run(data_dir):
    servers = EmbeddedServers(data_dir)
    with pytest.raises(EmbeddedError, match="not running"):
        servers.database_url  # noqa: B018


def ask(servers: EmbeddedServers, question: str) -> tuple[object, ...] | None:
    with psycopg.connect(servers.database_url) as connection:
        return connection.execute(question).fetchone()


def client(servers: EmbeddedServers) -> redis.Redis:
    return redis.Redis.from_url(servers.redis_url, decode_responses=True)


def leave_a_mark(servers: EmbeddedServers) -> None:
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE TABLE marks (word text); INSERT INTO marks VALUES ('here')")
    with client(servers) as valkey:
        valkey.set("mark", "here")


def assert_marked(servers: EmbeddedServers) -> None:
    assert ask(servers, "SELECT word FROM marks") == ("here",)
    with client(servers) as valkey:
        assert valkey.get("mark") == "here"


def python_for(user: str | None) -> str:
    """Return a Python like this one that a user can run."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for program in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        real = Path(program).resolve()
        if user is None or (real.exists() and runtime._is_open_to_all(real)):
            return program
    pytest.skip(f"no Python {version} that {user} could run")


def foreign_data(data_dir: Path, version: str) -> None:
    folder = data_dir / "postgres"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "PG_VERSION").write_text(f"{version}\n")


def pids_of(data_dir: Path) -> tuple[int, int]:
    """Return the process numbers of PostgreSQL and Valkey."""
    files = (data_dir / "postgres" / "postmaster.pid", data_dir / "valkey" / "valkey.pid")
    postgres, valkey = (int(file.read_text().split()[0]) for file in files)
    return postgres, valkey


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
