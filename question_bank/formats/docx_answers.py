"""Keys that stand apart from their questions: lists and tables such as "1-B", "2-D"."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from question_bank.formats.docx_labels import answer_pairs, folded, letters_only
from question_bank.formats.docx_paragraphs import Cell, Table
from question_bank.formats.docx_questions import Question
from question_bank.formats.headings import role_of


class Answer(NamedTuple):
    """What a list says of the question of a number: its key, and perhaps why."""

    number: int
    letters: str
    legal_basis: str = ""
    explanation: str = ""


_NUMBER = re.compile(r"(?:cau\s*(?:hoi\s*)?(?:so\s*)?)?(\d{1,4})\s*[.:)]?")
_TITLE = re.compile(
    r"(?:bang |phan )?(?:dap an|phuong an|ket qua)\b.*"
    r"|cau(?: hoi)?(?: so)?|so cau|stt|tt|so tt|d/?a\.?|key|answer"
)
_KEY_TITLE = r"(?:dap an|phuong an)(?: dung| chon)?|d/?a"
_NUMBER_TITLE = r"cau(?: hoi)?(?: so)?|so cau|stt|tt|so tt"


def answers_of_table(table: Table) -> list[Answer] | None:
    """Return the keys that a table lists; None if it is no table of keys."""
    rows = [[_text(cell) for cell in row] for row in table.rows]
    cells = [text for row in rows for text in row if text]
    said = [text for text in cells if not _is_title(text)]
    if not said:
        return None
    pairs = [answer_pairs(text) for text in said]
    if all(pairs):
        return [Answer(*pair) for found in pairs for pair in found]
    if any(_number(text) is None and letters_only(text) is None for text in said):
        return None
    return _zipped(rows) or _zipped(_turned(rows)) or _alternating(rows)


def answers_in_columns(table: Table) -> list[Answer] | None:
    """Return the keys of a table that has more to tell: a column of numbers, one of letters, and others."""
    rows = [[_text(cell) for cell in row] for row in table.rows]
    for place, row in enumerate(rows[:3]):
        titles = [folded(text).strip(" .:") for text in row]
        key = next((column for column, text in enumerate(titles) if re.fullmatch(_KEY_TITLE, text)), None)
        number = next(
            (column for column, text in enumerate(titles) if re.fullmatch(_NUMBER_TITLE, text)), None
        )
        if key is None or number is None:
            continue
        said = [each for each in rows[place + 1 :] if len(each) > max(number, key)]
        said = [each for each in said if each[number] and each[key]]
        notes = {role_of(text)[0]: column for column, text in reversed(list(enumerate(row)))}
        found = [
            Answer(at, letters, _at(each, notes.get("basis")), _at(each, notes.get("explanation")))
            for each in said
            if (at := _number(each[number])) is not None and (letters := letters_only(each[key])) is not None
        ]
        return found if found and len(found) == len(said) else None
    return None


def _at(row: Sequence[str], column: int | None) -> str:
    return row[column] if column is not None and column < len(row) else ""


def _text(cell: Cell) -> str:
    text = cell.text.strip()
    if not text:
        auto = next((line.auto for line in cell.lines if line.auto is not None), None)
        return "" if auto is None or auto.kind not in ("number", "question") else str(auto.value)
    return text


def _is_title(text: str) -> bool:
    return _TITLE.fullmatch(folded(text).strip(" .:")) is not None


def _number(text: str) -> int | None:
    found = _NUMBER.fullmatch(folded(text))
    return None if found is None else int(found[1])


def _turned(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    width = max(len(row) for row in rows)
    return [[row[column] if column < len(row) else "" for row in rows] for column in range(width)]


def _zipped(rows: Sequence[Sequence[str]]) -> list[Answer]:
    """The keys of rows of numbers, each with a row of letters beneath; [] if the rows are no such rows."""
    found: list[Answer] = []
    numbers: Sequence[str] | None = None
    for row in rows:
        said = [text for text in row if text and not _is_title(text)]
        if not said:
            continue
        if all(_number(text) is not None for text in said):
            numbers = row
        elif numbers is not None and all(letters_only(text) is not None for text in said):
            pairs = zip(numbers, row, strict=False)
            found.extend(
                Answer(number, key)
                for text, key in pairs
                if key and (number := _number(text)) and not _is_title(key)
            )
            numbers = None
        else:
            return []
    return found


def _alternating(rows: Sequence[Sequence[str]]) -> list[Answer]:
    """The keys of rows in which each number stands before its letters."""
    found: list[Answer] = []
    for row in rows:
        number: int | None = None
        for text in row:
            if not text or _is_title(text):
                continue
            this = _number(text)
            if this is not None:
                number = this
            elif number is not None:
                found.append(Answer(number, text))
                number = None
    return found


def assign(questions: Sequence[Question], answers: Sequence[Answer]) -> None:
    """Give every question without a key line of its own the key that the lists name for its number.

    Where the numbers begin anew (a second part), the lists must do the same, or count on over all
    questions; a number that several questions carry otherwise has no key.
    """
    for question, answer in _matched(questions, answers):
        if question.key_text is None:
            question.key_text = answer.letters
        question.legal_basis = question.legal_basis or answer.legal_basis or None
        question.explanation = question.explanation or answer.explanation or None


def _matched(questions: Sequence[Question], answers: Sequence[Answer]) -> list[tuple[Question, Answer]]:
    numbers = [question.number or place for place, question in enumerate(questions, start=1)]
    parts = _parts(numbers)
    listed = _parts([answer.number for answer in answers])
    if len(parts) == len(listed):
        return [
            pair
            for part, keys in zip(parts, listed, strict=True)
            for pair in _by_number([(numbers[i], questions[i]) for i in part], [answers[i] for i in keys])
        ]
    counted_on = [answer.number for answer in answers] == list(range(1, len(questions) + 1))
    if counted_on and all(numbers[part[0]] == 1 for part in parts):
        return list(zip(questions, answers, strict=True))
    return _by_number(list(zip(numbers, questions, strict=True)), answers)


def _by_number(
    numbered: Sequence[tuple[int, Question]], answers: Sequence[Answer]
) -> list[tuple[Question, Answer]]:
    carried = Counter(number for number, _ in numbered)
    keys: dict[int, dict[str, Answer]] = {}
    for answer in answers:
        keys.setdefault(answer.number, {}).setdefault(answer.letters, answer)
    return [
        (question, next(iter(keys[number].values())))
        for number, question in numbered
        if carried[number] == 1 and len(keys.get(number, ())) == 1
    ]


def _parts(numbers: Sequence[int]) -> list[list[int]]:
    """The places of the numbers, cut where they begin anew."""
    parts: list[list[int]] = []
    for place, number in enumerate(numbers):
        if not parts or number <= numbers[place - 1]:
            parts.append([])
        parts[-1].append(place)
    return parts
