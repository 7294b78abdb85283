"""The tables of an analysis: primary and secondary estimates, effect sizes, and their estimands."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict
from operator import itemgetter
from typing import Any

from harness.model import Dataset
from harness.records.json_safe import plain
from harness.reports import binary_outcomes
from harness.reports.answer_tables import answer_parts
from harness.reports.numbers import NONE, fixed, interval_head, p_value, signed, span, whole
from harness.reports.parts import REHEARSAL, Heading, Items, Part, Table, fits, grouped
from harness.reports.preferences import preference_parts
from harness.stats import describe
from harness.stats.counts import CountComparison
from harness.stats.preferences import analyse_preferences
from harness.stats.results import Analysis, Comparison, ContrastEstimate, Estimate, Quantity

LABEL = 36
CONTRASTS = "Contrasts declared by weights"
EFFECTS = "Effects of the factors"


def analysis_parts(
    analysis: Analysis,
    dataset: Dataset,
    explained: Sequence[str] = (),
    counts: Sequence[CountComparison] = (),
) -> Iterator[Part]:
    """The analysis of one run. ``dataset`` was analysed; ``explained`` are closing paragraphs."""
    yield Heading(f"{analysis.experiment}, {analysis.source}")
    if analysis.rehearsal:
        yield REHEARSAL
    if dataset.unread:
        yield Items(dataset.unread)
    if analysis.notes:
        yield Items(analysis.notes)
    for mine in grouped(analysis.comparisons, lambda one: one.contrast):
        yield from _primary(mine, dataset)
        yield from _secondary(mine)
        yield from _resting_on(mine)
        yield from _generalising(mine, analysis.notes)
    yield from answer_parts(analysis, dataset.scales)
    for title, found in ((CONTRASTS, analysis.contrasts), (EFFECTS, analysis.effects)):
        if found:
            yield Heading(title, 2)
            yield from contrast_tables(found)
            yield Items(tuple(about_contrasts(found)))
    preferences, _ = plain(analyse_preferences(dataset))
    yield from preference_parts(preferences, rehearsal=analysis.rehearsal)
    if counts:
        yield Heading(binary_outcomes.CAPTION, 2)
        yield binary_outcomes.table(counts)
        yield Items(tuple(binary_outcomes.about(counts)))
    yield from explained


def contrast_tables(found: Sequence[ContrastEstimate]) -> Iterator[Table]:
    """A row per metric and contrast; a table per metric where one of 80 columns is too narrow for both names."""
    head = interval_head(one.estimate.interval for one in found)
    heads = ("diff.", head, "t", "df", "p", "adj.")
    whole_table = contrast_table(found, heads)
    if fits(whole_table):
        yield whole_table
        return
    for mine in grouped(found, lambda one: one.metric):
        rows = tuple((one.name, *_answer(one.estimate), p_value(one.p_adjusted)) for one in mine)
        yield Table((mine[0].metric, *heads), rows)


def contrast_table(found: Sequence[ContrastEstimate], heads: Sequence[str]) -> Table:
    """A row per metric and contrast."""
    rows = tuple((one.metric, one.name, *_answer(one.estimate), p_value(one.p_adjusted)) for one in found)
    return Table(("metric", "contrast", *heads), rows, 2)


def about_contrasts(found: Sequence[ContrastEstimate], *, weights: bool = True) -> Iterator[str]:
    """The method of contrasts, their adjustment, their ``weights``, and why some have no test."""
    first = found[0]
    yield f"{first.estimate.method}; unit: {first.estimate.unit}; claimed for {first.estimate.estimand}."
    for same in grouped((one for one in found if one.weights), lambda one: one.adjustment):
        names = (
            "" if len(same) == len(found) else f" ({', '.join(dict.fromkeys(one.metric for one in same))})"
        )
        yield f"adj.: {same[0].adjustment}{names}."
    for of_name in grouped((one for one in found if one.weights and weights), lambda one: one.name):
        terms = (f"{signed(weight)} {group}" for group, weight in of_name[0].weights.items() if weight)
        yield f"{of_name[0].name} = {', '.join(terms)}."
    yield from _remarks(found, [one.estimate.reason for one in found])
    yield from _remarks(found, [one.estimate.note for one in found])


def _remarks(found: Sequence[ContrastEstimate], texts: Sequence[str | None]) -> Iterator[str]:
    """Each text once, with its contrasts, and its metrics where it is not about all of them."""
    every = dict.fromkeys(one.metric for one in found)
    for same in grouped(((text, one) for text, one in zip(texts, found, strict=True) if text), itemgetter(0)):
        metrics = dict.fromkeys(one.metric for _, one in same)
        names = dict.fromkeys(one.name for _, one in same)
        about = "" if metrics == every else f"{', '.join(metrics)}: "
        yield f"{about}{', '.join(names)}: {same[0][0]}."


def analysis_json(
    analysis: Analysis, dataset: Dataset, counts: Sequence[CountComparison] = ()
) -> dict[str, Any]:
    """The analysis as plain values, with ``groups``: group → metric → n, mean, std, missing; and ``counts``."""
    return {
        **asdict(analysis),
        "groups": _described(dataset),
        "counts": [asdict(one) for one in counts],
        "preferences": plain(analyse_preferences(dataset))[0],
        "unread": list(dataset.unread),
    }


def _described(dataset: Dataset) -> dict[str, dict[str, Any]]:
    return {
        group: {
            metric: describe(
                values := dataset.values(metric, group), len(values) + dataset.missing(metric, group)
            )
            for metric in dataset.metrics
        }
        for group in dataset.groups
    }


def _primary(mine: Sequence[Comparison], dataset: Dataset) -> Iterator[Part]:
    control, treatment = mine[0].control, mine[0].treatment
    yield Heading(f"{treatment} − {control}: the primary analysis", 2)
    for estimates in grouped((one.primary for one in mine), _claim):
        yield _legend(estimates[0])
    means = _described(dataset)
    rows = tuple(
        (
            one.metric,
            *map(
                fixed, one.weighted_means or (means[arm][one.metric]["mean"] for arm in (control, treatment))
            ),
            *_answer(one.primary),
            p_value(one.p_adjusted),
        )
        for one in mine
    )
    heads = ("diff.", interval_head(one.primary.interval for one in mine), "t", "df", "p", "adj.")
    named = Table(("metric", control, treatment, *heads), rows)
    yield named if fits(named) else Table(("metric", "first", "later", *heads), rows)
    yield from _adjustment(mine)
    yield from _undefined((one.metric, one.primary) for one in mine)
    yield from _short(mine, dataset)
    if dataset.individual:
        noted = [one for one in mine if one.primary.note]
        notes = grouped(noted, lambda one: one.primary.note)
        texts = (f"{', '.join(one.metric for one in same)}: {same[0].primary.note}." for same in notes)
        if noted:
            yield Items(tuple(texts))


def _answer(estimate: Estimate) -> tuple[str, str, str, str, str]:
    """Difference, interval, t, degrees of freedom, p."""
    return (
        signed(estimate.difference),
        span(estimate.interval),
        fixed(_t(estimate)),
        whole(estimate.df),
        p_value(estimate.p),
    )


def _t(estimate: Estimate) -> float | None:
    if estimate.df is None or estimate.difference is None or not estimate.se:
        return None
    return estimate.difference / estimate.se


def _adjustment(mine: Sequence[Comparison]) -> Iterator[Part]:
    texts = grouped((one for one in mine if one.adjustment), lambda one: one.adjustment)
    for ones in texts:
        metrics = "" if len(ones) == len(mine) else f" ({', '.join(one.metric for one in ones)})"
        yield f"adj.: {ones[0].adjustment}{metrics}."


def _secondary(mine: Sequence[Comparison]) -> Iterator[Part]:
    if not any(one.secondary for one in mine):
        return
    yield Heading(f"{mine[0].treatment} − {mine[0].control}: other methods", 2)
    for one in mine:
        answered = [estimate for estimate in one.secondary if estimate.p is not None]
        if answered:
            rows = ((_label(estimate.method), str(estimate.n), *_answer(estimate)) for estimate in answered)
            head = interval_head(one.interval for one in answered)
            yield Table((one.metric, "n", "diff.", head, "t", "df", "p"), tuple(rows))
    found = [(one.metric, estimate) for one in mine for estimate in one.secondary]
    answered = [estimate for _, estimate in found if estimate.p is not None]
    if answered:
        yield "What each method estimates; n counts its units:"
        yield Items((*(_legend(group[0]) for group in grouped(answered, _claim)), *_own_notes(found)))
    yield from _undefined(found)


def _label(method: str) -> str:
    """A method's name, shortened to fit a column; the legend has it in full."""
    while len(method) > LABEL and "," in method:
        method = method.rpartition(",")[0]
    return method


def _own_notes(found: Iterable[tuple[str, Estimate]]) -> Iterator[str]:
    """Notes that depend on a metric's numbers, such as the smallest p that a test can give."""
    with_notes = [
        (metric, one) for metric, one in found if one.p is not None and one.note != _constant(one.note)
    ]
    for group in grouped(with_notes, lambda pair: (pair[1].method, pair[1].note)):
        yield f"{_label(group[0][1].method)}, {', '.join(metric for metric, _ in group)}: {group[0][1].note}."


def _claim(estimate: Estimate) -> Hashable:
    return estimate.method, estimate.unit, estimate.estimand, _constant(estimate.note)


def _constant(note: str | None) -> str | None:
    """``note`` if it holds for every metric, because it contains no numbers."""
    return note if note and not any(sign.isdigit() for sign in note) else None


def _legend(estimate: Estimate) -> str:
    note = _constant(estimate.note)
    return (
        f"{estimate.method}; unit: {estimate.unit}; claimed for {estimate.estimand}"
        f"{f' ({note})' if note else ''}."
    )


def _undefined(found: Iterable[tuple[str, Estimate]]) -> Iterator[Part]:
    """Each reason once, with its metrics and methods."""
    missing = [(metric, one) for metric, one in found if one.p is None]
    texts = []
    for group in grouped(missing, lambda pair: pair[1].reason):
        metrics = ", ".join(dict.fromkeys(metric for metric, _ in group))
        methods = ", ".join(dict.fromkeys(one.method for _, one in group))
        texts.append(f"Undefined for {metrics}: {methods}: {group[0][1].reason or 'no reason given'}.")
    if texts:
        yield Items(tuple(texts))


def _short(mine: Sequence[Comparison], dataset: Dataset) -> Iterator[Part]:
    texts = []
    for one in mine:
        for group in (one.control, one.treatment):
            if lost := dataset.missing(one.metric, group):
                there = len(dataset.values(one.metric, group))
                texts.append(f"{one.metric}: {there} of {there + lost} samples in {group}.")
    if texts:
        yield Items(tuple(texts))


def _resting_on(mine: Sequence[Comparison]) -> Iterator[Part]:
    yield Heading(f"{mine[0].treatment} − {mine[0].control}: effect sizes and intraclass correlations", 2)
    quantities = [(one, (one.hedges_g, one.icc_trial, one.icc_person, one.design_effect)) for one in mine]
    yield Table(
        ("metric", "Hedges g", "CI", "ICC trial", "ICC person", "deff"),
        tuple(
            (one.metric, signed(g.value), span(g.interval), *(fixed(each.value) for each in rest))
            for one, (g, *rest) in quantities
        ),
    )
    yield "ICC: intraclass correlation of scores within a trial or a person. deff: design effect."
    yield from _quantity_reasons(
        (one.metric, name, each)
        for one, row in quantities
        for name, each in zip(
            ("Hedges g", "ICC by trial", "ICC by person", "design effect"), row, strict=True
        )
    )


def _quantity_reasons(found: Iterable[tuple[str, str, Quantity]]) -> Iterator[Part]:
    missing = [(metric, name, one) for metric, name, one in found if one.value is None]
    texts = []
    for group in grouped(missing, lambda each: (each[1], each[2].reason)):
        metrics = ", ".join(metric for metric, _, _ in group)
        texts.append(f"{group[0][1]}, {metrics}: {group[0][2].reason or 'no reason given'}.")
    if texts:
        yield Items(tuple(texts))


def _generalising(mine: Sequence[Comparison], notes: Sequence[str]) -> Iterator[Part]:
    """Why nothing is claimed beyond the design, unless a note above the tables says so."""
    claims = [one.generalising for one in mine if one.primary.p is not None] or [
        one.generalising for one in mine
    ]
    for group in grouped(claims, lambda one: (one.estimand, one.reason)):
        if group[0].p is None and not any(group[0].reason and group[0].reason in note for note in notes):
            yield f"For {group[0].estimand}: {group[0].reason or NONE}."
