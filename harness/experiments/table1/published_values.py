"""The values of Table 1 as published: figures only."""

from __future__ import annotations

from collections.abc import Iterable

from harness.experiments.table1.metric_names import normalised
from harness.reports.run_report import Published

METRICS = ("persona_adherence", "self_consistency", "fluency", "divergence", "ideas_qty")
"""The metrics in the table's order; the debate has no ``ideas_qty``."""

SIZES = {"exp_1": (200, 40), "exp_2_1": (96, 24), "exp_2_2": (96, 24), "exp_3": (120, 24)}
"""Scores per arm: of persons (Na) and of panels (Ne)."""

_PANEL_METRICS = ("divergence", "ideas_qty")
_SHORT = {("exp_1", "ideas_qty"): 39, ("exp_2_1", "ideas_qty"): 20}
"""Treatment's samples, if fewer than the table's Ne."""

_FIGURES: dict[str, tuple[tuple[float, float, float, float, float, str], ...]] = {
    # Treatment's mean and SD, Control's, difference, p
    "exp_1": (
        (5.81, 1.66, 6.72, 1.50, -0.92, "<.001"),
        (5.00, 1.79, 7.16, 1.15, -2.16, "<.001"),
        (6.75, 1.02, 7.27, 0.65, -0.52, "<.001"),
        (6.15, 1.08, 6.63, 1.05, -0.47, ".050"),
        (8.28, 2.34, 3.85, 2.01, +4.43, "<.001"),
    ),
    "exp_2_1": (
        (4.95, 1.09, 4.15, 1.39, +0.80, "<.001"),
        (3.54, 1.44, 5.60, 1.51, -2.06, "<.001"),
        (3.22, 1.45, 6.34, 1.35, -3.13, "<.001"),
        (4.88, 1.94, 6.29, 1.12, -1.42, ".004"),
        (2.45, 1.54, 4.17, 2.50, -1.72, ".008"),
    ),
    "exp_2_2": (
        (4.74, 1.55, 5.34, 1.48, -0.60, ".006"),
        (4.55, 1.63, 5.47, 1.67, -0.92, "<.001"),
        (6.11, 1.56, 6.45, 1.51, -0.33, ".134"),
        (6.42, 1.10, 5.88, 1.33, +0.54, ".131"),
        (9.29, 3.33, 3.96, 2.27, +5.33, "<.001"),
    ),
    "exp_3": (
        (6.63, 1.34, 6.16, 1.59, +0.47, ".015"),
        (6.79, 1.63, 5.81, 2.37, +0.98, "<.001"),
        (6.38, 1.20, 6.48, 1.04, -0.11, ".454"),
        (4.92, 2.24, 5.04, 2.29, -0.13, ".849"),
    ),
}


def _published(experiment: str) -> dict[str, Published]:
    persons, panels = SIZES[experiment]
    found = {}
    for metric, (t_mean, t_sd, c_mean, c_sd, delta, p) in zip(METRICS, _FIGURES[experiment], strict=False):
        size = panels if metric in _PANEL_METRICS else persons
        short = _SHORT.get((experiment, metric), size)
        found[metric] = Published(c_mean, c_sd, t_mean, t_sd, delta, p, n_control=size, n_treatment=short)
    return found


PUBLISHED = {experiment: _published(experiment) for experiment in SIZES}
"""Experiment → normalised metric → figures. A p of ``<.001`` is a bound."""


def published_for(experiment: str, metrics: Iterable[str]) -> dict[str, Published]:
    """The figures of ``experiment``, under the names of ``metrics`` in our runs."""
    figures = PUBLISHED.get(experiment, {})
    return {metric: figures[normalised(metric)] for metric in metrics if normalised(metric) in figures}
