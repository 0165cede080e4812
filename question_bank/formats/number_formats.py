"""Number formats of spreadsheets: a stored number as the cell shows it.

Decimal points and thousands are written as the format's own code has them (1,234.5), because the file
does not say which country's signs its reader has set; dates without a format of their own are day first.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache

_BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00",
    12: "# ?/?", 13: "# ??/??", 14: "dd/mm/yyyy", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy",
    18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "dd/mm/yyyy h:mm",
    37: "#,##0;-#,##0", 38: "#,##0;-#,##0", 39: "#,##0.00;-#,##0.00", 40: "#,##0.00;-#,##0.00",
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?P<blank>.)|\*.|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<half>AM/PM|A/P)|(?P<general>General)|(?P<date>y+|m+|d+|h+|s+(?:\.0+)?)|(?P<digits>[0#?][0#?,.]*)"
    r"|(?P<power>E[+-])|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30, tzinfo=UTC), datetime(1904, 1, 1, tzinfo=UTC)
_LAST_DAY = 2_958_465
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_VIETNAMESE = re.compile(r"\$-(?:[0-9a-f]*42a|vi)", re.IGNORECASE)
_VIETNAMESE_DAYS = ("Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ Nhật")


def code_of(number: int, own: dict[int, str]) -> str:
    """Return the format code behind a number of styles.xml; `own` are those the workbook defines."""
    return own.get(number) or _BUILT_IN.get(number, "General")


@lru_cache(maxsize=4096)
def shown(value: float, code: str, *, is_1904: bool = False) -> str:
    """Return a number as a cell of that format shows it."""
    sections = _sections(code)
    if len(sections) > 1 and value < 0:
        code, value = sections[1], -value
    else:
        code = sections[2] if len(sections) > 2 and value == 0 else sections[0]
    tokens = list(_TOKEN.finditer(code))
    is_date = any(token["date"] or token["half"] for token in tokens)
    is_date = is_date or any(_is_elapsed(token["bracket"]) for token in tokens)
    if is_date:
        if not 0 <= value <= _LAST_DAY + 1:
            return _general(value)
        return _date(value, tokens, is_1904=is_1904)
    if any(token["other"] == "/" for token in tokens) and any(token["digits"] for token in tokens):
        return _fraction(value, tokens)
    return _number(value, tokens)


def _sections(code: str) -> list[str]:
    """The parts for positive, negative, zero and text, split at semicolons that are not quoted."""
    return re.findall(r'(?:"[^"]*"|\\.|\[[^\]]*\]|[^;])+', code) or ["General"]


def _general(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return format(value, ".15g")


def _number(value: float, tokens: list[re.Match[str]]) -> str:
    percents = sum(1 for token in tokens if token["other"] == "%")
    pieces: list[str] = []
    placeholders = [token["digits"] for token in tokens if token["digits"]]
    power = next((token for token in tokens if token["power"]), None)
    is_written = False
    for token in tokens:
        if token["general"]:
            pieces.append(_general(abs(value)))
        elif token["digits"]:
            if not is_written:
                scaled = Decimal(format(abs(value), ".15g")) * 100**percents
                pieces.append(
                    _powers(scaled, placeholders)
                    if power is not None
                    else _digits(scaled, "".join(placeholders))
                )
            is_written = True
        elif token["bracket"] is not None:
            pieces.append(_currency(token["bracket"]))
        elif token["other"] == "@":
            pieces.append(_general(value))
        else:
            pieces.append(_literal(token))
    said = "".join(pieces)
    is_negative = value < 0 and re.search("[1-9]", said) and "@" not in {token["other"] for token in tokens}
    return f"-{said}" if is_negative else said


def _digits(value: Decimal, placeholders: str) -> str:
    """A number in 0 # ? , . placeholders: thousands, scaled by trailing commas, rounded half up."""
    whole, _, decimals = placeholders.partition(".")
    trailing = len(placeholders) - len(placeholders.rstrip(","))
    exact = value / (1000**trailing)
    most = sum(1 for char in decimals if char in "0#?")
    rounded = exact.quantize(Decimal(1).scaleb(-most), rounding=ROUND_HALF_UP)
    integer, _, fraction = format(rounded, "f").partition(".")
    fewest = sum(1 for char in decimals if char == "0")
    while len(fraction) > fewest and fraction.endswith("0"):
        fraction = fraction[:-1]
    integer = integer.lstrip("0").rjust(whole.count("0"), "0")
    if "," in whole.rstrip(","):
        integer = f"{int(integer):,}".rjust(len(integer), "0") if integer else ""
    return f"{integer}.{fraction}" if fraction else integer


def _powers(value: Decimal, placeholders: list[str]) -> str:
    decimals = sum(1 for char in placeholders[0].partition(".")[2] if char in "0#?")
    mantissa, _, exponent = format(value, f".{decimals}E").partition("E")
    return f"{mantissa}E{exponent}"


def _fraction(value: float, tokens: list[re.Match[str]]) -> str:
    below = [token["digits"] for token in tokens if token["digits"]][-1]
    exact = Fraction(abs(value)).limit_denominator(10 ** min(len(below), 4) - 1)
    whole, rest = divmod(exact.numerator, exact.denominator)
    parts = [str(whole)] if whole or not rest else []
    parts += [f"{rest}/{exact.denominator}"] if rest else []
    return ("-" if value < 0 else "") + " ".join(parts)


def _date(value: float, tokens: list[re.Match[str]], *, is_1904: bool) -> str:
    epoch = _EPOCH_1904 if is_1904 else _EPOCH
    has_parts = any(
        (token["date"] or "").lower().startswith("s") and "." in token["date"] for token in tokens
    )
    seconds = round(value * 86_400, 3) if has_parts else round(value * 86_400)
    moment = epoch + timedelta(seconds=seconds)
    is_half = any(token["half"] for token in tokens)
    is_vietnamese = any(_VIETNAMESE.match(token["bracket"] or "") for token in tokens)
    units = [(token["date"] or _elapsed_unit(token["bracket"])).lower() for token in tokens]
    pieces: list[str] = []
    for place, token in enumerate(tokens):
        if token["date"]:
            name = token["date"].lower()
            before = next((unit for unit in reversed(units[:place]) if unit), "")
            after = next((unit for unit in units[place + 1 :] if unit), "")
            if name[0] == "m" and len(name) < 3 and (before[:1] == "h" or after[:1] == "s"):
                name = name.replace("m", "M")
            pieces.append(_date_part(moment, name, is_half=is_half, is_vietnamese=is_vietnamese))
        elif token["half"]:
            pieces.append("AM" if moment.hour < 12 else "PM")
        elif _is_elapsed(token["bracket"]):
            count = {"h": 3600, "m": 60, "s": 1}[token["bracket"][0].lower()]
            pieces.append(str(int(seconds // count)).rjust(len(token["bracket"]), "0"))
        elif token["bracket"] is None:
            pieces.append(token["digits"] or _literal(token))
    return "".join(pieces)


def _date_part(moment: datetime, name: str, *, is_half: bool, is_vietnamese: bool) -> str:
    length = len(name)
    hour = (moment.hour % 12 or 12) if is_half else moment.hour
    if name[0] == "s":
        decimals = len(name.partition(".")[2])
        fraction = f".{moment.microsecond // 1000:03d}"[: decimals + 1] if decimals else ""
        return str(moment.second).rjust(2 if name.startswith("ss") else 1, "0") + fraction
    if name[0] == "y":
        return str(moment.year) if length > 2 else f"{moment.year % 100:02d}"
    if name[0] in "md" and length > 2:
        if is_vietnamese:
            return f"Tháng {moment.month}" if name[0] == "m" else _VIETNAMESE_DAYS[moment.weekday()]
        word = _MONTHS[moment.month - 1] if name[0] == "m" else _DAYS[moment.weekday()]
        return word if length == 4 else word[0] if length == 5 else word[:3]
    number = {"m": moment.month, "M": moment.minute, "d": moment.day, "h": hour}[name[0]]
    return str(number).rjust(min(length, 2), "0")


def _is_elapsed(bracket: str | None) -> bool:
    return bool(bracket) and re.fullmatch(r"h+|m+|s+", bracket or "", re.IGNORECASE) is not None


def _elapsed_unit(bracket: str | None) -> str:
    return bracket if bracket and _is_elapsed(bracket) else ""


def _currency(bracket: str) -> str:
    """The sign in [$₫-42A]; colours and conditions show nothing."""
    return bracket[1:].partition("-")[0] if bracket.startswith("$") else ""


def _literal(token: re.Match[str]) -> str:
    if token["blank"]:
        return " "
    return next((token[name] for name in ("quoted", "escaped", "other") if token[name]), "")
