"""The rows of the scorecard: what is tried, what it must show, and what was found."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from trials.faults.people import Crowd
from trials.faults.stand import Stand


@dataclass
class Finding:
    """What a row measured, and what of it must not be."""

    facts: dict[str, object] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    longest_wait: float = 0.0
    longest_outage: float = 0.0

    def must(self, holds: bool, otherwise: str) -> None:
        """Note a fault unless something holds."""
        if not holds:
            self.faults.append(otherwise)

    def within(self, what: str, seconds: float, most: float) -> None:
        """Note how long something took, and a fault if that was too long."""
        self.facts[what] = f"{seconds:.2f} s"
        self.must(seconds <= most, f"{what} took {seconds:.2f} s, at most {most:g} s are allowed")

    def judge(self, stand: Stand, crowd: Crowd) -> None:
        """Compare what a crowd was told with the database, and note what it met."""
        ledger = crowd.ledger
        self.faults += stand.broken(ledger)
        self.facts["acknowledged"] = len(ledger.acked())
        self.facts["answers"] = " ".join(f"{count}×{what}" for what, count in ledger.statuses().items())
        self.longest_wait = max(self.longest_wait, ledger.longest())
        self.longest_outage = max(self.longest_outage, ledger.longest_outage())
        self.must(bool(ledger.acked()), "nothing was acknowledged at all")


Try = Callable[[Stand], Finding]


@dataclass(frozen=True)
class Row:
    """One row: `number` is that of the scorecard, 0 for what came later."""

    number: int
    kind: str  # D data, A availability, B bad input
    goal: str
    act: Try

    @property
    def name(self) -> str:
        return self.act.__name__.replace("_", "-")

    @property
    def title(self) -> str:
        return (self.act.__doc__ or "").strip().splitlines()[0].rstrip(".")


ROWS: list[Row] = []


def row(number: int, kind: str, goal: str) -> Callable[[Try], Try]:
    """Enter a function into the scorecard."""

    def enter(act: Try) -> Try:
        ROWS.append(Row(number, kind, goal, act))
        return act

    return enter


def is_root() -> bool:
    return os.geteuid() == 0
