"""The prediction question: what is counted, and how far off a prediction is."""

import re

COUNTED = ("people", "full", "percentage")
COUNT = re.compile(r"[0-9]{1,10}|[0-9]{1,3}(?:[. ][0-9]{3}){1,3}")
PERCENTAGE = re.compile(r"([0-9]{1,3})(?:[,.]([0-9]{1,5}))?")
PERCENTAGE_UNITS = 10**7  # a percentage is kept as a whole number of 1/100,000 %


def truth(counted: str, *, people: int, full: int) -> int | None:
    """Return what was to be predicted, or None where there is nobody to count.

    `people` have a valid counted attempt, `full` of them have full points. The percentage is 10⁷ ×
    full ÷ people, rounded half up: 87,65432 % is 8765432.
    """
    if people == 0:
        return None
    if counted == "people":
        return people
    if counted == "full":
        return full
    return (2 * PERCENTAGE_UNITS * full + people) // (2 * people)


def read_count(text: str) -> int | None:
    """Return the whole number that somebody typed: 12345, 12.345 or 12 345; None if it is none."""
    text = text.strip()
    if not COUNT.fullmatch(text):
        return None
    return int(re.sub(r"[. ]", "", text))


def read_percentage(text: str) -> int | None:
    """Return a typed percentage such as 87,65432 in units of 1/100,000 %; None if it is none."""
    match = PERCENTAGE.fullmatch(text.replace("%", "").strip())
    if match is None:
        return None
    value = int(match[1]) * 10**5 + int((match[2] or "").ljust(5, "0"))
    return value if value <= PERCENTAGE_UNITS else None


def prediction_error(prediction: int | None, truth: int | None) -> int | None:
    """Return the distance from the truth; None without a prediction or a truth."""
    if prediction is None or truth is None:
        return None
    return abs(prediction - truth)
