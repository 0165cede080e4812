"""Programs that are kept running, with real processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contest import supervisor as supervising
from contest.launch import LARGEST_LOG, fresh_log, launch
from contest.supervisor import Supervisor

ROOT = Path(__file__).resolve().parent.parent
STAYS = "import time; print('up', flush=True); time.sleep(60)"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STAYS}"
SAYS_GOODBYE = f"""
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print('goodbye', flush=True), sys.exit()))
{STAYS}
"""
HAS_A_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STAYS!r}]); {STAYS}"
HAS_A_FAR_CHILD = HAS_A_CHILD.replace("])", "], start_new_session=True)")


class Watched(Supervisor):
    """A supervisor that remembers what it said, and runs bits of Python."""

    def __init__(self, log_dir: Path) -> None:
        self.said: list[str] = []
        super().__init__(log_dir, dict(os.environ), self.said.append)

    def add_python(self, name: str, code: str, *, lines: int = 1) -> None:
        """Start a bit of Python and wait till it has written some lines."""
        self.add(name, [sys.executable, "-c", code])
        until(lambda: self.log(name).count("\n") >= lines)

    def pid(self, name: str) -> int:
        [process] = [program.process for program in self.programs if program.name == name]
        return process.pid if process else 0

    def log(self, name: str) -> str:
        path = self.log_dir / f"{name}.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Watched]:
    supervisor = Watched(tmp_path / "log")
    yield supervisor
    supervisor.stop([program.name for program in supervisor.programs], within=0)


def test_what_a_program_writes_is_in_its_log(supervisor):
    supervisor.add_python("web", "import sys; print('out', flush=True); sys.exit('err')", lines=2)
    assert supervisor.log("web") == "out\nerr\n"


def test_a_program_that_runs_is_left_alone(supervisor):
    supervisor.add_python("web", STAYS)
    pid = supervisor.pid("web")
    supervisor.check()
    assert supervisor.pid("web") == pid
    assert supervisor.said == []


def test_a_killed_program_is_started_again(supervisor, monkeypatch):
    monkeypatch.setattr(supervising, "FIRST_PAUSE", 0.05)
    supervisor.add_python("web", STAYS)
    supervisor.programs[0].pause = 0.05
    pid = supervisor.pid("web")

    os.kill(pid, signal.SIGKILL)
    until(lambda: supervisor.check() or supervisor.pid("web") not in (0, pid))

    [line] = supervisor.said
    assert line.startswith("web stopped (by SIGKILL) and is started again in 0.05 s; see ")


def test_a_program_that_keeps_dying_is_started_ever_more_slowly_up_to_a_limit(supervisor, monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(supervising.time, "monotonic", clock)
    supervisor.add("web", [sys.executable, "-c", "raise SystemExit(3)"])

    pauses = []
    for _ in range(7):
        supervisor.programs[0].process.wait()
        supervisor.check()
        pauses.append(supervisor.programs[0].start_again_at - clock.now)
        clock.now += pauses[-1] - 0.01
        supervisor.check()
        assert supervisor.programs[0].process is None  # not a moment too early
        clock.now += 0.02
        supervisor.check()

    assert pauses == pytest.approx([0.5, 1, 2, 4, 8, 10, 10])
    assert "exit code 3" in supervisor.said[0]


def test_a_program_that_ran_well_for_long_is_started_again_quickly(supervisor, monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(supervising.time, "monotonic", clock)
    supervisor.add("web", [sys.executable, "-c", ""])
    program = supervisor.programs[0]
    program.pause = 8
    program.process.wait()
    clock.now += supervising.WELL_AFTER

    supervisor.check()

    assert program.start_again_at - clock.now == supervising.FIRST_PAUSE


def test_a_death_takes_the_programs_children_with_it(supervisor):
    supervisor.add_python("web", HAS_A_CHILD, lines=2)
    group = supervisor.pid("web")
    os.kill(group, signal.SIGKILL)

    until(lambda: supervisor.check() or supervisor.said)

    until(lambda: not group_exists(group))


def test_a_stop_lets_a_program_finish(supervisor):
    supervisor.add_python("web", SAYS_GOODBYE)
    supervisor.stop(["web"], within=5)
    assert supervisor.log("web").endswith("goodbye\n")
    supervisor.check()
    assert supervisor.said == []


def test_a_stop_kills_what_does_not_end_in_time(supervisor):
    supervisor.add_python("web", IGNORES_SIGTERM)
    supervisor.add_python("sweep", STAYS)
    group = supervisor.pid("web")
    started = time.monotonic()

    supervisor.stop(["web", "sweep"], within=0.3)

    assert time.monotonic() - started < 2
    assert not group_exists(group)
    assert supervisor.programs == []


def test_a_stop_leaves_the_others_running(supervisor):
    supervisor.add_python("web", STAYS)
    supervisor.add_python("sweep", STAYS)
    supervisor.stop(["web"], within=5)
    assert [program.name for program in supervisor.programs] == ["sweep"]
    assert group_exists(supervisor.pid("sweep"))


def test_a_large_log_is_put_aside_at_the_start(tmp_path):
    log = fresh_log(tmp_path / "log", "web")
    log.write_bytes(b"x" * LARGEST_LOG)
    assert fresh_log(tmp_path / "log", "web").stat().st_size == LARGEST_LOG
    log.write_bytes(b"x" * (LARGEST_LOG + 1))
    assert not fresh_log(tmp_path / "log", "web").exists()
    assert (tmp_path / "log" / "web.log.1").stat().st_size == LARGEST_LOG + 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child's life to its parent's")
def test_a_launched_program_ends_with_its_parent(tmp_path):
    """The parent is killed in a way that leaves it no time for anything."""
    parent = f"""
import sys, time
from pathlib import Path
from contest.launch import launch
print(launch([sys.executable, "-c", {STAYS!r}], log=Path("child.log")).pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        child = int(process.stdout.readline())
        until(lambda: (tmp_path / "child.log").read_text() == "up\n")
        process.kill()
    until(lambda: not group_exists(child))


@pytest.mark.parametrize("has_proc", [True, False], ids=["proc", "ps"])
def test_killing_all_descendants_reaches_those_with_groups_of_their_own(tmp_path, has_proc):
    if not has_proc and not shutil.which("ps"):
        pytest.skip("needs ps")
    ancestor = f"""
import sys, time
from pathlib import Path
from contest import launch
launch.HAS_PROC = launch.HAS_PROC and {has_proc}
launch.adopt_orphans()
child = launch.launch([sys.executable, "-c", {HAS_A_FAR_CHILD!r}], log=Path("child.log"))
while Path("child.log").read_text().count("up") < 2:
    time.sleep(0.02)
print(*launch._descendants(launch.os.getpid()), flush=True)
launch.kill_descendants()
print(*launch._descendants(launch.os.getpid()))
child.wait()
"""
    shown = subprocess.run(
        [sys.executable, "-c", ancestor],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    before, after = shown.splitlines()
    assert len(before.split()) == 2
    assert after == ""
    assert not any(map(group_exists, map(int, before.split())))


def test_a_program_that_is_not_there_is_a_failure_with_its_reason_in_the_log(tmp_path):
    assert launch(["/no/such/program"], log=tmp_path / "log").wait() == 1
    assert (tmp_path / "log").read_text() == "/no/such/program can't be run: No such file or directory\n"


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def group_exists(group: int) -> bool:
    """Tell whether a process of a group runs; one that only waits for its parent's notice does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            return True
    return False


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.02)
