"""Points. One point an item, exact: whole numbers in units of 1/840 (divisible by 1 to 8)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from question_bank.draw import PaperItem

POINT = 840
LABELS = "abcdefgh"
# A correction of a code: None voids the item, otherwise the accepted keys, each of option indices.
Correction = Sequence[Collection[int]] | None


@dataclass(frozen=True)
class Scored:
    """The points of a paper, in all and by position, in units of 1/840."""

    points: int
    by_position: tuple[int, ...]


def item_points(chosen: Collection[int], key: Collection[int], *, partial: bool = False) -> int:
    """Return the points for the chosen options of one item; wrong or empty is 0, never negative."""
    chosen, key = frozenset(chosen), frozenset(key)
    if not partial:
        return POINT if chosen == key else 0
    return max(0, (len(chosen & key) - len(chosen - key)) * POINT // len(key))


def chosen_indices(labels: Collection[str], order: Sequence[int]) -> frozenset[int]:
    """Map the labels of a response to option indices in the bank: label a is the first shown."""
    return frozenset(order[LABELS.index(label)] for label in labels)


def corrected_points(chosen: Collection[int], accepted: Correction, *, partial: bool = False) -> int:
    """Return the points for one item: full where it is voided, else by the accepted key that pays most."""
    if accepted is None:
        return POINT
    return max(item_points(chosen, key, partial=partial) for key in accepted)


def score(
    paper: Sequence[PaperItem],
    responses: Mapping[str, Collection[str]],
    keys: Mapping[str, Collection[int]],
    *,
    partial: bool = False,
    corrections: Mapping[str, Correction] | None = None,
) -> Scored:
    """Score a paper: `responses` by position from "1", `keys` and `corrections` by code.

    A voided item is a full point to everyone who had it; of several accepted keys the one that pays
    most counts.
    """
    corrections = corrections or {}
    by_position = []
    for position, item in enumerate(paper, start=1):
        accepted = corrections.get(item.code, (keys[item.code],))
        chosen = chosen_indices(responses.get(str(position)) or (), item.order)
        by_position.append(corrected_points(chosen, accepted, partial=partial))
    return Scored(sum(by_position), tuple(by_position))
