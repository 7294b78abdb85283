"""Find, read and check the four experiments' artifacts in a folder."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, HarnessError
from harness.experiments.table1.metric_names import normalised
from harness.experiments.table1.settings import TABLE, ExperimentSettings
from harness.text_files import read_json

IN_CHECKOUT = Path("publications", "paper_artifacts_june-2025")
_RUN = re.compile(r"\d{8}T\d{6}.*")

Samples = Mapping[str, Mapping[str, tuple[float, ...]]]
"""Group → normalised metric → samples."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One artifact. ``run_id`` is ``None`` for a published file; ``others`` are the unused runs of the experiment.

    ``statistics`` are the figures in the artifact, Treatment against Control, by normalised metric.
    """

    settings: ExperimentSettings
    path: Path
    run_id: str | None
    samples: Samples
    statistics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = ()


def read_artifacts(folder: Path, runs: Collection[str] = (), only: Collection[str] = ()) -> list[Artifact]:
    """The artifacts in ``folder``, in the table's order: published files by name, ours as ``{experiment}_{run}.json``.

    If an experiment has several, the newest is used (a rehearsal only if there is nothing else), or the one in
    ``runs``; ``only`` names experiments. ``folder`` may be a TinyTroupe checkout. Raises `HarnessError` for missing
    and unreadable files.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"Folder {folder}: no such folder; expected one with artifacts of Table 1.")
    here = folder / IN_CHECKOUT if (folder / IN_CHECKOUT).is_dir() else folder
    found = {row.name: _candidates(here, row) for row in TABLE}
    _check_names(here, found, runs, only)
    return [
        _read(row, found[row.name], runs)
        for row in TABLE
        if found[row.name] and (not only or row.name in only)
    ]


def _candidates(folder: Path, row: ExperimentSettings) -> dict[str, Path]:
    """Run id → file, oldest first; a published file comes first, without an id."""
    published = folder / row.artifact
    ours = {
        path.stem.removeprefix(f"{row.name}_"): path
        for path in sorted(folder.glob(f"{row.name}_*.json"))
        if not path.name.endswith(".meta.json")
    }
    there = {"": published} if published.is_file() else {}
    return {**there, **{run: path for run, path in ours.items() if _RUN.fullmatch(run)}}


def _check_names(
    folder: Path, found: Mapping[str, Mapping[str, Path]], runs: Collection[str], only: Collection[str]
) -> None:
    known = [name for name, files in found.items() if files]
    if not known:
        raise HarnessError(
            f"Folder {folder}: has no artifact of Table 1; expected files such as {TABLE[0].artifact!r}, "
            "or exp_3_20260131T120000-abc123.json, written by a run."
        )
    for name in only:
        if name not in known:
            raise ConfigurationError(
                f"Experiment {name!r}: no artifact in {folder}; it has those of {', '.join(known)}."
            )
    there = [run for files in found.values() for run in files if run]
    for run in runs:
        if run not in there:
            raise ConfigurationError(
                f"Run {run!r}: no artifact in {folder}; it has {', '.join(there) or 'no runs of ours'}."
            )


def _read(row: ExperimentSettings, files: Mapping[str, Path], runs: Collection[str]) -> Artifact:
    asked = [run for run in files if run in runs]
    if len(asked) > 1:
        raise ConfigurationError(
            f"Runs {' and '.join(asked)} are both of {row.name}; expected one per experiment."
        )
    metas = {run: _meta(path) if run else {} for run, path in files.items()}
    run = asked[0] if asked else max(files, key=lambda run: (not metas[run].get("rehearsal"), run))
    others = tuple(name or path.name for name, path in files.items() if name != run)
    groups = _groups(files[run])
    samples = {group: _group(files[run], group, content) for group, content in groups.items()}
    return Artifact(row, files[run], run or None, samples, _statistics(groups), metas[run], others)


def _meta(path: Path) -> dict[str, Any]:
    meta = path.with_suffix(".meta.json")
    return _json(meta) if meta.is_file() else {}


def _json(path: Path) -> dict[str, Any]:
    content = read_json(path, str(path), nan=True)
    if not isinstance(content, dict):
        raise HarnessError(f"{path}: expected a JSON object, not a {type(content).__name__}.")
    return content


def _groups(path: Path) -> dict[str, Any]:
    groups = _json(path).get("experiments")
    if not isinstance(groups, dict) or not groups:
        raise HarnessError(f"{path}: has no 'experiments'; expected an artifact in TinyTroupe's structure.")
    return groups


def _statistics(groups: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Control's comparison with Treatment, if the artifact has one."""
    with suppress(KeyError, TypeError, AttributeError):
        found = groups["Control"]["statistical_test_results_vs_others"]["Treatment"]
        return {normalised(metric): dict(block) for metric, block in found.items()}
    return {}


def _group(path: Path, group: str, content: Any) -> dict[str, tuple[float, ...]]:
    results = content.get("results", {}) if isinstance(content, dict) else None
    if not isinstance(results, dict):
        raise HarnessError(f"{path}: group {group!r} has no 'results'; expected metric → list of numbers.")
    found: dict[str, tuple[float, ...]] = {}
    for metric, values in results.items():
        name = normalised(metric)
        if name in found:
            raise HarnessError(f"{path}: group {group!r} has {name} twice, the second time as {metric!r}.")
        found[name] = _numbers(f"{path}: {metric!r} of {group!r}", values)
    return found


def _numbers(owner: str, values: Any) -> tuple[float, ...]:
    from harness.records.reader import is_number

    if not isinstance(values, list):
        raise HarnessError(f"{owner}: expected a list of numbers, not a {type(values).__name__}.")
    for place, value in enumerate(values):
        if not is_number(value):
            raise HarnessError(
                f"{owner}: sample {place} is {value!r:.60}; expected a number. Remove it from the file."
            )
    return tuple(values)
