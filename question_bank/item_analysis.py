"""Item analysis after a round: which questions were good, and how far the round's scores can be trusted.

Classical test theory, on plain records. Papers are drawn at random, so each person had other items:
scores are shares of what a paper could give, and whatever needs one common test (KR-20, alpha) is left
out. Sources:

- Brown, W. (1910), Spearman, C. (1910), British Journal of Psychology 3: the length of a test.
- Cochran, W. G. (1954), Biometrics 10: when the normal approximation may be used.
- Crocker, L. & Algina, J. (1986), Introduction to Classical and Modern Test Theory.
- Ebel, R. L. & Frisbie, D. A. (1991), Essentials of Educational Measurement, 5th ed.
- Fleiss, J. L., Levin, B. & Paik, M. C. (2003), Statistical Methods for Rates and Proportions, 3rd ed.
- Holm, S. (1979), Scandinavian Journal of Statistics 6.
- Kelley, T. L. (1939), Journal of Educational Psychology 30.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import erfc, fsum, sqrt
from typing import TypeVar

T = TypeVar("T")

# Kelley (1939): groups of 27 % tell most about the difference between strong and weak.
GROUP_SHARE = 0.27
# With fewer papers nothing is flagged: chance would speak.
FEWEST_PAPERS = 30
TOO_EASY, TOO_HARD = 0.90, 0.20
# Ebel & Frisbie (1991): below 0.20 an item is poor, to be rejected or rewritten.
WEAK = 0.20
# A distractor counts as attractive to the strong from this share of the upper group on.
ATTRACTIVE = 0.10
ALPHA = 0.05
FEWEST_EXPECTED = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person did with one item: options chosen (none if left out), share of its points."""

    paper: str
    item: str
    chosen: frozenset[int]
    score: float


@dataclass(frozen=True, slots=True)
class ItemKey:
    """What the analysis needs to know of an item: how many options, and which are right."""

    options: int
    key: frozenset[int]


@dataclass(frozen=True, slots=True)
class OptionCounts:
    """How many people chose an option: all who had the item, the upper group, the lower group."""

    total: int
    upper: int
    lower: int


@dataclass(frozen=True, kw_only=True)
class ItemAnalysis:
    """One item in one round; what can't be told from the answers is None."""

    item: str
    shown: int
    exposure: float
    left_out: int
    facility: float
    discrimination: float | None
    group_index: float | None
    group_sizes: tuple[int, int]
    options: tuple[OptionCounts, ...]
    flags: tuple[str, ...]


# --- items -----------------------------------------------------------------------------------------


def analyse(answers: Iterable[Answer], keys: Mapping[str, ItemKey]) -> list[ItemAnalysis]:
    """Return the analysis of each item in `keys` that was shown, by the order of `keys`."""
    papers: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        papers[answer.paper].append(answer)
    with_rest: defaultdict[str, list[tuple[Answer, float | None]]] = defaultdict(list)
    for paper in papers.values():
        total = fsum(answer.score for answer in paper)
        for answer in paper:
            # Rounded: rests that are equal must stay so, or the noise would correlate.
            rest = round((total - answer.score) / (len(paper) - 1), 12) if len(paper) > 1 else None
            with_rest[answer.item].append((answer, rest))
    return [_analysis(item, keys[item], with_rest[item], len(papers)) for item in keys if with_rest[item]]


def _analysis(
    item: str, key: ItemKey, answers: Sequence[tuple[Answer, float | None]], papers: int
) -> ItemAnalysis:
    scores = [answer.score for answer, _ in answers]
    ranked = [(answer, rest) for answer, rest in answers if rest is not None]
    upper, lower = score_groups(ranked)
    counts = [Counter(option for answer in group for option in answer.chosen) for group in (upper, lower)]
    total = Counter(option for answer, _ in answers for option in answer.chosen)
    analysis = ItemAnalysis(
        item=item,
        shown=len(answers),
        exposure=len(answers) / papers,
        left_out=sum(not answer.chosen for answer, _ in answers),
        facility=facility(scores),
        discrimination=item_rest_correlation(
            [answer.score for answer, _ in ranked], [rest for _, rest in ranked]
        ),
        group_index=_facility_of(upper) - _facility_of(lower) if upper and lower else None,
        group_sizes=(len(upper), len(lower)),
        options=tuple(
            OptionCounts(total[option], counts[0][option], counts[1][option]) for option in range(key.options)
        ),
        flags=(),
    )
    return _with_flags(analysis, key)


def facility(scores: Sequence[float]) -> float:
    """Return the mean share of the item's points, p (Crocker & Algina 1986, ch. 5): 1 is very easy."""
    return fsum(scores) / len(scores)


def _facility_of(answers: Sequence[Answer]) -> float:
    return facility([answer.score for answer in answers])


def item_rest_correlation(scores: Sequence[float], rests: Sequence[float]) -> float | None:
    """Return the corrected point-biserial: the correlation of the item with the rest of the paper.

    Pearson's r of the item's score and the mean score of the same paper's other items, so that the
    item does not correlate with itself (Crocker & Algina 1986, ch. 14). None if either does not vary.
    """
    return correlation(scores, rests)


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Pearson's r = Σ(x-x̄)(y-ȳ) / √(Σ(x-x̄)² · Σ(y-ȳ)²); None if one does not vary."""
    if len(first) < 2 or min(first) == max(first) or min(second) == max(second):
        return None
    mean_first, mean_second = fsum(first) / len(first), fsum(second) / len(second)
    from_first = [value - mean_first for value in first]
    from_second = [value - mean_second for value in second]
    spread = sqrt(fsum(x * x for x in from_first)) * sqrt(fsum(y * y for y in from_second))
    if spread == 0:
        return None
    r = fsum(x * y for x, y in zip(from_first, from_second, strict=True)) / spread
    return max(-1.0, min(1.0, r))


def score_groups(ranked: Sequence[tuple[T, float]]) -> tuple[list[T], list[T]]:
    """Return the upper and the lower group: 27 % each of those ranked (Kelley 1939).

    People tied at a group's edge all belong to it, so that no one's place in the list matters; if the
    groups would meet, there are none.
    """
    size = round(GROUP_SHARE * len(ranked))
    if not size:
        return [], []
    scores = sorted(score for _, score in ranked)
    low, high = scores[size - 1], scores[-size]
    if low >= high:
        return [], []
    return [one for one, score in ranked if score >= high], [one for one, score in ranked if score <= low]


# --- flags -----------------------------------------------------------------------------------------


def _with_flags(analysis: ItemAnalysis, key: ItemKey) -> ItemAnalysis:
    return (
        replace(analysis, flags=tuple(_flags(analysis, key))) if analysis.shown >= FEWEST_PAPERS else analysis
    )


def _flags(analysis: ItemAnalysis, key: ItemKey) -> Iterator[str]:
    """Yield what the organizers should look at, in words."""
    if analysis.facility > TOO_EASY:
        yield f"Quá dễ: trung bình đạt {_percent(analysis.facility)} số điểm của câu."
    if analysis.facility < TOO_HARD:
        yield f"Quá khó: trung bình chỉ đạt {_percent(analysis.facility)} số điểm của câu."
    r = analysis.discrimination
    if r is not None and r < 0:
        yield f"Phân biệt ngược (r = {_number(r)}): người làm bài tốt lại hay sai câu này; kiểm tra đáp án."
    elif r is not None and r < WEAK:
        yield f"Phân biệt kém (r = {_number(r)}): câu hỏi hầu như không tách được người giỏi và người yếu."
    for option, counts in enumerate(analysis.options):
        if option not in key.key:
            yield from _flags_of_distractor(chr(ord("A") + option), counts, analysis, key)


def _flags_of_distractor(
    letter: str, counts: OptionCounts, analysis: ItemAnalysis, key: ItemKey
) -> Iterator[str]:
    if counts.total == 0:
        yield f"Không ai chọn phương án {letter}: phương án nhiễu này không có tác dụng."
        return
    upper_size, lower_size = analysis.group_sizes
    if not upper_size:
        return
    upper, lower = counts.upper / upper_size, counts.lower / lower_size
    if counts.upper > max(analysis.options[right].upper for right in key.key):
        yield (
            f"Phương án {letter} (sai) được nhóm điểm cao chọn nhiều hơn đáp án ({_percent(upper)}): "
            "có thể đáp án bị nhầm hoặc câu hỏi gây hiểu lầm."
        )
    elif upper > lower and upper >= ATTRACTIVE:
        yield (
            f"Phương án {letter} (sai) thu hút nhóm điểm cao ({_percent(upper)}) hơn nhóm điểm thấp "
            f"({_percent(lower)})."
        )


def _percent(share: float) -> str:
    return f"{_number(100 * share, 0)}%"


def _number(value: float, places: int = 2) -> str:
    return f"{value:.{places}f}".replace(".", ",")


# --- the round -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reliability:
    """How far two halves of a paper agree; None where there are too few papers or no spread."""

    papers: int
    half_correlation: float | None
    coefficient: float | None
    # Of a paper's score as a share of its points: s · √(1 - coefficient).
    standard_error: float | None


def spearman_brown(r: float, lengths: float = 2) -> float:
    """Return the reliability of a test `lengths` times as long: k·r / (1 + (k-1)·r).

    Spearman (1910), Brown (1910); Crocker & Algina 1986, ch. 7. For r ≤ 0 the parts have nothing in
    common, and 0 is returned.
    """
    return lengths * r / (1 + (lengths - 1) * r) if r > 0 else 0.0


def split_half_reliability(papers: Iterable[Sequence[float]]) -> Reliability:
    """Return the reliability of a round from its papers, each the scores of its items as they stood.

    Each paper is split into its odd and its even places. Items stand in a paper in random order, so
    this is a random split; the correlation of the halves is stepped up by Spearman–Brown.
    """
    long_enough = [paper for paper in papers if len(paper) > 1]
    halves = [(facility(paper[::2]), facility(paper[1::2])) for paper in long_enough]
    r = correlation([odd for odd, _ in halves], [even for _, even in halves])
    if r is None:
        return Reliability(len(long_enough), None, None, None)
    coefficient = spearman_brown(r)
    totals = [facility(paper) for paper in long_enough]
    mean = facility(totals)
    variance = fsum((total - mean) ** 2 for total in totals) / (len(totals) - 1)
    return Reliability(len(long_enough), r, coefficient, sqrt(variance * (1 - coefficient)))


# --- drift -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """An item in a stretch of time: how often it was shown, how often answered fully right."""

    right: int
    shown: int


@dataclass(frozen=True, kw_only=True)
class Drift:
    """An item in one window against all its windows before."""

    item: str
    window: int
    before: float
    now: float
    z: float
    p_value: float
    # Holm's: for all items and windows that were tested together.
    adjusted_p: float
    flag: str | None


def windows_of(answers: Iterable[tuple[float, bool]], edges: Sequence[float]) -> list[Window]:
    """Return the windows between sorted edges (moments as seconds) from moments and right or wrong.

    There is one window more than edges: before the first, and from each edge on.
    """
    counts = [[0, 0] for _ in range(len(edges) + 1)]
    for moment, is_right in answers:
        window = counts[bisect_right(edges, moment)]
        window[0] += is_right
        window[1] += 1
    return [Window(right, shown) for right, shown in counts]


def drift(items: Mapping[str, Sequence[Window]], *, alpha: float = ALPHA) -> list[Drift]:
    """Return each item's windows against what went before, the most striking first.

    A window is tested when the counts allow it (two_proportion_z). What stays below `alpha` after
    Holm's correction over all tests is flagged in words: an item that suddenly gets easy may be known.
    """
    tested: list[tuple[str, int, Window, Window, float]] = []
    for item, windows in items.items():
        for place in range(1, len(windows)):
            earlier = windows[:place]
            before = Window(sum(one.right for one in earlier), sum(one.shown for one in earlier))
            z = two_proportion_z(before, windows[place])
            if z is not None:
                tested.append((item, place, before, windows[place], z))
    p_values = [two_sided_p(z) for *_, z in tested]
    drifts = [
        Drift(
            item=item,
            window=place,
            before=before.right / before.shown,
            now=now.right / now.shown,
            z=z,
            p_value=p_value,
            adjusted_p=adjusted,
            flag=_drift_flag(before, now) if adjusted < alpha else None,
        )
        for (item, place, before, now, z), p_value, adjusted in zip(
            tested, p_values, holm(p_values), strict=True
        )
    ]
    return sorted(drifts, key=lambda one: (one.adjusted_p, one.p_value, one.item, one.window))


def _drift_flag(before: Window, now: Window) -> str:
    shares = f"từ {_percent(before.right / before.shown)} đến {_percent(now.right / now.shown)} trả lời đúng"
    if now.right / now.shown > before.right / before.shown:
        return f"Câu hỏi bỗng dễ hơn ({shares}): có thể đã bị lộ."
    return f"Câu hỏi bỗng khó hơn ({shares}): kiểm tra cách hiển thị và đáp án."


def two_proportion_z(first: Window, second: Window) -> float | None:
    """Return z = (p₂-p₁) / √(p(1-p)(1/n₁+1/n₂)) with the pooled share p (Fleiss et al. 2003, ch. 3).

    None unless right and wrong answers are both expected 5 times at least in each (Cochran 1954).
    """
    if not first.shown or not second.shown:
        return None
    right, shown = first.right + second.right, first.shown + second.shown
    if min(right, shown - right) * min(first.shown, second.shown) < FEWEST_EXPECTED * shown:
        return None
    share = right / shown
    error = sqrt(share * (1 - share) * (1 / first.shown + 1 / second.shown))
    return (second.right / second.shown - first.right / first.shown) / error


def two_sided_p(z: float) -> float:
    """Return how often chance alone gives a normal deviate as far from 0 as z."""
    return erfc(abs(z) / sqrt(2))


def holm(p_values: Collection[float]) -> list[float]:
    """Return Holm's (1979) adjusted p-values, in the order given.

    The i-th smallest of m becomes the greatest (m-j+1)·p₍ⱼ₎ for j ≤ i, at most 1; the chance of any
    false alarm stays below the level, however the tests depend on each other.
    """
    ordered = sorted(enumerate(p_values), key=lambda pair: pair[1])
    adjusted = [0.0] * len(ordered)
    greatest = 0.0
    for rank, (place, p_value) in enumerate(ordered):
        greatest = max(greatest, min(1.0, (len(ordered) - rank) * p_value))
        adjusted[place] = greatest
    return adjusted
