"""Who may take part, and what a name, a phone number and a password must look like."""

import re
from datetime import date

# Below this age the law asks for a guardian's consent.
GUARDIAN_AGE = 16
OLDEST = 120
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 128
SHORTEST_STAFF_PASSWORD = 12
PHONE = re.compile(r"0[35789][0-9]{8}")
# A sign between two letters is never optional here: that would let a long word be taken apart in
# exponentially many ways.
_WORD = r"[^\W\d_]+(?:['’.-][^\W\d_]+)*\.?"
NAME = re.compile(rf"{_WORD}(?: {_WORD})+")
LONGEST_NAME = 80


def age_on(birth_date: date, day: date) -> int:
    """Return the completed years of age on a day; someone born on 29 February ages on 1 March."""
    had_birthday = (day.month, day.day) >= (birth_date.month, birth_date.day)
    return day.year - birth_date.year - (not had_birthday)


def youngest(minimum_age: int) -> int:
    """Return the age from which people are really admitted: no guardian's consent can be given yet."""
    return max(minimum_age, GUARDIAN_AGE)


def normal_phone(text: str) -> str | None:
    """Return a Vietnamese mobile number as 0xxxxxxxxx, or None if it is none.

    Blanks, dots, hyphens and brackets are forgiven, and so are +84, 84, 0084 and (+84)0.
    """
    digits = re.sub(r"[\s.\-()]", "", text)
    for prefix in ("+84", "0084", "84"):
        if digits.startswith(prefix):
            digits = "0" + digits.removeprefix(prefix).removeprefix("0")
            break
    return digits if PHONE.fullmatch(digits) else None


def is_name(text: str) -> bool:
    """Tell whether a cleaned text can be a person's full name: two words or more, of letters."""
    return len(text) <= LONGEST_NAME and NAME.fullmatch(text) is not None
