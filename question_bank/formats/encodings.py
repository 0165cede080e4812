"""Vietnamese that is not Unicode: TCVN3 and VNI fonts, and letters that a conversion has lost."""

import re

# Where TCVN3 fonts draw Vietnamese letters; those that Unicode text has as letters too are left out.
_TCVN3_INSIDE = "¸µ¶·¹¨¾»¼½©ª«¬\u00ad"
_TCVN3_LETTERS = "ÆÇËÎÏÑÖØÜÞßäåæçëîïñöøûüþ"
_A_LETTER = r"[^\W\d_]"
_FOREIGN = re.compile(
    rf"{_A_LETTER}[{_TCVN3_INSIDE}]{_A_LETTER}|{_A_LETTER}[¸µ¶·¹](?!\w)|(?<!\w)[®§]{_A_LETTER}|[{_TCVN3_LETTERS}]"
)
# VNI writes a vowel and its marks as two characters: "coâng", "vuï", "tröïc".
_VNI = re.compile(r"[aeAE][ùøûõïâáàåãäêéèúüëÙØÛÕÏÂÁÀÅÃÄÊÉÈÚÜË]|[oOuUôÔöÖyY][ùøûõïäåÙØÛÕÏÄÅ]|[oO][âê]")
# UTF-8 read as cp1252, and "?" where a letter was.
_BROKEN = re.compile(rf"á[»º]|Ä[‘\x90]|Æ[°¡]|Ã[\x80-\xbf]|\ufffd|{_A_LETTER}\?{_A_LETTER}")
_WORD = re.compile(r"\S+")
_FEWEST, _SHARE = 2, 0.25

_FOLDED_TCVN3 = {
    "a": "¸µ¶·¹¨¾»¼½Æ©ÊÇÈÉË¡¢",
    "d": "®§",
    "e": "ÐÌÎÏÑªÕÒÓÔÖ£",
    "i": "Ý×ØÜÞ",
    "o": "ãßáâä«èåæçé¬íêëìî¤¥",
    "u": "óïñòô\u00adøõö÷ù¦",
    "y": "ýúûüþ",
}
_TCVN3 = {ord(char): letter for letter, chars in _FOLDED_TCVN3.items() for char in chars}
_VNI_SINGLE = str.maketrans(
    {"ñ": "d", "Ñ": "d", "ö": "u", "Ö": "u", "ô": "o", "Ô": "o", "æ": "i", "ó": "i", "ò": "i"}
)
_VNI_MARKS = re.compile(r"(?<=[aeouyAEOUY])[ùøûõïâáàåãäêéèúüë]", re.IGNORECASE)


def strange_words(text: str) -> int:
    """Return how many words can't be Vietnamese in Unicode."""
    return sum(1 for word in _WORD.findall(text) if _is_strange(word))


def is_unreadable(text: str) -> bool:
    """Return whether a text is written for an old font or was broken on its way."""
    if not _is_strange(text):
        return False
    words = _WORD.findall(text)
    strange = sum(1 for word in words if _is_strange(word))
    return strange >= _FEWEST and strange >= _SHARE * len(words)


def guesses_of(text: str) -> tuple[str, ...]:
    """Return what a broken text may be, to know a heading by: TCVN3 and VNI without marks, UTF-8."""
    vni = _VNI_MARKS.sub("", text.translate(_VNI_SINGLE))
    try:
        utf8 = text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        utf8 = ""
    return text.translate(_TCVN3), vni, utf8


def _is_strange(word: str) -> bool:
    return bool(_FOREIGN.search(word) or _VNI.search(word) or _BROKEN.search(word))
