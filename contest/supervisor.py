"""Keeping a set of programs running until told to stop."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contest.launch import fresh_log, kill_group, launch

FIRST_PAUSE = 0.5  # seconds before a program that died is started again
LONGEST_PAUSE = 10.0
# A program that has run this long is well again: its next death is answered quickly.
WELL_AFTER = 30.0


@dataclass
class Program:
    """A program to keep running, and how that goes."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    log: Path = Path()
    started_at: float = 0
    start_again_at: float = 0
    pause: float = FIRST_PAUSE


@dataclass
class Supervisor:
    """Starts programs, starts again what dies, and stops them all.

    What there is to know is handed to `say`, one line at a time; what the programs themselves
    write goes to `<log_dir>/<name>.log`.
    """

    log_dir: Path
    env: Mapping[str, str]
    say: Callable[[str], None]
    programs: list[Program] = field(default_factory=list)

    def add(self, name: str, command: Sequence[str]) -> None:
        """Start a program and keep it running from now on."""
        program = Program(name, command)
        self.programs.append(program)
        self._start(program)

    def check(self) -> None:
        """Start again what has died; call it several times a second."""
        for program in self.programs:
            if program.process is None:
                if time.monotonic() >= program.start_again_at:
                    self._start(program)
            elif program.process.poll() is not None:
                self._note_death(program)

    def stop(self, names: Sequence[str], *, within: float) -> None:
        """Ask programs to end, all at the same time, and kill what has not ended in time."""
        leaving = [program for program in self.programs if program.name in names]
        self.programs = [program for program in self.programs if program not in leaving]
        for program in leaving:
            if program.process:
                program.process.terminate()
        give_up_at = time.monotonic() + within
        for program in leaving:
            if program.process:
                _await_end(program.process, max(0, give_up_at - time.monotonic()))

    def _start(self, program: Program) -> None:
        program.log = fresh_log(self.log_dir, program.name)
        program.started_at = time.monotonic()
        program.process = launch(program.command, log=program.log, env=self.env)

    def _note_death(self, program: Program) -> None:
        assert program.process
        now = time.monotonic()
        if now - program.started_at >= WELL_AFTER:
            program.pause = FIRST_PAUSE
        self.say(
            f"{program.name} stopped ({_how(program.process.returncode)}) and is started again "
            f"in {program.pause:g} s; see {program.log}"
        )
        kill_group(program.process)
        program.process = None
        program.start_again_at = now + program.pause
        program.pause = min(program.pause * 2, LONGEST_PAUSE)


def _await_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the end of a program, then kill whatever is left of it."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    kill_group(process)


def _how(returncode: int) -> str:
    return f"exit code {returncode}" if returncode >= 0 else f"by {signal.Signals(-returncode).name}"
