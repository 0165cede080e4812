"""Crowds to try the platform with: how many come, how fast, and what they must find."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# What is measured, in the order in which a person does it.
OPERATIONS = {
    "landing": "mở trang chủ",
    "register": "đăng ký",
    "start": "vào thi",
    "paper": "mở đề",
    "save": "lưu bài",
    "submit": "nộp bài",
    "result": "xem biên nhận",
}


DONE_OF_DUE = 0.95


@dataclass(frozen=True)
class Scenario:
    """A crowd: who sits from the beginning, who comes, who hands in, how often a sheet is saved."""

    name: str
    # Sitting from the beginning.
    sitting: int
    # Of all who sit, a second.
    saves: float
    # Of new people, a second; as many hand in, so that as many go on sitting.
    starts: float
    seconds: float
    # Who sits from the beginning saves so long before it is measured: connections are opened.
    warm_up: float = 5
    # Everybody hands in within so many seconds; 0: only as many as come.
    handing_in: float = 0
    # The 95th percentile of an operation may take so many milliseconds.
    p95_ms: Mapping[str, float] | None = None
    # All that was handed in must be acknowledged within so many seconds of the first.
    handed_in_within: float | None = None
    # Whether who comes has no account yet and fills in the form.
    is_registering: bool = False

    @property
    def coming(self) -> int:
        """How many people come in all."""
        return math.ceil(self.starts * self.seconds)

    @property
    def think_seconds(self) -> float:
        """How long somebody thinks between two saves, on average."""
        return max(self.sitting, self.starts * self.seconds / 2, 1) / self.saves if self.saves else math.inf

    def scaled(self, scale: float, *, seconds: float | None = None) -> "Scenario":
        """Return a smaller (or larger) crowd that behaves the same way."""
        return replace(
            self,
            sitting=math.ceil(self.sitting * scale),
            saves=self.saves * scale,
            starts=self.starts * scale,
            seconds=self.seconds if seconds is None else seconds,
        )


# The numbers of the platform's own goals, for two cores with the load generator on them.
SCENARIOS = {
    one.name: one
    for one in (
        Scenario(
            "design", sitting=3500, saves=150, starts=8, seconds=60, p95_ms={"save": 300, "start": 1000}
        ),
        Scenario("stress", sitting=13_000, saves=460, starts=22, seconds=60, p95_ms={"save": 1000}),
        Scenario("burst", sitting=0, saves=75, starts=50, seconds=60, p95_ms={}),
        Scenario(
            "deadline",
            sitting=3000,
            saves=0,
            starts=0,
            seconds=20,
            handing_in=18,
            handed_in_within=20,
            p95_ms={},
        ),
    )
}


@dataclass(frozen=True)
class Timing:
    """How an operation went: how often, how many a second, and how long it took in milliseconds."""

    count: int
    per_second: float
    p50: float
    p95: float
    p99: float
    longest: float


@dataclass(frozen=True)
class Finding:
    """A goal, and whether it was met."""

    goal: str
    value: str
    is_met: bool


def timing(milliseconds: Sequence[float], seconds: float) -> Timing:
    """Return the timing of an operation from how long each took."""
    ordered = sorted(milliseconds)
    return Timing(
        count=len(ordered),
        per_second=len(ordered) / seconds if seconds else 0.0,
        p50=percentile(ordered, 50),
        p95=percentile(ordered, 95),
        p99=percentile(ordered, 99),
        longest=ordered[-1] if ordered else 0.0,
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest value that so many per cent of the values are not above; 0 of none."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else 0.0


def findings(
    scenario: Scenario,
    timings: Mapping[str, Timing],
    *,
    errors: Mapping[str, int],
    lost: int,
    saves_due: int,
    starts_due: int,
    started: int,
    handed_in_seconds: float | None,
) -> list[Finding]:
    """Return what the crowd should have found and what it did.

    `errors` are the answers that no page expects, by kind; an honest refusal for a while is none.
    Of the saves and starts that were due, 19 in 20 must have come to pass, or the crowd was smaller than
    its name. Who still waits for a turn has not started.
    """
    found = [
        Finding("không mất câu trả lời nào", f"mất ở {lost} bài", lost == 0),
        Finding("không có lỗi", _listed(errors) or "không có", not errors),
    ]
    due = {"save": saves_due, "start": starts_due}
    for operation, most in (scenario.p95_ms or {}).items():
        if not due[operation]:
            continue  # a crowd so small that nobody came to it
        took = timings.get(operation)
        value = f"{took.p95:.0f} ms" if took and took.count else "không có"
        is_met = took is not None and took.count > 0 and took.p95 < most
        found.append(Finding(f"95 % lượt {OPERATIONS[operation]} dưới {most:.0f} ms", value, is_met))
    saved = timings["save"].count if "save" in timings else 0
    for operation, done in (("save", saved), ("start", started)):
        if count := due[operation]:
            goal = f"{count} lượt {OPERATIONS[operation]}"
            found.append(Finding(goal, f"{done} lượt", done >= DONE_OF_DUE * count))
    if scenario.handed_in_within is not None:
        value = "chưa hết" if handed_in_seconds is None else f"{handed_in_seconds:.1f} s"
        is_met = handed_in_seconds is not None and handed_in_seconds <= scenario.handed_in_within
        found.append(Finding(f"nộp xong trong {scenario.handed_in_within:.0f} s", value, is_met))
    return found


def _listed(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{kind}: {count}" for kind, count in sorted(errors.items()))


# --- a rehearsal ---------------------------------------------------------------------------------

FEWEST_PEOPLE, MOST_PEOPLE = 10, 20_000
FEWEST_MINUTES, MOST_MINUTES = 1, 24 * 60
# The parts of the expected crowd that a rehearsal tries, one after the other, until one is too much.
SHARES = (0.25, 0.5, 1.0, 1.5)
STEP_SECONDS = 30.0
# One save a person in so many seconds: 150 a second of 3,500 who sit.
SECONDS_BETWEEN_SAVES = 70 / 3
# What people put up with.
REHEARSED_P95_MS = {"save": 1000.0, "start": 2000.0}


@dataclass(frozen=True)
class Step:
    """One crowd of a rehearsal: how many sat at once, and the goals that it missed."""

    people: int
    missed: Sequence[str]


def expected(people: int, minutes: int, duration_ms: int) -> Scenario:
    """Return the crowd when so many people come within so many minutes, at its fullest.

    Who came first has handed in when the last one comes, if that takes longer than a paper.
    """
    starts = people / (minutes * 60)
    sitting = min(people, math.ceil(starts * duration_ms / 1000))
    return Scenario(
        "rehearsal",
        sitting=sitting,
        saves=sitting / SECONDS_BETWEEN_SAVES,
        starts=starts,
        seconds=STEP_SECONDS,
        p95_ms=REHEARSED_P95_MS,
    )


def verdict(steps: Sequence[Step], expected_people: int) -> tuple[str, str]:
    """Return how the server bears the expected crowd: success, warning or error, and a sentence."""
    borne = max((step.people for step in steps if not step.missed), default=0)
    failed = next((step for step in steps if step.missed), None)
    sure = f"; dự kiến {_number(expected_people)} người."
    if borne >= expected_people:
        least = "ít nhất " if failed is None else ""
        return "success", f"Máy chủ chịu được {least}khoảng {_number(borne)} người cùng lúc{sure} Đủ sức."
    why = "; ".join(failed.missed) if failed else "chưa thử hết"
    if borne:
        return "warning", (
            f"Máy chủ chịu được khoảng {_number(borne)} người cùng lúc{sure} "
            f"Chưa đủ sức: với {_number(failed.people if failed else 0)} người, {why}."
        )
    tried = _number(failed.people if failed else 0)
    return "error", f"Máy chủ chưa chịu được {tried} người cùng lúc{sure} Không đủ sức: {why}."


def _number(value: int) -> str:
    return f"{value:,}".replace(",", ".")
