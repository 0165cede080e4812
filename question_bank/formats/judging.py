"""Judging: drafts become items, or problems with a sentence for the person who sent the file."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from question_bank.formats.drafts import Draft, FoundItem, Place, Problem, Reading
from question_bank.formats.encodings import is_unreadable
from question_bank.formats.keys import KeyFault, check_named, label_of, read_key, squeezed, truth_of
from question_bank.formats.outdated import replaced_in
from question_bank.items import FEWEST_OPTIONS, LEVELS, MOST_OPTIONS, TOPICS
from question_bank.text import clean_text, fold

TRUE_FALSE = ("Đúng", "Sai")
ERROR, WARNING = "error", "warning"

_STEM_LABEL = re.compile(r"câu(?: hỏi)?(?: số)? ?\d+ ?[.:)/\-–]+ ?", re.IGNORECASE)
_OPTION_LABEL = re.compile(r"[(\[]?([A-Za-z])\s*[.):\]/]\s*|[(\[]?(\d)\s*[.):\]]\s+")
_ANSWERS = r"(?:dap an|phuong an|cau tra loi|lua chon|tra loi|cau|y)"
_ONE = r"(?:mot|0?1)(?: \((?:mot|0?1)\))?"
_ASKS_FOR_ONE = re.compile(
    rf"chon (?:ra )?(?:duy nhat |chi |dung )?{_ONE} (?:trong (?:so )?(?:cac|nhung) )?{_ANSWERS}\b"
    rf"|chi (?:co |duoc |chon )*{_ONE} {_ANSWERS}\b|\({_ONE} {_ANSWERS}\b"
    rf"|{_ANSWERS} (?:nao )?(?:dung|chinh xac|phu hop) nhat"
)
_ASKS_FOR_SEVERAL = re.compile(
    rf"chon (?:tat ca )?(?:nhieu|cac|nhung|mot so|0?[2-8]|hai|ba|bon) {_ANSWERS}\b"
    rf"|{_ONE} (?:hoac|hay) (?:nhieu|mot so)|it nhat {_ONE}"
)
_TOPIC_CODE = re.compile(r"(?<![^\W_])T[\s.\-_]?0?(1[0-2]|[1-9])(?![^\W_])", re.IGNORECASE)
# "Chủ đề 1: Khái niệm, …": the number is that of the file's own list.
_TOPIC_WORD = re.compile(r"(?:chude|chuyende|linhvuc|nhom|chuong|phan)?\d*")
_LEVELS = {
    "NB": re.compile(r"\bnb\b|\bnhan biet\b"),
    "TH": re.compile(r"\bth\b|\bthong hieu\b"),
    "VD": re.compile(r"\bvdc?\b|\bvan dung\b"),
}
# The names that the notes and the samples use beside our own.
_TOPIC_NAMES = {squeezed(name): code for code, name in TOPICS.items()} | {
    squeezed(name): code
    for code, name in {
        "T1": "Khái niệm, mức độ DVCTT",
        "T2": "Cổng DVCQG và tài khoản",
        "T3": "Một cửa, một cửa liên thông, Trung tâm PVHCC",
        "T4": "TTHC trên môi trường điện tử, giá trị pháp lý",
        "T6": "Thanh toán trực tuyến, phí/lệ phí",
        "T10": "Chất lượng phục vụ: QĐ 766, SIPAS, PAR INDEX, phản ánh kiến nghị",
        "T11": "Bắc Ninh: kế hoạch thi đua, chỉ tiêu, số liệu tỉnh, Tổ CNSCĐ",
    }.items()
}


def judge(drafts: Iterable[Draft], problems: Iterable[Problem] = ()) -> Reading:
    """Return the good items and every problem, both in the file's order.

    `problems` are those of the file that belong to no draft. A question with an error is no item.
    """
    items: list[FoundItem] = []
    found: list[Problem] = list(problems)
    first_places: dict[tuple[object, ...], Place] = {}
    order: list[Place] = []
    for draft in drafts:
        order.append(draft.where)
        item, faults = _judge_one(draft)
        if item is not None:
            same = _fingerprint(item)
            first = first_places.setdefault(same, item.where)
            if first is item.where:
                items.append(item)
            else:
                reason = "Câu hỏi trùng với một câu đứng trước (cùng nội dung và các phương án)."
                faults = [Problem("duplicate_item", ERROR, item.where, reason, first=first)]
        found.extend(faults)
    return Reading(items, _in_file_order(found, order))


@lru_cache(maxsize=1024)
def topic_code(text: str | None) -> str | None:
    """Return the topic that a text names by code or by its full name, None if it names none or several."""
    said = clean_text(text or "")
    codes = {f"T{int(number)}" for number in _TOPIC_CODE.findall(said)}
    if codes:
        return codes.pop() if len(codes) == 1 else None
    name = squeezed(said)
    return _TOPIC_NAMES.get(name) or _TOPIC_NAMES.get(_TOPIC_WORD.sub("", name, count=1))


@lru_cache(maxsize=1024)
def level_code(text: str | None) -> str | None:
    """Return the level that a text names by code or in words, None if it names none or several."""
    said = fold(clean_text(text or ""))
    levels = [level for level in LEVELS if _LEVELS[level].search(said)]
    return levels[0] if len(levels) == 1 else None


def _judge_one(draft: Draft) -> tuple[FoundItem | None, list[Problem]]:
    """The item, if it is whole, and what is wrong with it or worth a warning."""
    faults = list(draft.problems)
    if any(fault.severity == ERROR for fault in faults):
        return None, faults

    def fault(kind: str, reason: str) -> None:
        faults.append(Problem(kind, ERROR, draft.where, reason))

    if _is_unreadable(draft):
        fault(
            "unreadable_text",
            "Chữ của câu hỏi không phải Unicode (phông TCVN3, VNI) hoặc đã hỏng khi lưu; "
            "hãy chuyển sang Unicode rồi gửi lại.",
        )
        return None, faults
    stem = clean_text(draft.stem)
    if label := _STEM_LABEL.match(stem):
        stem = stem[label.end() :]
    options = _without_labels([clean_text(option) for option in draft.options])
    if draft.asks_for == "true_false" and not any(options):
        options = list(TRUE_FALSE)
    if not stem:
        fault("empty_stem", "Câu hỏi chưa có nội dung.")
    fault_of_options = _fault_of_options(options)
    marks: set[int] = set()
    if fault_of_options is not None:
        fault(*fault_of_options)
    else:
        try:
            marks = _marks(draft, options)
        except KeyFault as error:
            fault(error.kind, error.reason)
    if any(one.severity == ERROR for one in faults):
        return None, faults
    texts, key = _closed_up(options, marks)
    kind = _kind(draft, stem, texts, key)
    if kind is None:
        named = ", ".join(label_of(mark) for mark in sorted(marks))
        fault(
            "several_keys_for_single",
            f"Câu hỏi chỉ lấy một đáp án, nhưng có nhiều phương án được đánh dấu: {named}.",
        )
        return None, faults
    if kind == "true_false":
        texts, key = TRUE_FALSE, tuple(0 if truth_of(texts[index]) else 1 for index in key)
    item = FoundItem(
        where=draft.where,
        stem=stem,
        options=texts,
        key=key,
        kind=kind,
        topic=topic_code(draft.topic),
        level=level_code(draft.level),
        legal_basis=clean_text(draft.legal_basis or "") or None,
        explanation=clean_text(draft.explanation or "") or None,
        pictures=tuple(draft.pictures),
    )
    replaced = replaced_in(item.stem, [item.legal_basis or "", *(texts[index] for index in key)])
    if replaced is not None:
        reason = f"{replaced.name} đã được thay thế bởi {replaced.by}."
        faults.append(Problem("outdated_legal_basis", WARNING, draft.where, reason))
    return item, faults


def _is_unreadable(draft: Draft) -> bool:
    texts = [draft.stem, *draft.options, draft.legal_basis or "", draft.explanation or ""]
    return any(map(is_unreadable, texts)) or is_unreadable("\n".join([draft.stem, *draft.options]))


def _without_labels(options: list[str]) -> list[str]:
    """The options without "A.", "b)" or "1." when every one carries the label of its own place."""
    labels = [_OPTION_LABEL.match(option) for option in options]
    for index, (option, label) in enumerate(zip(options, labels, strict=True)):
        if option and (
            label is None or (label[1] or label[2]).upper() not in (label_of(index), str(index + 1))
        ):
            return options
    return [option[label.end() :] if label else option for option, label in zip(options, labels, strict=True)]


def _fault_of_options(options: Sequence[str]) -> tuple[str, str] | None:
    filled = [option.casefold() for option in options if option]
    if len(filled) < FEWEST_OPTIONS:
        return "too_few_options", f"Câu hỏi phải có ít nhất {FEWEST_OPTIONS} phương án."
    if len(filled) > MOST_OPTIONS:
        return "too_many_options", f"Câu hỏi có quá {MOST_OPTIONS} phương án."
    if len(set(filled)) < len(filled):
        return "duplicate_option", "Câu hỏi có hai phương án giống nhau."
    return None


def _marks(draft: Draft, options: Sequence[str]) -> set[int]:
    """The options that are right, as the key's text says or the marks show; raises KeyFault."""
    if draft.key_text is not None and (clean_text(draft.key_text) or not draft.marks):
        return read_key(draft.key_text, options)
    if not draft.marks:
        raise KeyFault("missing_key", "Câu hỏi chưa có đáp án.")
    check_named(draft.marks, options)
    return set(draft.marks)


def _closed_up(options: Sequence[str], marks: set[int]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The options without holes, and the key at their new places."""
    filled = [index for index, option in enumerate(options) if option]
    key = tuple(place for place, index in enumerate(filled) if index in marks)
    return tuple(options[index] for index in filled), key


def _kind(draft: Draft, stem: str, options: Sequence[str], key: Sequence[int]) -> str | None:
    """The question's kind; None if it asks for one answer and has several."""
    if len(options) == 2 and {truth_of(option) for option in options} == {True, False}:
        return "true_false" if len(key) == 1 else None
    if len(key) == 1:
        return "multiple" if draft.asks_for == "multiple" else "single"
    if draft.asks_for is not None:
        return "multiple" if draft.asks_for == "multiple" else None
    folded = fold(stem)
    asks_for_one = _ASKS_FOR_ONE.search(folded) and not _ASKS_FOR_SEVERAL.search(folded)
    return None if asks_for_one else "multiple"


def _fingerprint(item: FoundItem) -> tuple[object, ...]:
    """What two questions have in common that ask the same."""
    return (
        squeezed(item.stem),
        tuple(sorted(squeezed(option) for option in item.options)),
        tuple(sorted(picture.sha256 for picture in item.pictures)),
    )


def _in_file_order(problems: list[Problem], order: Sequence[Place]) -> list[Problem]:
    """The problems by place, where places can be compared; those of the whole file come first."""
    sheets = list(dict.fromkeys(place.get("sheet") for place in [*order, *(one.where for one in problems)]))
    units = {frozenset(one.where) - {"column", "sheet"} for one in problems if one.where}
    if len(units) > 1:
        return problems
    return sorted(problems, key=lambda one: (sheets.index(one.where.get("sheet")), _numbers(one.where)))


def _numbers(place: Place) -> list[int]:
    return [
        number
        for name in ("table", "row", "paragraph", "line", "question")
        if isinstance(number := place.get(name), int)
    ]
