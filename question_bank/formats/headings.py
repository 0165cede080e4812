"""Headings of question tables: what a column holds, by the words that officials put above it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from unicodedata import normalize

from question_bank.formats.encodings import guesses_of
from question_bank.text import clean_text, fold

LONGEST_HEADING = 100
_ORDINALS = {
    "mot": 1,
    "nhat": 1,
    "hai": 2,
    "ba": 3,
    "bon": 4,
    "tu": 4,
    "nam": 5,
    "sau": 6,
    "bay": 7,
    "tam": 8,
}
_CHOICE = r"(?:phuong an|dap an|lua chon|cau tra loi|tra loi|p a|pa|d a|da|y|option|answer|choice)"
_EXTRA = r"(?: (?:tra loi|lua chon|chon|cau hoi|so|thu|noi dung))*"
_LABEL = r"(?P<label>[a-l]|0?[1-9]|1[0-2]|" + "|".join(_ORDINALS) + ")"
_OPTION = re.compile(
    rf"(?:noi dung )?(?:cac )?{_CHOICE}{_EXTRA} {_LABEL}|{_LABEL.replace('label', 'first')} {_CHOICE}"
)
_WORD = re.compile(r"[a-z0-9]+|#")
_BARE = re.compile(r"[a-l]|[1-9]|1[0-2]")
_CHOSEN = r"(?: (?:tra loi|lua chon|chon|cua cau hoi))*"
# In this order: "Giải thích đáp án" is about the explanation, "Số đáp án đúng" about the kind.
_PATTERNS: dict[str, tuple[str, ...]] = {
    "number": (
        r"stt|tt|so tt|so thu tu|thu tu|no|#",
        r"cau so|so cau|cau hoi so|(?:ma|ma so|id|code)(?: cau| cau hoi)?",
    ),
    "remark": (
        r"(?:ghi chu|note|nhan xet|diem|thoi gian|nguoi|don vi|trang thai|tinh trang|hinh anh)(?: .*)?",
    ),
    "explanation": (
        r"(?:loi )?giai thich.*|(?:dien giai|loi giai|huong dan|ly do|thuyet minh|phan hoi)(?: .*)?",
        r"(?:phan )?ly giai.*|phan tich.*|explanation|feedback",
    ),
    "basis": (
        r"(?:trich )?(?:can cu|co so|vien dan|dan chieu|trich dan|trich yeu)(?: .*)?|phap ly|reference",
        r"(?:(?:ten|so|so hieu) )?van ban(?: .*)?|(?:dieu khoan|dieu luat|quy dinh|nguon|tai lieu)(?: .*)?",
    ),
    "kind": (
        r"(?:loai|dang|kieu|hinh thuc)(?: (?:cau|hoi|trac nghiem|lua chon|dap an|tra loi)(?: .*)?)?|type",
        r"so (?:luong )?(?:dap an|phuong an|lua chon)(?: dung)?",
    ),
    "level": (r"(?:muc|muc do|cap do|do kho|bac)(?: .*)?|level|difficulty",),
    "topic": (
        r"(?:ma |ten )?(?:chu de|chuyen de|linh vuc|mach|chuong|nhom|mang)(?: .*)?|topic|category",
        r"noi dung (?:chu de|kien thuc|chuyen de)",
    ),
    "key": (
        rf"(?:cac )?(?:{_CHOICE}|ket qua){_CHOSEN} (?:la )?(?:dung|chinh xac|chuan)(?: .*)?",
        r"(?:chon )?dap an|d a|da|key|correct answer|answer|dap an (?:cua )?cau hoi",
    ),
    "mark": (r"dung|dung sai|d s|la dap an|danh dau(?: .*)?|x|correct",),
    "both": (
        r"(?:noi dung )?(?:cac )?(?:cau hoi|hoi)(?: trac nghiem)? (?:va |cung )?(?:cac )?(?:noi dung )?"
        rf"(?:phuong an|dap an|lua chon|cau tra loi|tra loi){_CHOSEN}",
    ),
    "options": (
        rf"(?:noi dung )?(?:cac )?(?:phuong an|lua chon|cau tra loi|tra loi|dap an){_CHOSEN}|pa|options?",
    ),
    "stem": (
        r"(?:noi dung )?(?:cac )?(?:cau hoi|cau dan|hoi|cau)(?: (?:trac nghiem|tinh huong|thi|kiem tra))*",
        r"noi dung|de bai|de|tinh huong|phan dan|question(?: text)?|stem",
    ),
    "label": (r"ky hieu|nhan|thu tu phuong an|stt phuong an",),
}
_ROLES = {role: re.compile("|".join(patterns)) for role, patterns in _PATTERNS.items()}
_COMMON = (
    *("chu de", "linh vuc", "muc do", "cap do", "noi dung cau hoi", "cau hoi", "noi dung", "loai cau hoi"),
    *(f"{word} {label}" for word in ("phuong an", "dap an", "lua chon") for label in "abcdefgh12345678"),
    *("dap an", "dap an dung", "phuong an dung", "can cu", "can cu phap ly", "co so phap ly", "giai thich"),
)
# These hold the stem where no other column does.
_VAGUE = ("noi dung", "cau")


@dataclass
class Layout:
    """Which column holds what; columns count from 1."""

    number: int | None = None
    topic: int | None = None
    level: int | None = None
    stem: int | None = None
    key: int | None = None
    mark: int | None = None
    kind: int | None = None
    # "Câu hỏi / phương án": stems and options under each other in one column.
    both: int | None = None
    # A single column of options, one a row.
    options: int | None = None
    label: int | None = None
    basis: list[int] = field(default_factory=list)
    explanation: list[int] = field(default_factory=list)
    # Options side by side: place from 0, and column.
    columns: dict[int, int] = field(default_factory=dict)

    @property
    def is_in_rows(self) -> bool:
        """Whether each option has a row of its own."""
        return len(self.columns) < 2

    @property
    def is_whole(self) -> bool:
        """Whether questions can be read by it: a stem and options; if those are in rows, also the key."""
        if self.stem is not None and not self.is_in_rows:
            return True
        has_key = self.key is not None or self.mark is not None
        return has_key and (self.both is not None or (self.stem is not None and self.options is not None))


@lru_cache(maxsize=4096)
def role_of(heading: str) -> tuple[str, int]:
    """Return a heading's role and, for an option, its place from 0; ("", 0) if it is none."""
    said = clean_text(heading)
    if len(said) > LONGEST_HEADING:
        return "", 0
    for text in (said, *(() if heading.isascii() else guesses_of(normalize("NFC", heading)))):
        full = _words(text)
        short = _words(re.sub(r"\([^()]*\)|\[[^\[\]]*\]", " ", text))
        for words in dict.fromkeys((full, short)):
            role = _role_of_words(words)
            if role[0]:
                return role
    return _role_of_lossy(said) if "?" in said else ("", 0)


def bare_label(heading: str) -> int | None:
    """Return the place that a heading of one letter or number names: 0 for "A" and "1"."""
    words = _words(heading)
    if re.fullmatch(r"\d\.0", clean_text(heading)):
        words = words[0]
    return _place_of(words) if _BARE.fullmatch(words) else None


def layout_of(upper: Mapping[int, str], lower: Mapping[int, str]) -> Layout:
    """Return the layout that a heading row and what stands under it in a second row describe.

    `lower` is empty for headings in one row. Letters and numbers count as headings of options if
    there are at least two of them.
    """
    layout = Layout()
    spans = {column: lower.get(column) or upper.get(column, "") for column in sorted({*upper, *lower})}
    bare = {column: place for column, text in spans.items() if (place := bare_label(text)) is not None}
    if len(bare) >= 2 and len(set(bare.values())) == len(bare) and 0 in bare.values():
        layout.columns = {place: column for column, place in bare.items()}
    found: dict[str, list[int]] = {}
    for column, text in spans.items():
        if column in layout.columns.values():
            continue
        role, place = role_of(text)
        if not role and lower.get(column):
            role, place = role_of(upper.get(column, ""))
        if role == "option":
            layout.columns.setdefault(place, column)
        elif role:
            name = _words(text) if role == "stem" and _words(text) in _VAGUE else role
            found.setdefault(name, []).append(column)
    _place(layout, found)
    return layout


def _place(layout: Layout, found: Mapping[str, list[int]]) -> None:
    for role in ("number", "topic", "level", "key", "mark", "kind", "both", "options", "label"):
        if role in found:
            setattr(layout, role, found[role][0])
    layout.basis, layout.explanation = found.get("basis", []), found.get("explanation", [])
    stems = [column for name in ("stem", *_VAGUE) for column in found.get(name, [])]
    layout.stem = stems[0] if stems else None
    # "Câu" beside "Nội dung" is the number.
    if layout.number is None and len(stems) > 1 and "cau" in found:
        layout.number = found["cau"][0]
    if (
        not layout.columns
        and layout.both is None
        and layout.options is None
        and len(found.get("key", [])) > 1
    ):
        layout.options, layout.key = found["key"][:2]
    _place_in_rows(layout, "stem" in found or "noi dung" in found)
    if layout.both is None and layout.stem is None and layout.options is not None:
        layout.both, layout.options = layout.options, None


def _place_in_rows(layout: Layout, has_stem: bool) -> None:
    """Find the column of the options where no heading names it."""
    if layout.columns or layout.both is not None or layout.options is not None or layout.stem is None:
        return
    if layout.key is not None and layout.mark is not None:
        # "Đáp án" beside "Đúng": the options, and which of them is right.
        layout.options, layout.key = layout.key, None
    elif has_stem and layout.key is not None and (layout.number is not None or layout.kind is not None):
        # Options under the stem, their letters in the column of the numbers; or Đúng and Sai alone.
        layout.both, layout.stem = layout.stem, None


def _role_of_words(words: str) -> tuple[str, int]:
    if option := _OPTION.fullmatch(words):
        return "option", _place_of(option["label"] or option["first"])
    return next(((role, 0) for role, pattern in _ROLES.items() if pattern.fullmatch(words)), ("", 0))


def _role_of_lossy(said: str) -> tuple[str, int]:
    """The role of a heading that has ? where a conversion lost a letter."""
    pattern = re.compile(re.escape(fold(said)).replace(r"\?", "."))
    return next((_role_of_words(words) for words in _COMMON if pattern.fullmatch(words)), ("", 0))


def _place_of(label: str) -> int:
    if label in _ORDINALS:
        return _ORDINALS[label] - 1
    return int(label) - 1 if label.isdigit() else ord(label) - ord("a")


def _words(text: str) -> str:
    return " ".join(_WORD.findall(fold(clean_text(text))))
