"""Typesetting: one of our Typst templates and its values become the bytes of a PDF.

Values reach a template as JSON and are set as text, so no name or title is ever read as markup.
"""

import json
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typst


HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
FONTS = HERE / "fonts"
# For the archive (fonts inside, colours defined) and for screen readers (tags, title, language).
STANDARDS: "list[typst.PDFStandard]" = ["a-2a", "ua-1"]
# What Tinos covers, as first and last; every other font falls back to it. A test compares the two.
COVERED = (
    (0x0020, 0x007E),
    (0x00A0, 0x0180),
    (0x01A0, 0x01A1),
    (0x01AF, 0x01B0),
    (0x0300, 0x0304),
    (0x0306, 0x030C),
    (0x031B, 0x031B),
    (0x0323, 0x0323),
    (0x1E00, 0x1EFF),
    (0x2010, 0x2014),
    (0x2018, 0x201A),
    (0x201C, 0x201E),
    (0x2020, 0x2020),
    (0x2022, 0x2022),
    (0x2026, 0x2026),
    (0x2030, 0x2030),
    (0x20AB, 0x20AC),
    (0x2116, 0x2116),
    (0x2212, 0x2212),
    (0x2264, 0x2265),
)
STAND_IN = "?"


def typeset(template: str, values: Mapping[str, Any], *, title: str, created_at: datetime) -> bytes:
    """Return the PDF of templates/<template>.typ filled with these values."""
    data = json.dumps(_printable({**values, "title": title}), ensure_ascii=False)
    import typst  # here: most processes print nothing, and it is large

    compiler = typst.Compiler(
        input=TEMPLATES / f"{template}.typ",
        root=TEMPLATES,
        font_paths=_fonts(),
        sys_inputs={"data": data},
    )
    pdf = compiler.compile(format="pdf", pdf_standards=STANDARDS, timestamp=int(created_at.timestamp()))
    assert isinstance(pdf, bytes), "a PDF is one file"
    return pdf


@cache
def _fonts() -> "typst.Fonts":
    """Return our fonts and no others: a document looks the same on every machine."""
    import typst

    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS])


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {key: _printable(one) for key, one in value.items()}
    if isinstance(value, Sequence):
        return [_printable(one) for one in value]
    return value


def printable(text: str) -> str:
    """Return the text in composed letters that our fonts have; for others the nearest, or "?".

    A single foreign sign in a name must not keep a whole list from being printed.
    """
    return "".join(map(_printable_letter, unicodedata.normalize("NFC", text)))


@cache
def _printable_letter(letter: str) -> str:
    if _is_covered(letter):
        return letter
    if unicodedata.category(letter).startswith(("C", "Z")):
        return " " if letter.isspace() else ""
    plain = unicodedata.normalize("NFKD", letter)
    known = "".join(filter(_is_covered, plain)) if plain != letter else ""
    return known or STAND_IN


def _is_covered(letter: str) -> bool:
    place = bisect_right(COVERED, (ord(letter), 0x110000)) - 1
    return place >= 0 and ord(letter) <= COVERED[place][1]
