"""Ordinary least squares with a cluster-robust standard error; the clusters are trials."""

from __future__ import annotations

from dataclasses import replace

from harness.model import Dataset
from harness.stats.estimands import FIXED_SET
from harness.stats.results import Estimate
from harness.stats.student import answered

FEWEST = 10
"""Below so many clusters the robust standard error is too small too often (Cameron, Gelbach & Miller 2008)."""
METHOD = "least squares, cluster-robust (CR1)"


def cluster_robust(
    dataset: Dataset, metric: str, control: str, treatment: str, confidence: float = 0.95
) -> Estimate:
    """Difference of the arms' mean scores, robust to any correlation within a trial, with t(G − 1).

    Trials are the clusters because arms are given to trials. Blocks are left in the error: with as many dummies as
    exp_3 has blocks, CR1 would be too small by a fifth; without, it errs on the careful side.
    """
    note = "blocks are not removed, so it is careful where they differ"
    asked = Estimate(METHOD, FIXED_SET, "trials as clusters", 0, note=note)
    kept = [one for arm in (control, treatment) for one in dataset.of(metric, arm) if one.value is not None]
    kept.sort(key=lambda one: (one.trial, one.person or ""))
    trials = list(dict.fromkeys(one.trial for one in kept))
    asked = replace(asked, n=len(trials))
    if len(trials) < FEWEST:
        return replace(asked, reason=f"needs {FEWEST} clusters or more; there are {len(trials)} trials")
    arms = [float(one.group == treatment) for one in kept]
    if len(set(arms)) < 2:
        return replace(asked, reason="an arm has no scores")
    values = [one.value for one in kept if one.value is not None]
    difference, se = _fit(values, arms, [trials.index(one.trial) for one in kept])
    return answered(asked, difference, se if len(set(values)) > 1 else 0.0, len(trials) - 1, confidence)


def _fit(values: list[float], arms: list[float], clusters: list[int]) -> tuple[float, float]:
    import numpy as np
    import statsmodels.api as sm

    model = sm.OLS(np.asarray(values), sm.add_constant(np.asarray(arms)))
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": np.asarray(clusters)}, use_t=True)
    return float(fit.params[1]), float(fit.bse[1])
