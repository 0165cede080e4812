"""The answer sheet: what a page may send, and whether it fits the paper.

A sheet is whole: what it leaves out is cleared. The shape of a paper is one text, per position the
number of options and s or m (one or several may be chosen), such as 4s4s4m5s.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from contest.rules.scoring import LABELS
from question_bank.draw import PaperItem, PoolItem

MOST_SEQ = 2**31 - 1
MOST_PREDICTION = 2**31 - 1
EDITOR = re.compile(r"[A-Za-z0-9_-]{1,32}")
SHAPE = re.compile(r"(?:[2-8][sm]){1,200}")


class BadSheet(Exception):
    """The sheet is not one; the message names what is wrong, for programmers."""


@dataclass(frozen=True)
class Sheet:
    """A whole answer sheet as a page sends it."""

    seq: int
    base: int
    editor: str
    shape: str
    responses: Mapping[str, list[str]]
    prediction: int | None = None


def paper_shape(paper: Sequence[PaperItem], pool: Mapping[str, PoolItem]) -> str:
    """Return the shape of a paper."""
    return "".join(f"{len(item.order)}{'m' if pool[item.code].is_multiple else 's'}" for item in paper)


def read_sheet(body: object) -> Sheet:
    """Return the sheet in a decoded JSON body; labels sorted, empty positions left out.

    Raises BadSheet for anything that rules.md answers with 422, the shape's agreement with the
    stored paper excepted, which only the database can judge.
    """
    if not isinstance(body, dict):
        raise BadSheet("the body is not an object")
    missing = [name for name in ("seq", "base", "editor", "shape", "responses") if name not in body]
    if missing:
        raise BadSheet(f"missing: {', '.join(missing)}")
    editor, shape = body["editor"], body["shape"]
    if not isinstance(editor, str) or not EDITOR.fullmatch(editor):
        raise BadSheet("editor is not 1 to 32 of A-Z a-z 0-9 _ -")
    if not isinstance(shape, str):
        raise BadSheet("shape is none")
    prediction = body.get("prediction")
    if prediction is not None:
        prediction = _whole(prediction, "prediction", 0, MOST_PREDICTION)
    return Sheet(
        seq=_whole(body["seq"], "seq", 1, MOST_SEQ),
        base=_whole(body["base"], "base", 0, MOST_SEQ),
        editor=editor,
        shape=shape,
        responses=_responses(body["responses"], _choices(shape)),
        prediction=prediction,
    )


def _whole(value: object, name: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:  # bool is an int, but no number here
        raise BadSheet(f"{name} is no whole number from {low} to {high}")
    return value


# All papers of a round have few shapes; whoever makes up others only empties the cache.
@lru_cache(maxsize=256)
def _choices(shape: str) -> Mapping[str, tuple[str, bool]]:
    """Return what may be chosen at each position, and whether several may, in paper order."""
    if not SHAPE.fullmatch(shape):
        raise BadSheet("shape is none")
    pairs = zip(shape[::2], shape[1::2], strict=True)
    return {
        str(position): (LABELS[: int(count)], kind == "m")
        for position, (count, kind) in enumerate(pairs, start=1)
    }


def _responses(value: object, choices: Mapping[str, tuple[str, bool]]) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        raise BadSheet("responses is not an object")
    if not value.keys() <= choices.keys():
        raise BadSheet("unknown position")
    responses = {}
    for position, (known, may_be_many) in choices.items():
        labels = value.get(position)
        if labels is None:
            continue
        if not isinstance(labels, list):
            raise BadSheet(f"position {position}: not a list of labels")
        for label in labels:
            if not isinstance(label, str):
                raise BadSheet(f"position {position}: not a list of labels")
            if len(label) != 1 or label not in known:
                raise BadSheet(f"position {position}: unknown label")
        if len(labels) > 1:
            _check_many(position, labels, may_be_many)
        if labels:
            responses[position] = sorted(labels)
    return responses


def _check_many(position: str, labels: Sequence[str], may_be_many: bool) -> None:
    if len(set(labels)) < len(labels):
        raise BadSheet(f"position {position}: a label twice")
    if not may_be_many:
        raise BadSheet(f"position {position}: two labels where one may be chosen")
