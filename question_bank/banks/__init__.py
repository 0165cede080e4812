"""The demo bank: one TOML file per topic, read into items.

A file names its `topic` once; each `[[item]]` has `code`, `level`, `stem`, `options`, `key` (letters
from a), `explanation`, `legal_document`, and where they differ from the default `kind` (single),
`divisions` (both), `pinned` (letters), `legal_article`, `valid_from`, `valid_to`, `status`
(approved; a draft waits for a lawyer) and `facts`, the tag of the source for whoever checks it.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from question_bank.items import Item, Option

DIVISIONS = ("officials", "citizens")


def demo_items(status: str = "approved") -> Iterator[Item]:
    """Yield the demo bank's items of one status, in the order of topics and codes."""
    files = sorted(Path(__file__).parent.glob("t*.toml"))
    for path in files:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for entry in content["item"]:
            if entry.get("status", "approved") == status:
                yield _item(content["topic"], entry)


def _item(topic: str, entry: dict[str, Any]) -> Item:
    pinned = _indices(entry.get("pinned", ""))
    return Item(
        code=entry["code"],
        kind=entry.get("kind", "single"),
        stem=entry["stem"],
        options=tuple(Option(text, is_pinned=place in pinned) for place, text in enumerate(entry["options"])),
        key=_indices(entry["key"]),
        topic=topic,
        level=entry["level"],
        divisions=tuple(entry.get("divisions", DIVISIONS)),
        explanation=entry["explanation"],
        legal_document=entry["legal_document"],
        legal_article=entry.get("legal_article", ""),
        valid_from=entry.get("valid_from"),
        valid_to=entry.get("valid_to"),
    )


def _indices(letters: str) -> tuple[int, ...]:
    return tuple(ord(letter) - ord("a") for letter in letters)
