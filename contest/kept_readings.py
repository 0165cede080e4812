"""What was read from a large file and how it stands beside the bank, as JSON to keep between steps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from contest.imports import Near, Verdict
from question_bank.formats.drafts import FoundItem, Picture, Problem, Reading
from question_bank.items import Picture as StoredPicture


def reading_as_json(reading: Reading) -> bytes:
    """Return a reading without the bytes of its pictures."""
    return _dump({"items": list(map(_item, reading.items)), "problems": _problems(reading.problems)})


def reading_of(kept: bytes) -> Reading:
    """Return a reading that was kept; its pictures have digests and sizes, but no bytes."""
    told = json.loads(kept)
    return Reading(list(map(_found_item, told["items"])), _found_problems(told["problems"]))


def verdicts_as_json(verdicts: Sequence[Verdict]) -> bytes:
    """Return what items are beside the bank."""
    return _dump([[one.kind, one.version_id, _problems(one.problems)] for one in verdicts])


def verdicts_of(kept: bytes) -> list[Verdict]:
    """Return verdicts that were kept."""
    return [
        Verdict(kind, version_id, tuple(_found_problems(problems)))
        for kind, version_id, problems in json.loads(kept)
    ]


def near_as_json(near: Sequence[Near]) -> bytes:
    """Return what reads alike."""
    return _dump(list(map(astuple, near)))


def near_of(kept: bytes) -> list[Near]:
    """Return what reads alike and was kept."""
    return [Near(*one) for one in json.loads(kept)]


def contents_as_json(contents: Sequence[Mapping[str, Any]]) -> bytes:
    """Return contents of new items, as bank.content_of gives them, without the bytes of their pictures."""
    return _dump([{**content, "picture": _picture(content["picture"])} for content in contents])


def contents_of(kept: bytes, pictures: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Return contents that were kept, with the bytes of their pictures by digest."""
    return [
        {**content, "picture": _stored_picture(content["picture"], pictures)} for content in json.loads(kept)
    ]


def _item(found: FoundItem) -> dict[str, Any]:
    return {
        **found.as_json(),
        "pictures": [[picture.alt, picture.is_in_option] for picture in found.pictures],
        "picture": _picture(found.picture),
    }


def _found_item(told: Mapping[str, Any]) -> FoundItem:
    return FoundItem(
        where=told["where"],
        stem=told["stem"],
        options=tuple(told["options"]),
        key=tuple(told["key"]),
        kind=told["kind"],
        topic=told["topic"],
        level=told["level"],
        legal_basis=told["legal_basis"],
        explanation=told["explanation"],
        pictures=tuple(
            Picture(b"", alt, is_in_option=is_in_option) for alt, is_in_option in told["pictures"]
        ),
        picture=_stored_picture(told["picture"], {}),
    )


def _picture(picture: StoredPicture | None) -> list[Any] | None:
    return [picture.sha256, picture.width, picture.height] if picture else None


def _stored_picture(told: Sequence[Any] | None, pictures: Mapping[str, bytes]) -> StoredPicture | None:
    if told is None:
        return None
    sha256, width, height = told
    return StoredPicture(sha256, width, height, pictures.get(sha256, b""))


def _problems(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [problem.as_json() for problem in problems]


def _found_problems(told: Sequence[Mapping[str, Any]]) -> list[Problem]:
    return [Problem(**one) for one in told]


def _dump(told: Any) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
