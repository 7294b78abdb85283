"""Datasets made of arrays, for tests of statistics."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from harness.model import Dataset, Observation
from harness.stats import analysis
from harness.stats.results import Estimate
from harness.stats.simulation import Many

PUBLISHED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "tinytroupe-june-2025"
EXP_3 = PUBLISHED / "debating_quantitative_experimentation_1c.json"


def dataset(
    arms: Mapping[str, Any], metric: str = "score", *, persons: bool = True, **fields: Any
) -> Dataset:
    """``arms``: group → array of panel × proposal × rep × person (or, not ``persons``, without the last axis).

    NaN is a missing score.
    """
    found = tuple(one for group, array in arms.items() for one in observed(array, group, metric, persons))
    return Dataset("exp", tuple(arms), (metric,), found, "source", **fields)


def observed(array: Any, group: str, metric: str, persons: bool = True) -> Iterator[Observation]:
    for place, value in np.ndenumerate(np.asarray(array, dtype=float)):
        panel, proposal, rep = place[:3]
        person = f"person {place[3]}" if persons else None
        missing = math.isnan(value)
        yield Observation(
            metric,
            group,
            int(rep) + 1,
            int(panel),
            int(proposal),
            person,
            None if missing else float(value),
            "planted" if missing else None,
        )


def joined(*parts: Dataset) -> Dataset:
    """One dataset with the metrics of all."""
    return Dataset(
        parts[0].experiment,
        parts[0].groups,
        tuple(metric for part in parts for metric in part.metrics),
        tuple(one for part in parts for one in part.observations),
        parts[0].source,
    )


def exp_3(metric: str) -> dict[str, np.ndarray]:
    """A metric of the published debate: 4 panels × 3 proposals × 2 reps × 5 persons, from the order of samples."""
    experiments = json.loads(EXP_3.read_text("utf-8"))["experiments"]
    return {
        group: np.array(experiments[group]["results"][metric], dtype=float).reshape(4, 3, 2, 5)
        for group in ("Control", "Treatment")
    }


def drawn(seed: int = 0, effect: float = 0.5, shape: tuple[int, ...] = (4, 3, 2, 5)) -> dict[str, np.ndarray]:
    """Two arms with persona, trial and residual scatter."""
    rng = np.random.default_rng(seed)
    person = rng.normal(0, 0.7, (shape[0], 1, 1, shape[3]))
    return {
        group: centre + person + rng.normal(0, 0.6, (*shape[:3], 1)) + rng.normal(0, 1, shape)
        for group, centre in (("Control", 5.0), ("Treatment", 5.0 + effect))
    }


def welch_many(control: np.ndarray, treatment: np.ndarray) -> Many:
    """Welch's test on the raw scores of every run, by SciPy."""
    from scipy import stats

    def moments(arm: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scores = arm.reshape(len(arm), -1)
        return (
            np.nanmean(scores, 1),
            np.nanstd(scores, 1, ddof=1),
            np.count_nonzero(~np.isnan(scores), axis=1),
        )

    one, other = moments(treatment), moments(control)
    found = stats.ttest_ind_from_stats(*one, *other, equal_var=False)
    errors = one[1] ** 2 / one[2], other[1] ** 2 / other[2]
    with np.errstate(invalid="ignore", divide="ignore"):
        df = sum(errors) ** 2 / (errors[0] ** 2 / (one[2] - 1) + errors[1] ** 2 / (other[2] - 1))
    se, difference = np.sqrt(sum(errors)), one[0] - other[0]
    half = stats.t.ppf(0.975, df) * se
    return Many(difference, se, found.pvalue, difference - half, difference + half)


def without_mixed_model() -> AbstractContextManager[Any]:
    """Analyses without the REML fit, which takes a hundred times as long as all else."""
    left_out = Estimate("REML", "", "", 0, reason="left out")
    return mock.patch.object(analysis, "reml", return_value=left_out)
