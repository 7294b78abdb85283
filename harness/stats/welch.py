"""Welch's t-test of two groups, under TinyTroupe's names, with a reason for each undefined number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.stats.beta import two_sided_p
from harness.stats.student import interval

TEST_TYPE = "Welch t-test (unequal variance)"


@dataclass(frozen=True, slots=True)
class Moments:
    """Size, mean and sample standard deviation (n - 1) of some values; ``None`` where not defined."""

    n: int
    mean: float | None
    std: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Moments:
        """Equal values have a standard deviation of exactly 0, free of rounding. `ValueError` for NaN."""
        if not all(map(math.isfinite, values)):
            raise ValueError("a sample is not a finite number; leave it out and count it as missing")
        if not values:
            return cls(0, None, None)
        if min(values) == max(values):
            return cls(len(values), float(values[0]), 0.0 if len(values) > 1 else None)
        return cls(len(values), *_mean_and_std(values))


def welch(control: Sequence[float], treatment: Sequence[float], confidence: float = 0.95) -> dict[str, Any]:
    """The sixteen numbers that TinyTroupe's artifacts hold for one metric, in their order.

    ``mean_difference`` and ``effect_size`` are treatment − control, ``t_statistic`` is control − treatment.
    ``effect_size`` is Cohen's d: the mean difference over the pooled standard deviation (Cohen 1988, 2.5.2).
    ``confidence_interval`` is for the mean difference; degrees of freedom are Welch–Satterthwaite's. A number
    that is not defined is ``None``; `compare` says why. Raises `ValueError` for samples that are not finite.
    """
    return compare(control, treatment, confidence)[0]


def compare(
    control: Sequence[float], treatment: Sequence[float], confidence: float = 0.95
) -> tuple[dict[str, Any], dict[str, str]]:
    """`welch`, and by key the reason why each ``None`` in it is undefined."""
    control, treatment = list(map(float, control)), list(map(float, treatment))
    one, other = Moments.of(control), Moments.of(treatment)
    test = _test(one, other, confidence)
    difference = _finite(other.mean - one.mean) if _known(one.mean, other.mean) else None  # type: ignore[operator]
    block = {
        "test_type": TEST_TYPE,
        "control_mean": one.mean,
        "treatment_mean": other.mean,
        "mean_difference": difference,
        "percent_change": _finite(100 * (difference / one.mean))
        if one.mean and difference is not None
        else None,
        "t_statistic": test.get("t"),
        "p_value": test.get("p"),
        "confidence_interval": test.get("interval"),
        "confidence_level": confidence,
        "significant": test["p"] < 1 - confidence if test else None,
        "degrees_of_freedom": test.get("df"),
        "control_sample_size": one.n,
        "treatment_sample_size": other.n,
        "control_std": one.std,
        "treatment_std": other.std,
        "effect_size": _cohen_d(difference, one, other),
    }
    return block, _reasons(block, one, other)


def _test(one: Moments, other: Moments, confidence: float) -> Mapping[str, Any]:
    """Welch's (1947) test with Satterthwaite's degrees of freedom; empty when it is not defined."""
    if one.mean is None or other.mean is None or one.std is None or other.std is None:
        return {}
    if one.std == other.std == 0:
        return {}
    try:
        parts = one.std**2 / one.n, other.std**2 / other.n
        se = math.sqrt(sum(parts))
        df = sum(parts) ** 2 / (parts[0] ** 2 / (one.n - 1) + parts[1] ** 2 / (other.n - 1))
        t = (one.mean - other.mean) / se
    except (OverflowError, ZeroDivisionError):
        return {}  # out of a double's reach
    p, limits = two_sided_p(t, df), interval(other.mean - one.mean, se, df, confidence)
    if not all(map(math.isfinite, (t, p, df, limits.low, limits.high))):
        return {}
    return {"t": t, "p": p, "df": df, "interval": [limits.low, limits.high]}


def _cohen_d(difference: float | None, one: Moments, other: Moments) -> float | None:
    if difference is None or one.std is None or other.std is None or one.std == other.std == 0:
        return None
    weights = one.n - 1, other.n - 1
    try:
        pooled = math.sqrt((weights[0] * one.std**2 + weights[1] * other.std**2) / sum(weights))
    except OverflowError:
        return None
    return _finite(difference / pooled) if pooled else None


def _reasons(block: Mapping[str, Any], one: Moments, other: Moments) -> dict[str, str]:
    return {key: _reason(key, one, other) for key, value in block.items() if value is None}


def _reason(key: str, one: Moments, other: Moments) -> str:
    sides = {"control": one, "treatment": other}
    needed = 1 if key.endswith("_mean") or key in ("mean_difference", "percent_change") else 2
    only = key.split("_")[0]
    short = {
        side: moments.n for side, moments in sides.items() if moments.n < needed and only in (side, *_SHARED)
    }
    if short:
        counts = " and ".join(f"{side} has {n}" for side, n in short.items())
        return f"needs {needed} samples or more in each group; {counts}"
    if key == "percent_change" and one.mean == 0:
        return "the control mean is 0"
    if one.std == other.std == 0:
        return "neither group varies, so there is no spread to compare with"
    return "the result is too large or too small for a floating-point number"


_SHARED = ("mean", "percent", "t", "p", "confidence", "significant", "degrees", "effect")
"""First words of the keys that are about both groups; the others start with their group."""


def _mean_and_std(values: Sequence[float]) -> tuple[float | None, float | None]:
    try:
        mean = math.fsum(values) / len(values)
        return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    except OverflowError:
        return None, None


def _known(*values: float | None) -> bool:
    return all(value is not None for value in values)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
