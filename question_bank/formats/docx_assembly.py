"""Putting questions together from lines, in one pass over the document with short looks ahead."""

from collections.abc import Sequence
from dataclasses import replace

from question_bank.formats.docx_answers import Answer
from question_bank.formats.docx_headings import Heading, Outline, heading
from question_bank.formats.docx_labels import (
    OptionLabel,
    QuestionLabel,
    answer_pairs,
    answers_title,
    crowded_labels,
    field_line,
    folded,
    key_line,
    key_within,
    kind_named,
    leading_pair,
    letters_only,
    number_label,
    option_label,
    option_labels,
    options_after_stem,
    question_label,
)
from question_bank.formats.docx_marks import BOLD
from question_bank.formats.docx_notes import key_and_note
from question_bank.formats.docx_outlook import Outlook
from question_bank.formats.docx_paragraphs import Line
from question_bank.formats.docx_questions import Option, Question, add_unlettered


class Assembly:
    """The questions and the lists of keys of a document."""

    def __init__(self, lines: Sequence[Line]) -> None:
        """Look over all lines: what the file calls a question decides how bare numbers are read."""
        self.questions: list[Question] = []
        self.answers: list[Answer] = []
        self._ahead = Outlook(lines)
        self._current: Question | None = None
        self._tail: list[tuple[Line, bool]] = []
        self._field: str | None = None
        # Whether a key or a note has come after the options: no more of them follow.
        self._is_finished = False
        self._is_after_gap = self._in_answers = self._expects_key = False
        self._outline = Outline()
        # For "Chủ đề:" and "Mức độ:" lines, whether they stand before the questions that they are about.
        self._stands_before: dict[str, bool] = {}

    def feed(self, line: Line) -> None:
        """Read the next line."""
        self._ahead.advance()
        if line.is_blank:
            self._is_after_gap = True
            return
        if line.text.text.strip():
            self._read(line)
        elif self._current is not None and not self._current.options:
            self._current.pictures.extend(line.pictures)
        self._is_after_gap = False

    def _read(self, line: Line) -> None:
        if self._answer(line) or self._question(line):
            return
        if self._current is None:
            self._outside(line)
            return
        key = key_within(line.text.text)
        if key is not None:
            self.within(replace(line, text=line.text.cut(0, key)))
            line = replace(line, text=line.text.cut(key), auto=None, pictures=())
        self.within(line)

    def within(self, line: Line) -> None:
        """Read a line that belongs to the current question, whatever it begins with."""
        if (parts := key_and_note(line)) is not None:
            self.within(parts[0])
            line = parts[1]
        for reads in (self._key, self._note, self._option):
            if reads(line):
                return
        self._loose(line)

    def open(self, question: Question) -> Question:
        """Begin a question, under the topic and the level of the headings before it."""
        self.close()
        question.topic, question.level = self._outline.topic, self._outline.level
        self.questions.append(question)
        self._current = question
        self._in_answers = self._is_finished = False
        return question

    def close(self) -> None:
        """End the current question."""
        self._settle()
        self._current = None
        self._field = None
        self._expects_key = False

    def topic_row(self, text: str) -> None:
        """Follow a row of a table that is merged over all columns: it names a topic, or none of ours."""
        self.close()
        self._outline.follow_row(text)

    # --- lists of keys -----------------------------------------------------------------------------

    def list_answers(self, answers: Sequence[Answer]) -> None:
        """Take the keys that a table lists."""
        self.close()
        self.answers.extend(answers)

    def _answer(self, line: Line) -> bool:
        text = line.text.text
        is_open = self._current is not None and not self._current.options
        if self._in_answers:
            pairs = self._listed(line)
            if pairs:
                self.answers.extend(Answer(*pair) for pair in pairs)
                return True
        if is_open:
            return False
        said = key_line(text)
        pairs = answer_pairs(said if said else text)
        if len(pairs) > 1 or (pairs and (said or question_label(text) is not None)):
            self.answers.extend(Answer(*pair) for pair in pairs)
            self._in_answers = True
            return True
        if said or not answers_title(text) or not self._announces_answers(text):
            return False
        self.close()
        self._in_answers = True
        return True

    def _listed(self, line: Line) -> list[tuple[int, str]]:
        text = line.text.text
        letters = letters_only(text)
        if letters is not None and line.auto is not None and line.auto.kind in ("number", "question"):
            return [(line.auto.value, letters)]
        pair = leading_pair(text)
        return answer_pairs(text) or ([pair] if pair is not None else [])

    def _announces_answers(self, text: str) -> bool:
        """Whether a list of keys follows, and not the key of this question alone."""
        if self._current is None or "bang" in folded(text):
            return True
        following = self._ahead.next_line()
        if following is None:
            return True
        is_key = letters_only(following.text.text) is not None and following.auto is None
        return (not is_key and question_label(following.text.text) is None) or bool(self._listed(following))

    # --- questions ---------------------------------------------------------------------------------

    def _question(self, line: Line) -> bool:
        text = line.text.text
        label = question_label(text)
        if label is None and line.auto is not None and line.auto.kind == "question":
            label = QuestionLabel(line.auto.value, 0)
        if label is None:
            label = self._bare_label(line)
        if label is None:
            return False
        question = self.open(Question(line.where, label.number))
        if label.note:
            question.stem.append(f"({label.note})")
        question.pictures.extend(line.pictures)
        rest = replace(line, text=line.text.cut(label.end), auto=None, pictures=())
        self.stem_line(rest)
        return True

    def stem_line(self, line: Line) -> None:
        """Add a line to the current stem; the options may begin on it."""
        if self._current is None:
            return
        labels = options_after_stem(line.text.text, 0)
        end = labels[0].start if labels else len(line.text.text)
        # Back over a bracket or an asterisk that belongs to the label.
        while labels and end > 0 and not line.text.text[end - 1].isspace():
            end -= 1
        stem = line.text.cut(0, end).text
        if stem:
            self._current.stem.append(stem)
        self._current.pictures.extend(line.pictures)
        if labels:
            self.within(replace(line, text=line.text.cut(end), auto=None, pictures=()))

    def _bare_label(self, line: Line) -> QuestionLabel | None:
        """The label of a line that begins with a number only, if it can be a question's."""
        if line.auto is not None and line.auto.kind == "number":
            return self._auto_number(line)
        label = number_label(line.text.text) if line.auto is None else None
        if label is None:
            return None
        current = self._current
        if current is None:
            return label if not self._ahead.has_titles or self._ahead.has_options() else None
        follows_on = label.number == (current.number or 0) + 1
        if self._field in ("legal_basis", "explanation") and not self._is_after_gap:
            follows_on = False  # an explanation may have numbered lines
        if not current.options or current.options[-1].is_unlettered:
            return label if follows_on and not self._ahead.has_titles else None
        if follows_on and not self._ahead.has_titles:
            return label
        return label if self._ahead.has_options() else None

    def _auto_number(self, line: Line) -> QuestionLabel | None:
        auto, current = line.auto, self._current
        if auto is None or self._ahead.has_titles or auto.level > self._ahead.depth:
            return None
        if (
            current is not None
            and not current.options
            and number_label(self._ahead.first_text(current.where))
        ):
            return None
        return QuestionLabel(auto.value, 0)

    # --- what belongs to a question ----------------------------------------------------------------

    def _key(self, line: Line) -> bool:
        question = self._current
        said = key_line(line.text.text)
        if question is None:
            return False
        if said is None:
            letters = letters_only(line.text.text) if self._expects_key and line.auto is None else None
            if letters is None:
                return False
            said = letters
        elif not question.options and self._ahead.has_options() and letters_only(said) is None:
            return False
        self._settle()
        self._field = None
        self._is_finished = bool(question.options)
        self._expects_key = not said
        if question.key_text is None or not question.key_text:
            question.key_text = said if said else None
        elif said:
            # Two different keys are none.
            question.key_text = said if letters_only(said) == letters_only(question.key_text) else "?"
        return True

    def _note(self, line: Line) -> bool:
        """Read "Căn cứ:", "Giải thích:", "Mức độ:", …; some of them may be headings."""
        found = field_line(line.text.text)
        question = self._current
        if found is None or question is None:
            return False
        name, said = found
        if name in ("topic", "level"):
            if self._is_heading_note(name, line):
                self._take(heading(line.text.text) or Heading("", None, None, is_certain=True), said)
                return True
            setattr(question, name, said)
        elif name == "kind":
            question.asks_for = kind_named(said)
        else:
            setattr(question, name, said)
        self._settle()
        self._field = name
        self._is_finished = bool(question.options)
        return True

    def _is_heading_note(self, name: str, line: Line) -> bool:
        question = self._current
        if question is not None and not question.options:
            return False
        return self._stands_before.setdefault(name, False) or self._looks_like_title(line)

    def _option(self, line: Line) -> bool:
        question = self._current
        if question is None:
            return False
        text = line.text.text
        labels = option_labels(text)
        if labels and len(labels) == 1 and not question.options and not self._is_letter_next(labels[0]):
            labels = crowded_labels(text) or labels
        if not labels:
            return self._auto_option(line) or self._unlettered_option(line)
        if not self._accepts(labels[0].letter, _style_of(labels[0]), line):
            return False
        for place, label in enumerate(labels):
            end = labels[place + 1].start if place + 1 < len(labels) else len(text)
            self._add(line, label, end, has_next=place + 1 < len(labels))
        return True

    def _is_letter_next(self, label: OptionLabel) -> bool:
        """Whether the next line has the option that comes after this one."""
        following = self._ahead.next_line()
        after = None if following is None else option_label(following.text.text)
        return after is not None and after.letter == label.letter + 1

    def _add(self, line: Line, label: OptionLabel, end: int, *, has_next: bool) -> None:
        if self._current is None:
            return
        text = line.text.text
        has_star = label.has_star
        if has_next:
            # What stands directly before the next letter is that label's bracket or asterisk.
            while end > label.end and not text[end - 1].isspace():
                end -= 1
        flags = line.text.flags[label.start]
        option = Option(label.letter, _style_of(label), flags, has_star, "table" in line.where)
        option.add(line.text.cut(label.end, end))
        self._current.options.append(option)

    def _auto_option(self, line: Line) -> bool:
        question, auto = self._current, line.auto
        if question is None or auto is None or auto.kind not in ("letter", "number", "bullet"):
            return False
        if self._field is not None and auto.kind != "letter":
            return False
        is_letter = auto.kind == "letter"
        style = f"auto-{auto.level}-{'upper' if auto.is_upper else 'lower'}" if is_letter else "list"
        if is_letter:
            letter = auto.value - 1
            if not 0 <= letter < 26 or not self._accepts(letter, style, line, is_auto=True):
                return False
        else:
            if question.options and question.options[-1].style != style:
                return False
            letter = len(question.options)
        option = Option(letter, style, line.auto_flags)
        option.add(line.text.cut(0))
        question.options.append(option)
        return True

    def _unlettered_option(self, line: Line) -> bool:
        if self._current is None or self._field is not None or self._is_finished:
            return False
        return add_unlettered(self._current, line, may_count=self._ahead.has_titles)

    def _accepts(self, letter: int, style: str, line: Line, *, is_auto: bool = False) -> bool:
        """Whether an option's label fits here; what came before is put in order for it."""
        question = self._current
        if question is None:
            return False
        if not question.options:
            self._field = None
            return is_auto or letter == 0 or "table" in line.where
        last = question.options[-1]
        if letter == 0 and style != last.style and not self._is_finished:
            # What looked like options were statements of the stem.
            question.stem.extend(self._statements(question))
            question.options.clear()
            return True
        if letter == 0 and (len(question.options) > 1 or self._is_finished):
            self._open_unlabelled(line)
            return True
        is_next = last.letter < letter <= last.letter + 2 or letter == last.letter
        is_beside = "table" in line.where and letter not in {option.letter for option in question.options}
        if not (is_next or is_beside) or self._is_finished:
            return False
        for tail, _ in self._tail:
            last.add(tail.text.cut(0))
        self._tail.clear()
        return True

    def _statements(self, question: Question) -> list[str]:
        """The stem's statements with the labels that they have in the file, typed ones at least."""
        said = []
        for option in question.options:
            letter = chr(ord("a") + option.letter)
            label = {"lower": f"{letter}) ", "upper": f"{letter.upper()}. "}.get(option.style, "")
            label = f"{option.lead} " if option.lead else label
            said.append(f"{label}{option.text}")
        said.extend(tail.text.text.strip() for tail, _ in self._tail)
        self._tail.clear()
        return said

    def _open_unlabelled(self, line: Line) -> None:
        """Begin a question without a label: its options begin anew, its stem is what stood before them."""
        lines = [tail for tail, _ in self._tail]
        self._tail = []
        question = self.open(Question(lines[0].where if lines else line.where))
        for each in lines:
            question.stem.append(each.text.text.strip())
            question.pictures.extend(each.pictures)

    def _loose(self, line: Line) -> None:
        """Read a line without a label: more of what stands before it, or a heading."""
        question = self._current
        if question is None:
            return
        text = line.text.cut(0)
        if not question.options:
            found = heading(text.text)
            if found is not None and found.is_certain and self._ahead.has_question():
                self._take(found)
            else:
                self.stem_line(line)
            return
        found = heading(text.text)
        if found is not None and (found.is_certain or self._looks_like_title(line)):
            self._take(found)
        elif self._field in ("legal_basis", "explanation") and not self._is_after_gap:
            setattr(question, self._field, f"{getattr(question, self._field)} {text.text}")
        elif not question.options[-1].lines and not self._is_finished:
            question.options[-1].add(text)
        else:
            self._tail.append((line, self._is_after_gap))

    def _settle(self) -> None:
        """Decide on the lines after the last option: they go on with it if they stand directly below."""
        question = self._current
        if question is not None and question.options and not self._is_finished:
            for line, is_apart in self._tail:
                if is_apart or self._looks_like_title(line) or heading(line.text.text) is not None:
                    break
                question.options[-1].add(line.text.cut(0))
        self._tail.clear()

    # --- headings ----------------------------------------------------------------------------------

    def _looks_like_title(self, line: Line) -> bool:
        text = line.text.text.strip()
        if line.is_title or (text.isupper() and sum(char.isalpha() for char in text) > 3):
            return True
        options = self._current.options if self._current is not None else []
        return line.text.share(BOLD) == 1 and not (options and options[-1].is_marked(BOLD))

    def _outside(self, line: Line) -> None:
        label = None if self._ahead.has_numbers else option_label(line.text.text)
        if label is not None and label.letter == 0 and self._tail:
            self._open_unlabelled(line)
            self.within(line)
            return
        self._tail = [] if self._is_after_gap else self._tail
        if not self._looks_like_title(line):
            self._tail.append((line, self._is_after_gap))
        found = field_line(line.text.text)
        if found is not None and found[0] in ("topic", "level"):
            self._stands_before.setdefault(found[0], True)
            if found[0] == "level":
                self._outline.set_level(found[1])
                return
        told = heading(line.text.text)
        if told is not None:
            self._take(told, found[1] if found is not None else None)

    def _take(self, told: Heading, said: str | None = None) -> None:
        """End the current question and follow a heading."""
        self.close()
        self._outline.follow(told, said)


def _style_of(label: OptionLabel) -> str:
    return "upper" if label.is_upper else "lower"
