"""Word's automatic numbers: what stands before a paragraph although nobody typed it."""

import re
from dataclasses import dataclass

from question_bank.formats.docx_marks import Styles
from question_bank.formats.docx_package import Element, W
from question_bank.text import fold

_DECIMAL = frozenset({"decimal", "decimalZero", "ordinal"})
_LETTERS = frozenset({"upperLetter", "lowerLetter"})
_ROMAN = frozenset({"upperRoman", "lowerRoman"})


@dataclass(frozen=True)
class AutoLabel:
    """An automatic label: "question" says Câu, "number", "letter", "bullet" or "heading" by its looks."""

    kind: str
    value: int
    level: int
    text: str = ""
    is_upper: bool = True


@dataclass(frozen=True)
class _Level:
    form: str
    text: str
    start: int
    restarts: bool


class Numbering:
    """The lists of a file, and how far each has counted."""

    def __init__(self, root: Element | None, styles: Styles) -> None:
        """Read the lists; a file may have none."""
        self._styles = styles
        self._abstract: dict[str, dict[int, _Level]] = {}
        self._lists: dict[str, str] = {}
        self._starts: dict[str, dict[int, int]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        if root is None:
            return
        linked: dict[str, str] = {}
        for abstract in root.findall(f"{W}abstractNum"):
            number = abstract.get(f"{W}abstractNumId", "")
            self._abstract[number] = _levels_of(abstract)
            link = abstract.find(f"{W}numStyleLink")
            if link is not None:
                linked[number] = link.get(f"{W}val", "")
        for each in root.findall(f"{W}num"):
            self._add_list(each)
        for number, style in linked.items():
            target = self._lists.get(self._of_style(style)[0], number)
            self._abstract[number] = self._abstract.get(target, {})

    def _add_list(self, each: Element) -> None:
        number = each.get(f"{W}numId", "")
        abstract = _value(each, "abstractNumId")
        self._lists[number] = abstract
        for override in each.findall(f"{W}lvlOverride"):
            level = _whole(override.get(f"{W}ilvl"))
            start = override.find(f"{W}startOverride")
            if start is not None:
                self._starts.setdefault(number, {})[level] = _whole(start.get(f"{W}val"), 1)
            own = override.find(f"{W}lvl")
            if own is not None:
                # A list with levels of its own no longer shares those of the others.
                private = f"{abstract}/{number}"
                levels = self._abstract.get(self._lists[number], {})
                self._abstract[private] = levels | {level: _level_of(own)}
                self._lists[number] = private

    def label(self, properties: Element | None, style_id: str) -> AutoLabel | None:
        """Count a paragraph, and return the label that Word shows before it."""
        number, depth = self._of_paragraph(properties, style_id)
        levels = self._abstract.get(self._lists.get(number, ""), {})
        if number in ("", "0") or number not in self._lists or depth not in levels:
            return None
        level = levels[depth]
        counts = self._counted(number, depth, levels)
        text = re.sub(r"%(\d)", lambda found: str(counts.get(int(found[1]) - 1, 1)), level.text)
        return AutoLabel(
            _kind_of(level), counts[depth], depth, text, is_upper=not level.form.startswith("lower")
        )

    def _counted(self, number: str, depth: int, levels: dict[int, _Level]) -> dict[int, int]:
        counts = self._counts.setdefault(self._lists[number], {})
        start = self._starts.get(number, {}).pop(depth, None)
        if start is not None:
            counts[depth] = start
        elif depth in counts:
            counts[depth] += 1
        else:
            counts[depth] = levels[depth].start
        for deeper in [each for each in counts if each > depth]:
            if deeper not in levels or levels[deeper].restarts:
                del counts[deeper]
        return counts

    def _of_paragraph(self, properties: Element | None, style_id: str) -> tuple[str, int]:
        own = None if properties is None else properties.find(f"{W}numPr")
        if own is None:
            return self._of_style(style_id)
        number = own.find(f"{W}numId")
        if number is None:
            return self._of_style(style_id)[0], _whole(_value(own, "ilvl"))
        return number.get(f"{W}val", ""), _whole(_value(own, "ilvl"))

    def _of_style(self, style_id: str) -> tuple[str, int]:
        for style in self._styles.chain(style_id):
            found = style.find(f"{W}pPr/{W}numPr")
            if found is not None and found.find(f"{W}numId") is not None:
                return _value(found, "numId"), _whole(_value(found, "ilvl"))
        return "", 0


def _kind_of(level: _Level) -> str:
    words = fold(level.text)
    if level.form in ("bullet", "none"):
        return "bullet"
    if re.search(r"\bcau\b", words):
        return "question"
    if re.search(r"[a-z]{3}", words) or level.form in _ROMAN:
        return "heading"
    if level.form in _LETTERS:
        return "letter"
    return "number" if level.form in _DECIMAL else "bullet"


def _levels_of(abstract: Element) -> dict[int, _Level]:
    return {_whole(level.get(f"{W}ilvl")): _level_of(level) for level in abstract.findall(f"{W}lvl")}


def _level_of(level: Element) -> _Level:
    return _Level(
        form=_value(level, "numFmt") or "decimal",
        text=_value(level, "lvlText"),
        start=_whole(_value(level, "start"), 1),
        restarts=_value(level, "lvlRestart") != "0",
    )


def _value(element: Element, name: str) -> str:
    found = element.find(f"{W}{name}")
    return "" if found is None else str(found.get(f"{W}val", ""))


def _whole(text: str | None, otherwise: int = 0) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,6}", text) else otherwise
