"""Files of records in, one artifact and its meta file per run out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.errors import ConfigurationError, HarnessError, MixedRunsError
from harness.records.accepted_changes import is_mixed, without_changes
from harness.records.artifact import Statistics, build
from harness.records.atomic import write_atomic
from harness.records.dataset import changes_in
from harness.records.earlier_versions import without_code
from harness.records.filed_runs import (
    FiledRun,
    FileSection,
    artifact_name,
    filed_run,
    read_run_files,
    sections_of,
    unread_sentences,
)
from harness.records.json_safe import differences, shown
from harness.records.lines import RecordFile
from harness.records.measurements import Revisions
from harness.records.plans import held_against_plan
from harness.records.reader import Keep, Lean, uncollected


class RunExaminer(Protocol):
    """Examines a whole run: `harness.checks.RunExaminer`, passed in by the caller.

    ``keep`` selects the parts of each record that it and a merge need; called with a run, it returns further content
    for the meta file.
    """

    @property
    def keep(self) -> Keep: ...

    def __call__(self, run: FiledRun, meta: Mapping[str, Any]) -> Mapping[str, Any]: ...


def merge(
    paths: Iterable[Path],
    out: Path | None = None,
    *,
    stats: Statistics,
    examine: RunExaminer | None = None,
    force: bool = False,
    exploratory: bool = False,
) -> list[Path]:
    """Write the artifact of each run in ``paths``, with its ``.meta.json``; return the artifacts.

    ``out`` is a directory, or a ``.json`` file when there is one artifact only; without it the artifacts go
    next to the first file. Equal input gives equal bytes. ``stats`` is the package `harness.stats`;
    ``examine`` adds to the meta file what it finds; groups that it says are ``undelivered`` are not tested.

    Files of one experiment with different settings are refused with a `MixedRunsError` that names each
    difference; with ``force`` all runs of an experiment become one artifact, whose meta file lists them. What goes
    beyond a locked plan is refused in the same way, unless it is ``exploratory``, which the meta file then says.
    """
    with uncollected():
        files, revisions = read_run_files(paths, Lean() if examine is None else examine.keep)
        return _merge(files, revisions, out, stats, examine, force, exploratory)


def _merge(
    files: Sequence[RecordFile],
    revisions: Revisions,
    out: Path | None,
    stats: Statistics,
    examine: RunExaminer | None,
    force: bool,
    exploratory: bool,
) -> list[Path]:
    by_experiment: dict[str, list[FileSection]] = {}
    for part in sections_of(files):
        by_experiment.setdefault(part.experiment, []).append(part)
    if not by_experiment:
        raise HarnessError(
            f"No records in {', '.join(str(file.path) for file in files)}; expected JSONL files of a run."
        )
    conflicts = {experiment: _conflicts(parts, revisions) for experiment, parts in by_experiment.items()}
    refused = {e: found for e, found in conflicts.items() if found and not _accepted(by_experiment[e])}
    if refused and not force:
        raise MixedRunsError(*(line for e, found in refused.items() for line in _refusal(e, found)))
    units = [
        unit
        for experiment, parts in sorted(by_experiment.items())
        for unit in _units(
            experiment, parts, files, conflicts[experiment], revisions, stats, examine, force, exploratory
        )
    ]
    targets = _targets([name for name, _, _ in units], out, files[0].path.parent)
    for target, (_, artifact, meta) in zip(targets, units, strict=True):
        write_atomic(target, artifact)
        write_atomic(target.with_suffix(".meta.json"), meta)
    return targets


def _accepted(parts: Sequence[FileSection]) -> bool:
    """Whether these are one run whose changes the user accepted."""
    one_run = len({part.run_id for part in parts}) == 1
    return one_run and any(is_mixed(part.section.metadata.get("settings")) for part in parts)


def _conflicts(parts: Sequence[FileSection], revisions: Revisions) -> dict[str, list[tuple[str, Any]]]:
    """Settings that differ between the parts: dotted key → each distinct value with its file's name."""
    seen: dict[str, tuple[str, Mapping[str, Any]]] = {}
    found: dict[str, list[tuple[str, Any]]] = {}
    for part in parts:
        if not part.section.metadata:
            continue
        for scope, settings in _settings(part.section.metadata, revisions).items():
            name, first = seen.setdefault(scope, (part.file.path.name, settings))
            for key, values in differences(first, settings).items():
                entry = found.setdefault(f"{scope}{key}", [(name, values[0])])
                if all(values[1] != value for _, value in entry):
                    entry.append((part.file.path.name, values[1]))
    return found


def _settings(metadata: Mapping[str, Any], revisions: Revisions) -> dict[str, Mapping[str, Any]]:
    """What must agree, by scope: the run's settings and design overall, a group's within the group.

    Code must agree where it is recorded: version 0.1.0 recorded none, and later sessions may have joined its run.
    """
    design = {key: value for key, value in (metadata.get("design") or {}).items() if key not in _MAY_GROW}
    common, code = without_code(without_changes(metadata.get("settings") or {}))
    common["design"] = design
    if "settings" not in metadata:
        common["fingerprint"] = metadata.get("fingerprint")
    group = f"group {metadata.get('group')}: "
    own, own_code = without_code(metadata.get("group_settings") or {})
    found: dict[str, Mapping[str, Any]] = {"": common, group: own}
    found |= {f"{scope}code.": part for scope, part in (("", code), (group, own_code)) if part is not None}
    if measured := revisions.code(str(metadata.get("run_id"))):
        found["metric_code."] = measured
    return found


_MAY_GROW = ("groups", "reps", "contrasts")


def _refusal(experiment: str, conflicts: Mapping[str, Sequence[tuple[str, Any]]]) -> Iterable[str]:
    if not conflicts:
        return
    yield f"The files of {experiment} have different settings and were not merged:"
    for key, values in conflicts.items():
        yield f"  {key}: " + ", ".join(f"{shown(value)} in {name}" for name, value in values)
    yield "Give the files of one run only."


def _units(
    experiment: str,
    parts: Sequence[FileSection],
    files: Sequence[RecordFile],
    conflicts: Mapping[str, Any],
    revisions: Revisions,
    stats: Statistics,
    examine: RunExaminer | None,
    force: bool,
    exploratory: bool,
) -> Iterable[tuple[str, dict[str, Any], dict[str, Any]]]:
    runs: dict[str, list[FileSection]] = {}
    for part in parts:
        runs.setdefault("" if force else part.run_id, []).append(part)
    for members in runs.values():
        ids = sorted({part.run_id for part in members})
        run = filed_run(experiment, "+".join(ids), members, files, revisions)
        planned = held_against_plan(
            run.folder,
            experiment,
            run.metadata,
            run.design,
            run.outcomes,
            ids,
            rehearsal=run.rehearsal,
            exploratory=exploratory,
            metric_code={name: one.code for name, one in run.measured.items()},
        )
        changes = changes_in(run)
        is_one = not conflicts and len(ids) == 1 and not changes
        artifact, meta = build(
            experiment,
            run.outcomes,
            run.design,
            stats=stats,
            unread=bool(run.unread),
            tests=not changes,
            comparisons=run.comparisons,
        )
        meta["warnings"] += unread_sentences(run)
        meta = {**_provenance(run), **planned, **meta}
        found = {} if examine is None else examine(run, meta)
        _without_tests(artifact, found.get("undelivered") or ())
        mixed = {
            "mixed": None if is_one else {"runs": ids, "settings": conflicts, "accepted_changes": changes}
        }
        yield (
            artifact_name(experiment, run.run_id),
            artifact,
            {"run_id": run.run_id, **mixed, **meta, **found},
        )


def _without_tests(artifact: dict[str, Any], groups: Collection[str]) -> None:
    """Take the tests of ``groups``, whose treatment reached no request, out of the artifact."""
    for found in artifact["experiments"].values():
        tests = found.get("statistical_test_results_vs_others", {})
        kept = {group: test for group, test in tests.items() if group not in groups}
        if tests and not kept:
            del found["statistical_test_results_vs_others"]
        elif tests:
            found["statistical_test_results_vs_others"] = kept


def _provenance(run: FiledRun) -> dict[str, Any]:
    first = {
        group: next((m for m in run.metadata if m.get("group") == group), None) for group in run.design.groups
    }
    return {
        "experiment": run.experiment,
        "rehearsal": run.rehearsal,
        "evidence": not run.rehearsal,
        "harness_version": _version(),
        "design": run.design.to_metadata(),
        "groups": first,
        "metric_code": {name: one.to_metadata() for name, one in run.measured.items()},
        "files": [
            {"name": file.path.name, "sha256": file.sha256, "problems": [one.where for one in file.problems]}
            for file in run.files
        ],
    }


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("persona-harness")
    except PackageNotFoundError:
        return "not installed"


def _targets(names: Sequence[str], out: Path | None, beside: Path) -> list[Path]:
    if out is None or out.is_dir() or out.suffix != ".json":
        return [(out or beside) / name for name in names]
    if len(names) > 1:
        raise ConfigurationError(
            f"{out} is one file, but there are {len(names)} artifacts to write ({', '.join(names)}); "
            "expected a directory, or the files of one run."
        )
    return [out]
