"""Statistics that show nobody: ages in bands, and which cells are hidden because they are of too few people.

A cell of fewer than FEWEST people is hidden. Where the total of its line is known, what is hidden can be
worked out by difference; so together the hidden cells are at least two and of at least FEWEST people,
and for that others are hidden too, the smallest first.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from datetime import date
from typing import TypeVar

from contest.rules.eligibility import age_on

K = TypeVar("K", bound=Hashable)
G = TypeVar("G", bound=Hashable)

FEWEST = 10
# Up to which age each band goes; the last has no end.
AGE_BANDS = {
    "under_18": 17,
    "18_24": 24,
    "25_34": 34,
    "35_44": 44,
    "45_54": 54,
    "55_64": 64,
    "65_up": None,
}
UNKNOWN_AGE = "unknown"
AGE_NAMES = {
    "under_18": "Dưới 18",
    "18_24": "18–24",
    "25_34": "25–34",
    "35_44": "35–44",
    "45_54": "45–54",
    "55_64": "55–64",
    "65_up": "Từ 65",
    UNKNOWN_AGE: "Không rõ",
}


def age_band(birth_date: date | None, on: date) -> str:
    """Return the band of somebody's age on a day, one of AGE_BANDS or UNKNOWN_AGE."""
    if birth_date is None:
        return UNKNOWN_AGE
    age = age_on(birth_date, on)
    return next(band for band, oldest in AGE_BANDS.items() if oldest is None or age <= oldest)


def hidden_cells(people: Mapping[K, int], *, fewest: int = FEWEST) -> frozenset[K]:
    """Return which cells of a line with a known total are hidden; cells without anybody are not.

    If not even all of them together are enough, all are hidden, and the total must be hidden as well.
    """
    by_size = sorted((key for key, count in people.items() if count), key=lambda key: people[key])
    small = [key for key in by_size if people[key] < fewest]
    if not small:
        return frozenset()
    places = len(small)
    while places < len(by_size) and (places < 2 or sum(people[key] for key in by_size[:places]) < fewest):
        places += 1
    return frozenset(by_size[:places])


def hidden_in_groups(
    people: Mapping[K, int], group_of: Mapping[K, G], *, fewest: int = FEWEST
) -> tuple[frozenset[K], frozenset[G]]:
    """Return which cells and which groups are hidden, where the totals of groups and of all are known.

    Hidden groups are one line: the total of all less the other groups tells how many are in them together.
    """
    totals: Counter[G] = Counter()
    for key, count in people.items():
        totals[group_of[key]] += count
    groups = hidden_cells(totals, fewest=fewest)
    lines: dict[G | None, dict[K, int]] = {}
    for key, count in people.items():
        group = group_of[key]
        lines.setdefault(None if group in groups else group, {})[key] = count
    cells = frozenset(key for line in lines.values() for key in hidden_cells(line, fewest=fewest))
    return cells, groups


def score_ranges(people: Sequence[int], *, fewest: int = FEWEST) -> list[tuple[int, int, int]]:
    """Return ranges of scores, from and to, with enough people in each; `people` has one count a score.

    Scores are put together and not hidden: with the mean known, two hidden ones could be worked out. Full
    points stand alone if nobody or enough people have them and the others are enough by themselves.
    """
    last = len(people) - 1
    ends = last if people[last] >= fewest or not people[last] else last + 1
    ranges: list[tuple[int, int, int]] = []
    low = count = 0
    for score in range(ends):
        count += people[score]
        if count >= fewest:
            ranges.append((low, score, count))
            low, count = score + 1, 0
    if low < ends:  # the rest goes with the range before it
        first, _, before = ranges.pop() if ranges else (0, 0, 0)
        ranges.append((first, ends - 1, before + count))
    if ends == last:
        if ranges and 0 < ranges[-1][2] < fewest:
            return [(0, last, sum(people))]
        ranges.append((last, last, people[last]))
    return ranges
