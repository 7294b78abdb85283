"""Compare the recomputed table with the published figures, and an artifact's samples with its own figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.experiments.table1.published_values import PUBLISHED, SIZES
from harness.experiments.table1.table import CONTROL, TREATMENT, ExperimentTable, MetricRow
from harness.reports.run_report import Published
from harness.stats import welch

POINTS = 0.01
"""Tolerance of means, SDs and differences. Rounding to two decimals is off by 0.005 at most, a difference of rounded
means by 0.01."""
P = 0.001
"""Tolerance of p-values printed with three decimals. ``<.001`` is a bound, without tolerance."""
ROUNDING = 1e-9
"""Floating-point error that is added to a tolerance."""
OWN = 1e-6
"""Relative tolerance of the figures in an artifact."""


@dataclass(frozen=True, slots=True)
class Miss:
    """One wrong value. ``expected`` is a phrase that includes the tolerance."""

    experiment: str
    metric: str
    quantity: str
    found: float | None
    expected: str

    def __str__(self) -> str:
        found = "undefined" if self.found is None else f"{self.found:.6g}"
        return f"{self.experiment}, {self.metric}: {self.quantity} is {found}; expected {self.expected}."


def validate(tables: Sequence[ExperimentTable]) -> list[Miss]:
    """Every difference from the published values, and from the figures in the artifacts themselves.

    The latter detect a changed sample that does not move a rounded figure. An experiment without an artifact is not
    reported here.
    """
    return [miss for one in tables for miss in (*_against_paper(one), *_against_itself(one))]


def _against_paper(one: ExperimentTable) -> Iterator[Miss]:
    for name, planned, size in zip(("Na", "Ne"), (one.na, one.ne), SIZES[one.experiment], strict=True):
        if planned != size:
            yield Miss(one.experiment, "all metrics", name, planned, f"{size} as published")
    for row in one.rows:
        for quantity, found, expected in _figures(row, PUBLISHED[one.experiment][row.metric]):
            yield Miss(one.experiment, row.metric, quantity, found, expected)


def _figures(row: MetricRow, published: Published) -> Iterator[tuple[str, float | None, str]]:
    pairs = (
        ("Treatment's mean", row.t_mean, published.treatment_mean),
        ("Treatment's SD", row.t_sd, published.treatment_sd),
        ("Control's mean", row.c_mean, published.control_mean),
        ("Control's SD", row.c_sd, published.control_sd),
        ("the difference", row.delta, published.difference),
    )
    for quantity, found, figure in pairs:
        if not _near(found, figure, POINTS):
            yield quantity, found, f"{figure:.2f} ± {POINTS} as published"
    if not _p_agrees(row.p_value, published.p):
        yield "p", row.p_value, f"{published.p}{'' if published.p[0] == '<' else f' ± {P}'} as published"
    for quantity, n, size in (
        ("Treatment's number of samples", row.t_n, published.n_treatment),
        ("Control's number of samples", row.c_n, published.n_control),
    ):
        if n != size:
            yield quantity, n, f"{size} as published"


def _p_agrees(found: float | None, published: str) -> bool:
    if published.startswith("<"):
        return found is not None and found < float(published[1:])
    return _near(found, float(published), P)


def _near(found: float | None, figure: float, tolerance: float) -> bool:
    return found is not None and abs(found - figure) <= tolerance + ROUNDING


def _against_itself(one: ExperimentTable) -> Iterator[Miss]:
    for metric, stored in one.artifact.statistics.items():
        if metric in one.dataset.metrics:
            control, treatment = (one.dataset.values(metric, group) for group in (CONTROL, TREATMENT))
            for key, found, figure in _unequal(welch(control, treatment), stored):
                expected = f"{figure:.6g}, as in the artifact"
                yield Miss(one.experiment, metric, key.replace("_", " "), found, expected)


def _unequal(
    block: Mapping[str, Any], stored: Mapping[str, Any]
) -> Iterator[tuple[str, float | None, float]]:
    for key in ("control_mean", "treatment_mean", "control_std", "treatment_std", "p_value"):
        figure, found = stored.get(key), block[key]
        if isinstance(figure, int | float) and math.isfinite(figure) and not _same(found, figure):
            yield key, found, float(figure)


def _same(found: float | None, figure: float) -> bool:
    return found is not None and math.isclose(found, figure, rel_tol=OWN, abs_tol=1e-12)
