"""Table 1 recomputed from samples: means, sample SDs, differences and Welch's p, as rows, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError
from harness.experiments.table1.artifacts import Artifact
from harness.experiments.table1.published_samples import caution, dataset
from harness.experiments.table1.published_values import METRICS, PUBLISHED
from harness.model import Dataset
from harness.stats import welch
from harness.stats.results import AS_IF_SCORES
from harness.stats.welch import TEST_TYPE

GROUPS = CONTROL, TREATMENT = "Control", "Treatment"


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of one experiment. Numbers are ``None`` where the samples do not define them.

    ``df`` are the degrees of freedom of ``p_value``; ``t_n`` and ``c_n`` are the samples obtained, ``planned`` how
    many of each there should be.
    """

    metric: str
    t_mean: float | None
    t_sd: float | None
    c_mean: float | None
    c_sd: float | None
    delta: float | None
    p_value: float | None
    df: float | None
    t_n: int
    c_n: int
    planned: int

    @property
    def short(self) -> str | None:
        """A sentence on missing samples: ``ideas_qty: 39 of 40 samples in Treatment``."""
        counts = [
            f"{n} of {self.planned} samples in {group}"
            for group, n in ((CONTROL, self.c_n), (TREATMENT, self.t_n))
            if n < self.planned
        ]
        return f"{self.metric}: {' and '.join(counts)}" if counts else None


@dataclass(frozen=True, slots=True)
class ExperimentTable:
    """The rows of one experiment. ``na`` and ``ne`` are planned scores per arm, of persons and of panels."""

    artifact: Artifact
    dataset: Dataset
    na: int
    ne: int
    rows: tuple[MetricRow, ...]

    @property
    def experiment(self) -> str:
        return self.artifact.settings.name

    @property
    def short(self) -> tuple[str, ...]:
        """A sentence for each metric with fewer samples than planned."""
        return tuple(row.short for row in self.rows if row.short)

    @property
    def notes(self) -> tuple[str, ...]:
        """Other notes for the reader."""
        return tuple(_notes(self))


def table(artifact: Artifact) -> ExperimentTable:
    """The rows of one artifact. Raises `HarnessError` for a missing group or metric of the table."""
    data = dataset(artifact)
    _check(artifact, data)
    rows = tuple(_row(data, metric) for metric in METRICS if metric in PUBLISHED[artifact.settings.name])
    planned = {row.metric: row.planned for row in rows}
    return ExperimentTable(artifact, data, planned["persona_adherence"], planned["divergence"], rows)


def as_json(tables: Sequence[ExperimentTable]) -> dict[str, Any]:
    """Experiment → ``rows`` in the table's order, with notes and provenance; plain values.

    ``test`` describes the p-values: method, unit, estimand, and degrees of freedom by metric.
    """
    return {
        one.experiment: {
            "na": one.na,
            "ne": one.ne,
            "notes": [*one.notes, *one.short],
            "rehearsal": one.dataset.rehearsal,
            "rows": [_plain(one, row) for row in one.rows],
            "source": one.artifact.path.name,
            "test": {
                "df": {row.metric: row.df for row in one.rows},
                "estimand": AS_IF_SCORES,
                "method": TEST_TYPE,
                "unit": "scores",
            },
        }
        for one in tables
    }


def _plain(one: ExperimentTable, row: MetricRow) -> dict[str, Any]:
    keys = ("metric", "t_mean", "t_sd", "c_mean", "c_sd", "delta", "p_value")
    return {**{key: getattr(row, key) for key in keys}, "na": one.na, "ne": one.ne}


def _check(artifact: Artifact, data: Dataset) -> None:
    groups = tuple(artifact.samples)
    if missing := [group for group in GROUPS if group not in groups]:
        raise HarnessError(
            f"{artifact.path}: has no group {missing[0]!r}; expected Control and Treatment, found {', '.join(groups)}."
        )
    for metric in METRICS:
        if metric in PUBLISHED[artifact.settings.name] and metric not in data.metrics:
            raise HarnessError(
                f"{artifact.path}: lacks the metric {metric} of {artifact.settings.name}; "
                f"it has {', '.join(data.metrics) or 'none'}."
            )


def _row(data: Dataset, metric: str) -> MetricRow:
    block = welch(data.values(metric, CONTROL), data.values(metric, TREATMENT))
    return MetricRow(
        metric,
        t_mean=block["treatment_mean"],
        t_sd=block["treatment_std"],
        c_mean=block["control_mean"],
        c_sd=block["control_std"],
        delta=block["mean_difference"],
        p_value=block["p_value"],
        df=block["degrees_of_freedom"],
        t_n=block["treatment_sample_size"],
        c_n=block["control_sample_size"],
        planned=max(sum(1 for _ in data.of(metric, group)) for group in GROUPS),
    )


def _notes(one: ExperimentTable) -> Iterator[str]:
    if one.dataset.rehearsal:
        yield "REHEARSAL: replies were generated offline. Nothing here is evidence."
    yield from caution(one.dataset)
    if one.artifact.meta.get("partial"):
        yield "PARTIAL: the run is not finished."
    if one.artifact.others:
        count = len(one.artifact.others)
        yield f"Not used: {count} other artifact{'s' * (count > 1)} of it in the folder; name a run to select another."
