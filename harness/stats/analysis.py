"""The analysis of one run: each metric, each later group against the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from harness.errors import ConfigurationError
from harness.model import Dataset
from harness.stats.blocked import Layout, blocked, generalising, layout
from harness.stats.clusters import cluster_robust
from harness.stats.effect import hedges_g
from harness.stats.factors import factor_effects
from harness.stats.icc import design_effect, icc_by_person, icc_by_trial
from harness.stats.mixed import reml
from harness.stats.mixed_runs import without_claims
from harness.stats.multiplicity import dunnett_blocked, holm
from harness.stats.naive import paired_by_person, welch_on_persons, welch_on_scores
from harness.stats.results import Analysis, Comparison, Estimate
from harness.stats.sign_flip import sign_flip
from harness.stats.within import within_blocks


def analyse(
    dataset: Dataset,
    *,
    primary_metric: str | None = None,
    confidence: float = 0.95,
    with_secondary: bool = True,
) -> Analysis:
    """Analyse each metric's difference of each later group from the first.

    Each metric has one primary p, by the method chosen beforehand (`blocked`). With two groups Holm's correction runs
    over the metrics; a ``primary_metric`` named beforehand (by default the only one of a locked plan) is tested alone,
    and Holm runs over the others. With more groups Dunnett's correction runs over the groups, and Bonferroni's over
    the metrics.

    Without ``with_secondary`` the secondary methods are left out: then NumPy need not be loaded, nor statsmodels, whose
    mixed model takes a second where all else takes a hundredth.

    A mixed run has differences and no tests.

    Raises `ConfigurationError` for a metric that the dataset does not have, or a confidence outside (0, 1).
    """
    _check(dataset, primary_metric, confidence)
    primary_metric = primary_metric or _planned(dataset)
    found = [
        _compared(dataset, metric, group, confidence, with_secondary=with_secondary)
        for metric in dataset.metrics
        for group in dataset.groups[1:]
    ]
    adjusted = _adjusted(dataset, found, primary_metric)
    analysis = Analysis(
        experiment=dataset.experiment,
        source=dataset.source,
        coordinates=dataset.coordinates,
        rehearsal=dataset.rehearsal,
        comparisons=tuple(adjusted),
        notes=tuple(_notes(dataset, adjusted)),
        effects=factor_effects(dataset, confidence),
    )
    return without_claims(analysis, dataset.mixed) if dataset.mixed else analysis


def _check(dataset: Dataset, primary_metric: str | None, confidence: float) -> None:
    if primary_metric is not None and primary_metric not in dataset.metrics:
        raise ConfigurationError(
            f"Primary metric {primary_metric!r} of {dataset.experiment}: unknown; "
            f"expected one of {', '.join(dataset.metrics)}."
        )
    if not 0 < confidence < 1:
        raise ConfigurationError(f"Confidence {confidence}: expected a share between 0 and 1, such as 0.95.")


def _planned(dataset: Dataset) -> str | None:
    """The primary metric of a locked plan, if it names exactly one."""
    names: Sequence[str] = (dataset.meta.get("plan") or {}).get("primary_metrics") or ()
    return names[0] if len(names) == 1 and names[0] in dataset.metrics else None


def _compared(
    dataset: Dataset, metric: str, treatment: str, confidence: float, *, with_secondary: bool
) -> Comparison:
    control = dataset.groups[0]
    arms = (control, treatment)
    found = layout(dataset, metric, *arms)
    primary = blocked(found, confidence)
    return Comparison(
        metric=metric,
        control=control,
        treatment=treatment,
        primary=primary,
        secondary=secondary(dataset, metric, treatment, found, confidence) if with_secondary else (),
        generalising=generalising(found),
        hedges_g=hedges_g(dataset, metric, primary, *arms),
        icc_trial=icc_by_trial(dataset, metric, arms, confidence),
        icc_person=icc_by_person(dataset, metric, arms, confidence),
        design_effect=design_effect(dataset, metric, arms),
        p_adjusted=None,
        adjustment="",
    )


def secondary(
    dataset: Dataset, metric: str, treatment: str, found: Layout, confidence: float
) -> tuple[Estimate, ...]:
    """The secondary methods, the most trustworthy first."""
    control = dataset.groups[0]
    return (
        sign_flip(found.differences),
        within_blocks(found, confidence),
        *(
            method(dataset, metric, control, treatment, confidence)
            for method in (reml, cluster_robust, paired_by_person, welch_on_persons, welch_on_scores)
        ),
    )


def _adjusted(dataset: Dataset, found: Sequence[Comparison], primary_metric: str | None) -> list[Comparison]:
    if len(dataset.groups) > 2:
        return [
            one for metric in dataset.metrics for one in _over_groups(dataset, metric, found, primary_metric)
        ]
    family = {one.metric: one.primary.p for one in found if one.metric != primary_metric}
    corrected = holm(family)
    over = f"Holm over {len(family)} metric{'s' * (len(family) != 1)}"
    if primary_metric is not None:
        over += f" besides the primary one, {primary_metric}"
    return [
        replace(one, p_adjusted=corrected[one.metric], adjustment=over)
        if one.metric in family
        else replace(one, p_adjusted=one.primary.p, adjustment="none: the primary metric, named beforehand")
        for one in found
    ]


def _over_groups(
    dataset: Dataset, metric: str, found: Sequence[Comparison], primary_metric: str | None
) -> list[Comparison]:
    """Dunnett over the groups, Bonferroni over the metrics: Holm does not apply to p-values already adjusted."""
    mine = [one for one in found if one.metric == metric]
    answer = dunnett_blocked(_cells(dataset, metric))
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
    return [replace(one, p_adjusted=p, adjustment=text) for one, p in zip(mine, adjusted, strict=True)]


def _cells(dataset: Dataset, metric: str) -> list[list[float]]:
    """The mean of each group in each block that has them all."""
    control, *others = dataset.groups
    columns: list[Mapping[tuple[int, int], tuple[float, float]]] = []
    for group in others:
        found = layout(dataset, metric, control, group).complete
        columns.append({(b.panel, b.proposal): (fmean(b.control), fmean(b.treatment)) for b in found})
    shared = sorted(set.intersection(*(set(column) for column in columns)))
    return [[columns[0][block][0], *(column[block][1] for column in columns)] for block in shared]


def _notes(dataset: Dataset, found: Sequence[Comparison]) -> list[str]:
    notes = []
    if dataset.rehearsal:
        notes.append("Rehearsal: generated without a model; not evidence.")
    if dataset.coordinates != "recorded":
        notes.append(
            "Panel, proposal, rep and persona of each score are reconstructed from the order of samples."
        )
    if len(dataset.groups) < 2:
        notes.append(f"{dataset.experiment} has one group, so there is nothing to compare.")
    if found:
        notes.append(f"Claims are for {found[0].primary.estimand}; {found[0].generalising.reason}.")
    few = min((one.primary.n for one in found if one.primary.n), default=10)
    if few < 10:
        notes.append(f"{few} blocks: no bootstrap interval is given; the exact sign-flip test is reported.")
    return notes
