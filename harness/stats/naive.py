"""Tests that ignore a part of the design, and say which: for parity with other work, and to show what it costs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from harness.model import Dataset
from harness.stats.results import AS_IF_PERSONS, AS_IF_SCORES, FIXED_SET, Estimate, Interval
from harness.stats.student import one_sample
from harness.stats.welch import compare

Persons = dict[tuple[int, str], float]
_ARMS = ("control", "treatment")
_NO_PERSONS = "the metric has one score per trial, none per persona"


def welch_on_scores(
    dataset: Dataset, metric: str, control: str, treatment: str, confidence: float
) -> Estimate:
    """TinyTroupe's test, on all scores."""
    one, other = (dataset.values(metric, arm) for arm in (control, treatment))
    estimand = AS_IF_SCORES
    note = "treats scores as independent; scores of one trial and of one persona are not"
    if all(found.person is None for found in dataset.of(metric)):
        estimand = FIXED_SET
        note = "treats scores as independent; with one score per trial it ignores the blocks alone"
    return _welch(Estimate("Welch on raw scores", estimand, "scores", 0, note=note), one, other, confidence)


def welch_on_persons(
    dataset: Dataset, metric: str, control: str, treatment: str, confidence: float
) -> Estimate:
    """Welch on one mean per persona and arm."""
    note = "ignores that the same personas are in both arms, and that personas share trials"
    asked = Estimate("Welch on persona means", AS_IF_PERSONS, "persona means", 0, note=note)
    one, other = (_persons(dataset, metric, arm) for arm in (control, treatment))
    if not one and not other:
        return replace(asked, reason=_NO_PERSONS)
    return _welch(asked, list(one.values()), list(other.values()), confidence)


def paired_by_person(
    dataset: Dataset, metric: str, control: str, treatment: str, confidence: float
) -> Estimate:
    """Paired t on the personas that have scores in both arms."""
    note = "ignores that the personas of a panel share its trials"
    asked = Estimate("paired t by persona", AS_IF_PERSONS, "personas", 0, note=note)
    one, other = (_persons(dataset, metric, arm) for arm in (control, treatment))
    if not one and not other:
        return replace(asked, reason=_NO_PERSONS)
    differences = [other[person] - one[person] for person in sorted(one.keys() & other.keys())]
    return one_sample(asked, differences, confidence)


def _persons(dataset: Dataset, metric: str, arm: str) -> Persons:
    """The mean of each persona; one who sits in two panels counts as two."""
    found: dict[tuple[int, str], list[float]] = defaultdict(list)
    for one in dataset.of(metric, arm):
        if one.person is not None and one.value is not None:
            found[(one.panel, one.person)].append(one.value)
    return {person: fmean(values) for person, values in sorted(found.items())}


def _welch(asked: Estimate, one: Sequence[float], other: Sequence[float], confidence: float) -> Estimate:
    found, reasons = compare(sorted(one), sorted(other), confidence)
    limits, se = found["confidence_interval"], None
    if limits is not None:
        se = math.hypot(*(found[f"{arm}_std"] / math.sqrt(found[f"{arm}_sample_size"]) for arm in _ARMS))
    return replace(
        asked,
        n=len(one) + len(other),
        difference=found["mean_difference"],
        se=se,
        df=found["degrees_of_freedom"],
        p=found["p_value"],
        interval=limits and Interval(limits[0], limits[1], confidence),
        reason=reasons.get("p_value"),
    )
