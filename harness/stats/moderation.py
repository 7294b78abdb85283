"""Whether a difference depends on who answers: treatment × attribute of the personas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.model import Dataset
from harness.stats.beta import betainc
from harness.stats.multiplicity import holm
from harness.stats.personas import PersonaValues
from harness.stats.results import Estimate, Moderation, Subgroup

MOST_LEVELS = 12
"""An attribute of text with more levels is left out: a name or a description, not a group."""
PARTS = 4
"""Groups of about equal size that a numeric attribute with many values is cut into."""
FEWEST = 5
"""Personas (in each arm, between personas) that a level needs to take part in a test."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The level of each panel's persona on one attribute, in the order of levels."""

    attribute: str
    of: Mapping[int, str]
    order: tuple[str, ...]


def moderation(
    dataset: Dataset, pairs: Sequence[tuple[str, tuple[str, str]]], confidence: float = 0.95
) -> tuple[Moderation, ...]:
    """Subgroups and tests of treatment × attribute, for each (metric, arms) of ``pairs`` and each usable attribute.

    Holm's correction runs over all of them, because each attribute is another chance to find something.
    """
    if not dataset.individual:
        return ()
    attributes = [one for name in dataset.respondents.attributes if (one := levels_of(dataset, name))]
    found: list[Moderation] = []
    for metric, arms in pairs if attributes else ():
        values = PersonaValues.of(dataset, metric, arms)
        found += [_moderated(metric, values, levels, confidence) for levels in attributes]
    adjusted = holm(dict(enumerate(one.p for one in found)))
    family = f"Holm over {len(found)} tests of treatment × attribute"
    return tuple(
        replace(one, p_adjusted=adjusted[place], adjustment=family) for place, one in enumerate(found)
    )


def left_out(dataset: Dataset) -> list[str]:
    """The attributes that are not analysed: with one level, or too many."""
    if not dataset.individual:
        return []
    return [name for name in dataset.respondents.attributes if levels_of(dataset, name) is None]


def levels_of(dataset: Dataset, attribute: str) -> Levels | None:
    """The levels of an attribute, numbers with many values cut into quarters; ``None`` where it makes no groups."""
    by_person = dataset.respondents.attributes.get(attribute) or {}
    values = {
        panel: value
        for panel, (person,) in enumerate(dataset.panels)
        if (value := by_person.get(person)) is not None and value == value and value != ""
    }
    distinct = set(map(str, values.values()))
    if len(distinct) < 2:
        return None
    if all(_is_number(value) for value in values.values()):
        ordered = sorted(set(values.values()))
        if len(ordered) > MOST_LEVELS // 2:
            return _quarters(attribute, values)
        names = {value: f"{value:g}" for value in ordered}
        return Levels(
            attribute, {panel: names[value] for panel, value in values.items()}, tuple(names.values())
        )
    if len(distinct) > MOST_LEVELS:
        return None
    found = {panel: str(value) for panel, value in values.items()}
    return Levels(attribute, found, tuple(sorted(set(found.values()))))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _quarters(attribute: str, values: Mapping[int, float]) -> Levels | None:
    """Equal values stay together."""
    ordered = sorted(values.values())
    cuts = sorted({ordered[len(ordered) * part // PARTS] for part in range(1, PARTS)} - {ordered[0]})
    place = {panel: sum(value >= cut for cut in cuts) for panel, value in values.items()}
    groups: dict[int, list[float]] = {}
    for panel, number in place.items():
        groups.setdefault(number, []).append(values[panel])
    names = {number: f"{min(found):g} to {max(found):g}" for number, found in sorted(groups.items())}
    if len(names) < 2:
        return None
    return Levels(attribute, {panel: names[number] for panel, number in place.items()}, tuple(names.values()))


def _moderated(metric: str, values: PersonaValues, levels: Levels, confidence: float) -> Moderation:
    panels: dict[str, set[int]] = {level: set() for level in levels.order}
    for panel, level in levels.of.items():
        panels[level].add(panel)
    subgroups = tuple(_subgroup(level, values.only(found), confidence) for level, found in panels.items())
    tested = [one.estimate for one in subgroups if one.estimate.se is not None]
    f, df, df_error, reason = heterogeneity(tested)
    p = None if f is None or df is None or df_error is None else upper_f(f, df, df_error)
    few = [one.level for one in subgroups if one.estimate.se is None]
    if few and reason is None:
        reason = f"without {', '.join(few)}: too few personas, or no spread"
    return Moderation(metric, *values.arms, levels.attribute, subgroups, f, df, df_error, p, reason)


def _subgroup(level: str, values: PersonaValues, confidence: float) -> Subgroup:
    sizes = (len(values.control), len(values.treatment))
    n = sum(sizes) if values.units.between else sizes[0]
    found = (
        values.difference(confidence) if n else Estimate("", "", values.units.noun, 0, reason="no answers")
    )
    if n > 0 and min(sizes) < FEWEST:
        reason = f"fewer than {FEWEST} personas"
        found = replace(found, se=None, df=None, p=None, interval=None, reason=reason)
    return Subgroup(level, n, *values.means(), found)


def heterogeneity(
    estimates: Sequence[Estimate],
) -> tuple[float | None, float | None, float | None, str | None]:
    """Whether independent differences are equal: F, its degrees of freedom, or why there is no test.

    Welch's (1951) test for means with unequal variances, on any estimates with their own errors: for personas who
    count alike it is his one-way analysis of variance of their differences.
    """
    k = len(estimates)
    if k < 2:
        found = f"there {'is' if k == 1 else 'are'} {k}"
        return None, None, None, f"needs two levels with {FEWEST} personas or more, and spread; {found}"
    parts = [(one.difference or 0.0, 1 / (one.se or 1.0) ** 2, one.df or 1.0) for one in estimates]
    total = math.fsum(weight for _, weight, _ in parts)
    mean = math.fsum(weight * value for value, weight, _ in parts) / total
    between = math.fsum(weight * (value - mean) ** 2 for value, weight, _ in parts) / (k - 1)
    lack = math.fsum((1 - weight / total) ** 2 / df for _, weight, df in parts)
    f = between / (1 + 2 * (k - 2) / (k * k - 1) * lack)
    return f, float(k - 1), (k * k - 1) / (3 * lack), None


def upper_f(f: float, df: float, df_error: float) -> float:
    """The probability of an F above ``f``."""
    return betainc(df_error / 2, df / 2, df_error / (df_error + df * f))
