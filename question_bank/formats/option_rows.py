"""Tables in which a question's options stand in rows under it, or as lines in one cell."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from question_bank.formats.cells import Grid, plain
from question_bank.formats.drafts import Draft
from question_bank.formats.headings import Layout
from question_bank.formats.keys import LETTERS
from question_bank.text import clean_text

_LETTER = re.compile(r"(?:pa|phuong an)?\s*[(\[]?([a-l])\s*[.:)\]/]?")
_OWN_LABEL = re.compile(r"[(\[]?([A-La-l])\s*[.):\]/]\s*")
_OWN_NUMBER = re.compile(r"câu(?:\s+hỏi)?(?:\s+số)?\s*\d+\s*[.:)/\-–]", re.IGNORECASE)
_MARKS = {"x", "đ", "v", "*", "✓", "✔", "☑", "☒", "√", "●", "1", "đúng", "true", "có", "yes", "y", "ü", "þ"}
_NO_MARKS = {"s", "sai", "0", "-", "–", "không", "false", "no", "n"}
_INLINE_LABEL = re.compile(r"(?<!\S)\(?([A-L])[.):]\s*(?=\S)")
# "Ông A. B." has two.
_FEWEST_INLINE = 3

_MOST_LINES = 12  # of a stem


@dataclass
class _Group:
    """A question whose options stand in the rows under it."""

    draft: Draft
    is_counted: bool
    labels: list[int | None] = field(default_factory=list)
    is_open: bool = True

    @property
    def is_question(self) -> bool:
        draft = self.draft
        return bool(any(map(clean_text, draft.options)) or draft.marks or draft.problems or draft.key_text)


def drafts_in_rows(grid: Grid, body: Sequence[int], layout: Layout) -> list[Draft]:
    """Return the questions of the rows `body`; rows that belong to none are headings or remarks."""
    return [group.draft for group in _with_bare_ones(list(_groups(grid, body, layout)))]


def _groups(grid: Grid, body: Sequence[int], layout: Layout) -> Iterator[_Group]:
    reader = _Rows(grid, layout)
    group: _Group | None = None
    previous = 0
    for number in body:
        is_next = number == previous + 1
        previous = number
        if not grid.has_own(number):
            continue
        if reader.starts_question(number, group):
            if group is not None:
                yield group
            group = reader.new_group(number)
        elif group is not None and reader.belongs(number, group, is_next=is_next):
            reader.add(group, number)
        else:
            grid.take_section(number)
            if group is not None:
                group.is_open = False
    if group is not None:
        yield group


def _with_bare_ones(groups: list[_Group]) -> Iterator[_Group]:
    """Leave out what only looked like a question: no options, and no number or nothing after it."""
    last = max((place for place, group in enumerate(groups) if group.is_question), default=-1)
    for place, group in enumerate(groups):
        if group.is_question or (group.is_counted and place < last and clean_text(group.draft.stem)):
            yield group


class _Rows:
    def __init__(self, grid: Grid, layout: Layout) -> None:
        self.grid, self.layout = grid, layout
        self.has_one_column = layout.both is not None
        self.stem_column = layout.both if self.has_one_column else layout.stem
        self.option_column = layout.both if self.has_one_column else layout.options

    def starts_question(self, number: int, group: _Group | None) -> bool:
        """Return whether a row is the first of a question."""
        stem = self.grid.own(number, self.stem_column)
        if not self.has_one_column:
            return bool(stem) and (group is None or stem != clean_text(group.draft.stem))
        if not stem or self.label(number) is not None:
            return False
        if self.grid.counted(number, self.layout) is not None or _OWN_NUMBER.match(stem):
            return True
        if self.grid.own(number, self.layout.kind):
            return True
        if _options_within(self.grid.text(number, self.stem_column))[1]:
            return True
        # Without a number: the next text after labelled options that has such options itself.
        return (group is None or any(label is not None for label in group.labels)) and self._labels_follow(
            number
        )

    def belongs(self, number: int, group: _Group, *, is_next: bool) -> bool:
        """Return whether a row goes on with the question above it."""
        if self.label(number) is not None:
            return True
        if self.has_one_column and group.draft.asks_for == "true_false" and not group.draft.options:
            return False  # Đúng and Sai need no rows of their own
        has_option = not self.has_one_column and bool(self.grid.own(number, self.option_column))
        return group.is_open and (is_next or has_option)

    def new_group(self, number: int) -> _Group:
        """Return the question that begins in a row, with the option that stands there too."""
        draft = self.grid.new_draft(number, self.layout, self.stem_column)
        group = _Group(draft, self.grid.counted(number, self.layout) is not None)
        self.grid.check_formulas(draft, number, [self.stem_column])
        if self.has_one_column:
            draft.stem, options = _options_within(draft.stem)
            draft.options.extend(options)
            draft.key_text = self.grid.own(number, self.layout.key) or None
        else:
            self._add_option(group, number)
        return group

    def add(self, group: _Group, number: int) -> None:
        """Add a row under a question: an option, or more of the stem; other texts end the question."""
        if self.has_one_column and self.label(number) is None:
            if not group.labels and self._labels_follow(number):
                group.draft.stem += "\n" + self.grid.text(number, self.stem_column)
                return
            if not group.is_open or any(label is not None for label in group.labels):
                group.is_open = False
                return
        self._add_option(group, number)

    def label(self, number: int) -> int | None:
        """Return the place of an option by its label, in a column of its own or before its text."""
        for column in (self.layout.label, self.layout.number):
            if found := _LETTER.fullmatch(plain(self.grid.own(number, column))):
                return LETTERS.index(found[1])
        text = self.grid.text(number, self.option_column) if self.grid.own(number, self.option_column) else ""
        return None if len(_lines_of(text)[1]) > 1 else _own_label(text)

    def _add_option(self, group: _Group, number: int) -> None:
        draft, layout = group.draft, self.layout
        text = self.grid.text(number, self.option_column)
        label = self.label(number)
        before, lines = _lines_of(text)
        said = self.grid.own(number, layout.mark if layout.mark is not None else layout.key)
        if len(lines) > 1 and not draft.options and not before.strip():
            draft.options.extend(lines)
            draft.key_text = said or None
        elif label is not None or text.strip():
            place = max(len(draft.options), label if label is not None else 0)
            # A label that was skipped leaves a hole, so that letters keep their places.
            draft.options.extend([""] * (place - len(draft.options)))
            draft.options.append(_OWN_LABEL.sub("", text, count=1) if _own_label(text) == place else text)
            group.labels.append(label)
            self._take_mark(draft, said, place)
        self.grid.check_formulas(draft, number, [self.option_column])
        self.grid.fill(draft, number, layout)

    def _take_mark(self, draft: Draft, said: str, place: int) -> None:
        names = (LETTERS[place : place + 1], plain(draft.options[place]))
        if said.lower().strip(" .()[]") in _MARKS or (said and plain(said).strip(" .)") in names):
            draft.marks.add(place)
        elif said and said.lower() not in _NO_MARKS and not self.has_one_column and draft.key_text is None:
            draft.key_text = said

    def _labels_follow(self, number: int) -> bool:
        """Whether labelled options begin under this row, with nothing but unlabelled texts between."""
        for after in range(number + 1, number + 1 + _MOST_LINES):
            if not self.grid.own(after, self.option_column):
                return False
            if self.label(after) is not None:
                return self.label(after) == 0
            if self.grid.counted(after, self.layout) is not None:
                return False
        return False


def _options_within(text: str) -> tuple[str, list[str]]:
    """A cell that holds a question and its options: line by line, or all on one line from A on."""
    before, options = _lines_of(text)
    if options:
        return before, options
    labels: list[re.Match[str]] = []
    for label in _INLINE_LABEL.finditer(text):
        if label[1].lower() == LETTERS[len(labels) : len(labels) + 1]:
            labels.append(label)
    if len(labels) < _FEWEST_INLINE:
        return text, []
    ends = [label.start() for label in labels[1:]] + [len(text)]
    found = [text[label.end() : end] for label, end in zip(labels, ends, strict=True)]
    return text[: labels[0].start()], found


def _own_label(text: str) -> int | None:
    label = _OWN_LABEL.match(text.strip())
    return LETTERS.index(label[1].lower()) if label else None


def _lines_of(text: str) -> tuple[str, list[str]]:
    """A cell that holds labelled options line by line: what stands before them, and the options."""
    before: list[str] = []
    options: list[str] = []
    for line in re.split(r"[\r\n]+", text):
        if _own_label(line) == len(options):
            options.append(_OWN_LABEL.sub("", line.strip(), count=1))
        elif options:
            options[-1] += f"\n{line}"
        else:
            before.append(line)
    return ("\n".join(before), options) if len(options) > 1 else (text, [])
