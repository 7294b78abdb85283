"""Each metric in a line per group: how many samples, their mean and spread, how many are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.stats.welch import Moments


def describe(values: Sequence[float], expected: int | None = None) -> dict[str, Any]:
    """``n``, ``mean``, ``std`` (sample, n - 1), ``missing`` (of ``expected``); ``None`` where not defined."""
    moments = Moments.of(values)
    return {
        "n": moments.n,
        "mean": moments.mean,
        "std": moments.std,
        "missing": None if expected is None else max(0, expected - moments.n),
    }


def summarise(
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    metrics: Sequence[str],
    expected: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Per metric: ``groups``, each as `describe` gives it, and ``difference``: each later mean − the first's.

    ``groups`` maps group → metric → samples, ``expected`` group → metric → how many were planned.
    """
    wanted = expected or {}
    return {
        metric: _row(
            {g: describe(v.get(metric, ()), wanted.get(g, {}).get(metric)) for g, v in groups.items()}
        )
        for metric in metrics
    }


def _row(described: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    control, *others = described
    return {
        "groups": dict(described),
        "difference": {
            other: _difference(described[control]["mean"], described[other]["mean"]) for other in others
        },
    }


def _difference(control: float | None, other: float | None) -> float | None:
    return None if control is None or other is None else other - control
