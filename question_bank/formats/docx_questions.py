"""A question as it is put together from a Word file's lines, and which of its options are marked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from question_bank.formats.docx_labels import LETTERS, letters_only, stars, unlettered_option, without_notes
from question_bank.formats.docx_marks import MARKS
from question_bank.formats.docx_paragraphs import Line, Marked
from question_bank.formats.drafts import Draft, Picture, Place, Problem
from question_bank.formats.judging import level_code, topic_code

# A mark may miss a full stop or a letter at the edge; an emphasised word marks nothing.
_WHOLE = 0.85


@dataclass
class Option:
    """An option: its letter as people see it (0 for A), its label's look, and its lines."""

    letter: int
    style: str
    label_flags: int = 0
    has_star: bool = False
    # Cells may go down the columns, so the letters decide on the order.
    is_in_table: bool = False
    # What stands before it in the file, if that is no letter: a dash, a number.
    lead: str = ""
    lines: list[Marked] = field(default_factory=list)

    @property
    def is_unlettered(self) -> bool:
        """Whether it was typed without a letter: it may turn out to be a statement of the stem."""
        return self.style in ("dash", "number", "truth")

    def add(self, line: Marked) -> None:
        """Continue the option with a line."""
        if line.text:
            self.lines.append(line)

    @property
    def text(self) -> str:
        """The text as it stands, asterisks included."""
        return " ".join(line.text for line in self.lines)

    def starred(self) -> tuple[str, bool]:
        """Return the text without an asterisk at its edges, and whether it carries one."""
        text = self.text
        start, end, has_star = stars(text)
        return (text[start:end].strip(), True) if has_star else (text, self.has_star)

    def is_marked(self, mark: int) -> bool:
        """Tell whether the text as a whole carries a mark."""
        if not self.lines:
            return False
        joined = Marked(
            " ".join(line.text for line in self.lines), b"\x00".join(line.flags for line in self.lines)
        )
        return joined.share(mark) >= _WHOLE


@dataclass
class Question:
    """A question as far as it has been read."""

    where: Place
    number: int | None = None
    stem: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    key_text: str | None = None
    asks_for: str | None = None
    topic: str | None = None
    level: str | None = None
    legal_basis: str | None = None
    explanation: str | None = None

    def draft(self) -> Draft:
        """Return the question for judging, its options at the places that their letters say."""
        letters = {option.letter for option in self.options}
        if len(letters) == len(self.options) and any(option.is_in_table for option in self.options):
            self.options.sort(key=lambda option: option.letter)
        stem, notes = without_notes(" ".join(self.stem))
        texts, marks = self._texts_and_marks()
        places = _places([option.letter for option in self.options])
        options = [""] * (max(places) + 1 if places else 0)
        for place, text in zip(places, texts, strict=True):
            options[place] = text
        problem = self._contradiction(marks)
        return Draft(
            where=self.where,
            stem=stem,
            options=options,
            marks={places[index] for index in marks},
            key_text=self._key_text(places),
            asks_for=self.asks_for,
            topic=topic_code(notes) or self.topic,
            level=notes if level_code(notes) else self.level,
            legal_basis=self.legal_basis,
            explanation=self.explanation,
            pictures=self.pictures,
            problems=[] if problem is None else [problem],
        )

    def _texts_and_marks(self) -> tuple[list[str], set[int]]:
        """The options' texts without asterisks that mark, and the options that are marked."""
        starred = [option.starred() for option in self.options]
        found = {index for index, (_, has_star) in enumerate(starred) if has_star}
        if 0 < len(found) < len(self.options):
            texts = [text for text, _ in starred]
            return texts, found if _agree([found, *_looks(self.options)]) else set()
        return [option.text for option in self.options], marked_options(self.options)

    def _key_text(self, places: Sequence[int]) -> str | None:
        """What the key line says, its letters as places: options may begin at E in Word's numbering."""
        letters = letters_only(self.key_text) if self.key_text else None
        own = [option.letter for option in self.options]
        if letters is None or own == list(places):
            return self.key_text
        named = [LETTERS.index(letter) for letter in letters.upper() if letter in LETTERS]
        if any(own.count(letter) != 1 for letter in named):
            # Two options of one letter, or none: what is meant can't be known.
            return self.key_text if not set(named) & set(own) else "?"
        return ", ".join(LETTERS[places[own.index(letter)]] for letter in named)

    def _contradiction(self, marks: set[int]) -> Problem | None:
        """The problem of a question whose key line names other options than those that are marked."""
        letters = letters_only(self.key_text) if self.key_text else None
        if letters is None or not marks:
            return None
        named = {LETTERS.index(letter) for letter in letters.upper() if letter in LETTERS}
        if named & {self.options[index].letter for index in marks}:
            return None
        shown = ", ".join(LETTERS[self.options[index].letter] for index in sorted(marks))
        reason = f"Dòng đáp án ghi {letters}, nhưng phương án được đánh dấu là {shown}; hãy sửa cho khớp."
        return Problem("missing_key", "error", self.where, reason)


def add_unlettered(question: Question, line: Line, *, may_count: bool) -> bool:
    """Add a line as an option without a letter, if it can be one; letters that follow make it a statement."""
    if line.auto is not None or line.pictures or "table" in line.where:
        return False
    text, place = line.text.text, len(question.options)
    found = unlettered_option(text, place, may_count=may_count)
    if found is None or (question.options and question.options[-1].style != found[0]):
        return False
    style, start = found
    option = Option(place, style, lead=text[:start].strip())
    option.add(line.text.cut(start))
    question.options.append(option)
    return True


def _places(letters: Sequence[int]) -> list[int]:
    """Where the options belong: a missing letter leaves a hole, unless they do not begin with A."""
    is_ascending = all(first < second for first, second in pairwise(letters))
    if letters and letters[0] == 0 and is_ascending:
        return list(letters)
    return list(range(len(letters)))


def _looks(options: Sequence[Option]) -> list[set[int]]:
    """The sets of options that a mark on their whole texts sets apart from the others."""
    return _distinguishing(
        [{index for index, option in enumerate(options) if option.is_marked(mark)} for mark in MARKS],
        len(options),
    )


def marked_options(options: Sequence[Option]) -> set[int]:
    """Return the options that are marked: by their texts or, if these say nothing, by their labels.

    A mark that all options carry, or none, says nothing; marks that contradict each other neither.
    """
    found = _looks(options) or _distinguishing(
        [{index for index, option in enumerate(options) if option.label_flags & mark} for mark in MARKS],
        len(options),
    )
    return found[0] if found and _agree(found) else set()


def _distinguishing(sets: Sequence[set[int]], count: int) -> list[set[int]]:
    # A lone option can't be told from others; its mark is taken, and judging counts the options.
    return [found for found in sets if 0 < len(found) < max(count, 2)]


def _agree(sets: Sequence[set[int]]) -> bool:
    return all(found == sets[0] for found in sets)
