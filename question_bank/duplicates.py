"""Near-duplicate stems: two questions that ask the same, in other words or another order.

A stem is a bag of words without accents, case and punctuation; its numbers and negations stand apart,
and where those differ two stems are no duplicates, however alike they read. The similarity is the
Jaccard index of the two bags (Jaccard 1901), in which a word that any question may have counts a
quarter. To compare 20,000 stems not all with all, only pairs that share rare words are looked at: the
prefix filter (Chaudhuri, Ganti & Kaushik 2006; Bayardo, Ma & Srikant 2007), which loses no pair.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import nlargest, nsmallest
from itertools import chain, pairwise

from question_bank.formats.markup import text_of_html
from question_bank.text import fold

# From here on two stems are worth a look side by side; 1 is the same but for order and spelling.
THRESHOLD = 0.75
LIGHT = 0.25
LIGHT_WORDS = re.compile(
    "bao|cac|cho|co|cua|day|duoc|gi|hay|hoac|khi|la|ma|may|nao|nhieu|nhung|sau|tai|theo|thi|trong|va|ve|voi"
)
# Bounds for banks of one pattern ("Phí của thủ tục … là bao nhiêu?"), which real ones don't reach:
# a word of more stems than this is no rare one, and of more candidates only the likeliest are scored.
MOST_POSTED = 4_000
MOST_CANDIDATES = 200
MOST_PAIRS = 20_000
# A pair shares at least so many of its rare words.
SHARED = 2

_WORD = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d{3})+(?!\d)|\d+")
_NEGATIONS = {
    "không": "không",
    "khong": "không",
    "chẳng": "không",
    "chưa": "chưa",
    "trừ": "trừ",
    "sai": "sai",
}
_BARE_NEGATIONS = {"chua": "chưa", "tru": "trừ"}
_ASKING = frozenset({"không", "khong", "chưa", "chua"})


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two stems by their places in the list, the earlier first, and how alike they are, to 1."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True)
class _Bag:
    """A stem's words, a repeated one with its number, and what must agree exactly."""

    words: frozenset[str]
    weight: float
    numbers: frozenset[int]
    negations: tuple[str, ...]

    @property
    def exact(self) -> tuple[frozenset[int], tuple[str, ...]]:
        return self.numbers, self.negations


def near_duplicates(
    stems: Sequence[str],
    *,
    threshold: float = THRESHOLD,
    since: int = 0,
    apart: Collection[tuple[int, int]] = frozenset(),
) -> list[NearDuplicate]:
    """Return the pairs of stems that are alike, the most alike first.

    With `since`, only pairs whose later stem has that place or a later one: the bank first, then what
    is to be imported. Pairs in `apart`, the earlier place first, are known to be different. Of stems
    with the same words each is paired with the first that it isn't apart from, and only that one with
    others. No more than the MOST_PAIRS likeliest are told.
    """
    bags = [_bag(stem) for stem in stems]
    repeated = _repeated(bags, apart)
    same = (NearDuplicate(first, second, 1.0) for second, first in repeated.items() if second >= since)
    alike = (
        NearDuplicate(first, second, round(score, 3))
        for first, second in _candidate_pairs(bags, repeated, threshold, since)
        if (first, second) not in apart and (score := _similarity(bags[first], bags[second])) >= threshold
    )
    return nsmallest(
        MOST_PAIRS, chain(same, alike), key=lambda pair: (-pair.similarity, pair.first, pair.second)
    )


def similarity(first: str, second: str) -> float:
    """Return how alike two stems are, from 0 to 1; 0 where numbers or negations differ."""
    bags = _bag(first), _bag(second)
    return _similarity(*bags) if bags[0].exact == bags[1].exact else 0.0


def _similarity(first: _Bag, second: _Bag) -> float:
    shared = sum(map(_weight, first.words & second.words))
    union = first.weight + second.weight - shared
    return shared / union if union else 1.0


@lru_cache(maxsize=50_000)
def _weight(word: str) -> float:
    return LIGHT if LIGHT_WORDS.fullmatch(word.partition("'")[0]) else 1.0


def _bag(stem: str) -> _Bag:
    text = text_of_html(stem, known_only=True) if "<" in stem or "&" in stem else stem
    tokens = _WORD.findall(unicodedata.normalize("NFC", text).lower())
    # "… có phải nộp (hay) không?" asks; it denies nothing.
    if len(tokens) > 1 and tokens[-1] in _ASKING:
        del tokens[-2 if tokens[-2] in ("hay", "hoặc") else -1 :]
    numbers = frozenset(int(re.sub(r"\D", "", token)[:18]) for token in tokens if token[0].isdecimal())
    counts: Counter[str] = Counter()
    words: set[str] = set()
    for word in (fold(token) for token in tokens if not token[0].isdecimal()):
        counts[word] += 1
        words.add(word if counts[word] == 1 else f"{word}'{counts[word]}")
    weight = sum(_weight(word) for word in sorted(words))
    return _Bag(frozenset(words), weight, numbers, _negations(tokens))


def _negations(tokens: Sequence[str]) -> tuple[str, ...]:
    found = [_NEGATIONS[token] for token in tokens if token in _NEGATIONS]
    if all(token.isascii() for token in tokens):  # typed without accents
        for token, following in pairwise([*tokens, ""]):
            if (token, following) != ("tru", "so"):  # the office, not "except"
                found += [_BARE_NEGATIONS[token]] if token in _BARE_NEGATIONS else []
    return tuple(sorted(found))


# --- which pairs to look at ------------------------------------------------------------------------


def _repeated(bags: Sequence[_Bag], apart: Collection[tuple[int, int]]) -> dict[int, int]:
    """Return each stem that has all its words from an earlier one, with the first such stem."""
    firsts: defaultdict[_Bag, list[int]] = defaultdict(list)
    repeated: dict[int, int] = {}
    for place, bag in enumerate(bags):
        first = next((one for one in firsts[bag] if (one, place) not in apart), None)
        if first is None:
            firsts[bag].append(place)
        else:
            repeated[place] = first
    return repeated


def _candidate_pairs(
    bags: Sequence[_Bag], repeated: Collection[int], threshold: float, since: int
) -> Iterator[tuple[int, int]]:
    """Yield the pairs that may reach the threshold: all that do, and not many others.

    Two bags of weights v ≤ w can only reach it if they share threshold · w. Take of each bag its rarest
    words until what is left weighs less than that by SHARED - 1: what two such bags share of these
    rare words is SHARED words at least, or else too little. Bags too light for that need share one.
    The repeated ones are left out.
    """
    frequencies = Counter(chain.from_iterable(bag.words for bag in bags))
    posted: defaultdict[tuple[object, str], list[int]] = defaultdict(list)
    light = SHARED / threshold**2
    for place, bag in enumerate(bags):
        if place in repeated:
            continue
        lists = [posted[bag.exact, word] for word in _rare_words(bag, frequencies, threshold)]
        if place >= since:
            sought = [posts for posts in lists if len(posts) <= MOST_POSTED]
            likely = _sharing(sought, needed=1 if bag.weight * threshold <= light else SHARED)
            for other in likely:
                if threshold * bag.weight <= bags[other].weight <= bag.weight / threshold:
                    yield other, place
        for posts in lists:
            posts.append(place)


def _sharing(posted: Sequence[list[int]], needed: int) -> list[int]:
    """Return who stands in so many of the lists, one or SHARED, those in most of them first."""
    seen: set[int] = set()
    likely: set[int] = set()
    for posts in posted:
        likely.update(seen.intersection(posts) if needed > 1 else posts)
        seen.update(posts)
    if len(likely) <= MOST_CANDIDATES:
        return sorted(likely)
    counts = Counter(filter(likely.__contains__, chain.from_iterable(posted)))
    return nlargest(MOST_CANDIDATES, counts, key=lambda other: (counts[other], -other))


def _rare_words(bag: _Bag, frequencies: Counter[str], threshold: float) -> list[str]:
    """Return the bag's rarest words, as many as the filter needs."""
    left = bag.weight
    needed = threshold * bag.weight - (SHARED - 1)
    rare: list[str] = []
    for word in sorted(bag.words, key=lambda word: (frequencies[word], word)):
        if left < needed - 1e-9:
            break
        rare.append(word)
        left -= _weight(word)
    return rare
