"""The tests of the original study, which treat calls as independent; for comparison only.

Calls of one scenario are correlated, so these tests count repetitions as evidence; they decide nothing.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from statistics import fmean

from harness.stats.results import Estimate, Interval

RESAMPLES, SEED = 9_999, 42
ESTIMAND = "none of this design: as if every call had a different scenario"
NOTE = "treats calls as independent"


def bootstrap(first: Sequence[float], later: Sequence[float]) -> Estimate:
    """`scipy.stats.bootstrap` of the difference of means: BCa interval (Efron 1987), 9,999 resamples, seed 42."""
    import numpy as np
    from scipy import stats

    asked = Estimate(
        "BCa bootstrap, 9,999 resamples, seed 42", ESTIMAND, "calls", len(first) + len(later), note=NOTE
    )
    if len(first) < 2 or len(later) < 2:
        return _without(asked, None, "needs 2 or more calls of each variant")
    difference = fmean(later) - fmean(first)
    if len({*first}) == 1 and len({*later}) == 1:
        return _without(asked, difference, "all calls of a variant are equal, so the interval is undefined")

    def differ(one: np.ndarray, two: np.ndarray, axis: int) -> np.ndarray:
        found: np.ndarray = np.mean(two, axis=axis) - np.mean(one, axis=axis)
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a degenerate distribution, which the check below handles
        found = stats.bootstrap(
            (np.asarray(first), np.asarray(later)),
            differ,
            n_resamples=RESAMPLES,
            method="BCa",
            rng=np.random.default_rng(SEED),
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return _without(asked, difference, "the resamples do not vary enough for an interval")
    return Estimate(
        asked.method, ESTIMAND, asked.unit, asked.n, difference, interval=Interval(low, high), note=NOTE
    )


def fisher(first: Sequence[float], later: Sequence[float]) -> Estimate:
    """Fisher's exact test of appropriate and other calls."""
    from scipy import stats

    asked = Estimate("Fisher exact", ESTIMAND, "calls", len(first) + len(later), note=NOTE)
    if not first or not later:
        return _without(asked, None, "a variant has no calls")
    difference = fmean(later) - fmean(first)
    if len({*first, *later}) == 1:
        return _without(asked, difference, "all calls have the same outcome")
    table = [[sum(some), len(some) - sum(some)] for some in (later, first)]
    p = float(stats.fisher_exact([[int(value) for value in row] for row in table]).pvalue)  # type: ignore[arg-type]
    return Estimate(asked.method, ESTIMAND, asked.unit, asked.n, difference, p=p, note=NOTE)


def _without(asked: Estimate, difference: float | None, reason: str) -> Estimate:
    return Estimate(asked.method, ESTIMAND, asked.unit, asked.n, difference, reason=reason, note=NOTE)
