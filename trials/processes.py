"""What started processes have computed and hold, read from the kernel (Linux)."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
KB_PER_MB = 1024


@dataclass(frozen=True)
class Memory:
    """The memory of one process in MB.

    `pss` shares out what several processes have in common, `private` leaves it out.
    """

    rss: float
    pss: float
    private: float


def tree(ancestor: int) -> list[int]:
    """Return a process and all that it has started, and they in turn."""
    children: dict[int, list[int]] = {}
    for folder in PROC.glob("[0-9]*"):
        if stat := _stat(int(folder.name)):
            children.setdefault(int(stat[1]), []).append(int(folder.name))
    found = [ancestor]
    for pid in found:
        found += children.get(pid, [])
    return found


def parent(pid: int) -> int | None:
    """Return which process started this one; None if it has ended."""
    stat = _stat(pid)
    return int(stat[1]) if stat else None


def cpu_seconds(pids: list[int]) -> float:
    """Return for how long processes have computed, with those of their children that have ended."""
    ticks = 0
    for pid in pids:
        if stat := _stat(pid):
            ticks += sum(map(int, stat[11:15]))
    return ticks / TICKS


def memory(pid: int) -> Memory:
    """Return the memory of a running process. Raises OSError once it has ended."""
    kilobytes = {}
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        kilobytes[name] = int(rest.split()[0])
    private = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return Memory(kilobytes["Rss"] / KB_PER_MB, kilobytes["Pss"] / KB_PER_MB, private / KB_PER_MB)


def command_of(pid: int) -> str:
    """Return the command line of a process; empty once it has ended."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _stat(pid: int) -> list[str] | None:
    """Return the fields of a process from its state on; None once it has ended."""
    try:
        # Before them comes the name, which may hold blanks and brackets.
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
