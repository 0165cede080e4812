"""A trial of the draw: many papers from a pool, and what they would mean for a round."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from question_bank.draw import (
    Cell,
    NotEnoughItems,
    PoolItem,
    Stream,
    draw_paper,
    paper_seed,
    shortfalls,
)

# So many pairs of papers are compared to find the two most alike.
PAIRS = 20_000
MOST_EXPOSED = 0.5
MOST_SHARED = 0.3
# Between the easiest paper and the hardest, in shares of the points.
WIDEST_SPREAD = 0.2
# A count so many standard deviations from the expected one is no chance.
FARTHEST = 5
MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Exposure:
    """How often an item was drawn, and how often it should be; None where several cells may take it."""

    code: str
    drawn: int
    expected: float | None


@dataclass(frozen=True)
class Overlap:
    """How many items two papers share: the mean of all pairs, the most of a sample of pairs."""

    mean: float
    most: int
    pairs: int


@dataclass(frozen=True)
class Spread:
    """The papers' expected shares of points, from the facilities of their items."""

    mean: float
    deviation: float
    easiest: float
    hardest: float


@dataclass(frozen=True, kw_only=True)
class SimulationReport:
    """What the trial found; a pool that can't fill the specification gives warnings and no papers."""

    papers: int
    items_per_paper: int
    exposures: Sequence[Exposure] = ()
    overlap: Overlap | None = None
    spread: Spread | None = None
    warnings: Sequence[str] = ()

    @property
    def least_drawn(self) -> int:
        """How often the item was drawn that was drawn least, of those that fit any cell."""
        return min((exposure.drawn for exposure in self.exposures), default=0)

    @property
    def most_drawn(self) -> int:
        """How often the item was drawn that was drawn most."""
        return max((exposure.drawn for exposure in self.exposures), default=0)


def simulate_draw(
    pool: Sequence[PoolItem],
    specification: Sequence[Cell],
    papers: int,
    seed: bytes,
    facilities: Mapping[str, float] | None = None,
) -> SimulationReport:
    """Return what `papers` papers look like that the draw makes of the pool; the same for the same seed.

    `facilities` are the shares of points that people got on the items before, where that is known.
    """
    # What no cell takes is never drawn, and leaving it out changes no paper.
    fitting = [item for item in pool if any(cell.takes(item) for cell in specification)]
    short = [
        f"Chủ đề {cell.topic}, mức {cell.level}{_tags(cell)} cần {cell.count} câu, chỉ chắc chắn có {sure}."
        for cell, sure in shortfalls(fitting, specification)
    ]
    size = sum(cell.count for cell in specification)
    try:
        drawn = [
            [
                paper_item.code
                for paper_item in draw_paper(fitting, specification, paper_seed(seed, str(number), 1))
            ]
            for number in range(papers)
        ]
    except NotEnoughItems:
        return SimulationReport(papers=0, items_per_paper=size, warnings=short)
    counts = Counter(code for paper in drawn for code in paper)
    expected = _expected(fitting, specification, papers)
    exposures = [Exposure(code, counts[code], expected[code]) for code in sorted(expected)]
    overlap = _overlap(drawn, counts, Stream(paper_seed(seed, "pairs", 1))) if papers > 1 else None
    spread = _spread(drawn, facilities or {})
    warnings = [
        *short,
        *_warnings_of_cells(fitting, specification),
        *_warnings_of_exposure(exposures, papers),
        *_warnings_of_papers(overlap, spread, size),
    ]
    return SimulationReport(
        papers=papers,
        items_per_paper=size,
        exposures=exposures,
        overlap=overlap,
        spread=spread,
        warnings=warnings,
    )


# --- figures ---------------------------------------------------------------------------------------


def _expected(
    pool: Sequence[PoolItem], specification: Sequence[Cell], papers: int
) -> dict[str, float | None]:
    """Return papers · count / candidates for each item that only one cell takes, with nobody else's."""
    fitting = [[item.code for item in pool if cell.takes(item)] for cell in specification]
    takers = Counter(code for codes in fitting for code in codes)
    expected: dict[str, float | None] = dict.fromkeys(takers)
    for cell, codes in zip(specification, fitting, strict=True):
        if all(takers[code] == 1 for code in codes):
            expected |= dict.fromkeys(codes, papers * cell.count / max(len(codes), 1))
    return expected


def _overlap(drawn: Sequence[Sequence[str]], counts: Counter[str], stream: Stream) -> Overlap:
    """Return the overlap of two papers; the mean follows from the counts: Σ nᵢ(nᵢ-1) / N(N-1)."""
    papers = len(drawn)
    mean = sum(count * (count - 1) for count in counts.values()) / (papers * (papers - 1))
    sets = [frozenset(paper) for paper in drawn]
    pairs = min(PAIRS, papers * (papers - 1) // 2)
    most = max(len(sets[first] & sets[second]) for first, second in _pairs(papers, pairs, stream))
    return Overlap(mean, most, pairs)


def _pairs(papers: int, pairs: int, stream: Stream) -> Iterator[tuple[int, int]]:
    """Yield all pairs if they are asked for, or else so many random ones."""
    if pairs == papers * (papers - 1) // 2:
        yield from ((first, second) for second in range(papers) for first in range(second))
        return
    for _ in range(pairs):
        first, second = stream.below(papers), stream.below(papers - 1)
        yield first, second + (second >= first)


def _spread(drawn: Sequence[Sequence[str]], facilities: Mapping[str, float]) -> Spread | None:
    """Return the spread of the papers' mean facilities, over those of their items that have one."""
    known = [[facilities[code] for code in paper if code in facilities] for paper in drawn]
    shares = [sum(paper) / len(paper) for paper in known if paper]
    if not shares:
        return None
    mean = sum(shares) / len(shares)
    deviation = sqrt(sum((share - mean) ** 2 for share in shares) / len(shares))
    return Spread(mean, deviation, max(shares), min(shares))


# --- warnings --------------------------------------------------------------------------------------


def _warnings_of_cells(pool: Sequence[PoolItem], specification: Sequence[Cell]) -> Iterator[str]:
    for cell in specification:
        fitting = sum(cell.takes(item) for item in pool)
        if 0 < cell.count == fitting:
            yield (
                f"Chủ đề {cell.topic}, mức {cell.level}{_tags(cell)} lấy {cell.count} câu mà ngân hàng "
                f"chỉ có {fitting}: mọi đề đều có các câu này."
            )


def _warnings_of_exposure(exposures: Sequence[Exposure], papers: int) -> Iterator[str]:
    never = [exposure.code for exposure in exposures if not exposure.drawn]
    if never and papers:
        yield f"{len(never)} câu không được rút lần nào: {_named(never)}."
    often = [exposure.code for exposure in exposures if exposure.drawn > MOST_EXPOSED * papers]
    if often:
        yield f"{len(often)} câu có mặt trong hơn {_percent(MOST_EXPOSED)} số đề: {_named(often)}."
    odd = [exposure.code for exposure in exposures if _is_odd(exposure, papers)]
    if odd:
        yield f"{len(odd)} câu được rút nhiều hay ít hơn hẳn mức mong đợi: {_named(odd)}."


def _is_odd(exposure: Exposure, papers: int) -> bool:
    """Tell whether a count can't be chance: a binomial one, too many deviations from its mean."""
    if exposure.expected is None or not papers:
        return False
    deviation = sqrt(max(exposure.expected * (1 - exposure.expected / papers), 0))
    return abs(exposure.drawn - exposure.expected) > FARTHEST * max(deviation, 1)


def _warnings_of_papers(overlap: Overlap | None, spread: Spread | None, size: int) -> Iterator[str]:
    if overlap and overlap.mean > MOST_SHARED * size:
        yield (
            f"Hai đề bất kỳ trùng nhau trung bình {_number(overlap.mean)} trên {size} câu; "
            "cần thêm câu hỏi hoặc rút ít câu hơn."
        )
    if spread and spread.easiest - spread.hardest > WIDEST_SPREAD:
        yield (
            f"Đề dễ nhất và đề khó nhất chênh nhau {_percent(spread.easiest - spread.hardest)} số điểm "
            "dự kiến; nên chia cấu trúc đề theo mức độ kỹ hơn."
        )


def _tags(cell: Cell) -> str:
    return f" ({', '.join(sorted(cell.tags))})" if cell.tags else ""


def _named(codes: Sequence[str]) -> str:
    more = len(codes) - MOST_NAMED
    return ", ".join(codes[:MOST_NAMED]) + (f" và {more} câu khác" if more > 0 else "")


def _number(value: float) -> str:
    return f"{value:.1f}".replace(".", ",")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
