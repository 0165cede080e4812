"""Windows of measuring, what follows from them, and the table: pure, values in and values out.

A figure is never compared with one of another run: each window of ours has a window of its yardstick
beside it, and what counts is the median of their ratios.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

# Where the yardstick's own windows differ by more than this, the machine was too busy to tell.
WIDEST_SPREAD = 1.3
MICRO = 1_000_000
TOO_NOISY = "too noisy, run again"


@dataclass(frozen=True)
class Window:
    """A while of one kind of request: how many there were and what the processes computed for them."""

    name: str
    requests: int
    # Answers that were not as they must be, and the first of them.
    wrong: int
    first_wrong: str
    seconds: float
    # Of the web server's processes alone, and of the database server's.
    cpu_seconds: float
    database_cpu_seconds: float
    p50_ms: float
    p95_ms: float

    @property
    def cpu_us(self) -> float:
        """How many microseconds the web server computed for a request."""
        return self.cpu_seconds / self.requests * MICRO if self.requests else float("inf")

    @property
    def whole_cpu_us(self) -> float:
        """The same with the database."""
        total = self.cpu_seconds + self.database_cpu_seconds
        return total / self.requests * MICRO if self.requests else float("inf")

    def line(self) -> str:
        """Return the window as one line of print."""
        database_us = self.whole_cpu_us - self.cpu_us
        wrong = f"  {self.wrong} WRONG: {self.first_wrong}" if self.wrong else ""
        return (
            f"  {self.name:<28}{self.requests:>7} in {self.seconds:5.2f} s"
            f"{self.requests / self.seconds:>8.0f}/s{self.cpu_us:>8.0f} µs{database_us:>8.0f} µs db"
            f"   p50 {self.p50_ms:6.1f}  p95 {self.p95_ms:6.1f} ms{wrong}"
        )


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    value: str
    yardstick: str
    goal: str
    met: bool


def joined(parts: Sequence[Window]) -> Window:
    """Return parts of one window as one; of percentiles it has the median over the parts."""
    return Window(
        name=parts[0].name,
        requests=sum(one.requests for one in parts),
        wrong=sum(one.wrong for one in parts),
        first_wrong=next((one.first_wrong for one in parts if one.wrong), ""),
        seconds=sum(one.seconds for one in parts),
        cpu_seconds=sum(one.cpu_seconds for one in parts),
        database_cpu_seconds=sum(one.database_cpu_seconds for one in parts),
        p50_ms=median(one.p50_ms for one in parts),
        p95_ms=median(one.p95_ms for one in parts),
    )


def spread(values: Sequence[float]) -> float:
    """Return how many times the smallest the largest is."""
    return max(values) / min(values) if values and min(values) > 0 else float("inf")


def median_us(windows: Sequence[Window]) -> float:
    """Return the median of what a request took of the web server, in microseconds of its CPU."""
    return median(one.cpu_us for one in windows)


def share(ours: Sequence[Window], yardsticks: Sequence[Window]) -> float:
    """Return our requests per CPU second as a share of the yardstick's: the median over the pairs."""
    return median(theirs.cpu_us / mine.cpu_us for mine, theirs in zip(ours, yardsticks, strict=True))


def cost(large: Sequence[Window], small: Sequence[Window]) -> float:
    """Return what a request costs at the large size, in multiples of the small; the database included."""
    return median(one.whole_cpu_us / other.whole_cpu_us for one, other in zip(large, small, strict=True))


def row_of_share(what: str, ours: Sequence[Window], yardsticks: Sequence[Window], goal: float) -> Row:
    """Return the row for requests per CPU second beside a yardstick; too noisy or wrong is not met."""
    value = share(ours, yardsticks)
    names = f"{yardsticks[0].name}: {median_us(yardsticks):.0f} µs CPU"
    text = f"{value:.0%} ({median_us(ours):.0f} µs CPU)"
    return judged(what, text, names, f"≥ {goal:.0%}", value >= goal, ours, yardsticks)


def row_of_cost(what: str, large: Sequence[Window], small: Sequence[Window], most: float) -> Row:
    """Return the row for what a request costs at a large size beside a small one."""
    value = cost(large, small)
    names = f"{small[0].name}: {median(one.whole_cpu_us for one in small):.0f} µs CPU with the database"
    text = f"{value:.2f} × ({median(one.whole_cpu_us for one in large):.0f} µs CPU with the database)"
    return judged(what, text, names, f"≤ {most:g} ×", value <= most, large, small)


def judged(
    what: str,
    value: str,
    yardstick: str,
    goal: str,
    is_met: bool,
    ours: Sequence[Window],
    yardsticks: Sequence[Window],
) -> Row:
    """Return a row, whose verdict wrong answers and a restless machine overrule."""
    if not yardsticks:
        return Row(what, "nothing was measured", yardstick, goal, False)
    wrong = sum(one.wrong for one in (*ours, *yardsticks))
    restless = spread([one.cpu_us for one in yardsticks])
    if wrong:
        return Row(what, f"{wrong} wrong answers; {value}", yardstick, goal, False)
    if restless > WIDEST_SPREAD:
        return Row(what, f"{TOO_NOISY} (spread {restless:.2f}); {value}", yardstick, goal, False)
    return Row(what, value, yardstick, goal, is_met)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table of print."""
    heads = Row("what", "value", "yardstick in the same run", "goal", True)
    widths = [
        max(len(text) for text in column)
        for column in zip(*((one.what, one.value, one.yardstick, one.goal) for one in (heads, *rows)))  # noqa: B905
    ]
    lines = []
    for one in (heads, *rows):
        verdict = "" if one is heads else ("met" if one.met else "NOT MET")
        cells = (one.what, one.value, one.yardstick, one.goal)
        padded = "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True))
        lines.append(f"{padded}  {verdict}".rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("inf")
