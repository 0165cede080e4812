#!/usr/bin/env python3
"""Set up what is missing, then run a part of the project.

Needs nothing but Python and its standard library, and installs only when a lock has changed:

    python3 scripts/bootstrap.py run            the platform, with its servers and a demo contest
    python3 scripts/bootstrap.py test ARGS      the tests; ARGS go to pytest
    python3 scripts/bootstrap.py check          formatting, lint, types, then the tests
    python3 scripts/bootstrap.py browser ARGS   the journeys in a real Chromium
    python3 scripts/bootstrap.py bench ARGS     the benchmark, beside its yardsticks
    python3 scripts/bootstrap.py faults ARGS    the scorecard of faults, against real processes
    python3 scripts/bootstrap.py shell ARGS     ARGS, or a shell, inside the environment
    python3 scripts/bootstrap.py install        the environment alone, as a server needs it
"""

from __future__ import annotations  # so that an old Python still gets as far as check_python()

import collections
import fcntl
import hashlib
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
LOCKS = {"runtime": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
OLDEST_PYTHON = (3, 11)

PYTEST = ["-m", "pytest", "-n", "2", "--ignore=tests/browser"]
CHECKS = {
    "formatting": ["-m", "ruff", "format", "--check", "--quiet", "."],
    "lint": ["-m", "ruff", "check", "--quiet", "."],
    "types": ["-m", "mypy"],
    "templates": ["-m", "djlint", "--lint", "--quiet", "contest/templates"],
    "dead code": ["-m", "vulture"],
    "documentation": ["-m", "mkdocs", "build", "--quiet", "--strict"],
    "tests": PYTEST,
}


def main() -> None:
    command, *arguments = sys.argv[1:] or ["help"]
    if command not in ("run", "test", "check", "browser", "bench", "faults", "docs", "shell", "install"):
        sys.exit((__doc__ or "").strip())
    check_python()
    set_up("runtime" if command in ("run", "install") else "dev")
    if command == "install":
        return
    os.environ["VIRTUAL_ENV"] = str(VENV)
    os.environ["PATH"] = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    if command == "run":
        execute(str(PYTHON), "-P", "-m", "contest.cli", "run", *arguments)
    if command == "shell":
        execute(*(arguments or [os.environ.get("SHELL", "/bin/sh")]))
    os.chdir(ROOT)
    if command == "check":
        sys.exit(check())
    if command == "browser":
        execute(str(PYTHON), "-m", "pytest", "tests/browser", "-m", "browser", *arguments)
    if command == "docs":
        execute(str(PYTHON), *CHECKS["documentation"])
    if command in ("bench", "faults"):
        execute(str(PYTHON), "-m", f"trials.{command}", *arguments)
    execute(str(PYTHON), *PYTEST, *arguments)


def check_python() -> None:
    """Leave with one sentence if this Python can't make the environment."""
    if sys.version_info < OLDEST_PYTHON:
        wanted, present = (".".join(map(str, version[:2])) for version in (OLDEST_PYTHON, sys.version_info))
        sys.exit(
            f"Python {wanted} or newer is needed and {sys.executable} is {present}: "
            f"run this with a newer one, for example `python{wanted} scripts/bootstrap.py run`."
        )
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        sys.exit(
            "This Python can't make virtual environments: on Debian and Ubuntu, "
            "run `apt-get install python3-venv` as root, then try again."
        )


def set_up(kind: str) -> None:
    """Bring `.venv` to the state of a lock; do nothing when it is there already."""
    wanted = state_of(kind)
    if is_installed(wanted):
        return
    try:
        guard = open(ROOT / ".venv.lock", "w")  # noqa: SIM115 - held until this process ends or execs
    except OSError as error:
        sys.exit(f"The environment can't be made in {ROOT}: {error.strerror}.")
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another set-up is under way; waiting for it.")
        fcntl.flock(guard, fcntl.LOCK_EX)
    # What is started holds the lock too: should this process be killed, the next one waits for pip.
    os.set_inheritable(guard.fileno(), True)
    with guard:
        if not is_installed(wanted):
            make_environment(wanted)
            install(LOCKS[kind])
            install_project()
            # Written last: whatever was interrupted is done again.
            STAMP.write_text(json.dumps(wanted))


def state_of(kind: str) -> dict[str, str]:
    """Return what the stamp must say for a lock to count as installed.

    The dev lock holds the runtime lock at the same versions, so it stands for both.
    """
    kinds = ["runtime", "dev"] if kind == "dev" else ["runtime"]
    state = {kind: hashlib.sha256(LOCKS[kind].read_bytes()).hexdigest() for kind in kinds}
    # A moved project or another Python needs an environment of its own.
    return state | {"root": str(ROOT), "python": f"{sys.version_info[0]}.{sys.version_info[1]}"}


def installed() -> dict[str, str]:
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp


def is_installed(wanted: dict[str, str]) -> bool:
    return wanted.items() <= installed().items() and PYTHON.exists()


def make_environment(wanted: dict[str, str]) -> None:
    """Make `.venv`, afresh if what is there can't be built upon."""
    stamp = installed()
    fits = PYTHON.exists() and all(stamp.get(name) == wanted[name] for name in ("root", "python"))
    if not fits:
        say(f"Making {VENV.relative_to(ROOT)} with Python {sys.version.split()[0]}.")
        quietly([sys.executable, "-m", "venv", "--clear", str(VENV)], "The environment could not be made")
    STAMP.unlink(missing_ok=True)


def install(lock: Path) -> None:
    """Install a lock with pip, which checks every hash.

    A lock names everything, so pip has nothing to resolve: an older pip that does it all the same
    takes a newer release for an extra (`coverage[toml]`) than the lock holds, and then refuses it.
    """
    total = sum("==" in line for line in lock.read_text().splitlines())
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    exactly = ["--no-deps", "--require-hashes", "-r", str(lock)]
    started = time.monotonic()
    say(f"Installing {total} packages from {lock.name}; this takes about a minute, once.")
    quietly([*pip, *exactly], "The packages could not be installed", total)
    say(f"Installed in {time.monotonic() - started:.0f} s.")


def install_project() -> None:
    """Make the project importable and give it its command, without a build and without the network."""
    purelib = subprocess.run(
        [str(PYTHON), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    Path(purelib, "contest-project.pth").write_text(f"{ROOT}\n")
    launcher = VENV / "bin" / "contest"
    # A shell finds the interpreter where a `#!` line would be too long or could hold a blank.
    launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(str(PYTHON))} -P -m contest.cli "$@"\n')
    launcher.chmod(0o755)


def quietly(command: list[str], failure: str, total: int = 0) -> None:
    """Run a command with one line of progress on a terminal; if it fails, show its last lines and leave."""
    counts = total > 0 and sys.stderr.isatty()
    tail: collections.deque[str] = collections.deque(maxlen=20)
    done = 0
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        close_fds=False,
    ) as process:
        for line in process.stdout or ():
            tail.append(line)
            if counts and line.startswith("Collecting"):
                done += 1
                print(f"\r  {done} of {total}", end="", file=sys.stderr, flush=True)
    if counts:
        print("\r\033[K", end="", file=sys.stderr)
    if process.returncode:
        sys.exit("".join(tail) + f"{failure}; the lines above say why.")


def check() -> int:
    """Run every check, show what each says, and return 1 if one failed."""
    failed = []
    for name, command in CHECKS.items():
        say(f"== {name}")
        started = time.monotonic()
        if subprocess.run([str(PYTHON), *command], cwd=ROOT).returncode:
            failed.append(name)
        say(f"   {'FAILED' if name in failed else 'fine'}, {time.monotonic() - started:.1f} s")
    say(f"Failed: {', '.join(failed)}." if failed else "All checks passed.")
    return 1 if failed else 0


def execute(*command: str) -> None:
    """Become a command; never returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvp(command[0], command)  # noqa: S606 - what this is for
    except OSError as error:
        sys.exit(f"{command[0]} can't be run: {error.strerror}.")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
