"""Item analysis after a round: which questions were good, and how far the round's scores can be trusted.

Classical test theory, on plain records. Papers are drawn at random, so each person had other items:
scores are shares of what a paper could give, and whatever needs one common test (KR-20, alpha) is left
out. Papers are counted and not kept: two people who did the same on an item, with equal rests of their
papers, are one count of 2. Sources:

- Brown, W. (1910), Spearman, C. (1910), British Journal of Psychology 3: the length of a test.
- Crocker, L. & Algina, J. (1986), Introduction to Classical and Modern Test Theory.
- Ebel, R. L. & Frisbie, D. A. (1991), Essentials of Educational Measurement, 5th ed.
- Kelley, T. L. (1939), Journal of Educational Psychology 30.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, sqrt
from typing import NamedTuple

# Kelley (1939): groups of 27 % tell most about the difference between strong and weak.
GROUP_SHARE = 0.27
# With fewer papers nothing is flagged: chance would speak.
FEWEST_PAPERS = 30
TOO_EASY, TOO_HARD = 0.90, 0.20
# Ebel & Frisbie (1991): below 0.20 an item is poor, to be rejected or rewritten.
WEAK = 0.20
# A distractor counts as attractive to the strong from this share of the upper group on.
ATTRACTIVE = 0.10
# Of the reliability of scores: from here on people may be told apart, and from here on groups.
TRUSTED, USABLE = 0.80, 0.60
# What to do about a flag, by its kind.
ADVICE = {
    "too_easy": "Giữ lại nếu là kiến thức ai cũng phải biết; nếu không, xếp vào mức dễ hơn hoặc viết lại.",
    "too_hard": "Kiểm tra đáp án và lời văn; nếu đều đúng, đây là nội dung cần tuyên truyền thêm.",
    "reversed": "Đọc lại câu hỏi và căn cứ pháp lý; nếu đáp án sai, đính chính kết quả của vòng thi.",
    "weak": "Viết lại phương án nhiễu gần với cách hiểu sai thường gặp, hoặc ngừng dùng câu hỏi.",
    "unused": "Thay bằng một phương án mà người chưa nắm quy định có thể tin.",
    "beats_key": "Kiểm tra đáp án ngay; nếu hai phương án đều đúng, đính chính kết quả của vòng thi.",
    "attracts_best": "Xem phương án này có đúng trong trường hợp nào không; viết lại cho rõ.",
}
# Sums of the same points in another order differ in the last digits, and would not count as equal.
DIGITS = 12


class Answer(NamedTuple):
    """What one person did with one item: options chosen (none if left out), share of its points."""

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


@dataclass(frozen=True, slots=True)
class Flag:
    """Something to look at, in words; `kind` is one of ADVICE."""

    kind: str
    text: str


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
    flags: tuple[Flag, ...]


@dataclass(frozen=True)
class Reliability:
    """How far two halves of a paper agree; None where there are too few papers or no spread."""

    papers: int
    half_correlation: float | None
    coefficient: float | None
    # Of a paper's score as a share of its points: s · √(1 - coefficient).
    standard_error: float | None


# An answer as it is counted: what was chosen, its score, the mean score of the paper's other items.
_Case = tuple[frozenset[int], float, float | None]


class Tally:
    """Papers as they are counted. It does not grow with the papers, once every case has come up."""

    def __init__(self) -> None:
        self.papers = 0
        # Answers by the sum of their paper's scores and how many it has.
        self._answers: defaultdict[tuple[float, int], Counter[Answer]] = defaultdict(Counter)
        # Mean scores of odd places, even places, all places.
        self._halves: Counter[tuple[float, float, float]] = Counter()

    def add(self, paper: Sequence[Answer]) -> None:
        """Count a paper: its answers in their places."""
        self.papers += 1
        size = len(paper)
        scores = [answer.score for answer in paper]
        total = fsum(scores)
        answers = self._answers[total, size]
        for answer in paper:
            answers[answer] += 1
        if size > 1:
            odd, even = scores[::2], scores[1::2]
            self._halves[
                round(fsum(odd) / len(odd), DIGITS),
                round(fsum(even) / len(even), DIGITS),
                round(total / size, DIGITS),
            ] += 1

    def items(self, keys: Mapping[str, ItemKey]) -> list[ItemAnalysis]:
        """Return the analysis of each item in `keys` that was shown, by the order of `keys`."""
        cases: defaultdict[str, Counter[_Case]] = defaultdict(Counter)
        for (total, size), answers in self._answers.items():
            for answer, people in answers.items():
                rest = round((total - answer.score) / (size - 1), DIGITS) if size > 1 else None
                cases[answer.item][answer.chosen, answer.score, rest] += people
        return [_analysis(item, key, cases[item], self.papers) for item, key in keys.items() if item in cases]

    def reliability(self) -> Reliability:
        """Return the reliability of the round by split halves.

        Each paper is split into its odd and its even places. Items stand in a paper in random order,
        so this is a random split; the correlation of the halves is stepped up by Spearman–Brown.
        """
        papers = self._halves.total()
        halves: Counter[tuple[float, float]] = Counter()
        totals: Counter[float] = Counter()
        for (odd, even, total), people in self._halves.items():
            halves[odd, even] += people
            totals[total] += people
        r = correlation(halves)
        if r is None:
            return Reliability(papers, None, None, None)
        coefficient = spearman_brown(r)
        mean = facility(totals)
        variance = fsum(people * (total - mean) ** 2 for total, people in totals.items()) / (papers - 1)
        return Reliability(papers, r, coefficient, sqrt(variance * (1 - coefficient)))


# --- figures ---------------------------------------------------------------------------------------


def _analysis(item: str, key: ItemKey, cases: Counter[_Case], papers: int) -> ItemAnalysis:
    scores: Counter[float] = Counter()
    pairs: Counter[tuple[float, float]] = Counter()
    rests: Counter[float] = Counter()
    for (_, score, rest), people in cases.items():
        scores[score] += people
        if rest is not None:
            pairs[score, rest] += people
            rests[rest] += people
    edges = group_edges(rests)
    upper = _part(cases, lambda rest: edges is not None and rest >= edges[1])
    lower = _part(cases, lambda rest: edges is not None and rest <= edges[0])
    chosen = [_choices(part) for part in (cases, upper, lower)]
    shown = cases.total()
    analysis = ItemAnalysis(
        item=item,
        shown=shown,
        exposure=shown / papers,
        left_out=sum(people for (chosen, _, _), people in cases.items() if not chosen),
        facility=facility(scores),
        discrimination=item_rest_correlation(pairs),
        group_index=_facility_of(upper) - _facility_of(lower) if upper and lower else None,
        group_sizes=(upper.total(), lower.total()),
        options=tuple(OptionCounts(*(counts[option] for counts in chosen)) for option in range(key.options)),
        flags=(),
    )
    return replace(analysis, flags=tuple(_flags(analysis, key))) if shown >= FEWEST_PAPERS else analysis


def _part(cases: Counter[_Case], is_in: Callable[[float], bool]) -> Counter[_Case]:
    """Return the cases of those papers whose rest is in a group."""
    return Counter({case: people for case, people in cases.items() if case[2] is not None and is_in(case[2])})


def _choices(cases: Counter[_Case]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for (chosen, _, _), people in cases.items():
        for option in chosen:
            counts[option] += people
    return counts


def facility(scores: Mapping[float, int]) -> float:
    """Return the mean share of the points, p (Crocker & Algina 1986, ch. 5): 1 is very easy.

    `scores` maps each score to how many people have it.
    """
    return fsum(score * people for score, people in scores.items()) / sum(scores.values())


def _facility_of(cases: Mapping[_Case, int]) -> float:
    return fsum(score * people for (_, score, _), people in cases.items()) / sum(cases.values())


def item_rest_correlation(pairs: Mapping[tuple[float, float], int]) -> float | None:
    """Return the corrected point-biserial: the correlation of the item with the rest of the paper.

    Pearson's r of the item's score and the mean score of the same paper's other items, so that the
    item does not correlate with itself (Crocker & Algina 1986, ch. 14). None if either does not vary.
    """
    return correlation(pairs)


def correlation(pairs: Mapping[tuple[float, float], int]) -> float | None:
    """Return Pearson's r = Σ(x-x̄)(y-ȳ) / √(Σ(x-x̄)² · Σ(y-ȳ)²); None if one does not vary.

    `pairs` maps each (x, y) to how often it comes.
    """
    if len({x for x, _ in pairs}) < 2 or len({y for _, y in pairs}) < 2:
        return None
    times = sum(pairs.values())
    mean_x = fsum(n * x for (x, _), n in pairs.items()) / times
    mean_y = fsum(n * y for (_, y), n in pairs.items()) / times
    spread_x = fsum(n * (x - mean_x) ** 2 for (x, _), n in pairs.items())
    spread_y = fsum(n * (y - mean_y) ** 2 for (_, y), n in pairs.items())
    spread = sqrt(spread_x) * sqrt(spread_y)
    if spread == 0:
        return None
    r = fsum(n * (x - mean_x) * (y - mean_y) for (x, y), n in pairs.items()) / spread
    return max(-1.0, min(1.0, r))


def group_edges(rests: Mapping[float, int]) -> tuple[float, float] | None:
    """Return up to which score the lower group goes and from which the upper: 27 % each (Kelley 1939).

    People tied at a group's edge all belong to it, so that no one's place in the list matters; if the
    groups would meet, there are none. `rests` maps each score to how many people have it.
    """
    size = round(GROUP_SHARE * sum(rests.values()))
    if not size:
        return None
    low, high = _edge(sorted(rests), rests, size), _edge(sorted(rests, reverse=True), rests, size)
    return (low, high) if low < high else None


def _edge(scores: Sequence[float], people: Mapping[float, int], size: int) -> float:
    """Return the score at which so many people, in the order of the scores, are reached."""
    reached = 0
    for score in scores:
        reached += people[score]
        if reached >= size:
            return score
    raise AssertionError("the group is larger than all")


def spearman_brown(r: float, lengths: float = 2) -> float:
    """Return the reliability of a test `lengths` times as long: k·r / (1 + (k-1)·r).

    Spearman (1910), Brown (1910); Crocker & Algina 1986, ch. 7. For r ≤ 0 the parts have nothing in
    common, and 0 is returned.
    """
    return lengths * r / (1 + (lengths - 1) * r) if r > 0 else 0.0


def meaning(reliability: Reliability) -> str:
    """Return what a reliability means for whoever reads the results, in plain words."""
    r = reliability.coefficient
    if r is None or reliability.standard_error is None:
        return "Chưa đủ bài thi, hoặc mọi người bằng điểm nhau, nên chưa đánh giá được độ tin cậy."
    error = _percent(reliability.standard_error)
    if r >= TRUSTED:
        grade = "Cao: điểm phân biệt chắc chắn người nắm vững và người chưa nắm vững"
    elif r >= USABLE:
        grade = "Vừa phải: điểm đủ để xếp hạng theo nhóm, chênh nhau một câu thì chưa nói lên điều gì"
    else:
        grade = "Thấp: thứ hạng phụ thuộc nhiều vào may rủi của đề; cần thêm câu hoặc bỏ câu phân biệt kém"
    return (
        f"{grade}. Nếu một người làm nhiều đề cùng cấu trúc, khoảng hai phần ba số lần điểm lệch không quá "
        f"{error} số điểm của đề."
    )


# --- flags -----------------------------------------------------------------------------------------


def _flags(analysis: ItemAnalysis, key: ItemKey) -> Iterator[Flag]:
    """Yield what the organizers should look at."""
    share = _percent(analysis.facility)
    if analysis.facility > TOO_EASY:
        yield Flag("too_easy", f"Quá dễ: trung bình đạt {share} số điểm của câu.")
    if analysis.facility < TOO_HARD:
        yield Flag("too_hard", f"Quá khó: trung bình chỉ đạt {share} số điểm của câu.")
    r = analysis.discrimination
    if r is not None and r < 0:
        text = f"Phân biệt ngược (r = {_number(r)}): người làm bài tốt lại hay sai câu này; kiểm tra đáp án."
        yield Flag("reversed", text)
    elif r is not None and r < WEAK:
        text = f"Phân biệt kém (r = {_number(r)}): câu hỏi hầu như không tách được người giỏi và người yếu."
        yield Flag("weak", text)
    for option, counts in enumerate(analysis.options):
        if option not in key.key:
            yield from _flags_of_distractor(chr(ord("A") + option), counts, analysis, key)


def _flags_of_distractor(
    letter: str, counts: OptionCounts, analysis: ItemAnalysis, key: ItemKey
) -> Iterator[Flag]:
    if counts.total == 0:
        yield Flag("unused", f"Không ai chọn phương án {letter}: phương án nhiễu này không có tác dụng.")
        return
    upper_size, lower_size = analysis.group_sizes
    if not upper_size:
        return
    upper, lower = counts.upper / upper_size, counts.lower / lower_size
    if counts.upper > max(analysis.options[right].upper for right in key.key):
        yield Flag(
            "beats_key",
            f"Phương án {letter} (sai) được nhóm điểm cao chọn nhiều hơn đáp án ({_percent(upper)}): "
            "có thể đáp án bị nhầm hoặc câu hỏi gây hiểu lầm.",
        )
    elif upper > lower and upper >= ATTRACTIVE:
        yield Flag(
            "attracts_best",
            f"Phương án {letter} (sai) thu hút nhóm điểm cao ({_percent(upper)}) hơn nhóm điểm thấp "
            f"({_percent(lower)}).",
        )


def _percent(share: float) -> str:
    return f"{_number(100 * share, 0)}%"


def _number(value: float, places: int = 2) -> str:
    return f"{value:.{places}f}".replace(".", ",")
