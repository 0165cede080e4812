"""Vietnamese text: one form to store, one to search, one to sort, and the one cleaner of HTML."""

import re
import unicodedata

ALLOWED_TAGS = frozenset({"b", "br", "em", "i", "li", "ol", "p", "strong", "sub", "sup", "u", "ul"})
LONGEST_HTML = 20_000
MOST_PASSES = 5

# What Word and phones put for a plain character.
_PLAIN = str.maketrans(
    {"\u00a0": " ", "\u202f": " ", "\u2007": " ", "\ufeff": None, "\u200b": None, "\x00": None}
)
# Without any of these a text can't hold markup, composed or not: none of them comes of composing.
_MARKUP = re.compile("[<>&]")
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})  # controls, marks of direction, halves of characters
_ALPHABET = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_TONES = "\u0300\u0309\u0303\u0301\u0323"  # huyền, hỏi, ngã, sắc, nặng
_LETTER_MARKS = "\u0302\u0306\u031b"  # â, ă, ơ


def clean_text(text: str) -> str:
    """Return plain text as it is stored: NFC, without what can't be seen, blanks collapsed."""
    if text.isprintable():  # neither controls nor blanks but the plain one: most texts
        return unicodedata.normalize("NFC", " ".join(text.split()))
    text = re.sub(r"\s+", " ", text.translate(_PLAIN))
    text = "".join(char for char in text if unicodedata.category(char) not in _UNSEEN)
    # Composed last: what was left out may have stood between a letter and its accent.
    return unicodedata.normalize("NFC", re.sub(" +", " ", text)).strip()


def clean_lines(text: str) -> str:
    """Return plain text of several lines, each cleaned, at most one empty line between two others."""
    lines = [clean_text(line) for line in text.splitlines()]
    kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    return "\n".join(kept).strip()


def clean_html(html: str) -> str:
    """Return limited HTML, safe to show: the tags of ALLOWED_TAGS without attributes.

    bleach decides; nh3 cleans its result once more, because bleach is no longer maintained. Again
    until nothing changes, so that what is stored comes back from here as it is. Raises ValueError
    for a text that has or gets over LONGEST_HTML characters, or that does not settle.
    """
    if html.isprintable() and not _MARKUP.search(html):  # most texts: nothing to clean
        composed = unicodedata.normalize("NFC", html)
        if max(len(html), len(composed)) <= LONGEST_HTML:
            return composed
    for _ in range(MOST_PASSES):
        if len(html) > LONGEST_HTML:
            raise ValueError(f"more than {LONGEST_HTML} characters")
        cleaned = _cleaned_once(html)
        if cleaned == html:
            return html
        html = cleaned
    raise ValueError("markup that changes whenever it is read")


def _cleaned_once(html: str) -> str:
    # Composed first: afterwards, an accent on a bracket could undo a tag.
    html = unicodedata.normalize("NFC", html.translate(_PLAIN))
    import bleach  # here: a process that serves pages cleans nothing
    import nh3

    html = bleach.clean(html, tags=ALLOWED_TAGS, attributes={}, protocols=(), strip=True, strip_comments=True)
    return nh3.clean(html, tags=set(ALLOWED_TAGS), attributes={}, url_schemes=set())


def fold(text: str) -> str:
    """Return the text as it is searched: lower case, without accents, đ as d."""
    decomposed = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    # A list, not a generator: every text that is imported or searched comes through here.
    return "".join([char for char in decomposed if not unicodedata.combining(char)])


def sort_key(text: str) -> str:
    """Return a text whose plain code-point order is the Vietnamese order of the original.

    First the letters (a ă â b c d đ …), then the tones (none, huyền, hỏi, ngã, sắc, nặng).
    """
    letters: list[str] = []
    tones: list[str] = []
    for char in unicodedata.normalize("NFC", text.lower()):
        decomposed = unicodedata.normalize("NFD", char)
        base = unicodedata.normalize(
            "NFC", decomposed[0] + "".join(mark for mark in decomposed[1:] if mark in _LETTER_MARKS)
        )
        place = _ALPHABET.find(base)
        letters.append(chr(ord("A") + place) if place >= 0 else (char if char < "A" else "~" + char))
        tones.append(str(next((_TONES.index(mark) + 1 for mark in decomposed if mark in _TONES), 0)))
    return f"{''.join(letters)}\x01{''.join(tones)}"


def name_sort_key(name: str) -> str:
    """Return the sort key of a person's name: given name first, then family and middle names.

    Each word with its tones decides before the next: all Ảnh stand before all Ánh.
    """
    words = name.split()
    return "\x01".join(sort_key(word) for word in [*words[-1:], *words[:-1]])
