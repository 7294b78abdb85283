"""Effect size: the difference in standard deviations of a score."""

from __future__ import annotations

import math

from harness.model import Dataset
from harness.stats.results import Estimate, Interval, Quantity
from harness.stats.welch import Moments


def correction(df: float) -> float:
    """Hedges' (1981) exact factor J, that takes the bias out of d. ``df`` is above 1; J tends to 1."""
    return math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2)


def hedges_g(dataset: Dataset, metric: str, primary: Estimate, control: str, treatment: str) -> Quantity:
    """J × the primary difference / the pooled within-arm standard deviation of scores, with the primary's interval.

    The standard deviation is of all scores of an arm, the total one of Hedges (2007). J takes trials − 2 degrees of
    freedom, since scores of a trial are not independent. The interval is the primary's on this scale: it treats the
    standard deviation, which has many more degrees of freedom, as known.
    """
    if primary.difference is None:
        return Quantity(None, reason=primary.reason)
    pooled = pooled_deviation(dataset, metric, control, treatment)
    if not pooled:
        return Quantity(None, reason="the scores of both arms do not vary, or there are too few")
    arms = (control, treatment)
    trials = len({one.trial for arm in arms for one in dataset.of(metric, arm) if one.value is not None})
    if trials < 4:
        return Quantity(None, reason=f"needs 4 or more trials; there are {trials}")
    scale = correction(trials - 2) / pooled
    limits = primary.interval
    scaled = limits and Interval(limits.low * scale, limits.high * scale, limits.level)
    return Quantity(primary.difference * scale, scaled, None if scaled else primary.reason)


def pooled_deviation(dataset: Dataset, metric: str, control: str, treatment: str) -> float | None:
    """Within-arm standard deviation of scores, pooled; ``None`` where an arm has fewer than two."""
    one, other = (Moments.of(sorted(dataset.values(metric, arm))) for arm in (control, treatment))
    if one.std is None or other.std is None:
        return None
    squares = (one.n - 1) * one.std**2 + (other.n - 1) * other.std**2
    return math.sqrt(squares / (one.n + other.n - 2))
