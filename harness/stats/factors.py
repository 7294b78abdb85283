"""Main effects and interactions of crossed factors, within blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations, product
from statistics import fmean

from harness.model import Dataset
from harness.stats.multiplicity import holm
from harness.stats.results import FIXED_SET, Estimate, FactorEffect
from harness.stats.student import one_sample

UNIT = "blocks (panel × proposal)"
METHOD = "paired t on block contrasts"
Weights = Mapping[str, float]
"""Group → its weight in a contrast; the weights sum to 0."""


def factor_effects(dataset: Dataset, confidence: float = 0.95) -> tuple[FactorEffect, ...]:
    """The effects of the dataset's factors on each metric; nothing with fewer than two factors.

    A main effect is the mean over the other factors' levels of the difference between a level and the first one; an
    interaction is the difference of two such differences. Each block (panel × proposal) that has every group gives one
    value of the contrast, and the test is Student's t over blocks. Holm's correction runs over all effects and metrics.
    Source: Cox & Reid, The Theory of the Design of Experiments (2000), §5.
    """
    contrasts = dict(_contrasts(dataset.factors))
    found = [
        FactorEffect(metric, name, _estimate(dataset, metric, weights, confidence), None, "")
        for metric in dataset.metrics
        for name, weights in contrasts.items()
    ]
    corrected = holm({f"{one.metric}\0{one.name}": one.estimate.p for one in found})
    text = f"Holm over {len(found)} effects"
    return tuple(
        replace(one, p_adjusted=corrected[f"{one.metric}\0{one.name}"], adjustment=text) for one in found
    )


def _contrasts(factors: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, Weights]]:
    names = list(dict.fromkeys(name for levels in factors.values() for name in levels))
    if len(names) < 2:
        return
    levels = {
        name: list(dict.fromkeys(one[name] for one in factors.values() if name in one)) for name in names
    }
    for name in names:
        for level in levels[name][1:]:
            sides = {levels[name][0]: -1.0, level: 1.0}
            if weights := _weights(factors, {name: sides}):
                yield f"{name}: {level} − {levels[name][0]}", weights
    for one, other in combinations(names, 2):
        for a, b in product(levels[one][1:], levels[other][1:]):
            signs = {one: {levels[one][0]: -1.0, a: 1.0}, other: {levels[other][0]: -1.0, b: 1.0}}
            if weights := _weights(factors, signs):
                yield f"{one} × {other}: {a}, {b}", weights


def _weights(
    factors: Mapping[str, Mapping[str, str]], signs: Mapping[str, Mapping[str, float]]
) -> Weights | None:
    """The contrast over the contexts (levels of the other factors) that have all its cells; ``None``: there is none."""
    contexts: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for group, levels in factors.items():
        weight = 1.0
        for name, by_level in signs.items():
            weight *= by_level.get(levels.get(name, ""), 0.0)
        if weight:
            context = tuple(sorted((name, level) for name, level in levels.items() if name not in signs))
            contexts.setdefault(context, {})[group] = weight
    whole = [cells for cells in contexts.values() if len(cells) == 2 ** len(signs)]
    return {group: weight / len(whole) for cells in whole for group, weight in cells.items()} or None


def _estimate(dataset: Dataset, metric: str, weights: Weights, confidence: float) -> Estimate:
    means = {group: _block_means(dataset, metric, group) for group in weights}
    shared = sorted(set.intersection(*({*one} for one in means.values())))
    values = [sum(weight * means[group][block] for group, weight in weights.items()) for block in shared]
    return one_sample(Estimate(METHOD, FIXED_SET, UNIT, len(shared)), values, confidence)


def _block_means(dataset: Dataset, metric: str, group: str) -> Mapping[tuple[int, int], float]:
    """Block → the mean over its trials of each trial's mean, as in the primary analysis."""
    trials: dict[tuple[int, int], dict[int, list[float]]] = {}
    for one in dataset.of(metric, group):
        if one.value is not None:
            trials.setdefault(one.block, {}).setdefault(one.rep, []).append(one.value)
    return {block: fmean(map(fmean, by_rep.values())) for block, by_rep in trials.items()}
