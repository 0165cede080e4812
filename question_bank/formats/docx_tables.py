"""Tables whose rows are questions, with or without a row of headings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from question_bank.formats.docx_assembly import Assembly
from question_bank.formats.docx_labels import (
    field_line,
    key_line,
    kind_named,
    letters_only,
    number_label,
    option_label,
    options_after_stem,
    question_label,
)
from question_bank.formats.docx_paragraphs import Cell, Line, Marked, Table
from question_bank.formats.docx_questions import Option, Question
from question_bank.formats.drafts import Place
from question_bank.formats.headings import layout_of

_TICKS = frozenset({"x", "đ", "v", "✓", "✔", "☑", "☒", "đúng"})
_LOOKED_AT = 8


@dataclass(frozen=True)
class QuestionTable:
    """A table of questions: its columns by what they hold, and the rows below the headings."""

    table: Table
    columns: dict[str, int]
    # The columns that hold one option each, in the order of their letters.
    option_columns: Sequence[int]
    first_row: int


def question_table(table: Table) -> QuestionTable | None:
    """Return how a table holds questions, by its headings or by what its cells look like."""
    for place, row in enumerate(table.rows[:_LOOKED_AT]):
        below = table.rows[place + 1] if place + 1 < len(table.rows) else []
        one, two = _columns(row), _columns(below, row) if _is_second(below, row) else None
        if two is not None and _has_stems(table, two[0]["stem"], place + 2):
            return QuestionTable(table, *two, place + 2)
        if one is not None and _has_stems(table, one[0]["stem"], place + 1):
            return QuestionTable(table, *one, place + 1)
    return _by_contents(table)


def _has_stems(table: Table, column: int, first_row: int) -> bool:
    """Whether a column that is called Câu hỏi holds more than numbers."""
    texts = [row[column].text for row in table.rows[first_row:] if column < len(row)]
    return any(re.search(r"[^\W\d_]{2}", re.sub(r"[Cc]âu", "", text)) for text in texts)


def _is_second(row: Sequence[Cell], above: Sequence[Cell]) -> bool:
    """Whether a row goes on with the headings above it: they share a cell, or are split up further."""
    shared = {id(cell) for cell in row if cell.text} & {id(cell) for cell in above}
    return bool(shared) and any(id(cell) not in shared for cell in row)


def _columns(row: Sequence[Cell], above: Sequence[Cell] = ()) -> tuple[dict[str, int], list[int]] | None:
    """The columns that a row of headings names, with the row over it if they stand in two; or None."""
    layout = layout_of(_texts(above), _texts(row))
    found = {
        "number": layout.number,
        "stem": layout.stem or layout.both,
        "options": layout.options,
        "label": layout.label,
        "key": layout.key or layout.mark,
        "topic": layout.topic,
        "level": layout.level,
        "kind": layout.kind,
        "legal_basis": next(iter(layout.basis), None),
        "explanation": next(iter(layout.explanation), None),
    }
    columns = {name: column - 1 for name, column in found.items() if column is not None}
    options = [layout.columns[letter] - 1 for letter in sorted(layout.columns)]
    if "stem" not in columns or not (len(options) > 1 or {"options", "key"} & columns.keys()):
        return None
    return columns, options


def _texts(row: Sequence[Cell]) -> dict[int, str]:
    """The texts by column from 1; that of a merged cell at its first column."""
    return {
        place: cell.text
        for place, cell in enumerate(row, start=1)
        if cell.text and (place == 1 or cell is not row[place - 2])
    }


def _by_contents(table: Table) -> QuestionTable | None:
    """The columns of a table without headings: options are what has labels, the stem stands before them."""
    width = max((len(row) for row in table.rows), default=0)
    count = len(table.rows)
    if width < 3 or not count:
        return None

    def share(column: int, holds: re.Pattern[str] | None) -> float:
        cells = [row[column] for row in table.rows if column < len(row)]
        if holds is None:
            return sum(_has_options(cell) for cell in cells) / count
        return sum(bool(holds.fullmatch(cell.text.strip())) for cell in cells) / count

    options = next((column for column in range(1, width) if share(column, None) >= 0.5), None)
    if options is None:
        return None
    columns = {"options": options, "stem": options - 1}
    if options > 1 and share(0, re.compile(r"(?:[Cc]âu\s*)?\d{1,4}[.)]?|")) >= 0.5:
        columns["number"] = 0
    keys = [
        column
        for column in range(options + 1, width)
        if share(column, re.compile(r"[A-La-l](?:\s*[,;]?\s*[A-L])*[.)]?")) >= 0.5
    ]
    if len(keys) == 1:
        columns["key"] = keys[0]
    return QuestionTable(table, columns, [], 0)


def _has_options(cell: Cell) -> bool:
    found = {label.letter for line in cell.lines if (label := option_label(line.text.text)) is not None}
    return {0, 1} <= found or bool(cell.lines and options_after_stem("  " + cell.lines[0].text.text, 0))


def flowing_lines(table: Table) -> list[Line]:
    """Return the lines of a table that only arranges them, row by row; a merged cell comes once.

    A letter or "Đáp án" in a cell of its own is the label of the cell beside it.
    """
    lines: list[Line] = []
    seen: set[int] = set()
    for number, row in enumerate(table.rows, start=1):
        label: Marked | None = None
        for cell in row:
            if id(cell) in seen:
                continue
            seen.add(id(cell))
            beside = _label_beside(cell) if label is None else None
            if beside is not None:
                label = beside
                continue
            for line in cell.lines:
                if label is not None and not line.is_blank:
                    text = Marked(label.text + line.text.text, label.flags + line.text.flags)
                    line, label = replace(line, text=text), None
                lines.append(line)
        if label is not None:
            lines.append(Line({"table": table.number, "row": number}, label))
    return lines


def _label_beside(cell: Cell) -> Marked | None:
    """The label that a cell holds for the next one: "A" as "A. ", "Đáp án" as "Đáp án: "."""
    lines = [line.text.cut(0) for line in cell.lines if line.text.text.strip()]
    if len(lines) != 1:
        return None
    text, flags = lines[0].text, lines[0].flags
    if re.fullmatch(r"[A-La-l]", text):
        return Marked(f"{text}. ", flags + b"\x00\x00")
    named = f"{text.rstrip(' :')}: x"
    if len(text) < 40 and (key_line(named) == "x" or (field_line(named) or ("", ""))[1] == "x"):
        return Marked(f"{text.rstrip(' :')}: ", bytes(len(text.rstrip(" :")) + 2))
    return None


def read_table(table: QuestionTable, assembly: Assembly) -> None:
    """Give an assembly the questions of a table; what is merged over all columns is a heading."""
    assembly.close()
    rows = table.table.rows
    reader = _Rows(table, assembly)
    for place in range(table.first_row, len(rows)):
        reader.read(rows[place], {"table": table.table.number, "row": place + 1})
    assembly.close()


class _Rows:
    def __init__(self, table: QuestionTable, assembly: Assembly) -> None:
        self._table = table
        self._assembly = assembly
        self._stem: Cell | None = None
        self._question: Question | None = None

    def read(self, row: list[Cell], where: Place) -> None:
        cells = {id(cell): cell for cell in row if cell.text or any(line.pictures for line in cell.lines)}
        if not cells or self._is_repeated_heading(row):
            return
        stem = self._cell(row, "stem")
        if self._question is not None and stem is not None and self._goes_on(row, stem):
            self._add_options(self._question, row)
            return
        if len(cells) == 1 and len(row) > 1 and not self._is_question(row):
            self._question = None
            self._assembly.topic_row(next(iter(cells.values())).text)
            return
        if not self._is_question(row):
            return
        self._stem = stem
        self._question = self._opened(row, stem, where)

    def _goes_on(self, row: Sequence[Cell], stem: Cell) -> bool:
        """Whether a row has one more option of the question above: its stem is merged, or left out."""
        if stem is self._stem:
            return True
        options = self._cell(row, "options")
        if stem.text or self._number(row) is not None or options is None or options is stem:
            return False
        return len(options.text.splitlines()) == 1 and not _has_options(options)

    def _is_repeated_heading(self, row: Sequence[Cell]) -> bool:
        first = self._table.first_row
        headings = [_texts(each) for each in self._table.table.rows[:first]]
        return _texts(row) in headings and _columns(row) is not None

    def _cell(self, row: Sequence[Cell], name: str) -> Cell | None:
        place = self._table.columns.get(name)
        return row[place] if place is not None and place < len(row) else None

    def _text(self, row: Sequence[Cell], name: str) -> str:
        cell = self._cell(row, name)
        return "" if cell is None else cell.text

    def _is_question(self, row: Sequence[Cell]) -> bool:
        """Whether a row holds options, or a number and a text that should have some."""
        stem = self._cell(row, "stem")
        if stem is None or all(cell is stem for cell in row):
            return False
        if self._options_text(row) or any(option_label(line.text.text) for line in stem.lines):
            return True
        return bool(self._number(row) is not None and stem.text and len({id(cell) for cell in row}) > 1)

    def _options_text(self, row: Sequence[Cell]) -> str:
        columns = [place for place in self._table.option_columns if place < len(row)]
        return self._text(row, "options") + "".join(row[place].text for place in columns)

    def _number(self, row: Sequence[Cell]) -> int | None:
        cell = self._cell(row, "number")
        if cell is None:
            return None
        found = re.search(r"\d{1,4}", cell.text)
        if found is not None:
            return int(found[0])
        return next((line.auto.value for line in cell.lines if line.auto is not None), None)

    def _opened(self, row: list[Cell], stem: Cell | None, where: Place) -> Question:
        question = self._assembly.open(Question(where, self._number(row)))
        self._read_stem(question, [] if stem is None else stem.lines)
        self._add_options(question, row)
        for name in ("topic", "level", "legal_basis", "explanation"):
            if said := self._text(row, name):
                setattr(question, name, said)
        question.asks_for = kind_named(self._text(row, "kind")) or question.asks_for
        return question

    def _read_stem(self, question: Question, lines: Sequence[Line]) -> None:
        is_first = True
        for line in lines:
            if line.is_blank:
                continue
            line = replace(line, auto=None if line.auto and line.auto.kind != "letter" else line.auto)
            if is_first:
                line = self._without_label(question, line)
            is_first = False
            if option_label(line.text.text) is not None or line.auto is not None or question.options:
                self._assembly.within(line)
            else:
                self._assembly.stem_line(line)

    def _without_label(self, question: Question, line: Line) -> Line:
        text = line.text.text
        label = question_label(text)
        bare = number_label(text)
        if label is None and bare is not None and question.number in (None, bare.number):
            label = bare
        if label is None:
            return line
        question.number = question.number or label.number
        if label.note:
            question.stem.append(f"({label.note})")
        return replace(line, text=line.text.cut(label.end))

    def _add_options(self, question: Question, row: Sequence[Cell]) -> None:
        before = len(question.options)
        cell = self._cell(row, "options")
        key = self._cell(row, "key")
        columns = [row[place] for place in self._table.option_columns if place < len(row)]
        if columns:
            self._one_each(question, columns)
        elif cell is not None:
            self._all_in_one(question, cell)
        elif key is not None and not question.options and _has_options(key):
            self._all_in_one(question, key)
            key = None
        said = "" if key is None else key.text.strip()
        if said.lower() in _TICKS and len(question.options) == before + 1:
            question.options[-1].has_star = True
        elif said and question.key_text is None:
            question.key_text = letters_only(said) or said

    def _one_each(self, question: Question, cells: Sequence[Cell]) -> None:
        first = len(question.options)
        for letter, cell in enumerate(cells, start=first):
            option = Option(letter, "cell")
            for line in cell.lines:
                label = option_label(line.text.text) if not option.lines else None
                is_own = label is not None and label.letter == letter
                option.has_star = option.has_star or (label is not None and is_own and label.has_star)
                option.add(line.text.cut(label.end if label is not None and is_own else 0))
            question.options.append(option)

    def _all_in_one(self, question: Question, cell: Cell) -> None:
        lines = [line for line in cell.lines if line.text.text.strip()]
        has_labels = any(
            option_label(line.text.text) is not None or (line.auto is not None and line.auto.kind == "letter")
            for line in lines
        )
        if has_labels:
            for line in lines:
                self._assembly.within(line)
            return
        for line in lines:
            option = Option(len(question.options), "cell")
            option.add(line.text.cut(0))
            question.options.append(option)
