"""Working days: when a time limit that is told in them ends."""

from collections.abc import Container
from datetime import date, timedelta

SATURDAY = 5


def is_working_day(day: date, holidays: Container[date]) -> bool:
    """Tell whether people work on a day: neither weekend nor holiday."""
    return day.weekday() < SATURDAY and day not in holidays


def last_day(begins: date, days: int, holidays: Container[date]) -> date:
    """Return the last day of a limit of so many working days that begins on a day.

    The day on which it begins does not count (Civil Code 2015, article 147): told on a Friday, three
    working days last until the end of Wednesday. Raises ValueError for less than one day.
    """
    if days < 1:
        raise ValueError("a limit has at least one day")
    day = begins
    while days:
        day += timedelta(days=1)
        days -= is_working_day(day, holidays)
    return day
