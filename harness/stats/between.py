"""Between-persona designs: each panel took part in one arm, so that arms are compared between panels, unpaired."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from harness.model import Dataset
from harness.stats.results import (
    ASSIGNED_PERSONAS,
    GENERALISING,
    THESE_PERSONAS,
    THESE_PERSONAS_AND_ITEMS,
    Estimate,
)
from harness.stats.student import with_t_interval
from harness.stats.units import Units, arm_mean

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
    used, units = {group: weight for group, weight in weights.items() if weight}, Units.of(dataset)
    means = {group: panel_means(dataset, metric, group) for group in used}
    note = _note(dataset, metric, used, units)
    asked = Estimate(units.method("means"), claim_between(units), units.noun, 0, note=note)
    return contrast_of_means(asked, means, used, units, confidence)


def contrast_of_means(
    asked: Estimate,
    means: Mapping[str, Mapping[int, float]],
    weights: Mapping[str, float],
    units: Units,
    confidence: float,
) -> Estimate:
    """The same from the values of each group's panels; personas without a weight are left out where others have one."""
    if units.weights:
        means = {
            group: {panel: value for panel, value in found.items() if panel in units.weights}
            for group, found in means.items()
        }
    sizes = {group: len(means[group]) for group in weights}
    asked = replace(asked, n=sum(sizes.values()))
    arms = {group: arm_mean(found, units) for group, found in means.items() if found}
    difference = None
    if all(sizes.values()):
        difference = math.fsum(weight * arms[group].mean for group, weight in weights.items())
    few = [f"{group} has {n}" for group, n in sizes.items() if n < FEWEST]
    if difference is None or few:
        reason = f"needs {FEWEST} or more {units.noun} with scores in each arm; {' and '.join(few)}"
        return replace(asked, difference=difference, reason=reason)
    parts = [(weight**2 * arms[group].variance, arms[group].df) for group, weight in weights.items()]
    total = math.fsum(part for part, _ in parts)
    if not total:
        return with_t_interval(asked, difference, 0.0, 1, confidence)
    df = total**2 / math.fsum(part**2 / own for part, own in parts)
    return with_t_interval(asked, difference, math.sqrt(total), df, confidence)


def claim_between(units: Units) -> str:
    """What a difference between personas, or panels, is claimed for."""
    if not units.by_persona:
        return ESTIMAND
    return ASSIGNED_PERSONAS if units.claim in (THESE_PERSONAS, THESE_PERSONAS_AND_ITEMS) else units.claim


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
    """Why nothing is claimed for other personas and items: panels were assigned at random, not drawn at random."""
    units = Units.of(dataset)
    if dataset.respondents.sampling is None:
        reason = f"{units.noun} were assigned to arms at random, but not drawn at random from other personas"
    else:
        reason = "random items are fitted only where each persona takes part in every arm"
    return Estimate(
        method=f"random {units.noun} and proposals",
        estimand=GENERALISING,
        unit=units.noun,
        n=len({one.panel for one in dataset.observations}),
        reason=f"not estimable: {reason}",
    )


def _note(dataset: Dataset, metric: str, weights: Mapping[str, float], units: Units) -> str | None:
    missing = sum(dataset.missing(metric, group) for group in weights)
    notes = [f"{missing} scores are missing; {units.noun} are means of what was obtained"] if missing else []
    if units.weights:
        known = [*units.weights.values()]
        notes.append(f"effective n {math.fsum(known) ** 2 / math.fsum(w * w for w in known):.0f} (Kish)")
    return "; ".join(notes) or None
