"""What a key cell or a line "Đáp án: …" says: letters, numbers, or an option's own text."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from question_bank.text import clean_text, fold

LETTERS = "abcdefghijkl"
_TRUE, _FALSE = {"đúng", "đ", "true", "t"}, {"sai", "s", "false", "f"}

# "Đáp án đúng là", "Phương án", "PA", "Cả", … before the label itself.
_LEAD = re.compile(
    r"(?<![a-z])(?:cac |nhung )?(?:dap an|phuong an|lua chon|cau tra loi|tra loi|cau|chon|key|d/a|da|pa|y|ca"
    r"|option|answer|choice|la|dung|so|thu)(?![a-z])[\s:.\-–]*"
)
_SEPARATORS = re.compile(r"(?:[\s,;/&+|.)\]]|\bva\b|\bvoi\b|\band\b)+")
_LABEL = re.compile(r"[(\[]?\s*([a-z]+|\d+(?:[.,]0+)?)\s*")
_LABELLED = re.compile(r"[(\[]?([A-Za-z]|\d{1,2})\s*[.):\]\-–]\s*(\S.*)", re.DOTALL)
# Dates and decimals are no lists of numbers.
_NO_KEY = re.compile(r"\d{1,2}[/-]\d{1,2}[/-]\d{2,4}|\d{4}-\d{1,2}-\d{1,2}|\d\.0*[1-9]")
_NO_WORD = re.compile(r"[\W_]+")
_NOT_BETWEEN_NUMBERS = re.compile(r"(?<!\d) +| +(?!\d)")
_PARTS = re.compile(r"[;|\r\n\v\f\u2028\u2029]+")


class KeyFault(Exception):
    """No key can be had from the text: the problem's kind, and a sentence about it."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


def label_of(index: int) -> str:
    """Return the letter under which people know an option: A for 0."""
    return LETTERS[index].upper() if index < len(LETTERS) else str(index + 1)


def truth_of(text: str) -> bool | None:
    """Return what a text says of Đúng and Sai, None if it is neither."""
    word = clean_text(text).lower().rstrip(".;,! ")
    return True if word in _TRUE else False if word in _FALSE else None


def squeezed(text: str) -> str:
    """Return the text without case, Vietnamese marks, spaces and punctuation; numbers stay apart.

    Signs that change what is said (%, <, =, …) stay.
    """
    return _NOT_BETWEEN_NUMBERS.sub("", _NO_WORD.sub(_blank_or_sign, fold(clean_text(text))))


def _blank_or_sign(found: re.Match[str]) -> str:
    return "".join(char for char in found[0] if char == "%" or unicodedata.category(char)[0] == "S") or " "


def read_key(text: str, options: Sequence[str]) -> set[int]:
    """Return the indices of the options that a key names; raises KeyFault if it can't be read.

    `options` are as they stand in the file, holes as empty texts, so that a letter finds its place.
    """
    said = clean_text(text)
    if not said:
        raise KeyFault("missing_key", "Câu hỏi chưa có đáp án.")
    named = _label_indices(said)
    by_text = _equal(said, options) if named is not None else _matching(said, options)
    is_place = named is not None and len(named) == 1 and max(named) < len(options)
    if by_text is not None and is_place and named != {by_text}:
        raise KeyFault(
            "missing_key",
            f"Đáp án “{said}” vừa là thứ tự, vừa là nội dung của một phương án khác; hãy ghi bằng chữ cái.",
        )
    # "F" is the sixth option where there is one, else a word for Sai.
    by_label = named if is_place else _truth(said, options) or named
    found = {by_text} if by_text is not None else by_label
    if found is None:
        found = _labelled_text(said, options) or _several_texts(text, options)
    if not found:
        raise KeyFault("missing_key", f"Không đọc được đáp án từ nội dung “{_short(said)}”.")
    check_named(found, options)
    return found


def check_named(marks: set[int], options: Sequence[str]) -> None:
    """Raise KeyFault if a mark stands at an option that is not there, or is empty."""
    missing = sorted(mark for mark in marks if not 0 <= mark < len(options) or not clean_text(options[mark]))
    if missing:
        names = ", ".join(label_of(mark) if mark >= 0 else "0" for mark in missing)
        raise KeyFault(
            "key_out_of_range", f"Đáp án chỉ đến phương án {names}, nhưng câu hỏi không có phương án này."
        )


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"


def _matching(text: str, options: Sequence[str]) -> int | None:
    """The one option whose text this is: letter for letter first, then without marks and punctuation."""
    found = _equal(text, options)
    return found if found is not None else _only(squeezed(text), [squeezed(option) for option in options])


def _equal(text: str, options: Sequence[str]) -> int | None:
    return _only(text.casefold(), [clean_text(option).casefold() for option in options])


def _only(wanted: str, texts: Sequence[str]) -> int | None:
    return texts.index(wanted) if wanted and texts.count(wanted) == 1 else None


def _label_indices(text: str) -> set[int] | None:
    """The options that "B", "A, C", "Đáp án: b)", "1; 2; 3", "2.0" or "ACD" name; None for other texts."""
    folded = fold(unicodedata.normalize("NFKC", text)) if "đ" not in _bare(text) else ""
    if _NO_KEY.search(folded):
        return None
    folded = _LEAD.sub("", folded)
    found: set[int] = set()
    place = 0
    while place < len(folded):
        label = _LABEL.match(folded, place)
        if label is None:
            return None
        indices = _indices_of(label[1])
        end = label.end()
        gap = _SEPARATORS.match(folded, end)
        if indices is None or (gap is None and end < len(folded) and not label[0][-1:].isspace()):
            return None
        found |= indices
        place = gap.end() if gap else end
    return found or None


def _bare(text: str) -> str:
    """The text when it is one letter and its brackets: Đ is not D."""
    word = text.strip(" .()[]").lower()
    return word if len(word) == 1 else ""


def _indices_of(label: str) -> set[int] | None:
    if label[0].isdigit():
        return {int(re.split("[.,]", label)[0][:9]) - 1}
    if not all(letter in LETTERS for letter in label):
        return None
    if any(first >= second for first, second in pairwise(label)):
        return None  # "ba", "aa": a word, not letters in a row
    return {LETTERS.index(letter) for letter in label}


def _truth(text: str, options: Sequence[str]) -> set[int] | None:
    says = truth_of(text)
    found = {index for index, option in enumerate(options) if says is not None and truth_of(option) is says}
    return found if len(found) == 1 else None


def _labelled_text(text: str, options: Sequence[str]) -> set[int] | None:
    """ "B. 02 mức độ": the label and the whole text of one and the same option."""
    labelled = _LABELLED.fullmatch(text)
    if labelled is None:
        return None
    named, by_text = _label_indices(labelled[1]), _matching(labelled[2], options)
    return named if by_text is not None and named == {by_text} else None


def _several_texts(text: str, options: Sequence[str]) -> set[int] | None:
    """Several whole texts, one a line or between semicolons."""
    parts = [part for part in _PARTS.split(text) if clean_text(part)]
    if not 2 <= len(parts) <= len(options):
        return None
    found: set[int] = set()
    for part in parts:
        index = _matching(clean_text(part), options)
        marks = {index} if index is not None else _labelled_text(clean_text(part), options)
        if not marks:
            return None
        found |= marks
    return found
