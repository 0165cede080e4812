"""The paper of a division as it is typed: a matrix, cells with tags, required and barred items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from contest.blueprints.admin.configuration.form import MOST_ROWS
from contest.fields import whole
from contest.rules.configuration import DivisionSettings
from question_bank.draw import REQUIRED, Cell, PoolItem, required_code, shortfalls
from question_bank.items import LEVELS, TOPICS
from question_bank.text import clean_text

BLANK_CELLS = 3
LONGEST_TAG = 40


@dataclass
class Paper:
    """The specification editor as typed: the matrix, cells with tags, required and barred items."""

    matrix: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, str]] = field(default_factory=list)
    required: str = ""
    barred: str = ""
    # The cells by the box that they are typed in.
    placed: dict[str, Cell] = field(default_factory=dict)
    # What is wrong, by the name of the box.
    problems: dict[str, str] = field(default_factory=dict)

    def cells(self, items: Mapping[str, tuple[str, str]]) -> tuple[Cell, ...]:
        """Return the cells: required items first, then those with tags, then the matrix.

        `items` gives topic and level of each code that could be used.
        """
        found = []
        for code in codes(self.required):
            if code in items:
                found.append(Cell(*items[code], 1, frozenset({REQUIRED + code})))
            else:
                self.problems["required"] = (
                    f"Câu {code[:LONGEST_TAG]} không dùng được cho bảng này ở vòng này."
                )
        for place, row in enumerate(self.rows):
            count = self._number(f"cell-{place}", row["count"])
            if count is None and not row["tags"]:
                continue
            if row["topic"] not in TOPICS or row["level"] not in LEVELS or not count:
                self.problems.setdefault(f"cell-{place}", "Bạn hãy chọn chủ đề, mức độ và ghi số câu.")
                continue
            cell = Cell(row["topic"], row["level"], count, frozenset(_tags(row["tags"])))
            self.placed[f"cell-{place}"] = cell
            found.append(cell)
        for topic in TOPICS:
            for level in LEVELS:
                count = self._number(f"n-{topic}-{level}", self.matrix.get(f"n-{topic}-{level}", ""))
                if count:
                    self.placed[f"n-{topic}-{level}"] = Cell(topic, level, count)
                    found.append(Cell(topic, level, count))
        return tuple(found)

    def _number(self, box: str, typed: str) -> int | None:
        try:
            return whole(typed)
        except ValueError as error:
            self.problems[box] = str(error)
            return None


def shown_paper(settings: DivisionSettings) -> Paper:
    """Return the editor with a specification in it."""
    paper = Paper(barred="\n".join(settings.barred))
    required = [code for cell in settings.specification if (code := required_code(cell))]
    paper.required = "\n".join(required)
    for cell in settings.specification:
        name = f"n-{cell.topic}-{cell.level}"
        if required_code(cell):
            continue
        if cell.tags or name in paper.matrix:
            tags = ", ".join(sorted(cell.tags))
            row = {"topic": cell.topic, "level": cell.level, "count": str(cell.count), "tags": tags}
            paper.rows.append(row)
        else:
            paper.matrix[name] = str(cell.count)
    return with_blank_rows(paper)


def typed_paper(given: MultiDict[str, str]) -> Paper:
    """Return the editor as it was sent."""
    paper = Paper(required=given.get("required", "")[:4000], barred=given.get("barred", "")[:4000])
    for topic in TOPICS:
        for level in LEVELS:
            name = f"n-{topic}-{level}"
            paper.matrix[name] = clean_text(given.get(name, ""))[:10]
    for place in range(MOST_ROWS):
        if f"cell-{place}-topic" not in given:
            break
        paper.rows.append(
            {
                name: clean_text(given.get(f"cell-{place}-{name}", ""))[:200]
                for name in ("topic", "level", "count", "tags")
            }
        )
    return paper


def with_blank_rows(paper: Paper) -> Paper:
    """Add rows to write further cells in."""
    blank = {"topic": "", "level": "", "count": "", "tags": ""}
    paper.rows += [dict(blank) for _ in range(BLANK_CELLS)]
    return paper


def codes(text: str) -> list[str]:
    """Return the codes in a box, apart by blanks, commas or lines, each once."""
    return list(dict.fromkeys(clean_text(text.replace(",", " ").replace(";", " ")).split()))


def _tags(text: str) -> list[str]:
    """Return typed tags; the one that requires an item is made from its code alone."""
    tags = [clean_text(tag)[:LONGEST_TAG] for tag in text.split(",")]
    return [tag for tag in tags if tag and not tag.startswith(REQUIRED)]


def barred_codes(paper: Paper) -> tuple[str, ...]:
    """Return the codes that the round must not use; one that is required too is told at its box."""
    barred = codes(paper.barred)
    both = sorted(set(barred) & set(codes(paper.required)))
    if both:
        paper.problems["barred"] = f"Câu {', '.join(both)} vừa bắt buộc vừa bị loại."
    return tuple(sorted(barred))


@dataclass(frozen=True)
class CellCount:
    """What the bank has for a cell, and whether that is too little."""

    has: int
    is_short: bool


def counts(pool: Sequence[PoolItem], cells: Sequence[Cell], paper: Paper) -> dict[str, CellCount]:
    """Return what the bank has for each box of the matrix and each further cell, by the box's name."""
    short = {cell for cell, _ in shortfalls(pool, cells)}
    boxes = {f"n-{topic}-{level}": Cell(topic, level, 0) for topic in TOPICS for level in LEVELS}
    return {
        name: CellCount(sum(cell.takes(item) for item in pool), cell in short)
        for name, cell in (boxes | paper.placed).items()
    }
