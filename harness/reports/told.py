"""The runs that a report tells about: which they are, and all that is known of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import harness.stats as stats
from harness.errors import ConfigurationError, HarnessError
from harness.model import Check, Dataset, Level
from harness.records import Design, FiledRun, build, datasets, runs_in_files
from harness.stats.results import Analysis


@dataclass(frozen=True, slots=True)
class Published:
    """What was published about one metric: means, sample SDs, their difference, and p as it was printed."""

    control_mean: float
    control_sd: float
    treatment_mean: float
    treatment_sd: float
    difference: float
    p: str
    n_control: int
    n_treatment: int


Publications = Mapping[str, Mapping[str, Published]]
"""Experiment → metric, by the names that the run has → what was published."""


@dataclass(frozen=True)
class Told:
    """One run. ``checks`` is ``None`` where nobody has checked the instrument.

    ``meta`` is what follows from the records: ``summary``, ``samples``, ``trials``, ``failures``, ``usage``, ….
    """

    run: FiledRun
    dataset: Dataset
    analysis: Analysis
    meta: Mapping[str, Any]
    checks: tuple[Check, ...] | None = None
    published: Mapping[str, Published] = field(default_factory=dict)

    @property
    def experiment(self) -> str:
        return self.run.experiment

    @property
    def run_id(self) -> str:
        return self.run.run_id

    @property
    def rehearsal(self) -> bool:
        return self.run.rehearsal

    @property
    def design(self) -> Design:
        return self.run.design

    @property
    def first_line(self) -> Mapping[str, Any]:
        """The metadata of the run's first file."""
        return self.run.metadata[0] if self.run.metadata else {}

    def arms(self) -> dict[str, Mapping[str, Any]]:
        """Group → the metadata of one of its files; empty where none has been written."""
        lines = {str(line.get("group")): line for line in reversed(self.run.metadata)}
        return {group: lines.get(group, {}) for group in self.design.groups}


@dataclass(frozen=True)
class Selection:
    """The runs of a report, and the ids of those in the same files that it leaves out, by experiment."""

    told: tuple[Told, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def rehearsal(self) -> bool:
        return any(one.rehearsal for one in self.told)


def select(
    paths: Iterable[Path], run_ids: Sequence[str] = (), published: Publications | None = None
) -> Selection:
    """The runs ``run_ids``, else the newest of each experiment; a rehearsal counts only where there is nothing else.

    ``paths`` are record files and folders of them. Raises `HarnessError` when there are none or one cannot be read,
    and `ConfigurationError` for an unknown id.
    """
    files = record_files(paths)
    runs = runs_in_files(files)
    chosen = _named(runs, run_ids) if run_ids else _newest(runs)
    left_out: dict[str, tuple[str, ...]] = {}
    for run in runs:
        if run not in chosen:
            left_out[run.experiment] = (*left_out.get(run.experiment, ()), run.run_id)
    by_key = {(one.experiment, one.source): one for one in datasets(_files_of(chosen))}
    told = (_told(run, by_key[run.experiment, run.run_id], published or {}) for run in chosen)
    return Selection(tuple(told), left_out)


def record_files(paths: Iterable[Path]) -> list[Path]:
    """The JSONL files among and in ``paths``. Raises `HarnessError` when there are none."""
    given = list(paths)
    found = [file for path in given for file in (sorted(path.glob("*.jsonl")) if path.is_dir() else [path])]
    if not found:
        raise HarnessError(
            f"No records in {', '.join(map(str, given)) or 'nothing'}; expected a folder of results with JSONL files."
        )
    return found


def _files_of(runs: Iterable[FiledRun]) -> list[Path]:
    return list(dict.fromkeys(file.path for run in runs for file in run.files))


def _named(runs: Sequence[FiledRun], run_ids: Sequence[str]) -> list[FiledRun]:
    known = {run.run_id for run in runs}
    problems = [
        f"--run {name}: no such run in the files given; expected one of {', '.join(sorted(known)) or 'none'}."
        for name in run_ids
        if name not in known
    ]
    if problems:
        raise ConfigurationError(*problems)
    return [run for run in runs if run.run_id in run_ids]


def _newest(runs: Sequence[FiledRun]) -> list[FiledRun]:
    newest: dict[str, FiledRun] = {}
    for run in sorted(runs, key=lambda run: (not run.rehearsal, run.run_id)):  # ids begin with their time
        newest[run.experiment] = run
    return [newest[name] for name in sorted(newest)]


def _told(run: FiledRun, dataset: Dataset, published: Publications) -> Told:
    _, meta = build(run.experiment, run.outcomes, run.design, stats=stats)
    return Told(
        run,
        dataset,
        stats.analyse(dataset),
        meta,
        checks_in(dataset.meta),
        published.get(run.experiment, {}),
    )


def checks_in(meta: Mapping[str, Any]) -> tuple[Check, ...] | None:
    """The instrument's checks as a meta file has them; ``None`` where it has none."""
    found = meta.get("instrument")
    if found is None:
        return None
    return tuple(
        Check(
            name=str(one["name"]),
            level=Level(one["level"]),
            message=str(one["message"]),
            number=one.get("number"),
            threshold=str(one.get("threshold") or ""),
            about=str(one.get("about") or ""),
        )
        for one in found
    )
