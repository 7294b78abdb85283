"""Contrasts: weighted sums of the groups' means, within blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from harness.model import Dataset
from harness.model.contrast import weighted
from harness.stats.between import panel_contrast
from harness.stats.multiplicity import holm
from harness.stats.results import ContrastEstimate, Estimate
from harness.stats.units import Units, mean_of_units

Weights = Mapping[str, float]
"""Group → its weight in a contrast; the weights sum to 0."""


def contrast_estimates(dataset: Dataset, confidence: float = 0.95) -> tuple[ContrastEstimate, ...]:
    """The contrasts that the dataset declares by weights, on each metric, not yet adjusted."""
    return tuple(
        ContrastEstimate(
            metric, one.name, one.weights, block_contrast(dataset, metric, one.weights, confidence), None, ""
        )
        for metric in dataset.metrics
        for one in weighted(dataset.contrasts)
    )


def block_contrast(dataset: Dataset, metric: str, weights: Weights, confidence: float = 0.95) -> Estimate:
    """The mean over blocks of the weighted sum of group means, with Student's t on blocks − 1 degrees of freedom.

    Each block that has every group of the contrast gives one value, so the error is the contrast's own, and groups may
    differ in variance. Source: Maxwell & Delaney, Designing Experiments and Analyzing Data (2004), ch. 12.
    Where each panel took part in one group, it is `panel_contrast`.
    """
    if dataset.between:
        return panel_contrast(dataset, metric, weights, confidence)
    units = Units.of(dataset)
    means = {group: _block_means(dataset, metric, group) for group, weight in weights.items() if weight}
    shared = sorted(set.intersection(*({*one} for one in means.values())))
    by_unit: dict[int, list[float]] = defaultdict(list)
    for place, block in enumerate(shared):
        value = sum(weights[group] * by_block[block] for group, by_block in means.items())
        by_unit[block[0] if units.by_persona else place].append(value)
    values = {unit: fmean(found) for unit, found in by_unit.items()}
    asked = Estimate(units.method("contrasts"), units.claim, units.noun, len(values))
    found = mean_of_units(asked, values, units, confidence)
    every = set().union(*means.values())
    if len(every) > len(shared):
        what = "answers" if units.by_persona else "blocks"
        note = (
            f"{len(every) - len(shared)} of {len(every)} {what} lack a group of the contrast and are left out"
        )
        found = replace(found, note="; ".join(filter(None, (found.note, note))))
    return found


def _block_means(dataset: Dataset, metric: str, group: str) -> Mapping[tuple[int, int], float]:
    """Block → the mean over its trials of each trial's mean, as in the primary analysis."""
    trials: dict[tuple[int, int], dict[int, list[float]]] = {}
    for one in dataset.of(metric, group):
        if one.value is not None:
            trials.setdefault(one.block, {}).setdefault(one.rep, []).append(one.value)
    return {block: fmean(map(fmean, by_rep.values())) for block, by_rep in trials.items()}


def with_holm(found: tuple[ContrastEstimate, ...], family: str) -> tuple[ContrastEstimate, ...]:
    """``found`` with Holm's correction over all of them, called ``family``."""
    corrected = holm({(one.metric, one.name): one.estimate.p for one in found})
    return tuple(
        replace(one, p_adjusted=corrected[one.metric, one.name], adjustment=f"Holm over {family}")
        for one in found
    )
