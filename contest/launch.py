"""Starting programs that do not outlive the one that started them.

A program is started through this very file, run as a script: between fork and exec it gives up
root's rights if told to, and asks the kernel for a signal at its parent's death. Doing that in a
process of its own, and not in Python code between fork and exec, is safe beside threads.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LARGEST_LOG = 5_000_000
HAS_PROC = Path("/proc/self/stat").exists()  # on Linux


@dataclass(frozen=True)
class User:
    """Whom a program runs as."""

    uid: int
    gid: int


def launch(
    command: Sequence[str | Path],
    *,
    log: Path | None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: User | None = None,
    at_parents_death: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output added to a log (None: to ours).

    When the calling process ends in whatever way, the program gets the signal `at_parents_death`
    (on Linux). The kernel means the calling *thread*: call this from one that lasts.
    """
    identity = (str(user.uid), str(user.gid)) if user else ("-", "-")
    launcher = (sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(at_parents_death)), *identity)
    with open(log, "ab") if log else nullcontext() as output:
        return subprocess.Popen(
            [*launcher, *map(str, command)],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=True,  # a Ctrl-C in the terminal is for the parent alone
        )


def fresh_log(folder: Path, name: str) -> Path:
    """Return the log of a program, the old one put aside if it has grown large."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
    return log


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a launched program, and those of its children that have stayed in its group, and wait for it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def adopt_orphans() -> None:
    """Make this process the parent of its descendants whose own parents die (on Linux)."""
    if prctl := _load_prctl():
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_descendants() -> None:
    """Kill whatever this process has started, and what that has started.

    Waits for them with the bare system call, so that it is safe in a signal handler.
    """
    while descendants := _descendants(os.getpid()):
        for pid in descendants:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass  # it has ended, or is a child's child


def _descendants(ancestor: int) -> list[int]:
    parents = _parents()
    found = [ancestor]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def _parents() -> dict[int, int]:
    """Return the parent of every process that runs, or has ended and waits for our notice."""
    processes = _from_proc() if HAS_PROC else _from_ps()
    return {pid: parent for pid, parent, state in processes if state[0] != "Z" or parent == os.getpid()}


def _from_proc() -> Iterator[tuple[int, int, str]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # After the name, which may hold blanks and brackets, come the state and the parent.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        yield int(stat.parent.name), int(parent), state


def _from_ps() -> Iterator[tuple[int, int, str]]:
    with subprocess.Popen(["ps", "-axo", "pid=,ppid=,state="], stdout=subprocess.PIPE, text=True) as ps:
        lines, _ = ps.communicate()
    for line in lines.splitlines():
        pid, parent, state = line.split()
        if int(pid) != ps.pid:
            yield int(pid), int(parent), state


def _load_prctl() -> Callable[..., object] | None:
    """Return the kernel's prctl, or None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes  # here: a Python built without it still starts programs
    except ImportError:
        return None
    prctl: Callable[..., object] = ctypes.CDLL(None).prctl
    return prctl


def _become() -> None:
    """Turn this process into the program that `launch` named."""
    parent, death_signal, uid, gid, *command = sys.argv[1:]
    prctl = _load_prctl()  # before the change of user: another may be shut out of Python's library
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if prctl:
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)  # after it: the change would undo this
    if os.getppid() != int(parent):
        sys.exit("the parent died first")
    try:
        os.execv(command[0], command)  # noqa: S606 - what this is for
    except OSError as error:
        sys.exit(f"{command[0]} can't be run: {error.strerror}")


if __name__ == "__main__":
    _become()
