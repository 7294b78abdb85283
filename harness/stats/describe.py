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
    found = {}
    for metric in metrics:
        rows = {g: describe(v.get(metric, ()), wanted.get(g, {}).get(metric)) for g, v in groups.items()}
        first, *others = ((group, row["mean"]) for group, row in rows.items())
        differences = {
            group: None if mean is None or first[1] is None else mean - first[1] for group, mean in others
        }
        found[metric] = {"groups": rows, "difference": differences}
    return found
