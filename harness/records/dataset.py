"""From record files to what is analysed: each run's expected values with their coordinates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.model import Dataset, Observation
from harness.records.artifact import number
from harness.records.design import Design
from harness.records.merge import FiledRun, artifact_name, runs_in_files
from harness.records.reader import Outcome

_Samples = Mapping[tuple[str, str | None], Mapping[str, Any]]


def datasets(paths: Iterable[Path]) -> list[Dataset]:
    """One dataset per run in the record files ``paths``, oldest run first; trials that did not finish are missing.

    Raises `HarnessError` when a file cannot be read or no file of a run has its design.
    """
    return [dataset_of(run, meta_of(run)) for run in runs_in_files(paths)]


def dataset_of(run: FiledRun, meta: Mapping[str, Any] | None = None) -> Dataset:
    """What is analysed of ``run``; ``meta`` is its meta file, where there is one already."""
    return Dataset(
        experiment=run.experiment,
        groups=run.design.groups,
        metrics=run.design.metrics,
        observations=tuple(observations(run.experiment, run.outcomes, run.design)),
        source=run.run_id,
        rehearsal=run.rehearsal,
        meta=meta or {},
    )


def observations(experiment: str, outcomes: Mapping[str, Outcome], design: Design) -> Iterator[Observation]:
    """Every expected value, in the artifact's order: group, metric, panel, proposal, rep, person."""
    for group in design.groups:
        played = [(trial, *_played(outcomes.get(trial.id))) for trial in design.trials(experiment, group)]
        for metric in design.metrics:
            for trial, record, samples in played:
                for person in design.expected(trial.panel, metric):
                    value, reason = _value(record, samples.get((metric, person)))
                    yield Observation(
                        metric, group, trial.cell.rep, trial.panel, trial.proposal, person, value, reason
                    )


def _played(outcome: Outcome | None) -> tuple[Mapping[str, Any] | None, _Samples]:
    """A trial's accepted record, and its samples by metric and person, the first of each."""
    record = outcome.accepted if outcome else None
    samples = () if record is None else record.get("samples") or ()
    return record, {(one["metric"], one.get("person")): one for one in reversed(samples)}


def _value(
    record: Mapping[str, Any] | None, sample: Mapping[str, Any] | None
) -> tuple[float | None, str | None]:
    if record is None:
        return None, "the trial did not finish"
    if sample is None:
        return None, "the record has no such sample"
    value = number(sample.get("value"))
    return value, None if value is not None else str(sample.get("reason") or "no reason recorded")


def meta_of(run: FiledRun) -> Mapping[str, Any]:
    """The meta file beside the records of ``run``, as its last merge wrote it; empty where there is none."""
    with suppress(OSError, ValueError):
        path = (run.folder / artifact_name(run.experiment, run.run_id)).with_suffix(".meta.json")
        content = json.loads(path.read_bytes())
        return content if isinstance(content, dict) else {}
    return {}
