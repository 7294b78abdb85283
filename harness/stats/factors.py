"""Main effects and interactions of crossed factors, within blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import NamedTuple

from harness.model import Dataset
from harness.model.contrast import MINUS
from harness.stats.contrasts import Weights, block_contrast, with_holm
from harness.stats.results import ContrastEstimate, Estimate
from harness.stats.units import Units

Levels = Mapping[str, str]
"""Factor → level."""


class _Effect(NamedTuple):
    """A contrast of cells by its name; without weights, ``reason`` says why the design does not allow it."""

    name: str
    weights: Weights
    reason: str | None = None


def factor_effects(dataset: Dataset, confidence: float = 0.95) -> tuple[ContrastEstimate, ...]:
    """The effects of the dataset's factors on each metric; nothing with fewer than two factors.

    A main effect is the mean over the other factors' levels of the difference between a level and the first one; an
    interaction is the difference of two such differences. Where the design lacks cells, an effect is taken over the
    combinations that have all its cells, which its name then says; an effect without any is not estimable, with the
    reason. Holm's correction runs over all estimable effects and metrics.
    Source: Cox & Reid, The Theory of the Design of Experiments (2000), §5.
    """
    every = list(_effects(dataset.factors))
    known = [one for one in every if one.weights]
    found = tuple(
        ContrastEstimate(
            metric, one.name, one.weights, block_contrast(dataset, metric, one.weights, confidence), None, ""
        )
        for metric in dataset.metrics
        for one in known
    )
    family = f"{len(found)} effects"
    units = Units.of(dataset)
    absent = Estimate(units.method("contrasts"), units.claim, units.noun, 0)
    lacking = tuple(
        ContrastEstimate(metric, one.name, {}, replace(absent, reason=one.reason), None, "none")
        for metric in dataset.metrics
        for one in every
        if not one.weights
    )
    order = {(metric, one.name): None for metric in dataset.metrics for one in every}
    made = {(one.metric, one.name): one for one in (*with_holm(found, family), *lacking)}
    return tuple(made[key] for key in order)


def _effects(factors: Mapping[str, Levels]) -> Iterator[_Effect]:
    names = list(dict.fromkeys(name for levels in factors.values() for name in levels))
    if len(names) < 2:
        return
    levels = {name: list(dict.fromkeys(one[name] for one in factors.values())) for name in names}
    for name in names:
        for level in levels[name][1:]:
            signs = {name: {levels[name][0]: -1.0, level: 1.0}}
            yield _effect(f"{name}: {level} {MINUS} {levels[name][0]}", factors, signs, levels)
    for one, other in combinations(names, 2):
        for a, b in product(levels[one][1:], levels[other][1:]):
            signs = {one: {levels[one][0]: -1.0, a: 1.0}, other: {levels[other][0]: -1.0, b: 1.0}}
            yield _effect(f"{one} × {other}: {a}, {b}", factors, signs, levels)


def _effect(
    name: str,
    factors: Mapping[str, Levels],
    signs: Mapping[str, Mapping[str, float]],
    levels: Mapping[str, Sequence[str]],
) -> _Effect:
    """The contrast over the contexts (levels of the other factors) that have all its cells."""
    contexts: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for group, own in factors.items():
        weight = 1.0
        for factor, by_level in signs.items():
            weight *= by_level.get(own[factor], 0.0)
        if weight:
            context = tuple((factor, own[factor]) for factor in levels if factor not in signs)
            contexts.setdefault(context, {})[group] = weight
    whole = {context: cells for context, cells in contexts.items() if len(cells) == 2 ** len(signs)}
    weights = {group: weight / len(whole) for cells in whole.values() for group, weight in cells.items()}
    if not whole:
        return _Effect(name, {}, _reason(factors, signs, levels))
    return _Effect(f"{name}{_restricted([dict(one) for one in whole], signs, levels)}", weights)


def _restricted(
    whole: Sequence[Levels], signs: Mapping[str, Mapping[str, float]], levels: Mapping[str, Sequence[str]]
) -> str:
    """At which levels of the other factors an effect is taken, where not at all of them."""
    others = [factor for factor in levels if factor not in signs]
    kept = {
        factor: [level for level in levels[factor] if any(one[factor] == level for one in whole)]
        for factor in others
    }
    size = 1
    for found in kept.values():
        size *= len(found)
    if size != len(whole):
        return f" (in {len(whole)} combinations)"
    parts = [
        f"{factor} {' or '.join(found)}" for factor, found in kept.items() if len(found) < len(levels[factor])
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _reason(
    factors: Mapping[str, Levels],
    signs: Mapping[str, Mapping[str, float]],
    levels: Mapping[str, Sequence[str]],
) -> str:
    others = [factor for factor in levels if factor not in signs]
    if not others:
        cells = (dict(zip(signs, cell, strict=True)) for cell in product(*signs.values()))
        absent = [cell for cell in cells if cell not in factors.values()]
        named = " and ".join(
            ", ".join(f"{factor} {level}" for factor, level in cell.items()) for cell in absent
        )
        return f"not estimable: no arm has {named}"
    return (
        f"not estimable: no combination of {', '.join(others)} has all {2 ** len(signs)} arms that it compares; "
        "name a contrast to test it under an assumption"
    )
