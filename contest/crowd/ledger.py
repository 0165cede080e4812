"""What the server has acknowledged to virtual people, to be held against the database afterwards."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Sent:
    """A sheet as it was sent."""

    seq: int
    editor: str
    responses: dict[str, list[str]]


@dataclass(slots=True)
class Entry:
    """One attempt: whose it is, the newest sheet acknowledged, what was sent after it, how it ended."""

    account_id: int | None
    acknowledged: Sent | None = None
    unanswered: list[Sent] = field(default_factory=list)
    # The sheet of an acknowledged submission.
    handed_in: Sent | None = None
    receipt: str = ""

    def sends(self, sheet: Sent) -> None:
        """Note a sheet that goes out; the same one again is noted once."""
        if not self.unanswered or self.unanswered[-1] is not sheet:
            self.unanswered.append(sheet)

    def takes(self, sheet: Sent) -> None:
        """Note the acknowledgement of a sheet."""
        if self.acknowledged is None or sheet.seq > self.acknowledged.seq:
            self.acknowledged = sheet
        self.unanswered = [one for one in self.unanswered if one.seq > sheet.seq]


class Ledger:
    """All attempts of a crowd, and what it met: how long each request took, refusals, errors."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.milliseconds: dict[str, list[float]] = {}
        # Requests that were answered, by operation and status; no answer at all is status 0.
        self.statuses: Counter[tuple[str, int]] = Counter()
        # Why there was none.
        self.no_answers: Counter[str] = Counter()
        # What no page expects; anything here is a fault of the server.
        self.errors: Counter[str] = Counter()
        # How many newcomers got a paper, and how long those waited who had to wait for their turn.
        self.started = 0
        self.waited: list[float] = []
        self.phones: list[str] = []

    def notes(self, operation: str, status: int, milliseconds: float) -> None:
        """Note a request that was answered (0: that was not)."""
        self.statuses[operation, status] += 1
        if status and status != 503:
            self.milliseconds.setdefault(operation, []).append(milliseconds)

    def starts_afresh(self) -> None:
        """Forget how long requests took: what was before only warmed up. Acknowledgements stay."""
        self.milliseconds.clear()
        self.statuses.clear()
        self.no_answers.clear()

    def as_record(self) -> dict[str, Any]:
        """Return the counts by status and kind, for a program."""
        statuses: dict[str, dict[str, int]] = {}
        for (operation, status), count in sorted(self.statuses.items()):
            statuses.setdefault(operation, {})[str(status)] = count
        return {
            "statuses": statuses,
            "no_answers": dict(self.no_answers),
            "errors": dict(self.errors),
            "started": self.started,
            "waited": len(self.waited),
        }
