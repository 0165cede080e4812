"""CSV in the encodings and with the separators that Excel writes."""

import csv
import re
from collections.abc import Iterable, Sequence
from io import StringIO

from question_bank.formats.cells import Cell, Table
from question_bank.formats.drafts import Reading, UnreadableFile
from question_bank.formats.encodings import strange_words
from question_bank.formats.gate import require_text
from question_bank.formats.judging import judge
from question_bank.formats.tables import drafts_of, has_questions
from question_bank.formats.template import HEADINGS, rows_of
from question_bank.formats.workbook import MOST_COLUMNS, MOST_ROWS
from question_bank.formats.xlsx import NO_HEADINGS
from question_bank.items import Item

SEPARATORS = (";", ",", "\t", "|")
# What a spreadsheet would compute, and the apostrophe that keeps it from doing so.
_LIVE = re.compile(r"'*[=+\-@\t\r\x00＝＋－＠]")
_GUARDED = re.compile(r"''*[=+\-@\t\r\x00＝＋－＠]")
# A function call or a DDE link; "= 80%" is a text that somebody typed.
_FORMULA = re.compile(r"[=+\-@]+\s*(?:[A-Za-z][\w.]*\s*\(|[\w]+\|)")
# Some programs put it between quotes.
_HINT = re.compile(r"(\"?)sep=(.)\1(?:[;,\t|]*)(?:\r\n?|\n|\Z)", re.IGNORECASE)
_SAMPLE = 60_000


def read(content: bytes) -> Reading:
    """Return the questions of a CSV file; raises UnreadableFile if there is no table of questions."""
    require_text(content)
    text = decoded(content)
    hint = _HINT.match(text)
    if hint:
        text = text[hint.end() :]
    for separator in [hint[2]] if hint else SEPARATORS:
        if has_questions(_table(text[:_SAMPLE], separator)):
            return judge(drafts_of(_table(text, separator)))
    raise UnreadableFile(NO_HEADINGS)


def write(items: Iterable[Item]) -> bytes:
    """Return the items as Excel opens them: UTF-8 with its mark, semicolons, nothing to compute."""
    file = StringIO()
    writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADINGS)
    writer.writerows([_guarded(cell) for cell in row] for row in rows_of(items))
    return file.getvalue().encode("utf-8-sig")


def decoded(content: bytes) -> str:
    """Return the text: Unicode by its mark or its bytes, else the Windows code page that reads best."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    start = content[:2_000]
    if start.count(b"\x00") > len(start) // 5:
        is_little = start[1::2].count(b"\x00") > start[0::2].count(b"\x00")
        return content.decode("utf-16-le" if is_little else "utf-16-be", errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        read_as = [content.decode(page, errors="replace") for page in ("cp1258", "cp1252")]
        return min(read_as, key=lambda text: strange_words(text[:_SAMPLE]))


def _table(text: str, separator: str) -> Table:
    """The records by number, an empty line included, as Excel counts rows."""
    rows: dict[int, dict[int, Cell]] = {}
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
    try:
        for number, record in enumerate(reader, 1):
            if number > MOST_ROWS or len(record) > MOST_COLUMNS:
                raise UnreadableFile("Tệp có quá nhiều dòng hoặc cột; hãy chia thành nhiều tệp nhỏ hơn.")
            rows[number] = _cells(record)
    except csv.Error as error:
        raise UnreadableFile(
            f"Không đọc được tệp CSV từ dòng {reader.line_num}: dấu ngoặc kép không khớp hoặc ô quá dài."
        ) from error
    return Table(None, rows)


def _cells(record: Sequence[str]) -> dict[int, Cell]:
    cells: dict[int, Cell] = {}
    for column, text in enumerate(record, 1):
        if text:
            is_formula = _FORMULA.match(text) is not None
            shown = text[1:] if _GUARDED.match(text) else text
            cells[column] = Cell(shown, text if is_formula else None)
    return cells


def _guarded(text: str) -> str:
    return f"'{text}" if _LIVE.match(text) else text
