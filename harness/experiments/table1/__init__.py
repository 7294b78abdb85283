"""Table 1 of the TinyTroupe paper: four experiments, Control against Treatment.

The settings are those of the published notebooks (`settings`). The words are this project's own, or are read from the
notebooks in a given folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.experiments.table1.experiments import load
from harness.experiments.table1.settings import TABLE, ExperimentSettings
from harness.guests import Guest, Sources

if TYPE_CHECKING:
    from harness.model import Dataset, Experiment
    from harness.reports.run_report import Published
    from harness.stats.results import Analysis

__all__ = ["TABLE", "ExperimentSettings", "Table1", "load"]


class Table1(Guest):
    """The four experiments, and what the paper published about them."""

    def experiments(self, sources: Sources) -> tuple[Experiment, ...]:
        """All four, or those whose notebooks are in the user's folder."""
        folder = sources.notebooks
        there = [row.name for row in TABLE if folder is not None and (folder / row.notebook).is_file()]
        only = there if there and not sources.whole else None
        return load(folder, accept_differences=sources.accept_differences, only=only)

    def published(self, experiment: str, metrics: Sequence[str]) -> Mapping[str, Published]:
        from harness.experiments.table1.published_values import published_for

        return published_for(experiment, metrics)

    def datasets(self, folder: Path, runs: Sequence[str], only: Sequence[str]) -> list[Dataset]:
        from harness.experiments.table1.published_samples import published_datasets

        return published_datasets(folder, runs=runs, only=only)

    def comments(self, analysis: Analysis, dataset: Dataset) -> Iterable[str]:
        from harness.experiments.table1.published_samples import caution
        from harness.experiments.table1.worked_example import worked_example

        return (*caution(dataset), *worked_example(analysis, dataset))

    def comparable(self, dataset: Dataset) -> Dataset:
        from harness.experiments.table1.metric_names import with_normalised_metrics

        ours = any(row.name == dataset.experiment for row in TABLE)
        return with_normalised_metrics(dataset) if ours else dataset
