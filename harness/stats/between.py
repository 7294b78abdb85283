"""Between-persona designs: each panel took part in one arm, so that arms are compared between panels, unpaired."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from harness.model import Dataset
from harness.stats.results import GENERALISING, Estimate
from harness.stats.student import variance, with_t_interval

METHOD = "Welch t on panel means"
UNIT = "panels"
ESTIMAND = "these personas and proposals, over the assignment of panels to arms and sampling of the model"
FEWEST = 2
"""Panels that an arm needs for a variance."""


def panel_contrast(
    dataset: Dataset, metric: str, weights: Mapping[str, float], confidence: float = 0.95
) -> Estimate:
    """The weighted sum of the groups' means over panels, with Welch's error and Satterthwaite's degrees of freedom.

    The weights sum to 0. A panel gives one value, the mean over its proposals, since the panel is what was assigned to
    an arm; groups may differ in size and variance. Source: Welch (1947); for contrasts, Maxwell & Delaney, Designing
    Experiments and Analyzing Data (2004), ch. 5.
    """
    used = {group: weight for group, weight in weights.items() if weight}
    means = {group: [*panel_means(dataset, metric, group).values()] for group in used}
    sizes = {group: len(values) for group, values in means.items()}
    asked = Estimate(METHOD, ESTIMAND, UNIT, sum(sizes.values()), note=_note(dataset, metric, used))
    difference = None
    if all(sizes.values()):
        difference = math.fsum(weight * fmean(means[group]) for group, weight in used.items())
    few = [f"{group} has {n}" for group, n in sizes.items() if n < FEWEST]
    if difference is None or few:
        reason = f"needs {FEWEST} or more panels with scores in each arm; {' and '.join(few)}"
        return replace(asked, difference=difference, reason=reason)
    parts = [weight**2 * variance(means[group]) / sizes[group] for group, weight in used.items()]
    total = math.fsum(parts)
    if not total:
        return with_t_interval(asked, difference, 0.0, 1, confidence)
    df = total**2 / math.fsum(part**2 / (n - 1) for part, n in zip(parts, sizes.values(), strict=True))
    return with_t_interval(asked, difference, math.sqrt(total), df, confidence)


def panel_means(dataset: Dataset, metric: str, group: str) -> Mapping[int, float]:
    """Panel → the mean over proposals, reps and persons, each level with equal weights, of what was obtained."""
    found: dict[int, dict[int, dict[int, list[float]]]] = {}
    for one in dataset.of(metric, group):
        if one.value is not None:
            proposals = found.setdefault(one.panel, {})
            proposals.setdefault(one.proposal, {}).setdefault(one.rep, []).append(one.value)
    return {
        panel: fmean(fmean(map(fmean, reps.values())) for reps in proposals.values())
        for panel, proposals in sorted(found.items())
    }


def generalising_between(dataset: Dataset) -> Estimate:
    """Why nothing is claimed for other personas: panels were assigned at random, not drawn at random."""
    panels = len({one.panel for one in dataset.observations})
    return Estimate(
        method="random panels and proposals",
        estimand=GENERALISING,
        unit=UNIT,
        n=panels,
        reason="not estimable: panels were assigned to arms at random, but not drawn at random from other personas",
    )


def _note(dataset: Dataset, metric: str, weights: Mapping[str, float]) -> str | None:
    missing = sum(dataset.missing(metric, group) for group in weights)
    return f"{missing} scores are missing; panels are means of what was obtained" if missing else None
