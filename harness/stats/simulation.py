"""Simulates many experiments at once and runs the primary analysis on all of them, for power and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from harness.stats.components import Components, Sizes

if TYPE_CHECKING:
    import numpy as np


class Many(NamedTuple):
    """One number per run: difference, standard error, p and interval. NaN where it is not defined."""

    difference: np.ndarray
    se: np.ndarray
    p: np.ndarray
    low: np.ndarray
    high: np.ndarray


def simulate(
    components: Components,
    effect: float,
    design: Sizes,
    runs: int,
    rng: np.random.Generator,
    *,
    mean: float = 0.0,
    missing: float = 0.0,
    scale: tuple[float, float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of Control and Treatment, normal with the variances of ``components``.

    Their axes are run, panel, proposal, rep and person; NaN is a missing score.
    Personas are the same in both arms. ``missing`` is the chance that a score is missing, and also that a trial
    is. ``scale`` rounds to whole points between its ends, as a judge does, so that a high ``mean`` meets a ceiling.
    """
    people = max(design.people, 1)
    shape = (runs, design.panels, design.proposals, design.reps, people)
    persons = rng.normal(0, components.person**0.5, (runs, design.panels, 1, 1, people))
    shift = effect + rng.normal(0, components.block_arm**0.5, (*shape[:3], 1, 1))
    arms = []
    for centre in (mean, mean + shift):
        trials = rng.normal(0, components.trial**0.5, (*shape[:4], 1))
        scores = centre + persons + trials + rng.normal(0, components.residual**0.5, shape)
        arms.append(_observed(scores, rng, missing, scale))
    return arms[0], arms[1]


def blocked_many(control: np.ndarray, treatment: np.ndarray, confidence: float = 0.95) -> Many:
    """`harness.stats.blocked.blocked` of every run."""
    import numpy as np

    differences = _nanmean(_nanmean(treatment, -1), -1) - _nanmean(_nanmean(control, -1), -1)
    differences = differences.reshape(len(differences), -1)
    n = np.count_nonzero(~np.isnan(differences), axis=1)
    mean = _nanmean(differences, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.nansum((differences - mean[:, None]) ** 2, axis=1) / (n - 1)
        return _by_t(mean, np.sqrt(variance / n), n - 1, confidence)


def _by_t(difference: np.ndarray, se: np.ndarray, df: np.ndarray, confidence: float) -> Many:
    import numpy as np
    from scipy import stats

    se = np.where(se > 1e-12, se, np.nan)
    half = stats.t.ppf((1 + confidence) / 2, df) * se
    p = np.asarray(2 * stats.t.sf(np.abs(difference / se), df))
    return Many(difference, se, p, difference - half, difference + half)


def _observed(
    scores: np.ndarray, rng: np.random.Generator, missing: float, scale: tuple[float, float] | None
) -> np.ndarray:
    import numpy as np

    if scale is not None:
        scores = np.clip(np.rint(scores), *scale)
    if missing:
        gone = rng.random(scores.shape) < missing
        gone |= rng.random((*scores.shape[:4], 1)) < missing
        scores = np.where(gone, np.nan, scores)
    return scores


def _nanmean(values: np.ndarray, axis: int) -> np.ndarray:
    """`numpy.nanmean`, silent where all are NaN."""
    import numpy as np

    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        found: np.ndarray = np.where(there, values, 0).sum(axis=axis) / there.sum(axis=axis)
    return found
