"""The lines of a document as a whole, and what comes after the one that is being read."""

from collections.abc import Iterator, Sequence

from question_bank.formats.docx_labels import (
    answer_pairs,
    number_label,
    option_label,
    options_after_stem,
    question_label,
)
from question_bank.formats.docx_paragraphs import Line
from question_bank.formats.drafts import Place

FARTHEST = 30  # lines


class Outlook:
    """Where the reading is, and what lies ahead."""

    def __init__(self, lines: Sequence[Line]) -> None:
        """Stand before the first line."""
        self._lines = lines
        self._place = -1
        self._first = {id(line.where): line.text.text for line in reversed(lines)}
        # Whether the file says Câu at all: if so, a bare number hardly begins a question.
        self.has_titles = any(is_titled(line) for line in lines)
        self.has_numbers = self.has_titles or any(
            (line.auto is not None and line.auto.kind == "number") or number_label(line.text.text)
            for line in lines
        )
        # The level at which Word numbers the questions.
        self.depth = min(
            (line.auto.level for line in lines if line.auto and line.auto.kind == "number"), default=0
        )

    def advance(self) -> None:
        """Go to the next line."""
        self._place += 1

    def first_text(self, where: Place) -> str:
        """Return the first line of what stands at a place."""
        return self._first.get(id(where), "")

    def next_line(self) -> Line | None:
        """Return the next line with text."""
        return next(self._following(), None)

    def has_options(self) -> bool:
        """Tell whether an option A comes, on this line or before the next question."""
        if options_after_stem(self._lines[self._place].text.text, 0):
            return True
        for line in self._following():
            text = line.text.text
            label = option_label(text)
            if (label is not None and label.letter == 0) or (line.auto and line.auto.kind == "letter"):
                return True
            if is_titled(line) or number_label(text) is not None or label is not None:
                return False
        return False

    def has_question(self) -> bool:
        """Tell whether the next line begins a question."""
        line = self.next_line()
        return line is not None and (is_titled(line) or number_label(line.text.text) is not None)

    def _following(self) -> Iterator[Line]:
        for place in range(self._place + 1, min(self._place + 1 + FARTHEST, len(self._lines))):
            if self._lines[place].text.text.strip():
                yield self._lines[place]


def is_titled(line: Line) -> bool:
    """Tell whether a line says Câu itself, or Word says it before the line; lists of keys do so too."""
    if line.auto is not None and line.auto.kind == "question":
        return True
    text = line.text.text
    return question_label(text) is not None and not answer_pairs(text)
