"""Drift during a round: which questions suddenly get easier or harder from one stretch of time to the next.

Sources:

- Cochran, W. G. (1954), Biometrics 10: when the normal approximation may be used.
- Fleiss, J. L., Levin, B. & Paik, M. C. (2003), Statistical Methods for Rates and Proportions, 3rd ed.
- Holm, S. (1979), Scandinavian Journal of Statistics 6.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt

ALPHA = 0.05
FEWEST_EXPECTED = 5


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
    shares = f"từ {_percent(before)} đến {_percent(now)} trả lời đúng"
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


def _percent(window: Window) -> str:
    return f"{100 * window.right / window.shown:.0f}%"
