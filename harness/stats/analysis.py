"""The analysis of one run: each metric, each pair of groups and each contrast that its experiment declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.errors import ConfigurationError
from harness.model import Dataset
from harness.model.contrast import pairs_of
from harness.stats.adjustment import adjust
from harness.stats.between import generalising_between, panel_contrast
from harness.stats.blocked import Layout, blocked, layout
from harness.stats.clusters import cluster_robust
from harness.stats.contrasts import contrast_estimates
from harness.stats.crossed import across_items, generalising
from harness.stats.effect import hedges_g
from harness.stats.factors import factor_effects
from harness.stats.icc import design_effect, icc_by_person, icc_by_trial
from harness.stats.mixed import reml
from harness.stats.moderation import left_out, moderation
from harness.stats.naive import paired_by_person, welch_on_persons, welch_on_scores
from harness.stats.ordinal import cumulative_shares
from harness.stats.personas import PersonaValues, unweighted
from harness.stats.results import NO_METRIC, Analysis, Comparison, ContrastEstimate, Estimate
from harness.stats.sign_flip import sign_flip
from harness.stats.withheld_claims import without_claims, without_undelivered
from harness.stats.within import within_blocks

Progress = Callable[[str], None]
"""Takes each stage of long work, in words."""


def silent(stage: str) -> None:
    """No progress is shown."""


def analyse(
    dataset: Dataset,
    *,
    primary_metric: str | None = None,
    confidence: float = 0.95,
    with_secondary: bool = True,
    progress: Progress = silent,
) -> Analysis:
    """Analyse each metric's difference between the groups that the dataset's ``contrasts`` compare.

    Each metric and contrast has one primary p, by the method chosen beforehand (`blocked`). Holm's correction runs over
    contrasts and metrics together; those of a ``primary_metric`` named beforehand (by default the only one of a locked
    plan) are a family apart. Each contrast has its own error, so that arms may differ in variance (Maxwell 1980).

    Without ``with_secondary`` the secondary methods are left out: then NumPy need not be loaded, nor statsmodels, whose
    mixed model takes a second where all else takes a hundredth.

    A mixed run has differences and no tests, as has an arm whose treatment reached no request. Where each panel took
    part in one group, groups are compared between panels (`panel_contrast`), and nothing is paired.

    ``progress`` takes each stage in words.

    Raises `ConfigurationError` for a metric that the dataset does not have, or a confidence outside (0, 1).
    """
    _check(dataset, primary_metric, confidence)
    primary_metric = primary_metric or _planned(dataset)
    every = [
        (metric, pair) for metric in dataset.metrics for pair in pairs_of(dataset.contrasts, dataset.groups)
    ]
    found = []
    for number, (metric, pair) in enumerate(every, start=1):
        progress(f"{dataset.experiment}: comparison {number} of {len(every)}, {metric}")
        found.append(_compared(dataset, metric, *pair, confidence, with_secondary=with_secondary))
    comparisons, contrasts = adjust(dataset, found, contrast_estimates(dataset, confidence), primary_metric)
    effects = factor_effects(dataset, confidence)
    tested = [(one.metric, (one.control, one.treatment)) for one in comparisons if with_secondary]
    pairs = list(dict.fromkeys(arms for _, arms in tested))
    progress(f"{dataset.experiment}: shares, ranks and attributes")
    analysis = Analysis(
        experiment=dataset.experiment,
        source=dataset.source,
        coordinates=dataset.coordinates,
        rehearsal=dataset.rehearsal,
        comparisons=tuple(comparisons),
        notes=tuple(_notes(dataset, comparisons, effects)),
        effects=effects,
        contrasts=tuple(contrasts),
        across_items=tuple(one for arms in pairs for one in across_items(dataset, arms, confidence)),
        shares=tuple(
            one for each in tested if (one := cumulative_shares(dataset, *each, confidence)) is not None
        ),
        moderation=moderation(dataset, tested, confidence),
    )
    if dataset.mixed:
        return without_claims(analysis, dataset.mixed)
    return without_undelivered(analysis, dataset.undelivered)


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
    dataset: Dataset, metric: str, treatment: str, control: str, confidence: float, *, with_secondary: bool
) -> Comparison:
    arms = (control, treatment)
    found = layout(dataset, metric, *arms)
    weights = {treatment: 1.0, control: -1.0}
    unpaired = dataset.between
    primary = panel_contrast(dataset, metric, weights, confidence) if unpaired else blocked(found, confidence)
    return Comparison(
        metric=metric,
        control=control,
        treatment=treatment,
        primary=primary,
        secondary=secondary(dataset, metric, arms, found, confidence) if with_secondary else (),
        generalising=generalising_between(dataset) if unpaired else generalising(found),
        hedges_g=hedges_g(dataset, metric, primary, *arms),
        icc_trial=icc_by_trial(dataset, metric, arms, confidence),
        icc_person=icc_by_person(dataset, metric, arms, confidence),
        design_effect=design_effect(dataset, metric, arms),
        p_adjusted=None,
        adjustment="",
        weighted_means=_weighted_means(dataset, metric, arms) if found.units.weights else None,
    )


def _weighted_means(
    dataset: Dataset, metric: str, arms: tuple[str, str]
) -> tuple[float | None, float | None]:
    return PersonaValues.of(dataset, metric, arms).means()


def secondary(
    dataset: Dataset, metric: str, arms: tuple[str, str], found: Layout, confidence: float
) -> tuple[Estimate, ...]:
    """The secondary methods, the most trustworthy first; for unpaired arms only the naive one.

    Where each trial has one persona, methods for personas who share trials have nothing to add.
    """
    naive = welch_on_scores(dataset, metric, *arms, confidence)
    alike = (unweighted(dataset, metric, arms, confidence),) if found.units.is_weighted else ()
    if dataset.between:
        return (*alike, naive)
    units = found.units
    flipped = sign_flip(found.differences, unit=units.noun, estimand=units.own_claim)
    within = (within_blocks(found, confidence),) if found.repeats or not units.by_persona else ()
    methods = (reml,) if units.by_persona else (reml, cluster_robust, paired_by_person, welch_on_persons)
    return (*alike, flipped, *within, *(one(dataset, metric, *arms, confidence) for one in methods), naive)


def _notes(dataset: Dataset, found: Sequence[Comparison], effects: Sequence[ContrastEstimate]) -> list[str]:
    notes = []
    if dataset.rehearsal:
        notes.append("Rehearsal: generated without a model; not evidence.")
    if dataset.coordinates != "recorded":
        notes.append(
            "Panel, proposal, rep and persona of each score are reconstructed from the order of samples."
        )
    if not dataset.metrics and not dataset.judgements:
        notes.append(NO_METRIC)
    if len(dataset.groups) < 2:
        notes.append(f"{dataset.experiment} has one group, so there is nothing to compare.")
    if found:
        others = found[0].generalising
        why = f"are {others.reason}" if others.p is None else "are made separately, with both random"
        notes.append(f"Claims are for {found[0].primary.estimand}; those for {others.estimand} {why}.")
    if effects:
        notes.append(
            "Effects of the factors are corrected apart from the differences between arms; an interaction of three "
            "factors or more is not among them, unless a contrast names it."
        )
    if names := left_out(dataset):
        notes.append(f"Attributes without groups to compare are left out: {', '.join(names)}.")
    few = min((one.primary.n for one in found if one.primary.n), default=10)
    if few < 10 and not dataset.between:
        units = "personas" if dataset.individual else "blocks"
        notes.append(f"{few} {units}: no bootstrap interval is given; the exact sign-flip test is reported.")
    return notes
