"""The ranking in words: what each criterion asks, and why a row stands above the next."""

from datetime import datetime
from fractions import Fraction

from contest.rules.ranking import TIE, Result
from contest.rules.scoring import POINT

# Each as it follows "ai …".
CRITERIA_IN_WORDS = {
    "points": "có điểm cao hơn",
    "prediction_error": "có số dự đoán gần với kết quả hơn (ai không dự đoán thì xếp sau)",
    "duration_ms": "làm bài trong thời gian ngắn hơn",
    "submitted_at": "nộp bài sớm hơn",
    "attempts_used": "dùng ít lượt thi hơn",
    "registered_at": "đăng ký dự thi sớm hơn",
}
ABOVE = {
    "points": "Hơn dòng dưới về điểm",
    "prediction_error": "Hơn dòng dưới về dự đoán",
    "duration_ms": "Hơn dòng dưới về thời gian",
    "submitted_at": "Hơn dòng dưới vì nộp sớm hơn",
    "attempts_used": "Hơn dòng dưới vì dùng ít lượt thi hơn",
    "registered_at": "Hơn dòng dưới vì đăng ký sớm hơn",
}
TIED = "Bằng dòng dưới ở mọi tiêu chí nên đồng hạng."
# Of a percentage, whose predictions are whole numbers of 1/100,000 %.
PERCENT = 100_000
MOST_DIGITS = 9
MICROSECOND_DIGITS = 6


def explain(separated_by: str, above: Result, below: Result | None, *, is_percentage: bool = False) -> str:
    """Return the sentence beside a row: the criterion that separates it from the next, and both values.

    The values have as many digits as make them differ, cut off and never rounded. Moments are worded
    in the zone they come in. "" where nothing follows.
    """
    if below is None or not separated_by:
        return ""
    if separated_by == TIE:
        return TIED
    mine, theirs = _values(separated_by, above, below, is_percentage)
    return f"{ABOVE[separated_by]}: {mine} so với {theirs}."


def _values(criterion: str, above: Result, below: Result, is_percentage: bool) -> tuple[str, str]:
    if criterion == "points":
        return _numbers(Fraction(above.points, POINT), Fraction(below.points, POINT))
    if criterion == "prediction_error":
        return _errors(above.prediction_error, below.prediction_error, is_percentage)
    if criterion == "duration_ms":
        return _stopwatches(above.duration_ms, below.duration_ms)
    if criterion == "attempts_used":
        return f"{above.attempts_used} lượt", f"{below.attempts_used} lượt"
    if criterion == "submitted_at":
        return _moments(above.submitted_at, below.submitted_at)
    return _moments(above.registered_at, below.registered_at)


def _errors(above: int | None, below: int | None, is_percentage: bool) -> tuple[str, str]:
    assert above is not None, "who did not predict stands last"
    unit, name = (PERCENT, "lệch {} điểm %") if is_percentage else (1, "lệch {}")
    if below is None:
        mine, _ = _numbers(Fraction(above, unit), Fraction(above, unit) + 1)
        return name.format(mine), "không dự đoán"
    mine, theirs = _numbers(Fraction(above, unit), Fraction(below, unit))
    return name.format(mine), name.format(theirs)


def _numbers(above: Fraction, below: Fraction) -> tuple[str, str]:
    digits = _digits_apart(above, below)
    return _cut(above, digits), _cut(below, digits)


def _digits_apart(above: Fraction, below: Fraction) -> int:
    """Return the fewest decimal digits with which the cut-off numbers differ."""
    return next(
        (digits for digits in range(MOST_DIGITS) if above * 10**digits // 1 != below * 10**digits // 1),
        MOST_DIGITS,
    )


def _cut(number: Fraction, digits: int) -> str:
    """Return "1.234,56", cut off after so many digits."""
    whole, rest = divmod(number * 10**digits // 1, 10**digits)
    grouped = f"{whole:,}".replace(",", ".")
    return f"{grouped},{rest:0{digits}d}" if digits else grouped


def _stopwatches(above: int, below: int) -> tuple[str, str]:
    digits = _digits_apart(Fraction(above, 1000), Fraction(below, 1000))
    return _stopwatch(above, digits), _stopwatch(below, digits)


def _stopwatch(ms: int, digits: int) -> str:
    """Return "07:12,4": minutes, seconds and so many digits."""
    seconds, rest = divmod(ms, 1000)
    clock = f"{seconds // 60:02d}:{seconds % 60:02d}"
    return f"{clock},{f'{rest:03d}'[:digits]}" if digits else clock


def _moments(above: datetime, below: datetime) -> tuple[str, str]:
    digits = next(
        (
            digits
            for digits in range(MICROSECOND_DIGITS)
            if _moment(above, digits, is_dated=True) != _moment(below, digits, is_dated=True)
        ),
        MICROSECOND_DIGITS,
    )
    is_dated = above.date() != below.date()
    return _moment(above, digits, is_dated=is_dated), _moment(below, digits, is_dated=is_dated)


def _moment(at: datetime, digits: int, *, is_dated: bool) -> str:
    """Return "09:14:05,12", with the day where it is asked for."""
    clock = at.strftime("%H:%M:%S") + (f",{at.microsecond:06d}"[: digits + 1] if digits else "")
    return f"{clock} ngày {at:%d/%m/%Y}" if is_dated else clock
