"""Headings of a question paper: what a line says as one, and what it sets for the questions below it."""

import re
from dataclasses import dataclass

from question_bank.formats.docx_labels import LEVEL_WORDS, folded
from question_bank.formats.judging import level_code, topic_code
from question_bank.items import TOPICS
from question_bank.text import clean_text

_TOPIC_HEADING = re.compile(
    r"[\W_]*(?P<prefix>chu de|chuyen de|linh vuc|phan|chuong|muc|noi dung|nhom)\s*(?:so\s*)?"
    r"(?:(?P<code>t\s?\d{1,2})|(?P<number>\d{1,2})|(?P<roman>[ivx]{1,5}))?\b\s*[.:)\-–—]*\s*(?P<name>.*)\Z",
    re.DOTALL,
)
_CODE_HEADING = re.compile(r"\W*T(1[0-2]|0?[1-9])(?:\s*[.:)\-–—]+\s*(?=\S)|\s+(?=\S)|\s*\Z)")
_ANY_CODE = re.compile(r"\bT[\s.\-_]?\d")
_ROMAN = re.compile(r"\s*(?P<roman>[IVX]{1,5})\s*(?:[.:)/]|[-–—](?=\s))\s*(?=\S)")
_END = re.compile(r"[\W_]*(?:het|the end|end)[\W_]*\Z")
_TOPIC_WORDS = ("chu de", "chuyen de", "linh vuc")


@dataclass(frozen=True)
class Heading:
    """A heading: the topic and the level that it sets; `prefix` is the word it begins with."""

    prefix: str
    topic: str | None
    level: str | None
    # Whether the line can be nothing else, whatever it looks like.
    is_certain: bool


def heading(text: str) -> Heading | None:
    """Return what a line says as a heading; None if by its words it is none."""
    said = clean_text(text)
    plain = folded(said)
    coded = _CODE_HEADING.match(said)
    if coded is not None:
        return Heading(
            "t", f"T{int(coded[1])}", None, is_certain=bool(re.search(r"[.:)\-–—]\s*\Z", coded[0]))
        )
    named = None if _ANY_CODE.search(said) else topic_code(_bare(said))
    if named is not None:
        return Heading("", named, None, is_certain=True)
    found = _TOPIC_HEADING.match(plain)
    if found is not None and (found["code"] or found["number"] or found["roman"] or ":" in said):
        return _titled(said, found)
    roman = _ROMAN.match(said)
    if roman is not None:
        rest = said[roman.end() :]
        return Heading("roman", topic_code(rest), _level_heading(rest), is_certain=False)
    level = _level_heading(said)
    if level is not None:
        return Heading("level", None, level, is_certain=True)
    return Heading("end", None, None, is_certain=True) if _END.match(plain) else None


def _titled(said: str, found: re.Match[str]) -> Heading:
    prefix, name = found["prefix"], said[found.start("name") :]
    topic = topic_code(found["code"] or "") or topic_code(name) or topic_code(_bare(name))
    is_topic = prefix in ("chu de", "chuyen de", "linh vuc")
    if topic is None and found["number"] and prefix == "chu de" and _may_be(f"T{int(found['number'])}", name):
        topic = f"T{int(found['number'])}"
    is_certain = topic is not None or (is_topic and bool(found["number"] or found["roman"]))
    return Heading(prefix, topic, _level_heading(name), is_certain=is_certain)


def _may_be(code: str, name: str) -> bool:
    """Whether a heading's number can be meant as our topic: the name is missing or shares words with it."""
    wanted = set(re.findall(r"\w{2,}", folded(TOPICS.get(code, ""))))
    words = set(re.findall(r"\w{2,}", folded(name)))
    return code in TOPICS and (not words or len(words & wanted) * 2 >= min(len(words), len(wanted)))


def _bare(text: str) -> str:
    """A heading without number before and punctuation after it."""
    return re.sub(r"\A\s*(?:\d{1,2}|[IVX]{1,5})\s*[.:)\-–]\s*", "", text).strip(" .:;-–")


def _level_heading(text: str) -> str | None:
    """The level of a heading such as "NHẬN BIẾT", "Phần 1: Câu hỏi thông hiểu"."""
    words = re.sub(r"[^a-z]+", " ", folded(text)).strip()
    words = re.sub(r"\A(?:cac |nhung )?(?:cau hoi |phan |muc do |muc |cap do |o )*", "", words)
    return level_code(words) if re.fullmatch(LEVEL_WORDS, words) else None


class Outline:
    """The topic and the level that the headings so far set."""

    def __init__(self) -> None:
        """Begin without any."""
        self.topic: str | None = None
        self.level: str | None = None
        self._prefix = ""
        self._is_level_within_topic = False

    def follow(self, told: Heading, said: str | None = None) -> None:
        """Follow a heading; `said` is what a "Chủ đề: …" line says, for judging to read."""
        is_topic = told.topic is not None or told.prefix in _TOPIC_WORDS or told.prefix == self._prefix
        if is_topic and told.prefix not in ("level", "end"):
            self.topic = told.topic or (said if told.prefix in _TOPIC_WORDS else None)
            self._prefix = told.prefix
            if self._is_level_within_topic:
                self.level = None
        if told.level is not None:
            self.set_level(told.level)

    def set_level(self, level: str) -> None:
        """Set the level; one that stands under a topic ends with it."""
        self.level, self._is_level_within_topic = level, self.topic is not None

    def follow_row(self, text: str) -> None:
        """Follow a merged row of a table: it names a topic or a level, or a topic that is none of ours."""
        self.follow(heading(text) or Heading(self._prefix, None, None, is_certain=True))
