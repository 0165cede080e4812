"""How a piece of text looks in Word, as far as a key may be marked by it: styles and runs together."""

import colorsys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from question_bank.formats.docx_package import Element, W

BOLD, UNDERLINE, RED, HIGHLIGHT, SHADING = 1, 2, 4, 8, 16
# The order says nothing: marks that contradict each other are no marks.
MARKS = (BOLD, UNDERLINE, RED, HIGHLIGHT, SHADING)

_OFF = frozenset({"0", "false", "off", "none"})
_PAPER = 0xF0  # from here on, a channel of a background is as good as white
_REDDEST_HUES = 15 / 360


@dataclass(frozen=True)
class Look:
    """Properties of text; None where nothing is said."""

    is_bold: bool | None = None
    is_underlined: bool | None = None
    is_red: bool | None = None
    is_highlighted: bool | None = None
    is_shaded: bool | None = None
    is_hidden: bool | None = None

    def over(self, below: "Look") -> "Look":
        """Return this look on top of another."""
        return Look(
            *(
                mine if mine is not None else theirs
                for mine, theirs in zip(self._values(), below._values(), strict=True)
            )
        )

    def with_toggles_of(self, below: "Look") -> "Look":
        """Return a character style over a paragraph style: bold in both is not bold."""
        merged = self.over(below)
        return replace(
            merged,
            is_bold=_toggled(self.is_bold, below.is_bold),
            is_hidden=_toggled(self.is_hidden, below.is_hidden),
        )

    def flags(self) -> int:
        """Return the marks as bits."""
        return sum(bit for bit, is_on in zip(MARKS, self._values()[:-1], strict=True) if is_on)

    def _values(self) -> tuple[bool | None, ...]:
        return (
            self.is_bold,
            self.is_underlined,
            self.is_red,
            self.is_highlighted,
            self.is_shaded,
            self.is_hidden,
        )


def _toggled(upper: bool | None, lower: bool | None) -> bool | None:
    if upper is None or lower is None:
        return upper if lower is None else lower
    return upper != lower


def look_of(properties: Element | None) -> Look:
    """Return what a w:rPr says by itself."""
    if properties is None:
        return Look()
    colour = properties.find(f"{W}color")
    return Look(
        is_bold=_switch(properties, "b"),
        is_underlined=_switch(properties, "u"),
        is_red=None if colour is None else is_red(colour.get(f"{W}val", "auto")),
        is_highlighted=_highlight(properties),
        is_shaded=is_shaded(properties),
        is_hidden=_switch(properties, "vanish"),
    )


def _switch(properties: Element, name: str) -> bool | None:
    found = properties.find(f"{W}{name}")
    return None if found is None else found.get(f"{W}val", "1").lower() not in _OFF


def _highlight(properties: Element) -> bool | None:
    found = properties.find(f"{W}highlight")
    return None if found is None else found.get(f"{W}val", "none") not in ("none", "white")


def is_red(colour: str) -> bool:
    """Tell whether a colour (RRGGBB) is clearly red: neither orange nor pink, brown or purple."""
    channels = _channels(colour)
    if channels is None:
        return False
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in channels))
    return min(hue, 1 - hue) <= _REDDEST_HUES and saturation >= 0.55 and value >= 0.5


def is_shaded(properties: Element | None) -> bool | None:
    """Tell whether a w:shd among the properties colours the background; None if there is none."""
    found = None if properties is None else properties.find(f"{W}shd")
    if found is None:
        return None
    fill = _channels(found.get(f"{W}fill", "auto"))
    if fill is not None:
        return min(fill) < _PAPER
    return str(found.get(f"{W}val", "clear")).startswith("pct")


def _channels(colour: str) -> tuple[int, int, int] | None:
    try:
        number = int(colour, 16) if len(colour) == 6 else -1
    except ValueError:
        return None
    return None if number < 0 else (number >> 16, number >> 8 & 255, number & 255)


class Styles:
    """The styles of a file, each with what it inherits."""

    def __init__(self, root: Element | None) -> None:
        """Index the styles; a file may have none."""
        found = [] if root is None else list(root.findall(f"{W}style"))
        self._styles: dict[str, Element] = {style.get(f"{W}styleId", ""): style for style in found}
        self._looks: dict[str, Look] = {}
        self.usual = next(
            (
                style.get(f"{W}styleId", "")
                for style in found
                if style.get(f"{W}type") == "paragraph" and style.get(f"{W}default") in ("1", "true")
            ),
            "",
        )
        base = None if root is None else root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr")
        self._base = look_of(base)

    def chain(self, style_id: str) -> Iterator[Element]:
        """Yield a style, then those that it is based on."""
        seen: set[str] = set()
        while style_id in self._styles and style_id not in seen:
            seen.add(style_id)
            style = self._styles[style_id]
            yield style
            parent = style.find(f"{W}basedOn")
            style_id = "" if parent is None else parent.get(f"{W}val", "")

    def name(self, style_id: str) -> str:
        """Return a style's name in lower case."""
        style = self._styles.get(style_id)
        name = None if style is None else style.find(f"{W}name")
        return "" if name is None else name.get(f"{W}val", "").lower()

    def look(self, style_id: str) -> Look:
        """Return the look that a style gives, inherited properties included."""
        if style_id not in self._looks:
            look = Look()
            for style in self.chain(style_id):
                look = look.over(look_of(style.find(f"{W}rPr")))
            self._looks[style_id] = look
        return self._looks[style_id]

    def run_look(self, paragraph_style: str, properties: Element | None, *, is_link: bool = False) -> Look:
        """Return how a run looks; the underline of a link is Word's doing and no mark."""
        named = None if properties is None else properties.find(f"{W}rStyle")
        style_id = "" if named is None else named.get(f"{W}val", "")
        styled = self.look(style_id).with_toggles_of(self.look(paragraph_style))
        look = look_of(properties).over(styled.over(self._base))
        if is_link or "hyperlink" in self.name(style_id):
            look = Look(is_underlined=False).over(look)
        return look
