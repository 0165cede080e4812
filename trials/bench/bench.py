"""One run of the benchmark: its windows, its rows, and how both are taken."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from trials.bench.load import CONNECTIONS, Load, Source, Tally
from trials.bench.windows import Row, Window, joined
from trials.bench.world import World
from trials.ground import Ground, Web

PARTS = 3


@dataclass(frozen=True)
class Target:
    """What a window measures: the requests of a source, on a server, with a database."""

    name: str
    web: Web
    ground: Ground
    source: str
    connections: int = CONNECTIONS


@dataclass
class Bench:
    """What a run needs and what it has found."""

    world: World
    load: Load
    say: Callable[[str], None]
    pairs: int
    seconds: float
    warm_up: float
    is_quick: bool
    is_soak: bool
    kept: set[str] = field(default_factory=set)
    windows: list[Window] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def keep(self, name: str, source: Source) -> None:
        """Hand a source over to the load, under a name."""
        self.load.keep(name, source)
        self.kept.add(name)

    def add(self, row: Row) -> None:
        """Keep a row and print it."""
        self.rows.append(row)
        self.say(f"  = {row.what}: {row.value}; goal {row.goal}: {'met' if row.met else 'NOT MET'}\n")

    def note(self, window: Window) -> Window:
        """Keep a window and print it."""
        self.windows.append(window)
        self.say(window.line())
        return window

    def window(self, target: Target, seconds: float, *, label: str = "") -> Window:
        """Load a target for a while and return what it took."""
        return self.note(self._part(target, seconds, label or target.name))

    def interleaved(self, *targets: Target) -> list[list[Window]]:
        """Measure the targets in turn, several times over; return the windows of each.

        A window is the sum of some parts, and the parts take turns: what the machine does besides meets
        all targets alike. First each is warmed up, in a window that is shown and does not count.
        """
        for target in targets:
            self.window(target, self.warm_up, label=f"({target.name}: warm-up)")
        taken: list[list[Window]] = [[] for _ in targets]
        for _ in range(self.pairs):
            parts: list[list[Window]] = [[] for _ in targets]
            for _ in range(PARTS):
                for some, target in zip(parts, targets, strict=True):
                    some.append(self._part(target, self.seconds / PARTS, target.name))
            for windows, some in zip(taken, parts, strict=True):
                windows.append(self.note(joined(some)))
        # What has run out of people measures nothing more: its pairs end there.
        whole = min(sum(one.requests > 0 for one in windows) for windows in taken)
        return [windows[:whole] for windows in taken]

    def _part(self, target: Target, seconds: float, name: str) -> Window:
        with self.metered(target.ground, target.web) as taken:
            self.load.begin(target.source, target.web.port, seconds=seconds, connections=target.connections)
            tally = self.load.end()
        return of_tally(name, tally, *taken)

    @contextmanager
    def metered(self, ground: Ground, *programs: Web) -> Iterator[list[float]]:
        """Give a list that after the block holds what programs and the database have computed."""
        taken: list[float] = []
        before = sum(one.cpu_seconds() for one in programs), ground.database_cpu_seconds()
        yield taken
        after = sum(one.cpu_seconds() for one in programs), ground.database_cpu_seconds()
        taken += [now - then for now, then in zip(after, before, strict=True)]


def of_tally(name: str, tally: Tally, cpu_seconds: float, database_cpu_seconds: float) -> Window:
    """Return the window of a while of load."""
    return Window(
        name=name,
        requests=tally.requests,
        wrong=tally.wrong,
        first_wrong=tally.first_wrong,
        seconds=tally.seconds,
        cpu_seconds=cpu_seconds,
        database_cpu_seconds=database_cpu_seconds,
        p50_ms=tally.p50_ms,
        p95_ms=tally.p95_ms,
    )


@contextmanager
def stage(say: Callable[[str], None], title: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    say(f"== {title}")
    began = time.monotonic()
    yield
    say(f"   {time.monotonic() - began:.0f} s\n")
