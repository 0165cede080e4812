"""Cells of a sheet or of CSV, and what every layout takes from a row in the same way."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from question_bank.formats.drafts import Draft, Place, Problem, UnreadableFile
from question_bank.formats.headings import Layout
from question_bank.formats.judging import ERROR, level_code, topic_code
from question_bank.text import clean_text, fold

MOST_COVERED = 200_000
_NUMBER = re.compile(r"(?:cau(?: hoi)?(?: so)?\s*)?0*(\d{1,5})(?:\.0)?\s*[.:)/]?")
_STEM_NUMBER = re.compile(r"\s*0*(\d{1,5})\s*[.):/]\s+")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as it is shown; `formula` is what computes it."""

    text: str
    formula: str | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged range, rows and columns counted from 1, ends included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass
class Table:
    """The cells of a sheet or file by row and column, both from 1; empty cells may be left out."""

    name: str | None
    rows: Mapping[int, Mapping[int, Cell]]
    merged: Sequence[Merged] = ()


class Grid:
    """A table as a layout reads it: merged cells, and the section under which a row stands."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.numbers = sorted(number for number, row in table.rows.items() if _has_text(row))
        # Of a cell that is covered from above: the cell that covers it.
        self.origins: dict[tuple[int, int], tuple[int, int]] = {}
        last = self.numbers[-1] if self.numbers else 0
        self.over: dict[int, list[Merged]] = defaultdict(list)
        covered = 0
        for area in table.merged:
            rows = range(area.top, min(area.bottom, last) + 1)
            covered += len(rows)
            if covered > MOST_COVERED:
                raise UnreadableFile("Trang tính có quá nhiều ô gộp; tệp không được nhận.")
            for row in rows:
                self.origins[row, area.left] = (area.top, area.left)
                self.over[row].append(area)
        self.section_topic: str | None = None
        self.section_level: str | None = None

    def text(self, number: int, column: int | None) -> str:
        """Return what a cell shows, or the merged one that covers it from above."""
        if column is None:
            return ""
        row, left = self.origins.get((number, column), (number, column))
        cell = self.table.rows.get(row, {}).get(left)
        return cell.text if cell is not None else ""

    def own(self, number: int, column: int | None) -> str:
        """Return what stands in the cell itself, clean."""
        cell = self.table.rows.get(number, {}).get(column or 0)
        return clean_text(cell.text) if cell is not None else ""

    def has_own(self, number: int) -> bool:
        """Return whether a row is more than the lower part of merged cells."""
        row = self.table.rows[number]
        return any(self.own(number, column) or cell.formula is not None for column, cell in row.items())

    def counted(self, number: int, layout: Layout) -> str | None:
        """Return the number that a row gives its question, None if it gives none."""
        found = _NUMBER.fullmatch(plain(self.own(number, layout.number)))
        return found[1] if found else None

    def new_draft(self, number: int, layout: Layout, stem_column: int | None) -> Draft:
        """Return a draft of the question that begins in a row, without its options and key."""
        stem = self.text(number, stem_column)
        counted = self.counted(number, layout)
        if counted is not None and (label := _STEM_NUMBER.match(stem)) and label[1] == counted:
            stem = stem[label.end() :]
        topic = clean_text(self.text(number, layout.topic))
        draft = Draft(
            where=self.where(number),
            stem=stem,
            options=[],
            asks_for=kind_of(self.text(number, layout.kind)),
            topic=topic or self.section_topic or self.table.name,
        )
        self.fill(draft, number, layout)
        draft.level = draft.level or self.section_level
        return draft

    def fill(self, draft: Draft, number: int, layout: Layout) -> None:
        """Take from a row what the rows before it left open."""
        draft.level = draft.level or self.text(number, layout.level).strip() or None
        draft.legal_basis = draft.legal_basis or self._joined(number, layout.basis)
        draft.explanation = draft.explanation or self._joined(number, layout.explanation)

    def take_section(self, number: int) -> None:
        """Take a row as a heading for the questions under it: of a topic, of a level, or of neither."""
        said = " ".join(
            clean_text(cell.text) for cell in self.table.rows[number].values() if cell.text.strip()
        )
        self.section_topic = said if topic_code(said) else None
        self.section_level = said if level_code(said) else None

    def check_formulas(self, draft: Draft, number: int, columns: Iterable[int | None]) -> None:
        """Note a problem for each of the cells that is a formula."""
        for column in columns:
            cell = self.table.rows[number].get(column or 0)
            if cell is not None and cell.formula is not None:
                where: Place = {**self.where(number), "column": column_name(column or 0)}
                name = re.match(r"[=+\-@]*\s*([A-Za-z][\w.]*)\(", cell.formula)
                shown = f"={name[1].upper()}(…)" if name else "=…"
                reason = f"Câu hỏi và phương án phải là chữ, không được là công thức ({shown})."
                draft.problems.append(Problem("formula_cell", ERROR, where, reason))

    def where(self, number: int) -> Place:
        """Return a row's place."""
        return {"row": number} if self.table.name is None else {"sheet": self.table.name, "row": number}

    def _joined(self, number: int, columns: Sequence[int]) -> str | None:
        texts = (self.text(number, column).strip() for column in columns)
        return ", ".join(dict.fromkeys(text for text in texts if text)) or None


@lru_cache(maxsize=1024)
def kind_of(text: str) -> str | None:
    """Return the kind that a cell states in words or as the number of right answers."""
    said = " ".join(re.findall(r"[a-z0-9]+", plain(text)))
    if re.search(r"dung sai|true false|\bd s\b|\btf\b|dung hay sai", said):
        return "true_false"
    if re.search(
        r"nhieu (?:dap an|phuong an|lua chon(?! mot| 1)|cau tra loi)|multiple(?! choice)|\bmr\b|^0?[2-8]$",
        said,
    ):
        return "multiple"
    if re.search(r"\b(?:mot|1|01|don)\b|single|duy nhat", said):
        return "single"
    return "multiple" if re.fullmatch(r"(?:chon )?nhieu|nhieu dap|checkbox", said) else None


def column_name(column: int) -> str:
    """Return a column's letters: A for 1, AA for 27."""
    letters = ""
    while column > 0:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def plain(text: str) -> str:
    """Return a text to compare: clean, in lower case, without accents."""
    return fold(clean_text(text))


def _has_text(row: Mapping[int, Cell]) -> bool:
    return any(cell.text.strip() or cell.formula is not None for cell in row.values())
