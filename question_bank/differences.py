"""What changed between two wordings of an item, word by word."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher

from question_bank.formats.markup import text_of_html
from question_bank.items import Item

_WORDS = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
# Longer texts are shown as replaced whole: comparing them takes time with the square of their length.
MOST_WORDS = 1_000
LETTERS = "ABCDEFGH"
PINNED = " (giữ vị trí)"


@dataclass(frozen=True)
class Piece:
    """Some words that stayed ("same"), went ("removed") or came ("added"), or that one of two has ("own")."""

    kind: str
    text: str


@dataclass(frozen=True)
class Difference:
    """A part of an item that changed: its name for people, and its words."""

    part: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Side:
    """A part of two items beside each other: its name for people, and the words of each."""

    part: str
    first: tuple[Piece, ...]
    second: tuple[Piece, ...]


def differences(before: Item, after: Item, names: Mapping[str, str]) -> Iterator[Difference]:
    """Yield the parts of an item that changed, in the order in which a page shows them.

    `names` are what people call the codes of kinds, levels and divisions.
    """
    old, new = _parts(before, names), _parts(after, names)
    for part in {**old, **new}:
        if old.get(part, "") != new.get(part, ""):
            yield Difference(part, tuple(word_pieces(old.get(part, ""), new.get(part, ""))))


def side_by_side(first: Item, second: Item, names: Mapping[str, str]) -> Iterator[Side]:
    """Yield the parts that either of two items has, both texts with what only one says as its "own"."""
    left, right = _parts(first, names), _parts(second, names)
    for part in {**left, **right}:
        texts = left.get(part, ""), right.get(part, "")
        if any(texts):
            pieces = list(word_pieces(*texts))
            yield Side(part, _own(pieces, "removed"), _own(pieces, "added"))


def _own(pieces: Sequence[Piece], kind: str) -> tuple[Piece, ...]:
    return tuple(
        Piece("same" if piece.kind == "same" else "own", piece.text)
        for piece in pieces
        if piece.kind in ("same", kind)
    )


def word_pieces(before: str, after: str) -> Iterator[Piece]:
    """Yield the words of both texts in their order, each run with what became of it."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > MOST_WORDS:
        yield from _replaced(before, after)
        return
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(None, old, new, False).get_opcodes():
        if kind == "equal":
            yield Piece("same", "".join(old[old_from:old_to]))
        else:
            yield from _replaced("".join(old[old_from:old_to]), "".join(new[new_from:new_to]))


def _replaced(before: str, after: str) -> Iterator[Piece]:
    if before:
        yield Piece("removed", before)
    if after:
        yield Piece("added", after)


def _parts(item: Item, names: Mapping[str, str]) -> dict[str, str]:
    options = {
        f"Phương án {LETTERS[place]}": text_of_html(option.text)
        + (" (giữ vị trí)" if option.is_pinned else "")
        for place, option in enumerate(item.options)
    }
    return {
        "Câu hỏi": text_of_html(item.stem),
        "Hình": f"{item.picture.sha256[:8]} ({item.picture.width} × {item.picture.height})"
        if item.picture
        else "",
        "Mô tả hình": item.picture_alt,
        **options,
        "Đáp án": ", ".join(LETTERS[place] for place in item.key),
        "Loại": names.get(item.kind, item.kind),
        "Chủ đề": item.topic,
        "Mức độ": names.get(item.level, item.level),
        "Bảng thi": ", ".join(names.get(code, code) for code in sorted(item.divisions)),
        "Nhãn": ", ".join(item.tags),
        "Giải thích": text_of_html(item.explanation),
        "Văn bản": item.legal_document,
        "Điều, khoản": item.legal_article,
        "Hiệu lực từ": _day(item.valid_from),
        "Hiệu lực đến": _day(item.valid_to),
    }


def _day(day: date | None) -> str:
    return day.strftime("%d/%m/%Y") if day else ""
