"""Student's t from an estimate and its standard error; undefined numbers are ``None``, with a reason."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from statistics import fmean

from harness.stats.beta import t_quantile, two_sided_p
from harness.stats.results import Estimate, Interval

_ROUNDING = 1e-9
"""Values that differ by less, relative to their size, are equal but for rounding."""
_SMALLEST = 1e-12
"""A spread or standard error below this many points is rounding too."""


def with_t_interval(asked: Estimate, difference: float, se: float, df: float, confidence: float) -> Estimate:
    """``asked`` with ``difference``, its two-sided p against 0 and its interval, by Student's t with ``df``.

    A standard error of 0 leaves p and interval ``None``: no data support an interval of zero width.
    """
    if not se > _SMALLEST * max(1.0, abs(difference)) or not math.isfinite(se):
        reason = "the values that it is computed from do not vary"
        return replace(asked, difference=difference, reason=asked.reason or reason)
    p = two_sided_p(difference / se, df)
    limits = interval(difference, se, df, confidence)
    return replace(asked, difference=difference, se=se, df=float(df), p=p, interval=limits)


def interval(centre: float, se: float, df: float, confidence: float) -> Interval:
    half = critical(df, confidence) * se
    return Interval(centre - half, centre + half, confidence)


@lru_cache(maxsize=256)
def critical(df: float, confidence: float) -> float:
    """The critical t of a two-sided interval at ``confidence``."""
    return t_quantile((1 + confidence) / 2, df)


def one_sample(asked: Estimate, differences: Sequence[float], confidence: float) -> Estimate:
    """The paired t-test: the mean of ``differences`` against 0 with n − 1 degrees of freedom (Student 1908)."""
    n = len(differences)
    if n < 2:
        mean = differences[0] if differences else None
        verb = "is" if n == 1 else "are"
        return replace(asked, n=n, difference=mean, reason=f"needs 2 or more {asked.unit}; there {verb} {n}")
    se = deviation(differences) / math.sqrt(n)
    return with_t_interval(replace(asked, n=n), fmean(differences), se, n - 1, confidence)


def deviation(values: Sequence[float]) -> float:
    """Sample standard deviation; exactly 0 when the values are equal but for rounding. Needs two values."""
    return math.sqrt(variance(values))


def variance(values: Sequence[float]) -> float:
    """Sample variance (n − 1), independent of the values' order; 0 when they are equal but for rounding."""
    low, high = min(values), max(values)
    if high - low <= _ROUNDING * max(abs(low), abs(high)) or high - low < _SMALLEST:
        return 0.0
    mean = fmean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def rejection(shift: float, df: float, alpha: float) -> float:
    """The chance that a two-sided t-test at ``alpha`` rejects when t is shifted by ``shift`` (noncentral t)."""
    from scipy import stats

    limit = critical(df, 1 - alpha)
    tails = float(stats.nct.sf(limit, df, abs(shift))), float(stats.nct.cdf(-limit, df, abs(shift)))
    return math.fsum(tail for tail in tails if math.isfinite(tail))  # SciPy's far tail is NaN, and is 0
