"""Markup as Moodle's formats carry it, turned into the text that it shows."""

import html
import re

LONGEST_MARKUP = 4_000_000  # a picture may stand in it

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:-]*)")
_INSIDE = re.compile(r"[^\"'>]*")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_SEPARATES = re.compile(
    "address|article|aside|blockquote|br|caption|center|d[dlt]|div|fieldset|figcaption|figure|footer|form|h[1-6]"
    "|header|hr|li|main|nav|ol|option|p|pre|section|table|tbody|t[dhr]|tfoot|thead|ul"
)
_INLINE = re.compile(
    "a|abbr|audio|b|bd[io]|big|cite|code|del|dfn|em|font|i|iframe|img|ins|kbd|label|mark|nobr|q|s|samp|small"
    "|span|strike|strong|su[bp]|time|tt|u|var|video|wbr"
)
_UNSEEN = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style")}
_MOST_FALSE_STARTS, _MOST_TAGS, _MOST_ATTRIBUTES = 50, 5_000, 200


def text_of_html(markup: str, *, known_only: bool = False) -> str:
    """Return the text that the markup shows; a paragraph or a line break becomes a line break.

    `known_only` is for text that may or may not be markup: only names of HTML count as tags there.
    Takes time in proportion to the length, whatever it is given.
    """
    pieces: list[str] = []
    place = false_starts = 0
    while (start := markup.find("<", place)) >= 0 and false_starts < _MOST_FALSE_STARTS:
        pieces.append(markup[place:start])
        end, shown = _past_markup(markup, start, known_only)
        if end < 0:
            false_starts += 1
        place = end if end > 0 else start + 1
        pieces.append(shown)
        if len(pieces) > 2 * _MOST_TAGS:
            break
    pieces.append(markup[place:])
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), "".join(pieces))


def _past_markup(markup: str, start: int, known_only: bool) -> tuple[int, str]:
    """Return where the tag or comment ends and what it leaves; 0 for no tag, -1 for one without end."""
    if markup.startswith("<!--", start):
        end = markup.find("-->", start + 4)
        return (end + 3, "") if end >= 0 else (-1, "<")
    if markup.startswith(("<!", "<?"), start):
        end = markup.find(">", start)
        return (0, "<") if known_only else (end + 1, "") if end >= 0 else (-1, "<")
    tag = _TAG.match(markup, start)
    if tag is None:
        return 0, "<"
    name = tag[2].lower()
    separates = _SEPARATES.fullmatch(name) is not None
    is_known = separates or name in _UNSEEN or _INLINE.fullmatch(name)
    if known_only and not (is_known and markup[tag.end() : tag.end() + 1].strip("/> \t\n") == ""):
        return 0, "<"
    end = tag_end(markup, tag.end())
    if end < 0:
        return -1, "<"
    if name in _UNSEEN and not tag[1]:
        closing = _UNSEEN[name].search(markup, end)
        end = closing.start() if closing else len(markup)
    return end, "\n" if separates else ""


def tag_end(markup: str, place: int) -> int:
    """Return the place after the tag's “>”, quoted attributes skipped, or -1."""
    for _ in range(_MOST_ATTRIBUTES):
        before = _INSIDE.match(markup, place)
        assert before is not None  # it matches nothing at least
        place = before.end()
        if place >= len(markup):
            return -1
        if markup[place] == ">":
            return place + 1
        if before[0].rstrip().endswith("="):
            place = markup.find(markup[place], place + 1)
            if place < 0:
                return -1
        place += 1
    return -1


def shown_text(text: str, format_name: str) -> str:
    """Return what Moodle shows of a text in one of its formats (html, plain, moodle, markdown)."""
    if format_name.startswith("plain") or len(text) > LONGEST_MARKUP:
        return text
    return text_of_html(text, known_only=format_name != "html")
