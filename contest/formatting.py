"""Moments, numbers and durations as Vietnamese officials write them."""

from datetime import date, datetime, time, timedelta
from fractions import Fraction

from contest.clock import LOCAL_ZONE
from contest.rules.figures import vn_duration, vn_number

__all__ = [
    "field_moment",
    "read_moment",
    "vn_date",
    "vn_datetime",
    "vn_duration",
    "vn_number",
    "vn_percent",
    "vn_points",
    "vn_stopwatch",
    "vn_time",
    "vn_until",
    "vn_wait",
]


def vn_datetime(at: datetime) -> str:
    """Return "08:05 ngày 22/11/2026"."""
    return at.astimezone(LOCAL_ZONE).strftime("%H:%M ngày %d/%m/%Y")


def vn_date(at: date) -> str:
    """Return "22/11/2026"; a moment's day is the one in Vietnam."""
    if isinstance(at, datetime):
        at = at.astimezone(LOCAL_ZONE)
    return at.strftime("%d/%m/%Y")


def vn_time(at: datetime) -> str:
    """Return "10:02:31"."""
    return at.astimezone(LOCAL_ZONE).strftime("%H:%M:%S")


def vn_until(at: datetime) -> str:
    """Return "hết ngày 27/11/2026" for a limit at midnight, for any other its moment."""
    local = at.astimezone(LOCAL_ZONE)
    if local.time() != time.min:
        return vn_datetime(at)
    return f"hết ngày {vn_date(local - timedelta(days=1))}"


def field_moment(at: datetime) -> str:
    """Return "2026-11-22T10:02:31", as a field for a moment has it."""
    return at.astimezone(LOCAL_ZONE).strftime("%Y-%m-%dT%H:%M:%S")


def read_moment(text: str) -> datetime | None:
    """Return the moment that a field holds, in local time; None if it holds none."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return at.replace(tzinfo=LOCAL_ZONE) if at.tzinfo is None and at.year >= 2000 else None


def file_size(size: int) -> str:
    """Return a size for people: "812 KB", "1,4 MB"."""
    if size < 1_000_000:
        return f"{max(1, round(size / 1000))} KB"
    return f"{vn_number(size / 1_000_000, 1)} MB"


def vn_percent(share: float | Fraction, digits: int = 1) -> str:
    """Return a share of 1 as "87,6%", cut off and not rounded, so that 99,96 % never reads 100 %."""
    # A quotient that became a float is taken for what it was: 29/100 is stored as 0.28999….
    exact = Fraction(share).limit_denominator(10**7) if isinstance(share, float) else Fraction(share)
    scaled = exact * 100 * 10**digits
    return f"{vn_number(scaled.__floor__() / 10**digits, digits)}%"


def vn_wait(seconds: float) -> str:
    """Return a wait as nobody is disappointed by it: "chưa đến 1 phút", "khoảng 12 phút"."""
    minutes = -int(-seconds // 60)
    if minutes <= 1:
        return "chưa đến 1 phút"
    # To the quarter of an hour from an hour on: nobody knows it better.
    minutes = minutes if minutes < 60 else -(-minutes // 15) * 15
    return f"khoảng {vn_duration(minutes * 60_000)}"


def vn_stopwatch(ms: int) -> str:
    """Return "07:12,4": minutes, seconds, tenths, cut off."""
    tenths = ms // 100
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d},{tenths % 10}"


def vn_points(points: int, unit: int = 840) -> str:
    """Return points in units of 1/840 as "13" or "12,66", cut off after two digits."""
    whole, rest = divmod(points, unit)
    decimals = f"{rest * 100 // unit:02d}".rstrip("0")
    return f"{vn_number(whole)},{decimals}" if decimals else vn_number(whole)
