"""The citizen number (số định danh cá nhân): twelve digits, PPP G YY NNNNNN.

PPP: the province of the birth registration by the codes of Circular 07/2016/TT-BCA. G: sex and
century, 0 and 1 for the 1900s, 2 and 3 for the 2000s, and so on. YY: the year of birth.
"""

import re
from collections.abc import Iterator
from datetime import date

NUMBER = re.compile(r"[0-9]{12}")
_PROVINCES = frozenset(
    "001 002 004 006 008 010 011 012 014 015 017 019 020 022 024 025 026 027 030 031 033 034 035 036 037 038 "
    "040 042 044 045 046 048 049 051 052 054 056 058 060 062 064 066 067 068 070 072 074 075 077 079 080 082 "
    "083 084 086 087 089 091 092 093 094 095 096".split()
)
_FIRST_CENTURY = 1900


def normal_citizen_number(text: str) -> str | None:
    """Return twelve digits, or None if it is none; blanks, dots and hyphens are forgiven."""
    digits = re.sub(r"[\s.\-]", "", text)
    return digits if NUMBER.fullmatch(digits) else None


def doubts(number: str, birth_date: date | None) -> Iterator[str]:
    """Yield what does not fit, for a person to look at: codes may change, so none of it refuses."""
    if number[:3] not in _PROVINCES:
        yield f"Mã tỉnh {number[:3]} không có trong danh mục."
    century = _FIRST_CENTURY + int(number[3]) // 2 * 100
    if birth_date is not None and century + int(number[4:6]) != birth_date.year:
        yield "Năm sinh trong số định danh khác năm sinh đã đăng ký."
