"""Negative controls: with a guard off, the row that watches it must fail, or the harness sees nothing."""

from dataclasses import dataclass, replace

from trials.faults import process_rows, redis_rows, time_rows
from trials.faults.rows import Finding, Try
from trials.faults.stand import Stand
from trials.faults.unguarded import GUARD


@dataclass(frozen=True)
class Control:
    """A guard, and the row that must miss it."""

    guard: str
    act: Try


CONTROLS = (
    Control("sequence", time_rows.sheets_shuffled),
    Control("deadline", time_rows.deadline_raced),
    Control("sweeper", process_rows.rings_lost),
    Control("breaker", redis_rows.redis_stalled),
)


def try_without(stand: Stand, control: Control) -> Finding:
    """Run a row with its guard off; the finding holds what the row found out."""
    if control.guard == "sweeper":
        other = replace(stand, has_sweeper=False)
    else:
        env = {**stand.env, GUARD: control.guard}
        other = replace(stand, env=env, target="trials.faults.unguarded:app")
    try:
        return control.act(other)
    finally:
        other.end()
        stand.skip_to(other)
