"""What stands in a Word file, in its order: lines with their look, and tables of lines."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from question_bank.formats.docx_marks import SHADING, Styles, is_shaded
from question_bank.formats.docx_numbering import AutoLabel, Numbering
from question_bank.formats.docx_package import TOO_MUCH, Element, Package, R, W
from question_bank.formats.drafts import Picture, Place, UnreadableFile

# Before a text, it says that nothing of it is a label: `docx.write` puts it there.
GUARD = "\u2060"

# In fonts from before Unicode it is the letter ư: judging has to see it.
_SOFT_HYPHEN = "\u00ad"

_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_BLIP = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
_IMAGE_DATA = "{urn:schemas-microsoft-com:vml}imagedata"
_SHAPE = "{urn:schemas-microsoft-com:vml}shape"
# What `docx.write` puts beside a picture that it had to convert for Word: the picture itself.
ORIGINAL = "{urn:contest:original-picture}original"
_ALTERNATE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
# Deleted or moved away while changes are tracked, fields' instructions, and what floats beside the text.
_SKIPPED = frozenset(
    f"{W}{name}"
    for name in ("del", "moveFrom", "delText", "instrText", "delInstrText", "txbxContent", "rPr", "pPr")
)
_SIGNS = {
    f"{W}tab": "\t",
    f"{W}ptab": "\t",
    f"{W}br": "\n",
    f"{W}cr": "\n",
    f"{W}noBreakHyphen": "-",
}
# Ticks and boxes of Wingdings.
_SYMBOLS = {"F0FC": "✓", "F0FE": "☑"}
_WRAPPERS = frozenset(f"{W}{name}" for name in ("sdt", "sdtContent", "customXml", "ins", "moveTo"))
MOST_TABLE_COLUMNS = 30
MOST_TABLE_ROWS = 5_000
# Of the body and of all cells together; a question takes six to ten.
MOST_PARAGRAPHS = 40_000
LONGEST_TEXT = 100_000
# Printable ASCII and composed Vietnamese letters need no second look.
_USUAL = re.compile("[\t\n\\x20-\\x7e\\u00c0-\\u01b0\\u1ea0-\\u1ef9]*")


@dataclass(frozen=True)
class Marked:
    """A text, and the marks of each of its characters as bits."""

    text: str
    flags: bytes

    def cut(self, start: int, stop: int | None = None) -> "Marked":
        """Return a part without the blanks around it."""
        text = self.text[start:stop]
        lead = len(text) - len(text.lstrip())
        kept = text.strip()
        first = start + lead
        return Marked(kept, self.flags[first : first + len(kept)])

    def share(self, mark: int) -> float:
        """Return which part of the letters and digits carries a mark; signs count if there are no others."""
        places = [place for place, char in enumerate(self.text) if char.isalnum()]
        places = places or [place for place, char in enumerate(self.text) if not char.isspace()]
        return sum(1 for place in places if self.flags[place] & mark) / len(places) if places else 0.0


@dataclass(frozen=True)
class Line:
    """A line of a paragraph; a paragraph has several where line breaks stand in it."""

    where: Place
    text: Marked
    auto: AutoLabel | None = None
    # The look of the automatic label.
    auto_flags: int = 0
    pictures: tuple[Picture, ...] = ()
    is_title: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to read or to see."""
        return not self.text.text.strip() and not self.pictures


@dataclass(eq=False)
class Cell:
    """A cell of a table, merged ones being one cell at several places of the grid."""

    lines: list[Line] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The cell's text, its lines joined by line breaks."""
        return "\n".join(line.text.text.strip() for line in self.lines if line.text.text.strip())


@dataclass
class Table:
    """A table as a grid: every row has its cells at their columns."""

    number: int
    rows: list[list[Cell]]


Block = Line | Table


def blocks_of(package: Package) -> list[Block]:
    """Return the body's lines and tables in their order."""
    return list(_Reader(package).blocks())


class _Reader:
    def __init__(self, package: Package) -> None:
        self._package = package
        self._styles = Styles(package.styles)
        self._numbering = Numbering(package.numbering, self._styles)
        self._paragraphs = self._tables = self._read = 0

    def blocks(self) -> Iterator[Block]:
        for element in _unwrapped(self._package.document.find(f"{W}body")):
            if element.tag == f"{W}p":
                self._paragraphs += 1
                yield from self._lines(element, {"paragraph": self._paragraphs})
            elif element.tag == f"{W}tbl":
                self._tables += 1
                yield self._table(element, self._tables)

    def _lines(self, paragraph: Element, where: Place, shade: int = 0) -> Iterator[Line]:
        self._read += 1
        if self._read > MOST_PARAGRAPHS:
            raise UnreadableFile(TOO_MUCH)
        properties = paragraph.find(f"{W}pPr")
        style = _style_of(properties) or self._styles.usual
        pieces: list[tuple[str, int]] = []
        pictures: list[Picture] = []
        if is_shaded(properties):
            shade |= SHADING
        for run, is_link in _runs(paragraph):
            look = self._styles.run_look(style, run.find(f"{W}rPr"), is_link=is_link)
            if not look.is_hidden:
                pieces.append((_text_of(run), look.flags() | shade))
                pictures.extend(self._pictures(run, where))
        text = marked(pieces)
        mark = None if properties is None else properties.find(f"{W}rPr")
        is_deleted = mark is not None and mark.find(f"{W}del") is not None
        auto = None if is_deleted else self._numbering.label(properties, style)
        first = Line(
            where,
            text,
            auto=auto,
            auto_flags=self._styles.run_look(style, mark).flags() if auto else 0,
            pictures=tuple(pictures),
            is_title=self._is_title(properties, style),
        )
        yield from _broken(first)

    def _is_title(self, properties: Element | None, style: str) -> bool:
        names = [self._styles.name(each.get(f"{W}styleId", "")) for each in self._styles.chain(style)]
        if any(re.match(r"heading|title|subtitle|toc", name) for name in names):
            return True
        alignment = None if properties is None else properties.find(f"{W}jc")
        return alignment is not None and alignment.get(f"{W}val") == "center"

    def _pictures(self, run: Element, where: Place) -> Iterator[Picture]:
        alt = ""
        for element in _seen(run):
            if element.tag == _SHAPE:
                alt = element.get("alt", "")
            elif element.tag.endswith("}docPr"):
                alt = element.get("descr", "")
            elif element.tag in (_BLIP, _IMAGE_DATA):
                relations = [element.get(f"{R}{name}") for name in ("embed", "id", "link")]
                relation = next(filter(None, relations), None)
                if relation is not None:  # a link leads out of the file
                    shown = Picture(self._package.picture(relation) or b"", alt, where)
                    yield self._original(element, shown)

    def _original(self, element: Element, shown: Picture) -> Picture:
        """Return the picture that `docx.write` converted into the one shown, if that is still the same."""
        for each in element.iter(ORIGINAL):
            content = self._package.picture(each.get(f"{R}embed", ""))
            if content and each.get("of") == shown.sha256:
                return replace(shown, content=content)
        return shown

    def _table(self, table: Element, number: int) -> Table:
        rows: list[list[Cell]] = []
        for row in _rows_of(table):
            if len(rows) >= MOST_TABLE_ROWS:
                raise UnreadableFile(TOO_MUCH)
            above = rows[-1] if rows else []
            rows.append(self._row(row, above, {"table": number, "row": len(rows) + 1}))
        return Table(number, rows)

    def _row(self, row: Element, above: Sequence[Cell], where: Place) -> list[Cell]:
        cells: list[Cell] = []
        properties = row.find(f"{W}trPr")
        if properties is not None:
            if properties.find(f"{W}del") is not None:
                return cells
            before = properties.find(f"{W}gridBefore")
            cells.extend(Cell() for _ in range(_span(before)))
        for element in _unwrapped(row):
            if element.tag != f"{W}tc":
                continue
            about = element.find(f"{W}tcPr")
            merged = None if about is None else about.find(f"{W}vMerge")
            continues = merged is not None and merged.get(f"{W}val", "continue") == "continue"
            if continues and len(cells) < len(above):
                cell = above[len(cells)]
            else:
                cell = Cell(list(self._cell_lines(element, where)))
            span = None if about is None else about.find(f"{W}gridSpan")
            cells.extend([cell] * max(1, _span(span)))
        return cells[:MOST_TABLE_COLUMNS]

    def _cell_lines(self, cell: Element, where: Place) -> Iterator[Line]:
        shade = SHADING if is_shaded(cell.find(f"{W}tcPr")) else 0
        for element in _unwrapped(cell):
            if element.tag == f"{W}p":
                yield from self._lines(element, where, shade)
            elif element.tag == f"{W}tbl":
                for row in _rows_of(element):
                    for inner in _unwrapped(row):
                        if inner.tag == f"{W}tc":
                            yield from self._cell_lines(inner, where)


def _unwrapped(parent: Element) -> Iterator[Element]:
    """Yield the children, those of content controls included."""
    for child in parent:
        if child.tag in _WRAPPERS:
            yield from _unwrapped(child)
        else:
            yield child


def _rows_of(table: Element) -> Iterator[Element]:
    return (row for row in _unwrapped(table) if row.tag == f"{W}tr")


def _span(element: Element | None) -> int:
    value = "0" if element is None else element.get(f"{W}val", "0")
    return min(int(value), MOST_TABLE_COLUMNS) if re.fullmatch(r"\d{1,6}", value) else 0


def _style_of(properties: Element | None) -> str:
    found = None if properties is None else properties.find(f"{W}pStyle")
    return "" if found is None else str(found.get(f"{W}val", ""))


def _runs(parent: Element, *, is_link: bool = False) -> Iterator[tuple[Element, bool]]:
    """Yield what carries text, in order, and whether it is a link."""
    for child in parent:
        if not isinstance(child.tag, str) or child.tag in _SKIPPED:
            continue
        if child.tag in (f"{W}r", "{http://schemas.openxmlformats.org/officeDocument/2006/math}r"):
            yield child, is_link
        else:
            yield from _runs(child, is_link=is_link or child.tag == f"{W}hyperlink")


def _seen(parent: Element) -> Iterator[Element]:
    """Yield what is inside and is shown; of alternatives the first."""
    for child in parent:
        if not isinstance(child.tag, str) or child.tag in _SKIPPED:
            continue
        yield child
        if child.tag == _ALTERNATE:
            yield from _seen(next(iter(child), []))
        else:
            yield from _seen(child)


def _text_of(run: Element) -> str:
    said = []
    for element in _seen(run):
        if element.tag in (f"{W}t", _MATH_TEXT):
            said.append(element.text or "")
        elif element.tag == f"{W}sym":
            said.append(_SYMBOLS.get(element.get(f"{W}char", "").upper(), ""))
        elif element.tag in _SIGNS:
            said.append(_SIGNS[element.tag])
    return "".join(said)


def marked(pieces: Sequence[tuple[str, int]]) -> Marked:
    """Put pieces together: NFC, plain blanks, nothing invisible but the guard."""
    if sum(len(piece) for piece, _ in pieces) > LONGEST_TEXT:
        raise UnreadableFile("Có một đoạn chứa quá nhiều chữ; tệp không được nhận.")
    chars: list[str] = []
    flags = bytearray()
    for piece, bits in pieces:
        if _USUAL.fullmatch(piece):
            chars.extend(piece)
            flags.extend(bytes([bits]) * len(piece))
        else:
            _add_unusual(piece, bits, chars, flags)
    return Marked("".join(chars), bytes(flags))


def _add_unusual(piece: str, bits: int, chars: list[str], flags: bytearray) -> None:
    for char in piece:
        if chars and unicodedata.combining(char):
            composed = unicodedata.normalize("NFC", chars[-1] + char)
            if len(composed) == 1:
                chars[-1] = composed
                continue
        if char in "\t\n" or char in (GUARD, _SOFT_HYPHEN):
            pass
        elif char.isspace():
            char = " "
        elif unicodedata.category(char) in ("Cf", "Cc", "Cs"):
            continue
        chars.append(char)
        flags.append(bits)


def _broken(line: Line) -> Iterator[Line]:
    """Yield the line in pieces, where line breaks stand; the first keeps label and pictures."""
    start = 0
    for place, text in enumerate(line.text.text.split("\n")):
        part = Marked(text, line.text.flags[start : start + len(text)])
        if place == 0:
            yield replace(line, text=part)
        elif text.strip():
            yield replace(line, text=part, auto=None, pictures=())
        start += len(text) + 1
