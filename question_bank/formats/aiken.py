"""Aiken, the plainest of Moodle's text formats: a stem, lettered options, “ANSWER: B”."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from question_bank.formats.drafts import Draft, Reading, UnreadableFile
from question_bank.formats.gift import decoded
from question_bank.formats.judging import judge
from question_bank.formats.markup import text_of_html
from question_bank.formats.moodle_xml import check_length, check_number
from question_bank.items import Item
from question_bank.text import clean_text

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_OPTION = re.compile(r"([A-Z])[.)](?:\s+(.*)|$)", re.DOTALL)
# Without a space only where this very letter is due: “U.B.N.D.” is no option.
_TIGHT_OPTION = re.compile(r"([A-Z])[.)](.*)", re.DOTALL)
_ANSWER = re.compile(r"(?:ANSWERS?|ĐÁP ÁN)\s*:(.*)", re.IGNORECASE | re.DOTALL)


@dataclass
class _Question:
    """A question as far as it has been read."""

    line: int = 0
    stem: list[str] = field(default_factory=list)
    options: list[tuple[str, str]] = field(default_factory=list)

    @property
    def due(self) -> str:
        """The letter of the next option."""
        letter = LETTERS.find(self.options[-1][0]) + 1 if self.options else 0
        return LETTERS[letter] if letter < len(LETTERS) else ""


def read(content: bytes) -> Reading:
    """Return what an Aiken file holds; raises UnreadableFile if it is no text or has no such question."""
    lines = [clean_text(line) for line in decoded(content).split("\n")]
    drafts = _drafts(lines)
    if any(lines) and not any(draft.options or draft.key_text for draft in drafts):
        raise UnreadableFile("Không thấy câu hỏi nào theo định dạng Aiken (A. …, B. …, ANSWER: B) trong tệp.")
    check_number(len(drafts))
    return judge(drafts)


def _drafts(lines: Sequence[str]) -> list[Draft]:
    drafts: list[Draft] = []
    question = _Question()
    follows = _next_letters(lines)
    was_blank = False
    for place, line in enumerate(lines):
        if not line:
            was_blank = True
            continue
        if answer := _ANSWER.fullmatch(line):
            if question.line:
                drafts.append(_draft(question, answer[1]))
            question, was_blank = _Question(), False
            continue
        if option := _option(line, question):
            question.options.append(option)
        elif question.options and not was_blank and follows[place] in ("ANSWER", question.due):
            letter, text = question.options[-1]
            question.options[-1] = (letter, f"{text} {line}")
        else:
            if question.options or (question.stem and was_blank):
                # A title stands before the first question; anywhere else something is missing.
                drafts += [_draft(question, "")] if question.options or drafts else []
                question = _Question()
            question.stem.append(line)
        question.line = question.line or place + 1
        was_blank = False
    if question.options or (question.stem and drafts):
        drafts.append(_draft(question, ""))
    return drafts


def _option(line: str, question: _Question) -> tuple[str, str] | None:
    """Return the letter and the text of an option line; the first option is A, after a stem."""
    if spaced := _OPTION.fullmatch(line):
        is_option = bool(question.options) or spaced[1] == "A"
        return (spaced[1], spaced[2] or "") if is_option else None
    tight = _TIGHT_OPTION.fullmatch(line)
    if tight and tight[1] == question.due and question.stem:
        return tight[1], tight[2]
    return None


def _next_letters(lines: Sequence[str]) -> list[str]:
    """Return for each line the letter of the next option line, or ANSWER if that comes first."""
    letters: list[str] = []
    following = ""
    for line in reversed(lines):
        letters.append(following)
        if _ANSWER.fullmatch(line):
            following = "ANSWER"
        elif labelled := _OPTION.fullmatch(line):
            following = labelled[1]
    return letters[::-1]


def _draft(question: _Question, key: str) -> Draft:
    draft = Draft(
        where={"line": question.line},
        stem=" ".join(question.stem),
        options=_in_places(question),
        key_text=key,
    )
    letter = clean_text(key)
    if len(letter) == 1 and 0 <= LETTERS.find(letter) < len(draft.options):
        # A letter is a place here, even where it is also what another option says.
        draft.marks, draft.key_text = {LETTERS.index(letter)}, None
    check_length(draft)
    return draft


def _in_places(question: _Question) -> list[str]:
    """Return the options, each at its letter's place with empty texts for letters left out."""
    places = [LETTERS.index(letter) for letter, _ in question.options]
    texts = [text for _, text in question.options]
    if places != sorted(set(places)):
        return texts
    return [
        texts[places.index(place)] if place in places else "" for place in range(max(places, default=-1) + 1)
    ]


def can_say(item: Item) -> bool:
    """Tell whether Aiken has the words for an item: one right option, no line that reads as another."""
    lines = [_line(item.stem), *(_line(option.text) for option in item.options)]
    is_misread = _ANSWER.fullmatch(lines[0]) or _option(lines[0], _Question())
    return item.kind != "multiple" and not is_misread and all(lines) and len(item.options) <= len(LETTERS)


def write(items: Iterable[Item]) -> bytes:
    """Return the items as an Aiken file; those that Aiken can't say are left out (see can_say)."""
    return "\r\n".join(_written(item) for item in items if can_say(item)).encode()


def _written(item: Item) -> str:
    options = [f"{LETTERS[place]}. {_line(option.text)}" for place, option in enumerate(item.options)]
    return "\r\n".join([_line(item.stem), *options, f"ANSWER: {LETTERS[item.key[0]]}", ""])


def _line(text: str) -> str:
    return clean_text(text_of_html(text))
