"""Which p-values of an analysis form a family, and how each is adjusted for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from harness.model import Dataset
from harness.model.contrast import PAIRS, Contrasts, pairs_of, weighted
from harness.stats.multiplicity import holm
from harness.stats.results import Comparison, ContrastEstimate

T = TypeVar("T", Comparison, ContrastEstimate)
NAMED_BEFOREHAND = "the primary metric, named beforehand"


def adjust(
    dataset: Dataset,
    comparisons: Sequence[Comparison],
    contrasts: Sequence[ContrastEstimate],
    primary_metric: str | None,
) -> tuple[list[Comparison], list[ContrastEstimate]]:
    """Comparisons and contrasts with their adjusted p-values, and the adjustment in words.

    Holm runs over contrasts and metrics together; those of the primary metric are a separate family.
    """
    every = [(one.metric, one.contrast, one.primary.p) for one in comparisons]
    every += [(one.metric, one.name, one.estimate.p) for one in contrasts]
    made: dict[tuple[str, str], tuple[float | None, str]] = {}
    for is_primary in (True, False):
        family = {(metric, name): p for metric, name, p in every if (metric == primary_metric) == is_primary}
        text = _in_words(list(family), dataset.contrasts, primary_metric, is_primary, _items(dataset, family))
        made |= {key: (p, text) for key, p in holm(family).items()}
    return (
        [_with(one, *made[one.metric, one.contrast]) for one in comparisons],
        [_with(one, *made[one.metric, one.name]) for one in contrasts],
    )


def planned_adjustment(contrasts: Contrasts, groups: Sequence[str], primary_metrics: int) -> str:
    """The adjustment that `adjust` will make, for a plan."""
    if len(pairs_of(contrasts, groups)) + len(weighted(contrasts)) <= 1:
        return "none" if primary_metrics == 1 else "Holm over the primary metrics"
    what = "every pair" if contrasts == PAIRS else "the contrasts"
    return f"Holm over {what}" + " and the primary metrics" * (primary_metrics > 1)


def _in_words(
    family: Sequence[tuple[str, str]],
    declared: Contrasts,
    primary_metric: str | None,
    is_primary: bool,
    items: int,
) -> str:
    """The adjustment of ``family``, the metrics and names of its tests."""
    metrics, contrasts = (len({test[place] for test in family}) for place in (0, 1))
    if contrasts <= 1 and is_primary:
        return f"none: {NAMED_BEFOREHAND}"
    over = f"{metrics} metric{'s' * (metrics != 1)}"
    if items:
        over = _several(items, "item") if items == metrics else f"{over} of {_several(items, 'item')}"
    if contrasts > 1:
        what = "pairs of groups" if declared == PAIRS else "contrasts"
        over = f"{contrasts} {what}" + f" × {over} ({len(family)} tests)" * (metrics > 1)
    if is_primary:
        return f"Holm over {over} on {NAMED_BEFOREHAND}"
    return f"Holm over {over}" + f" besides the primary one, {primary_metric}" * (primary_metric is not None)


def _items(dataset: Dataset, metrics: Iterable[tuple[str, str]]) -> int:
    """How many items of a questionnaire the metrics belong to: ``party=red`` to ``party``; 0 for other metrics."""
    if not dataset.individual or not dataset.scales:
        return 0
    return len({re.split(r"[=\[]", metric)[0] for metric, _ in metrics})


def _several(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def _with(one: T, p: float | None, adjustment: str) -> T:
    return replace(one, p_adjusted=p, adjustment=adjustment)
