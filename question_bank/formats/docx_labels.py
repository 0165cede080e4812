"""What a line of a question paper says: a question's number, an option's letter, a key, a note.

Words are matched without case and accents; letters of options as they stand, so that Đ is not D.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from question_bank.formats.judging import level_code
from question_bank.formats.keys import truth_of
from question_bank.text import fold

LETTERS = "ABCDEFGHIJKL"

# Also as fonts from before Unicode show it, so that judging can say what is wrong with the text.
_QUESTION = re.compile(
    r"\s*(?:(?:cau|c©u|caau)(?:\s*(?:hoi|hai|houi))?(?:\s*(?:so|thu))?|question)\s*(\d{1,4})(?:[.,]\d{1,3}(?=\s*[.:)/]))?"
    r"(?P<note>\s*[(\[][^()\[\]]{1,60}[)\]](?=\s*[.:)/]))?"
    r"(?:\s*[.:)/]+|\s*[-–—](?=\s)|(?=\s*[(\[])|\s*\Z|(?P<open>\s+))\s*[:.]?\s*"
)
_NUMBER = re.compile(r"\s*(\d{1,3})\s*[.):/](?!\d)\s*")
_STAR = r"(?P<star>\(\*\)|\*+|[☑✓✔])?"
_OPTION = re.compile(
    rf"\s*{_STAR}\s*(?:[Pp]h[uư][oơ]ng\s+[aá]n\s+)?[(\[]?(?P<letter>[A-La-l])"
    r"(?P<inner>\*+)?(?:\.\)|\s?[.):\]](?![.:])|/(?=\s)|\s?[-–](?=\s))\s*"
)
_LONGEST_TRUTH = 6
_DASH = re.compile(r"\s*[-–—+•▪●]\s+(?=\S)")
_LEADING_STAR = re.compile(r"\s*(?:\(\*\)|\*+|[☑✓✔])\s*(?=\S)")
_TRAILING_STAR = re.compile(r"(?<=\S)\s*(?:\(\*\)|\*+|[☑✓✔])[\s.;]*\Z")
_LONGEST_TAIL = 20
# Where another label may begin on the same line.
_GAP = re.compile(r"[ ]*\t\s*|[ ]{2,}\s*")

_LETTER_SET = r"[A-La-l](?:\s*(?:[,;&+/]|và|\s)\s*[A-La-l]|[A-L])*"
_KEY = re.compile(
    r"\W*(?:dap an(?:\s+(?:dung|chinh xac|phu hop|nhat|can chon|la|nay))*|phuong an dung(?:\s+la)?"
    r"|cau tra loi(?:\s+dung)?(?:\s+la)?|tra loi(?:\s+dung)?|chon(?:\s+(?:dap an|phuong an|cau))?(?:\s+dung)?"
    r"|(?:correct )?answer|key|ans)\s*(?:\([^()]*\)\s*)?[:=]\s*"
)
_SHORT_KEY = re.compile(r"\W*(?:ĐA|Đ/A|Đ\.A\.?)\s*[:=]\s*")
_BARE_KEY = re.compile(
    r"\W*(?:(?:dap an(?:\s+(?:dung|chinh xac))?|phuong an dung)(?:\s+la)?"
    r"|chon(?:\s+(?:dap an|phuong an|cau))?)\s*[.\-–—]?\s+"
)
_ARROW_KEY = re.compile(r"\s*(?:[→⇒]|[=-]+>)\s*[(\[]?([A-L](?:\s*[,;&]\s*[A-L])*)[\s.)\]]*")
_ANSWERS_TITLE = re.compile(
    r"[^\w]*(?:(?:bang|phan|phieu|danh sach|goi y)\s+)*(?:tong hop\s+)?(?:dap an)\b[^:?]{0,60}:?\s*\W*\Z"
)
_PAIR = re.compile(
    rf"(?:c[aâ]u\s*(?:h[oỏ]i\s*)?(?:s[oố]\s*)?)?(?P<number>\d{{1,4}})\s*[-–—.:)/=>→]*\s*"
    rf"[(\[]?(?P<letters>{_LETTER_SET})[)\]]?(?!\w)\s*(?:[.,;|/]|\s)*",
    re.IGNORECASE,
)
_LEADING_PAIR = re.compile(
    r"\s*(?:c[aâ]u\s*(?:h[oỏ]i\s*)?(?:s[oố]\s*)?)?(?P<number>\d{1,4})\s*[-–—.:)/=>→]+\s*"
    r"(?P<letters>[A-L](?:\s*[,;&+]\s*[A-L]|[A-L])*)\s*(?:[.,;:)(–—-]|\Z)",
    re.IGNORECASE,
)
_LETTERS_ONLY = re.compile(rf"\s*[(\[]?({_LETTER_SET})[)\]]?[\s.;,]*")

_FIELDS = {
    "legal_basis": r"(?:can cu(?:\s+phap\s+(?:ly|luat))?|co so phap ly|nguon(?:\s+trich\s*dan)?|trich dan)",
    "explanation": r"(?:(?:loi\s+)?giai thich(?:\s+(?:dap an|them))?|loi giai|huong dan giai|ly giai)",
    "topic": r"(?:chu de|linh vuc|chuyen de)",
    "level": r"(?:muc do|cap do)(?:\s+(?:nhan thuc|kien thuc|cau hoi|tu duy))?",
    "kind": r"(?:loai|dang|kieu)(?:\s+cau hoi)?",
}
_FIELD = re.compile(
    r"[\s(\[*•\-–+]*(?:" + "|".join(f"(?P<{name}>{words})" for name, words in _FIELDS.items()) + r")\s*:\s*"
)
_NOTE_WITHIN = re.compile(rf"\b(?:{_FIELDS['legal_basis']}|{_FIELDS['explanation']})\s*:")
LEVEL_WORDS = r"(?:nb|th|vd|nhan biet|thong hieu|van dung)"
_NOTE_WORD = rf"(?:{LEVEL_WORDS}|t\s?(?:1[0-2]|0?[1-9])|muc(?: do)?|chu de)"
_NOTE_BODY = rf"[(\[]\s*(?P<said>{_NOTE_WORD}(?:[\s,;|/:.\-–]+{_NOTE_WORD})*)\s*[)\]]"
_MOST_NOTES, _LONGEST_NOTE = 4, 80
_NOTE_FIRST = re.compile(rf"\s*{_NOTE_BODY}\s*[.:\-–]?\s*")
_NOTE_LAST = re.compile(rf"\s*{_NOTE_BODY}[\s.]*\Z")


@lru_cache(maxsize=4096)
def _folded_char(char: str) -> str:
    folded = fold(char)
    return folded if len(folded) == 1 else char


def folded(text: str) -> str:
    """Return the text without case and accents, every character at its place."""
    return "".join(map(_folded_char, text))


@dataclass(frozen=True)
class QuestionLabel:
    """ "Câu 5 (NB):": the number, where the text begins, and the level's note between them."""

    number: int
    end: int
    note: str = ""


def question_label(text: str) -> QuestionLabel | None:
    """Return the label "Câu 1.", "Câu hỏi 1:", … that a text begins with."""
    found = _QUESTION.match(folded(text))
    if found is None:
        return None
    if found["open"] and not re.match(r"[^\W\d_]|[“\"‘'(]", text[found.end() :]):
        return None
    if found["open"] and text[found.end()].islower():
        return None  # "Câu 5 và câu 6 dùng chung …"
    note = (found["note"] or "").strip().strip("()[]")
    if note and not (level_code(note) or "diem" in note):
        return QuestionLabel(int(found[1]), found.start("note"))
    return QuestionLabel(int(found[1]), found.end(), note if level_code(note) else "")


def number_label(text: str) -> QuestionLabel | None:
    """Return the bare label "1.", "1)" that a text begins with."""
    found = _NUMBER.match(text)
    return None if found is None else QuestionLabel(int(found[1]), found.end())


@dataclass(frozen=True)
class OptionLabel:
    """ "A.", "b)", "*C.": the letter, where it stands and where the text begins."""

    letter: int
    start: int
    end: int
    is_upper: bool
    has_star: bool


def option_label(text: str, start: int = 0) -> OptionLabel | None:
    """Return the label of an option that stands at a place of a text."""
    found = _OPTION.match(text, start)
    if found is None:
        return None
    letter = found["letter"]
    end = found.end()
    return OptionLabel(
        LETTERS.index(letter.upper()),
        found.start("letter"),
        end,
        letter.isupper(),
        bool(found["star"] or found["inner"]),
    )


def option_labels(text: str, first: int = 0) -> list[OptionLabel]:
    """Return the labels of the options on one line: at its start, and after tabs or several blanks.

    Those on the rest of the line must follow each other in the alphabet.
    """
    label = option_label(text, first)
    return [] if label is None else [label, *_following(text, label)]


def _following(text: str, label: OptionLabel) -> list[OptionLabel]:
    found = []
    for gap in _GAP.finditer(text, label.end):
        after = option_label(text, gap.end())
        if after is not None and after.letter == label.letter + 1 and gap.end() >= label.end:
            found.append(after)
            label = after
    return found


def crowded_labels(text: str) -> list[OptionLabel]:
    """Return the labels of a line whose options stand only one blank apart, from A on; [] if it has none."""
    label = option_label(text)
    found: list[OptionLabel] = []
    while label is not None:
        found.append(label)
        wanted = LETTERS[len(found) : len(found) + 1] if label.is_upper else ""
        after = re.compile(rf"\s(?={wanted}[.)])").search(text, label.end) if wanted else None
        label = None if after is None else option_label(text, after.end())
    return found if len(found) > 1 and found[0].letter == 0 else []


def options_after_stem(text: str, first: int) -> list[OptionLabel]:
    """Return the labels of the options that stand on the stem's own line, from A on; [] if there are none."""
    for gap in _GAP.finditer(text, first):
        label = option_label(text, gap.end())
        if label is not None and label.letter == 0:
            found = [label, *_following(text, label)]
            if len(found) > 1:
                return found
    return []


def unlettered_option(text: str, place: int, *, may_count: bool) -> tuple[str, int] | None:
    """Return the look and the start of an option without a letter; None if it is none.

    It stands behind a dash or, if `may_count`, behind its number; Đúng and Sai stand for themselves.
    """
    if 1 < len(text.strip(" .;,")) <= _LONGEST_TRUTH and truth_of(text) is not None:
        return "truth", 0
    dash = _DASH.match(text)
    if dash is not None:
        return "dash", dash.end()
    label = number_label(text) if may_count else None
    return ("number", label.end) if label is not None and label.number == place + 1 else None


def stars(text: str) -> tuple[int, int, bool]:
    """Return where the text begins and ends without an asterisk at its edges, and whether there is one."""
    first = _LEADING_STAR.match(text)
    start = first.end() if first else 0
    tail = max(start, len(text) - _LONGEST_TAIL)
    last = _TRAILING_STAR.search(text, tail)
    end = last.start() if last and last.start() > start else len(text)
    return start, end, start > 0 or end < len(text)


def key_line(text: str) -> str | None:
    """Return what a line "Đáp án: B" says after its label; None if the line is no such line."""
    plain = folded(text)
    found = _KEY.match(plain) or _SHORT_KEY.match(text)
    if found is not None:
        return _closed(text[found.end() :].strip())
    bare = _BARE_KEY.match(plain)
    if bare is not None and (
        letters := re.fullmatch(r"[(\[]?([A-L](?:\s*[,;&]\s*[A-L]|[A-L])*|[a-l])\W*", text[bare.end() :])
    ):
        return letters[1]
    arrow = _ARROW_KEY.fullmatch(text)
    return arrow[1] if arrow else None


def key_before_note(text: str) -> int | None:
    """Return where the note of a line such as "Đáp án: A. Căn cứ: Điều 7" begins; None for other lines."""
    if ":" not in text:
        return None
    plain = folded(text)
    if not (_KEY.match(plain) or _BARE_KEY.match(plain)):
        return None
    note = _NOTE_WITHIN.search(plain)
    if note is None:
        return None
    said = key_line(text[: note.start()].rstrip(" .;,([-–—"))
    return note.start() if said and letters_only(said) is not None else None


def key_within(text: str) -> int | None:
    """Return where, after tabs or several blanks, a key stands at the end of a line."""
    plain = folded(text)
    for gap in _GAP.finditer(plain):
        if plain.startswith(("dap an", "(dap an", "answer"), gap.end()) and _KEY.match(plain, gap.end()):
            return gap.end()
    return None


def _closed(text: str) -> str:
    """The text without the bracket that was opened before it."""
    return text[:-1].rstrip() if text.endswith((")", "]")) and not re.search(r"[(\[]", text) else text


def letters_only(text: str) -> str | None:
    """Return the letters of a text that says nothing else: "B", "A, C", "(D)"."""
    found = _LETTERS_ONLY.fullmatch(text)
    return found[1] if found else None


def answers_title(text: str) -> bool:
    """Tell whether a line stands above a list of keys: "BẢNG ĐÁP ÁN"."""
    return _ANSWERS_TITLE.match(folded(text)) is not None


def answer_pairs(text: str) -> list[tuple[int, str]]:
    """Return the pairs of a text that consists of nothing else: "1-B", "1.B 2.D", "Câu 1: A, C"."""
    pairs: list[tuple[int, str]] = []
    text = text.strip()
    place = 0
    while place < len(text):
        found = _PAIR.match(text, place)
        if found is None:
            return []
        pairs.append((int(found["number"]), found["letters"]))
        place = found.end()
    return pairs


def leading_pair(text: str) -> tuple[int, str] | None:
    """Return the pair that a line of a list of keys begins with: "1. B (Khoản 1 Điều 11)"."""
    found = _LEADING_PAIR.match(text)
    return None if found is None else (int(found["number"]), found["letters"])


def field_line(text: str) -> tuple[str, str] | None:
    """Return the field that a line fills, and with what: ("legal_basis", "Luật …")."""
    found = _FIELD.match(folded(text))
    if found is None or found.lastgroup is None:
        return None
    name, said = found.lastgroup, text[found.end() :].strip()
    if name == "level" and level_code(said) is None:
        return None
    if name == "kind" and kind_named(said) is None:
        return None
    return name, said if name in ("legal_basis", "explanation") else _closed(said)


def kind_named(text: str) -> str | None:
    """Return the kind of question that a note names: single, multiple, true_false."""
    said = folded(text)
    if re.search(r"\bdung\s*[/\-–,]?\s*(?:hay |hoac )?sai\b|true\W*false", said):
        return "true_false"
    if re.search(r"\bnhieu\b|multiple", said):
        return "multiple"
    return "single" if re.search(r"\b(?:mot|1|don)\b|single", said) else None


def without_notes(stem: str) -> tuple[str, str]:
    """Return a stem without "(NB)", "[T1 - TH]" at its start or end, and what these say."""
    said = []
    stem = " ".join(stem.split())
    for _ in range(_MOST_NOTES):
        plain = folded(stem)
        found = _NOTE_FIRST.match(plain) or _NOTE_LAST.search(plain, max(0, len(plain) - _LONGEST_NOTE))
        if found is None:
            break
        said.append(found["said"])
        stem = stem[found.end() :] if found.start() == 0 else stem[: found.start()]
    return stem, " ".join(said)
