"""Workbooks as Excel keeps them: what the cells of the visible sheets show, read as a stream.

The libraries at hand expand sparse sheets or do not know number formats; here only cells that hold
something are kept, and a cell far outside any list of questions refuses the file.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from zipfile import ZipFile

from question_bank.formats.cells import Cell, Merged, Table, column_name
from question_bank.formats.drafts import UnreadableFile
from question_bank.formats.gate import BROKEN, open_office, walk_member
from question_bank.formats.number_formats import code_of, shown

MAIN_PART = "xl/workbook.xml"
MOST_ROWS, MOST_COLUMNS, MOST_CELLS, MOST_EMPTY = 60_000, 256, 300_000, 300_000
MOST_SHEETS, MOST_MERGED, LONGEST_CELL = 200, 60_000, 32_767
_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NUMBER = re.compile(r"[+-]?(?:\d{1,400}\.?\d{0,400}|\.\d{1,400})(?:[eE][+-]?\d{1,4})?")
_TRUTH = {"0": "FALSE", "1": "TRUE"}


@dataclass(frozen=True)
class _Book:
    """What the sheets of a workbook share."""

    strings: list[str]
    formats: list[str]
    is_1904: bool


def read_tables(content: bytes) -> list[Table]:
    """Return the visible sheets in their order; raises UnreadableFile for what is no sound workbook."""
    with open_office(content, MAIN_PART) as archive:
        names = set(archive.namelist())
        sheets, is_1904 = _visible_sheets(archive)
        book = _Book(_shared_strings(archive, names), _formats(archive, names), is_1904)
        return [_table(name, archive, part, book) for name, part in sheets if part in names]


def _visible_sheets(archive: ZipFile) -> tuple[list[tuple[str, str]], bool]:
    """The names and parts of the sheets that are not hidden, and whether days count from 1904."""
    targets: dict[str, str] = {}
    sheets: list[tuple[str, str]] = []
    is_1904 = False

    def relation(name: str, attributes: Mapping[str, str]) -> None:
        if name == "Relationship" and attributes.get("Type", "").endswith("/worksheet"):
            target = attributes.get("Target", "")
            part = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            targets[attributes.get("Id", "")] = part

    def sheet(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal is_1904
        if name == "workbookPr":
            is_1904 = attributes.get("date1904", "0") in ("1", "true")
        if name == "sheet" and attributes.get("state", "visible") == "visible":
            key = next((value for label, value in attributes.items() if label.endswith(":id")), "")
            if key in targets:
                sheets.append((attributes.get("name", ""), targets[key]))

    walk_member(archive, "xl/_rels/workbook.xml.rels", start=relation, end=_nothing)
    walk_member(archive, MAIN_PART, start=sheet, end=_nothing)
    if len(sheets) > MOST_SHEETS:
        raise UnreadableFile(f"Tệp có hơn {MOST_SHEETS} trang tính; hãy chia thành nhiều tệp nhỏ hơn.")
    return sheets, is_1904


def _shared_strings(archive: ZipFile, names: set[str]) -> list[str]:
    strings: list[str] = []
    pieces: list[str] = []
    reading_aids = 0

    def start(name: str, _attributes: Mapping[str, str]) -> None:
        nonlocal reading_aids
        reading_aids += name == "rPh"

    def end(name: str, text: str) -> None:
        nonlocal reading_aids
        if name == "rPh":
            reading_aids -= 1
        elif name == "t" and not reading_aids:
            pieces.append(text)
        elif name == "si":
            strings.append(_plain(pieces))
            pieces.clear()

    if "xl/sharedStrings.xml" in names:
        walk_member(archive, "xl/sharedStrings.xml", start=start, end=end)
    return strings


def _formats(archive: ZipFile, names: set[str]) -> list[str]:
    """The format code of each cell style."""
    own: dict[int, str] = {}
    numbers: list[int] = []
    inside: list[str] = []

    def start(name: str, attributes: Mapping[str, str]) -> None:
        inside.append(name)
        if name == "numFmt":
            own[_whole(attributes.get("numFmtId", ""))] = attributes.get("formatCode", "")[:255]
        elif name == "xf" and "cellXfs" in inside:
            numbers.append(_whole(attributes.get("numFmtId", "")))

    def end(_name: str, _text: str) -> None:
        inside.pop()

    if "xl/styles.xml" in names:
        walk_member(archive, "xl/styles.xml", start=start, end=end)
    return [code_of(number, own) for number in numbers]


def _table(name: str, archive: ZipFile, part: str, book: _Book) -> Table:
    reader = _SheetReader(book)
    walk_member(archive, part, start=reader.start, end=reader.end)
    return Table(name, reader.rows, reader.merged)


class _SheetReader:
    """Takes the elements of a sheet one after the other."""

    def __init__(self, book: _Book) -> None:
        self.book = book
        self.rows: dict[int, dict[int, Cell]] = {}
        self.merged: list[Merged] = []
        self.count = self.empty = self.row = self.column = 0
        self.type = self.style = self.value = ""
        self.formula: str | None = None
        self.pieces: list[str] = []
        self.reading_aids = 0
        self.in_cell = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "row":
            self.row = _whole(attributes["r"]) if "r" in attributes else self.row + 1
            self.column = 0
        elif name == "c":
            self._start_cell(attributes)
        elif name == "f" and self.in_cell:
            self.formula = ""
        elif name == "rPh":
            self.reading_aids += 1
        elif name == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def end(self, name: str, text: str) -> None:
        if not self.in_cell:
            return
        if name == "v":
            self.value = text
        elif name == "t" and not self.reading_aids:
            self.pieces.append(text)
        elif name == "f":
            self.formula = text
        elif name == "rPh":
            self.reading_aids -= 1
        elif name == "c":
            self._end_cell()

    def _start_cell(self, attributes: Mapping[str, str]) -> None:
        if reference := _REFERENCE.fullmatch(attributes.get("r", "")):
            self.column, self.row = _column(reference[1]), int(reference[2])
        else:
            self.column += 1
        self.in_cell = True
        self.type, self.style = attributes.get("t", "n"), attributes.get("s", "0")
        self.value, self.formula = "", None
        self.pieces.clear()

    def _end_cell(self) -> None:
        self.in_cell = False
        text = self._shown()
        if not text.strip() and self.formula is None:
            self.empty += 1
            if self.empty > MOST_EMPTY:
                raise UnreadableFile(
                    "Trang tính có quá nhiều ô trống được định dạng; hãy xóa bớt rồi gửi lại."
                )
            return
        self.count += 1
        if self.row > MOST_ROWS or self.column > MOST_COLUMNS:
            place = f"{column_name(self.column)}{self.row}"
            raise UnreadableFile(
                f"Trang tính có ô {place}, nằm quá xa danh sách câu hỏi; hãy xóa ô này rồi gửi lại."
            )
        if self.count > MOST_CELLS or len(text) > LONGEST_CELL:
            raise UnreadableFile(
                "Trang tính có quá nhiều ô, hoặc một ô chứa quá nhiều chữ; tệp không được nhận."
            )
        self.rows.setdefault(self.row, {})[self.column] = Cell(text, self.formula)

    def _shown(self) -> str:
        if self.type == "s":
            place = _whole(self.value)
            return (
                self.book.strings[place] if 0 <= place < len(self.book.strings) and self.value.strip() else ""
            )
        if self.type == "inlineStr":
            return _plain(self.pieces)
        if self.type == "b":
            return _TRUTH.get(self.value.strip(), "")
        if self.type in ("str", "e", "d"):
            return _plain([self.value])
        value = self.value.strip()
        if not _NUMBER.fullmatch(value):
            return value
        style = _whole(self.style)
        code = self.book.formats[style] if 0 <= style < len(self.book.formats) else "General"
        try:
            return shown(float(value), code, is_1904=self.book.is_1904)
        except (ArithmeticError, ValueError):
            return value

    def _merge(self, reference: str) -> None:
        ends = [_REFERENCE.fullmatch(part) for part in reference.split(":")]
        if len(self.merged) >= MOST_MERGED:
            raise UnreadableFile("Trang tính có quá nhiều ô gộp; tệp không được nhận.")
        if len(ends) == 2 and ends[0] and ends[1]:
            top, bottom = int(ends[0][2]), int(ends[1][2])
            self.merged.append(Merged(top, _column(ends[0][1]), bottom, _column(ends[1][1])))


def _plain(pieces: list[str]) -> str:
    """The text of a cell; Excel writes what XML can't hold as _x000D_."""
    text = "".join(pieces)
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), text) if "_x" in text else text


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _whole(text: str) -> int:
    text = text.strip()
    if not re.fullmatch(r"\d{0,9}", text):
        raise UnreadableFile(BROKEN)
    return int(text or "0")


def _nothing(_name: str, _text: str) -> None:
    """Pass over an element's end."""
