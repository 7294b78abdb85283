"""Tests that ignore a part of the design, each labelled with the part: for parity, and to show what it costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from harness.model import Dataset
from harness.stats.estimands import AS_IF_PERSONS, AS_IF_SCORES, FIXED_SET
from harness.stats.results import Estimate, Interval
from harness.stats.student import one_sample
from harness.stats.welch import compare

Persons = dict[tuple[int, str], float]
_NO_PERSONS = "the metric has one score per trial, none per persona"


def welch_on_scores(
    dataset: Dataset, metric: str, control: str, treatment: str, confidence: float
) -> Estimate:
    """TinyTroupe's test, on all scores."""
    one, other = (dataset.values(metric, arm) for arm in (control, treatment))
    if all(found.person is None for found in dataset.of(metric)):
        note = "treats scores as independent; with one score per trial it ignores the blocks alone"
        return _welch("Welch on raw scores", FIXED_SET, "scores", one, other, confidence, note)
    note = "treats scores as independent; scores of one trial and of one persona are not"
    return _welch("Welch on raw scores", AS_IF_SCORES, "scores", one, other, confidence, note)


def welch_on_persons(
    dataset: Dataset, metric: str, control: str, treatment: str, confidence: float
) -> Estimate:
    """Welch on one mean per persona and arm."""
    note = "ignores that the same personas are in both arms, and that personas share trials"
    one, other = (_persons(dataset, metric, arm) for arm in (control, treatment))
    if not one and not other:
        return _unasked("Welch on persona means", note)
    groups = list(one.values()), list(other.values())
    return _welch("Welch on persona means", AS_IF_PERSONS, "persona means", *groups, confidence, note)


def paired_by_person(
    dataset: Dataset, metric: str, control: str, treatment: str, confidence: float
) -> Estimate:
    """Paired t on the personas that have scores in both arms."""
    note = "ignores that the personas of a panel share its trials"
    one, other = (_persons(dataset, metric, arm) for arm in (control, treatment))
    if not one and not other:
        return _unasked("paired t by persona", note)
    differences = [other[person] - one[person] for person in sorted(one.keys() & other.keys())]
    asked = Estimate("paired t by persona", AS_IF_PERSONS, "personas", 0, note=note)
    return one_sample(asked, differences, confidence)


def _persons(dataset: Dataset, metric: str, arm: str) -> Persons:
    """The mean of each persona; one who sits in two panels counts as two."""
    found: dict[tuple[int, str], list[float]] = defaultdict(list)
    for one in dataset.of(metric, arm):
        if one.person is not None and one.value is not None:
            found[(one.panel, one.person)].append(one.value)
    return {person: fmean(values) for person, values in sorted(found.items())}


def _welch(
    method: str,
    estimand: str,
    unit: str,
    one: Sequence[float],
    other: Sequence[float],
    confidence: float,
    note: str,
) -> Estimate:
    found, reasons = compare(sorted(one), sorted(other), confidence)
    return Estimate(
        method,
        estimand,
        unit,
        n=len(one) + len(other),
        difference=found["mean_difference"],
        se=_se(found),
        df=found["degrees_of_freedom"],
        p=found["p_value"],
        interval=_interval(found, confidence),
        reason=reasons.get("p_value"),
        note=note,
    )


def _interval(found: dict[str, Any], confidence: float) -> Interval | None:
    limits = found["confidence_interval"]
    return None if limits is None else Interval(limits[0], limits[1], confidence)


def _se(found: dict[str, Any]) -> float | None:
    if found["p_value"] is None:
        return None
    squares = (found[f"{arm}_std"] ** 2 / found[f"{arm}_sample_size"] for arm in ("control", "treatment"))
    return float(sum(squares) ** 0.5)


def _unasked(method: str, note: str) -> Estimate:
    return Estimate(method, AS_IF_PERSONS, "personas", 0, reason=_NO_PERSONS, note=note)
