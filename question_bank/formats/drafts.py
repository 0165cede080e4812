"""What a reader finds in a file before it is judged, and what judging makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from question_bank.items import LONGEST_ALT
from question_bank.items import Picture as StoredPicture
from question_bank.text import clean_text

# A place in a file, as people count: {"sheet": …, "row": …}, {"row": …}, {"paragraph": …},
# {"table": …, "row": …}, {"line": …}, {"question": …}; {} is the file itself.
Place = Mapping[str, str | int]


@dataclass(frozen=True)
class Picture:
    """A picture as it lies in the file; without bytes if the file only names it."""

    content: bytes
    # What the file says for those who can't see it.
    alt: str = ""
    # Where it stands, if that is not where its question begins.
    where: Place | None = None
    is_in_option: bool = False

    @property
    def sha256(self) -> str:
        """The digest of its bytes, lower-case hex."""
        return sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Problem:
    """Something wrong, with its place and a Vietnamese sentence; an error keeps a question out."""

    kind: str
    severity: str  # "error" or "warning"
    where: Place
    reason: str
    # Of a duplicate: the place of the question that counts.
    first: Place | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the problem as `contest bank check --json` prints it."""
        told: dict[str, Any] = {
            "kind": self.kind,
            "severity": self.severity,
            "where": dict(self.where),
            "reason": self.reason,
        }
        return told if self.first is None else told | {"first": dict(self.first)}


@dataclass(kw_only=True)
class Draft:
    """A question as a reader found it: raw texts, no judgement yet.

    `marks` are the indices of the options that are marked right, as far as the reader could map them;
    `key_text` is what a key cell or line says ("B", "2.0", "A, C", an option's whole text), None where
    the layout has none and the marks hold. `asks_for` is the kind that the file states, None if it
    states none. `problems` are those that only the reader can see (a formula in a cell, …).
    """

    where: Place
    stem: str
    options: list[str]
    marks: set[int] = field(default_factory=set)
    key_text: str | None = None
    asks_for: str | None = None
    topic: str | None = None
    level: str | None = None
    legal_basis: str | None = None
    explanation: str | None = None
    pictures: list[Picture] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class FoundItem:
    """A question that is whole: clean texts (NFC, no markup, single blanks) and a key."""

    where: Place
    stem: str
    options: tuple[str, ...]
    key: tuple[int, ...]
    kind: str
    topic: str | None = None
    level: str | None = None
    legal_basis: str | None = None
    explanation: str | None = None
    pictures: tuple[Picture, ...] = ()
    # The only one of them, as the bank stores it.
    picture: StoredPicture | None = None

    @property
    def alt(self) -> str:
        """What the file says for those who can't see the first picture."""
        return clean_text(self.pictures[0].alt)[:LONGEST_ALT] if self.pictures else ""

    def as_json(self) -> dict[str, Any]:
        """Return the item as `contest bank check --json` prints it."""
        told: dict[str, Any] = {
            "where": dict(self.where),
            "stem": self.stem,
            "options": list(self.options),
            "key": list(self.key),
            "kind": self.kind,
            "topic": self.topic,
            "level": self.level,
            "legal_basis": self.legal_basis,
            "explanation": self.explanation,
        }
        if self.pictures:
            told["images"] = [picture.sha256 for picture in self.pictures]
        return told


@dataclass(frozen=True)
class Reading:
    """What a file gave: the good items in the file's order, and the problems."""

    items: Sequence[FoundItem]
    problems: Sequence[Problem]

    def as_json(self) -> dict[str, Any]:
        """Return the reading as `contest bank check --json` prints it."""
        return {
            "items": [item.as_json() for item in self.items],
            "problems": [problem.as_json() for problem in self.problems],
        }


class UnreadableFile(Exception):
    """The file can't be opened as what it claims to be; the message is a Vietnamese sentence."""
