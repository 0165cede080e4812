"""When an attempt ends and how long it took."""

from datetime import datetime, timedelta

DEFAULT_GRACE = timedelta(seconds=10)
# The sweeper leaves the person this long after the grace, so that it never overtakes a request.
SWEEP_MARGIN = timedelta(seconds=10)
MICROSECOND = timedelta(microseconds=1)


def deadline(
    started_at: datetime,
    *,
    duration: timedelta,
    closes_at: datetime,
    extra: timedelta = timedelta(),
    compensation: timedelta = timedelta(),
) -> datetime:
    """Return the last moment of an attempt.

    The full duration, cut short by the closing; extra time and outage compensation come on top and
    may pass the closing.
    """
    return min(started_at + duration, closes_at) + extra + compensation


def duration_ms(
    started_at: datetime,
    submitted_at: datetime,
    deadline_at: datetime,
    *,
    duration_ms: int,
    extra_ms: int = 0,
    outage_ms: int = 0,
) -> int:
    """Return the time an attempt counts with, in whole milliseconds, floored once, never negative.

    Logged outages within it don't count, and extra time is scaled back to the ordinary duration, so
    that nobody wins or loses a tie by an outage or a disability.
    """
    taken = (min(submitted_at, deadline_at) - started_at) // MICROSECOND - outage_ms * 1000
    return max(0, taken * duration_ms // ((duration_ms + extra_ms) * 1000))


def next_start(last_submitted_at: datetime | None, cooldown_ms: int) -> datetime | None:
    """Return from when on a person may start again, to the full minute, so that the time told holds.

    None: at once.
    """
    if last_submitted_at is None or not cooldown_ms:
        return None
    at = last_submitted_at + timedelta(milliseconds=cooldown_ms)
    whole = at.replace(second=0, microsecond=0)
    return at if at == whole else whole + timedelta(minutes=1)
