"""When an iterating experiment may stop: a rule over the total costs of the iterations that were decided."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

from harness.errors import raise_if_any
from harness.runner.result import Reason

MAX_VARIATION = 0.03
"""Bootstrap mode: the coefficient of variation of the window must be below this."""
MIN_TREND_P = 0.05
"""Bootstrap mode: Mann and Kendall's p for a trend in the window must be above this."""
MOST_EXACT = 33
"""Up to so many costs p is exact, as in SciPy's ``kendalltau``."""
NEAR_BEST = 0.10
"""Bootstrap mode: the last cost must be within this share of the best one so far."""


@dataclass(frozen=True, slots=True)
class Convergence:
    """The rule, over the last ``window`` + 1 total costs.

    ``stability``: none differs from the previous one by more than ``tolerance`` (a share). ``bootstrap``, for
    estimated costs: their coefficient of variation is below 3 %, they have no trend (Mann-Kendall, p > .05), and the
    last is within 10 % of the best so far.

    Raises `ConfigurationError`.
    """

    mode: Literal["stability", "bootstrap"] = "stability"
    window: int = 3
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        raise_if_any(self.problems())

    def problems(self) -> Iterable[str]:
        if self.mode not in ("stability", "bootstrap"):
            yield f"Convergence: mode={self.mode!r}; expected stability or bootstrap."
        if isinstance(self.window, bool) or not isinstance(self.window, int) or self.window < 1:
            yield f"Convergence: window={self.window!r}; expected a whole number of iterations, 1 or more."
        elif self.mode == "bootstrap" and self.window < 3:
            yield f"Convergence: window={self.window}; fewer than 4 costs show no trend; expected 3 or more."
        if not 0 <= self.tolerance < 1:
            yield f"Convergence: tolerance={self.tolerance!r}; expected a share from 0 to below 1."

    def reached(self, costs: Sequence[int]) -> Reason | None:
        """Whether the total ``costs``, one per decided iteration, have converged, and how."""
        if len(costs) < self.window + 1:
            return None
        latest = costs[-(self.window + 1) :]
        if self.mode == "stability":
            return Reason.STABILITY_REACHED if _steady(latest, self.tolerance) else None
        return Reason.BOOTSTRAP_CONVERGED if _settled(latest, min(costs)) else None


def _steady(costs: Sequence[int], tolerance: float) -> bool:
    return all(abs(after - before) <= tolerance * before for before, after in pairwise(costs))


def _settled(costs: Sequence[int], best: int) -> bool:
    return (
        variation(costs) < MAX_VARIATION
        and trend_p(costs) > MIN_TREND_P
        and costs[-1] <= best * (1 + NEAR_BEST)
    )


def variation(costs: Sequence[float]) -> float:
    """The coefficient of variation, sample SD ÷ mean; 0 where all are 0."""
    from statistics import fmean, stdev

    mean = fmean(costs)
    return stdev(costs) / mean if mean else 0.0


def trend_p(costs: Sequence[float]) -> float:
    """Two-sided p of the Mann-Kendall test for a trend: Kendall's tau of the costs with their order.

    Source: Mann (1945), Kendall (1975). Exact for up to 33 costs that all differ; else by the normal approximation with
    the variance corrected for ties. 1 where all are equal: no trend.
    """
    n = len(costs)
    if len(set(costs)) < 2:
        return 1.0
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(costs, 2))
    if len(set(costs)) == n <= MOST_EXACT:
        inversions = _orders_by_inversions(n)
        fewest = (len(inversions) - 1 - abs(score)) // 2
        return min(1.0, 2 * sum(inversions[: fewest + 1]) / math.factorial(n))
    tied = sum(size * (size - 1) * (2 * size + 5) for size in Counter(costs).values())
    variance = (n * (n - 1) * (2 * n + 5) - tied) / 18
    return math.erfc(abs(score) / math.sqrt(2 * variance))


def _orders_by_inversions(n: int) -> list[int]:
    """How many orders of ``n`` things have 0, 1, 2, … pairs the wrong way round."""
    counts = [1]
    for size in range(2, n + 1):
        longer = [0] * (len(counts) + size - 1)
        for inversions, orders in enumerate(counts):
            for more in range(size):
                longer[inversions + more] += orders
        counts = longer
    return counts
