"""Which p-values of an analysis form a family, and how each is adjusted for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TypeVar

from harness.model import Dataset
from harness.model.contrast import CONTROL, PAIRS, Contrasts
from harness.stats.blocked import layout
from harness.stats.multiplicity import dunnett_blocked, holm, residual_deviations
from harness.stats.results import Comparison, ContrastEstimate

T = TypeVar("T", Comparison, ContrastEstimate)
UNEQUAL = 2.0
"""A ratio of the arms' standard deviations from which Dunnett's pooled error is said to be at fault."""
NAMED_BEFOREHAND = "the primary metric, named beforehand"


def adjust(
    dataset: Dataset,
    comparisons: Sequence[Comparison],
    contrasts: Sequence[ContrastEstimate],
    primary_metric: str | None,
) -> tuple[list[Comparison], list[ContrastEstimate]]:
    """Comparisons and contrasts with their adjusted p-values, and the adjustment in words."""
    if dataset.contrasts != CONTROL or (dataset.between and len(dataset.groups) > 2):
        return _over_contrasts(comparisons, contrasts, primary_metric, dataset.contrasts)
    if len(dataset.groups) > 2:
        found = [_over_groups(dataset, metric, comparisons, primary_metric) for metric in dataset.metrics]
        return [one for several in found for one in several], []
    return _over_metrics(comparisons, primary_metric), []


def planned_adjustment(
    contrasts: Contrasts, groups: int, primary_metrics: int, *, between: bool = False
) -> str:
    """The adjustment that `adjust` will make, for a plan; ``between`` panels as in `Dataset`."""
    one = primary_metrics == 1
    if contrasts != CONTROL or (between and groups > 2):
        what = "every pair" if contrasts == PAIRS else "the contrasts"
        return f"Holm over {what}" if one else f"Holm over {what} and the primary metrics"
    if groups > 2:
        return "Dunnett over the groups" if one else "Dunnett over the groups, Bonferroni over the metrics"
    return "none" if one else "Holm over the primary metrics"


def _over_metrics(found: Sequence[Comparison], primary_metric: str | None) -> list[Comparison]:
    family = {one.metric: one.primary.p for one in found if one.metric != primary_metric}
    corrected = holm(family)
    over = f"Holm over {len(family)} metric{'s' * (len(family) != 1)}{_besides(primary_metric)}"
    return [
        replace(one, p_adjusted=corrected[one.metric], adjustment=over)
        if one.metric in family
        else replace(one, p_adjusted=one.primary.p, adjustment=f"none: {NAMED_BEFOREHAND}")
        for one in found
    ]


def _over_contrasts(
    comparisons: Sequence[Comparison],
    contrasts: Sequence[ContrastEstimate],
    primary_metric: str | None,
    declared: Contrasts,
) -> tuple[list[Comparison], list[ContrastEstimate]]:
    """Holm over contrasts and metrics together; those of the primary metric are a family of their own."""
    noun = "pairs of groups" if declared == PAIRS else "contrasts"
    every: list[Comparison | ContrastEstimate] = [*comparisons, *contrasts]
    primary = [one for one in every if one.metric == primary_metric]
    others = [one for one in every if one.metric != primary_metric]
    made: dict[tuple[str, str], tuple[float | None, str]] = {}
    for family, why in ((primary, f" on {NAMED_BEFOREHAND}"), (others, _besides(primary_metric))):
        metrics = len({one.metric for one in family})
        size = len(family) // metrics if metrics else 0
        over = f"Holm over {size} {noun}" + f" × {metrics} metrics ({len(family)} tests)" * (metrics > 1)
        corrected = holm({"\0".join(_key(one)): _p(one) for one in family})
        made |= {_key(one): (corrected["\0".join(_key(one))], f"{over}{why}") for one in family}
    return [_with(one, made) for one in comparisons], [_with(one, made) for one in contrasts]


def _with(one: T, made: Mapping[tuple[str, str], tuple[float | None, str]]) -> T:
    p, text = made[_key(one)]
    return replace(one, p_adjusted=p, adjustment=text)


def _key(one: Comparison | ContrastEstimate) -> tuple[str, str]:
    return one.metric, one.contrast if isinstance(one, Comparison) else one.name


def _p(one: Comparison | ContrastEstimate) -> float | None:
    return one.primary.p if isinstance(one, Comparison) else one.estimate.p


def _besides(primary_metric: str | None) -> str:
    return f" besides the primary one, {primary_metric}" if primary_metric is not None else ""


def _over_groups(
    dataset: Dataset, metric: str, found: Sequence[Comparison], primary_metric: str | None
) -> list[Comparison]:
    """Dunnett over the groups, Bonferroni over the metrics: Holm does not apply to p-values already adjusted."""
    mine = [one for one in found if one.metric == metric]
    cells = _cells(dataset, metric)
    answer = dunnett_blocked(cells)
    if isinstance(answer, str):
        return [replace(one, adjustment=f"none: {answer}") for one in mine]
    p_values, df = answer
    others = len(dataset.metrics) - (primary_metric is not None)
    times = 1 if metric == primary_metric else others
    adjusted = [min(1.0, times * p) for p in p_values]
    text = f"Dunnett over {len(mine)} groups, error block × group, df {df}"
    text += f"; times {times} metrics (Bonferroni)" if times > 1 else ""
    if any(one.primary.p is not None and p < one.primary.p for one, p in zip(mine, adjusted, strict=True)):
        text += "; its error is pooled over all groups, so it can be below p"
    text += _unequal(cells, dataset.groups)
    return [replace(one, p_adjusted=p, adjustment=text) for one, p in zip(mine, adjusted, strict=True)]


def _unequal(cells: Sequence[Sequence[float]], groups: Sequence[str]) -> str:
    """That arms vary unequally, which Dunnett's pooled error assumes they do not."""
    spreads = dict(zip(groups, residual_deviations(cells), strict=True))
    low, high = (find(spreads, key=spreads.__getitem__) for find in (min, max))
    if spreads[high] < UNEQUAL * spreads[low]:
        return ""
    return (
        f"; it assumes that arms vary alike, but the SD over blocks is {spreads[low]:.2g} in {low} and "
        f"{spreads[high]:.2g} in {high}: p may be too small (contrasts that name the pairs have errors of their own)"
    )


def _cells(dataset: Dataset, metric: str) -> list[list[float]]:
    """The mean of each group in each block that has them all."""
    control, *others = dataset.groups
    columns: list[Mapping[tuple[int, int], tuple[float, float]]] = []
    for group in others:
        found = layout(dataset, metric, control, group).complete
        columns.append({(b.panel, b.proposal): (fmean(b.control), fmean(b.treatment)) for b in found})
    shared = sorted(set.intersection(*(set(column) for column in columns)))
    return [[columns[0][block][0], *(column[block][1] for column in columns)] for block in shared]
