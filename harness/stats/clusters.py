"""Ordinary least squares with a cluster-robust standard error; the clusters are trials."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from harness.model import Dataset, Observation
from harness.stats.results import FIXED_SET, Estimate
from harness.stats.student import with_t_interval

FEWEST = 10
"""Below so many clusters the robust standard error is too small too often (Cameron, Gelbach & Miller 2008)."""
METHOD = "least squares, cluster-robust (CR1)"


def cluster_robust(
    dataset: Dataset, metric: str, control: str, treatment: str, confidence: float = 0.95
) -> Estimate:
    """Difference of the arms' mean scores, robust to any correlation within a trial, with t(G − 1).

    Trials are the clusters because arms are assigned to trials. Blocks stay in the error, which is conservative: with
    a dummy for each block of exp_3, CR1 would be too small by a fifth.
    """
    note = "blocks are not removed, so it is conservative where they differ"
    asked = Estimate(METHOD, FIXED_SET, "trials as clusters", 0, note=note)
    kept = [one for arm in (control, treatment) for one in dataset.of(metric, arm) if one.value is not None]
    kept.sort(key=lambda one: (one.trial, one.person or ""))
    trials = list(dict.fromkeys(one.trial for one in kept))
    asked = replace(asked, n=len(trials))
    if len(trials) < FEWEST:
        return replace(asked, reason=f"needs {FEWEST} clusters or more; there are {len(trials)} trials")
    answer = _fit(kept, control, treatment)
    if answer is None:
        return replace(asked, reason="an arm has no scores")
    return with_t_interval(asked, *answer, len(trials) - 1, confidence)


def _fit(kept: Sequence[Observation], control: str, treatment: str) -> tuple[float, float] | None:
    """Difference of means and its CR1 error: with one dummy, the sandwich is a sum of squares for each arm."""
    sums = [_arm(kept, arm) for arm in (control, treatment)]
    if sums[0] is None or sums[1] is None:
        return None
    n, trials = len(kept), len({one.trial for one in kept})
    small = trials / (trials - 1) * (n - 1) / (n - 2)
    return sums[1][0] - sums[0][0], math.sqrt(small * (sums[0][1] + sums[1][1]))


def _arm(kept: Sequence[Observation], arm: str) -> tuple[float, float] | None:
    """Mean of an arm's scores, and the sum over trials of their summed residuals squared, over n²."""
    trials: dict[tuple[str, int, int, int], list[float]] = defaultdict(list)
    for one in kept:
        if one.group == arm and one.value is not None:
            trials[one.trial].append(one.value)
    values = [value for trial in trials.values() for value in trial]
    if not values:
        return None
    mean = fmean(values)
    residuals = (math.fsum(value - mean for value in trial) for trial in trials.values())
    squares = math.fsum(residual**2 for residual in residuals) if min(values) < max(values) else 0.0
    return mean, squares / len(values) ** 2
