"""Tables of questions, from a sheet or from CSV: the heading rows are found, and rows become drafts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from question_bank.formats.cells import Grid, Table
from question_bank.formats.drafts import Draft
from question_bank.formats.headings import Layout, layout_of, role_of
from question_bank.formats.judging import topic_code
from question_bank.formats.option_rows import drafts_in_rows
from question_bank.text import clean_text

MOST_TITLE_ROWS = 60
_WIDEST_HEADING = 100
_COLUMN_NUMBER = re.compile(r"[(\[]?(\d{1,2})[)\]]?")


def has_questions(table: Table) -> bool:
    """Return whether the table has heading rows by which questions can be read."""
    return any(True for _ in _headings(Grid(table)))


def drafts_of(table: Table) -> list[Draft]:
    """Return the table's questions in the order of their rows; none without heading rows."""
    grid = Grid(table)
    headings = list(_headings(grid))
    found: list[Draft] = []
    for place, (_first, last, layout) in enumerate(headings):
        end = headings[place + 1][0] if place + 1 < len(headings) else grid.numbers[-1] + 1
        body = [number for number in grid.numbers if last < number < end]
        if body and _is_numbering(grid, body[0]):
            del body[0]
        found.extend(
            drafts_in_rows(grid, body, layout) if layout.is_in_rows else _in_columns(grid, body, layout)
        )
    return found


def _headings(grid: Grid) -> Iterator[tuple[int, int, Layout]]:
    """Yield the first and last row of each heading, with the layout that it describes.

    A list may have its headings again on every page, or a second list under it.
    """
    skip_to = 0
    current: Layout | None = None
    for place, number in enumerate(grid.numbers):
        if number < skip_to or (skip_to == 0 and place > MOST_TITLE_ROWS):
            continue
        if current is not None and grid.counted(number, current) is not None:
            continue
        upper = _heading_texts(grid, number)
        if not any(role_of(text)[0] in ("stem", "both", "options") for text in upper.values()):
            continue
        below = grid.numbers[place + 1] if place + 1 < len(grid.numbers) else 0
        for last, layout in (
            (below, _in_two_rows(grid, upper, number, below)),
            (number, layout_of(upper, {})),
        ):
            if layout is not None and layout.is_whole:
                yield number, last, layout
                skip_to, current = last + 1, layout
                break


def _heading_texts(grid: Grid, number: int) -> dict[int, str]:
    """The headings of a row; a merged one stands over each of its columns."""
    # As they are stored: in an old font, what clean_text drops may be a letter.
    texts = {column: cell.text.strip() for column, cell in grid.table.rows[number].items()}
    # Long texts are questions: only what could be a heading is looked at, and that is cheap.
    if not any(role_of(text)[0] for text in texts.values()):
        return {}
    for area in grid.over.get(number, ()):
        if area.right - area.left < _WIDEST_HEADING:
            text = grid.text(area.top, area.left).strip()
            texts.update({column: text for column in range(area.left, area.right + 1) if text})
    return {column: text for column, text in texts.items() if text}


def _in_two_rows(grid: Grid, upper: Mapping[int, str], number: int, below: int) -> Layout | None:
    """The layout of a heading in two rows; None if the row below is none of it."""
    if not number < below <= number + 2:
        return None
    row = grid.table.rows[below]
    lower = {column: text for column, cell in row.items() if (text := cell.text.strip())}
    layout = layout_of(upper, lower)
    known = {*layout.columns.values(), *layout.basis, *layout.explanation}
    known |= {layout.key or 0, layout.mark or 0, layout.level or 0, layout.topic or 0, layout.kind or 0}
    # All that stands in the second row is a heading, and the stem's column is not in it.
    is_heading = set(lower) <= known and bool(set(lower) & set(layout.columns.values()))
    return layout if is_heading else None


def _is_numbering(grid: Grid, number: int) -> bool:
    """Whether a row only counts the columns, as official tables do: (1), (2), (3), …"""
    texts = [grid.own(number, column) for column in sorted(grid.table.rows[number])]
    counts = [int(found[1]) for text in texts if (found := _COLUMN_NUMBER.fullmatch(text))]
    return len(counts) > 2 and len(counts) == len([text for text in texts if text]) and _is_rising(counts)


def _is_rising(counts: Sequence[int]) -> bool:
    return all(after == before + 1 for before, after in pairwise(counts))


def _in_columns(grid: Grid, body: Sequence[int], layout: Layout) -> Iterator[Draft]:
    """Yield the questions of a table that has one in each row."""
    # Rows that lack options, or number and key: questions if others follow, totals and signatures if not.
    pending: list[tuple[Draft, bool]] = []
    has_numbers = any(grid.counted(number, layout) is not None for number in body)
    for number in body:
        if not grid.has_own(number):
            continue
        draft = grid.new_draft(number, layout, layout.stem)
        draft.options = [
            grid.text(number, layout.columns.get(place))
            for place in range(max(layout.columns, default=-1) + 1)
        ]
        key = grid.text(number, layout.key)
        draft.key_text = key
        grid.check_formulas(draft, number, [layout.stem, *layout.columns.values()])
        held = sum(1 for option in draft.options if clean_text(option))
        is_counted = grid.counted(number, layout) is not None
        if held == 0 and not draft.problems and draft.asks_for != "true_false":
            is_question = bool(key.strip()) or (is_counted and topic_code(draft.stem) is None)
            if is_question and clean_text(draft.stem):
                pending.append((draft, is_counted and bool(key.strip())))
            else:
                grid.take_section(number)
            continue
        is_remark = not key.strip() and not is_counted and not draft.problems
        if is_remark and (held < 2 or not clean_text(draft.stem)):
            continue
        if is_remark and has_numbers:
            pending.append((draft, False))
            continue
        yield from (earlier for earlier, _is_certain in pending)
        pending.clear()
        yield draft
    yield from (last for last, is_certain in pending if is_certain)
