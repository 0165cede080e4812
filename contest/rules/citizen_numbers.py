"""The citizen number (số định danh cá nhân): twelve digits, PPP G YY NNNNNN.

PPP: the province of the birth registration by the codes of Circular 07/2016/TT-BCA. G: sex and
century, 0 and 1 for the 1900s, 2 and 3 for the 2000s, and so on. YY: the year of birth.
"""

import re
from collections.abc import Iterator
from datetime import date

NUMBER = re.compile(r"[0-9]{12}")
# fmt: off
_PROVINCES = frozenset({
    1, 2, 4, 6, 8, 10, 11, 12, 14, 15, 17, 19, 20, 22, 24, 25, 26, 27, 30, 31, 33, 34, 35, 36, 37, 38,
    40, 42, 44, 45, 46, 48, 49, 51, 52, 54, 56, 58, 60, 62, 64, 66, 67, 68, 70, 72, 74, 75, 77, 79, 80,
    82, 83, 84, 86, 87, 89, 91, 92, 93, 94, 95, 96,
})
# fmt: on
_FIRST_CENTURY = 1900


def normal_citizen_number(text: str) -> str | None:
    """Return twelve digits, or None if it is none; blanks, dots and hyphens are forgiven."""
    digits = re.sub(r"[\s.\-]", "", text)
    return digits if NUMBER.fullmatch(digits) else None


def doubts(number: str, birth_date: date | None) -> Iterator[str]:
    """Yield what does not fit, for a person to look at: codes may change, so none of it refuses."""
    if int(number[:3]) not in _PROVINCES:
        yield f"Mã tỉnh {number[:3]} không có trong danh mục."
    century = _FIRST_CENTURY + int(number[3]) // 2 * 100
    if birth_date is not None and century + int(number[4:6]) != birth_date.year:
        yield "Năm sinh trong số định danh khác năm sinh đã đăng ký."
