"""The comparison of several runs, as text, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from harness.model import Dataset
from harness.records.run_comparison import EXPLORATORY
from harness.reports.parts import REHEARSAL, Heading, Items, Part
from harness.reports.tables import about_contrasts, contrast_tables
from harness.stats.results import Analysis, ContrastEstimate


def comparison_parts(analysis: Analysis, dataset: Dataset) -> Iterator[Part]:
    """The contrasts between runs, metric by metric, labelled exploratory."""
    yield Heading("Differences between runs, by block", 2)
    if analysis.rehearsal:
        yield REHEARSAL
    yield EXPLORATORY
    if dataset.mixed:
        yield Items((f"Nothing can be claimed. Mixed run: {'; '.join(dataset.mixed)}.",))
    if dataset.unread:
        yield Items(dataset.unread)
    rows = comparison_rows(analysis)
    yield from contrast_tables(rows)
    meaning = [f"{one.name}: by how much one difference exceeds the other." for one in analysis.contrasts[:1]]
    yield Items((*about_contrasts(rows, weights=False), *meaning))


def comparison_rows(analysis: Analysis) -> list[ContrastEstimate]:
    """Pairs of arms and contrasts of an analysis in one list, metric by metric."""
    pairs = [
        ContrastEstimate(
            one.metric,
            one.contrast,
            {one.treatment: 1.0, one.control: -1.0},
            one.primary,
            one.p_adjusted,
            one.adjustment,
        )
        for one in analysis.comparisons
    ]
    every = [*pairs, *analysis.contrasts]
    metrics = list(dict.fromkeys(one.metric for one in every))
    return sorted(every, key=lambda one: metrics.index(one.metric))


def comparison_json(analysis: Analysis) -> list[dict[str, Any]]:
    """Each contrast on each metric as plain values."""
    return [asdict(one) for one in comparison_rows(analysis)]
