"""The draw: which items a paper gets, in which order, with their options in which order.

Everything follows from a paper seed of 32 bytes, by HMAC-SHA256 alone, so that anyone can re-derive
a paper in any language. docs/draw.md says it for the public, with a worked example.
"""

import hashlib
import hmac
import struct
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import TypeVar

T = TypeVar("T")

# The tag that only one item of a pool carries: a cell with it requires that item.
REQUIRED = "code:"
FOUR_WORDS = struct.Struct(">4Q")
WORD_RANGE = 2**64


@dataclass(frozen=True)
class PoolItem:
    """What the draw knows of an item: no texts, and of the options only how many and which stay put."""

    code: str
    topic: str
    level: str
    tags: frozenset[str]
    options: int
    pinned: frozenset[int]
    key: tuple[int, ...]
    is_multiple: bool = False


@dataclass(frozen=True)
class Cell:
    """One line of a specification: so many items of a topic and level that carry all the tags."""

    topic: str
    level: str
    count: int
    tags: frozenset[str] = frozenset()

    def takes(self, item: PoolItem) -> bool:
        """Tell whether the item fits this cell."""
        return item.topic == self.topic and item.level == self.level and self.tags <= item.tags


@dataclass(frozen=True)
class PaperItem:
    """One position of a paper: the item's code and its option indices in the order shown."""

    code: str
    order: tuple[int, ...]


class NotEnoughItems(Exception):
    """A cell of the specification asks for more items than the pool has left."""


def normal_text(text: str) -> str:
    """Return a public random text as it is mixed in: NFC, no white space at the ends."""
    return unicodedata.normalize("NFC", text).strip()


def round_seed(secret: bytes, public_text: str | None) -> bytes:
    """Return the seed of a round: its secret, or SHA-256(secret ‖ text) where a public text is mixed in."""
    if public_text is None:
        return secret
    return hashlib.sha256(secret + normal_text(public_text).encode()).digest()


def lot_key(seed: bytes, public_text: str | None) -> bytes:
    """Return the key of the lots: the round seed, or SHA-256 of the public text named for them."""
    return seed if public_text is None else hashlib.sha256(normal_text(public_text).encode()).digest()


def required_code(cell: Cell) -> str | None:
    """Return the code of the item that a cell requires, or None for an ordinary cell."""
    return next((tag.removeprefix(REQUIRED) for tag in sorted(cell.tags) if tag.startswith(REQUIRED)), None)


def paper_seed(round_seed: bytes, draw_id: str, number: int) -> bytes:
    """Return the 32-byte seed of one person's paper: attempt `number` (from 1) in the round."""
    return hmac.digest(round_seed, f"{draw_id}|{number}".encode(), "sha256")


def lot_number(key: bytes, division: str, draw_id: str) -> bytes:
    """Return a person's lot in a division; the lowest comes first. It depends on nobody else."""
    return hmac.digest(key, f"lot|{division}|{draw_id}".encode(), "sha256")


class Stream:
    """The random words of a paper seed, and the choices made from them."""

    def __init__(self, seed: bytes) -> None:
        self._words = _words(seed)

    def below(self, n: int) -> int:
        """Return a uniform whole number from 0 to n - 1, n ≥ 1, by rejection."""
        limit = WORD_RANGE // n * n
        word = next(self._words)
        while word >= limit:
            word = next(self._words)
        return word % n

    def pick(self, items: Sequence[T], k: int) -> list[T]:
        """Return k of the items in random order (all of them if k is more)."""
        pile = list(items)
        size = len(pile)
        for i in range(min(k, size - 1)):
            j = i + self.below(size - i)
            pile[i], pile[j] = pile[j], pile[i]
        return pile[:k]

    def shuffle(self, items: Sequence[T]) -> list[T]:
        """Return all the items in random order."""
        return self.pick(items, len(items))


def _words(seed: bytes) -> Iterator[int]:
    blocks = (hmac.digest(seed, block.to_bytes(8, "big"), "sha256") for block in count())
    return chain.from_iterable(map(FOUR_WORDS.unpack, blocks))


def draw_paper(
    pool: Sequence[PoolItem], specification: Sequence[Cell], seed: bytes, had: Collection[str] = ()
) -> list[PaperItem]:
    """Draw one paper.

    `pool` is sorted by code here, whatever order it comes in; `had` holds the codes that this person
    has had in the contest before: they are taken only where a cell has nothing else left. Raises
    NotEnoughItems if a cell can't be filled.
    """
    return draw_from(candidates_of(pool, specification), seed, had)


@dataclass(frozen=True)
class Candidates:
    """The items of a pool that a cell takes, in the order of their codes."""

    cell: Cell
    items: Sequence[PoolItem]
    codes: frozenset[str]

    def without(self, codes: Collection[str]) -> Sequence[PoolItem]:
        """Return the items but those with the codes."""
        if self.codes.isdisjoint(codes):
            return self.items
        return [item for item in self.items if item.code not in codes]


def candidates_of(pool: Sequence[PoolItem], specification: Sequence[Cell]) -> list[Candidates]:
    """Return what each cell may take: the same for all papers of a pool, and slow for a large one."""
    in_order = sorted(pool, key=lambda item: item.code)
    fitting = [(cell, tuple(item for item in in_order if cell.takes(item))) for cell in specification]
    return [Candidates(cell, items, frozenset(item.code for item in items)) for cell, items in fitting]


def draw_from(cells: Sequence[Candidates], seed: bytes, had: Collection[str] = ()) -> list[PaperItem]:
    """Draw one paper from what each cell may take, as draw_paper does."""
    stream = Stream(seed)
    had, taken = frozenset(had), set[str]()
    paper: list[PoolItem] = []
    for candidates in cells:
        cell, left = candidates.cell, candidates.without(taken)
        if len(left) < cell.count:
            raise NotEnoughItems(f"{cell.topic}/{cell.level} needs {cell.count}, has {len(left)}")
        chosen = stream.pick(candidates.without(taken | had), cell.count)
        if len(chosen) < cell.count:
            again = [item for item in left if item.code in had]
            chosen += stream.pick(again, cell.count - len(chosen))
        taken.update(item.code for item in chosen)
        paper += chosen
    return [PaperItem(item.code, option_order(item, stream)) for item in stream.shuffle(paper)]


def option_order(item: PoolItem, stream: Stream) -> tuple[int, ...]:
    """Return the option indices in an order of the stream, those that are pinned in their places."""
    if not item.pinned:
        return tuple(stream.shuffle(range(item.options)))
    free = [index for index in range(item.options) if index not in item.pinned]
    shuffled = iter(stream.shuffle(free))
    return tuple(index if index in item.pinned else next(shuffled) for index in range(item.options))


def shortfalls(pool: Sequence[PoolItem], specification: Sequence[Cell]) -> list[tuple[Cell, int]]:
    """Return the cells that might not be filled, each with the items it can be sure of.

    A cell is safe only if it has enough after the cells before it took all they could of its items.
    """
    short = []
    for place, cell in enumerate(specification):
        fitting = [item for item in pool if cell.takes(item)]
        rivals = [one for one in specification[:place] if (one.topic, one.level) == (cell.topic, cell.level)]
        sure = len(fitting) - _most_taken(fitting, rivals)
        if sure < cell.count:
            short.append((cell, sure))
    return short


def _most_taken(items: Sequence[PoolItem], cells: Sequence[Cell]) -> int:
    """Return how many of the items the cells can take in all: a largest matching of items and places."""
    places = [cell for cell in cells for _ in range(min(cell.count, len(items)))]
    holders: dict[int, PoolItem] = {}

    def finds_a_place(item: PoolItem, tried: set[int]) -> bool:
        for number, cell in enumerate(places):
            if number not in tried and cell.takes(item):
                tried.add(number)
                if number not in holders or finds_a_place(holders[number], tried):
                    holders[number] = item
                    return True
        return False

    return sum(finds_a_place(item, set()) for item in items)
