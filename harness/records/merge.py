"""Files of records in, one artifact and its meta file per run out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness.errors import ConfigurationError, HarnessError, MixedRunsError
from harness.records.artifact import Statistics, build
from harness.records.atomic import write_atomic
from harness.records.design import Design
from harness.records.earlier_versions import without_code
from harness.records.json_safe import differences, shown
from harness.records.measurements import Measured, Revisions
from harness.records.plans import held_against_plan
from harness.records.read_problems import MOST_NAMED, Problem, note
from harness.records.reader import (
    Keep,
    Lean,
    RecordFile,
    RecordSection,
    TrialHistory,
    first_object,
    outcomes,
    read_all,
    uncollected,
)
from harness.records.writer import safe_name


@dataclass(frozen=True, slots=True)
class FileSection:
    """One section of one file, with the names that it is sorted by."""

    file: RecordFile
    section: RecordSection
    experiment: str
    run_id: str


class RunExaminer(Protocol):
    """Who looks at a run as a whole: `harness.checks.RunExaminer`, handed in by the caller.

    ``keep`` is what it needs of each record, all that a merge needs included; called with a run, it gives what the
    meta file says of it beside all else.
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
    """Write the artifact of each run in ``paths``, with its ``.meta.json`` beside it; return the artifacts.

    ``out`` is a directory, or a ``.json`` file when there is one artifact only; without it the artifacts go
    beside the first file. Equal input gives equal bytes. ``stats`` is the package `harness.stats`;
    ``examine`` adds to the meta file what it finds, and leaves the artifact alone.

    Files of one experiment with different settings are refused with a `MixedRunsError` that names each
    difference; with ``force`` all runs of an experiment become one artifact, whose meta file lists them. What goes
    beyond a locked plan is refused in the same way, unless it is ``exploratory``, which the meta file then says.
    """
    with uncollected():
        files, revisions = _read_all(paths, Lean() if examine is None else examine.keep)
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
    for part in _parts(files):
        by_experiment.setdefault(part.experiment, []).append(part)
    if not by_experiment:
        raise HarnessError(
            f"No records in {', '.join(str(file.path) for file in files)}; expected JSONL files of a run."
        )
    conflicts = {experiment: _conflicts(parts, revisions) for experiment, parts in by_experiment.items()}
    if any(conflicts.values()) and not force:
        raise MixedRunsError(*(line for e, found in conflicts.items() for line in _refusal(e, found)))
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


@dataclass(frozen=True, slots=True)
class FiledRun:
    """One run as its files tell it: its design, and what came of each trial.

    ``measured`` says by which code each metric was computed from transcripts, ``revisions`` reads the files likewise.
    """

    experiment: str
    run_id: str
    folder: Path
    files: tuple[RecordFile, ...]
    design: Design
    outcomes: Mapping[str, TrialHistory]
    metadata: tuple[Mapping[str, Any], ...]
    measured: Mapping[str, Measured] = field(default_factory=dict)
    revisions: Revisions | None = None
    unread: tuple[Problem, ...] = ()
    """What could not be read and is missing: lines of its files, and files by their names its own that hold nothing.

    Empty for a run whose planned trials all have a record and whose files all have their metadata.
    """

    @property
    def rehearsal(self) -> bool:
        return any(_is_rehearsal(entry) for entry in self.metadata)


def record_files(paths: Iterable[Path], *, or_none: bool = False) -> list[Path]:
    """The JSONL files among and in ``paths``. `HarnessError` for no such path, and for none unless ``or_none``.

    Of a folder's files, those are left out that begin with a JSON object of another kind than records have: an
    experiment may keep files of its own beside them.
    """
    given = list(paths)
    for path in given:
        if not path.exists():
            raise HarnessError(f"{path}: no such file or folder; expected results of a run.")
    found = [file for path in given for file in (_in_folder(path) if path.is_dir() else [path])]
    if not found and not or_none:
        raise HarnessError(
            f"No records in {', '.join(map(str, given)) or 'nothing'}; expected a folder of results with JSONL files."
        )
    return found


def _in_folder(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.jsonl")) if not _of_another_kind(path)]


def _of_another_kind(path: Path) -> bool:
    """Whether the first line says so; one that cannot be read is for the reader to name."""
    problems: list[Problem] = []
    try:
        first = first_object(path, problems)
    except HarnessError:
        return False
    return bool(first) and not problems and "type" not in first


def runs_in_files(paths: Iterable[Path], *, keep: Keep | None = None) -> list[FiledRun]:
    """The runs whose records are in ``paths``, each apart, by run id; of records what ``keep`` keeps.

    Raises `HarnessError`.
    """
    members: dict[tuple[str, str], list[FileSection]] = {}
    files, revisions = _read_all(paths, keep)
    for part in _parts(files):
        members.setdefault((part.run_id, part.experiment), []).append(part)
    runs = [
        _filed(experiment, run_id, parts, files, revisions)
        for (run_id, experiment), parts in sorted(members.items())
    ]
    for file in files:
        if not file.sections and not any(
            is_named_for(file.path, run.experiment, run.design.groups) for run in runs
        ):
            note(file.problems, lost=True)
    return runs


def _filed(
    experiment: str,
    run_id: str,
    parts: Sequence[FileSection],
    read: Iterable[RecordFile],
    revisions: Revisions,
) -> FiledRun:
    metadata = tuple(part.section.metadata for part in parts if part.section.metadata)
    ids = {part.run_id for part in parts}
    again = (file for file in read if any(line.get("run_id") in ids for line in file.measurements))
    files = tuple({file.path: file for file in (*(part.file for part in parts), *again)}.values())
    trials = outcomes(record for part in parts for record in part.section.records)
    design = _design(experiment, parts, metadata)
    folder = files[0].path.parent
    outstanding = {
        group
        for group in design.groups
        for trial in design.trials(experiment, group)
        if (found := trials.get(trial.id)) is None or found.accepted is None
    }
    bare = {part.file.path for part in parts if not part.section.metadata}
    own = [one for file in files for one in file.problems if outstanding or file.path in bare]
    lone = [
        one
        for file in read
        if not file.sections
        and file.path.parent == folder
        and is_named_for(file.path, experiment, outstanding)
        for one in file.problems[:1]
    ]
    note([*own, *lone], lost=True)
    measured = revisions.summary(run_id, (part.section for part in parts))
    return FiledRun(
        experiment,
        run_id,
        folder,
        files,
        design,
        trials,
        metadata,
        measured,
        revisions,
        (*own, *lone),
    )


def is_named_for(path: Path, experiment: str, groups: Iterable[str]) -> bool:
    """Whether the name of a record file is that of one of ``groups``, as `WriterPool` names files."""
    return any(path.name.startswith(f"{safe_name(experiment)}_{safe_name(group)}_run") for group in groups)


def unread_sentences(run: FiledRun) -> list[str]:
    """What could not be read of a run, in sentences; none where all was."""
    if not run.unread:
        return []
    told = [f"{one.path.name}: {one.where}" for one in run.unread[:MOST_NAMED]]
    more = len(run.unread) - len(told)
    count = len(run.unread)
    what = "1 line or file" if count == 1 else f"{count:,} lines or files"
    return [
        f"INCOMPLETE: {what} of records could not be read; their data is missing here. Restore the files from "
        "a copy, or rerun the experiment's command to run the missing trials again.",
        *told,
        *([f"… and {more} more"] if more else []),
    ]


def artifact_name(experiment: str, run_id: str) -> str:
    """The file name of a run's artifact."""
    return f"{safe_name(experiment)}_{safe_name(run_id)}.json"


def _read_all(paths: Iterable[Path], keep: Keep | None = None) -> tuple[list[RecordFile], Revisions]:
    unique = {os.path.realpath(path): path for path in paths}
    if not unique:
        raise HarnessError("No files to merge; expected JSONL files, such as results/*.jsonl.")
    files, revisions = read_all(unique.values(), keep=keep)
    return sorted(files, key=lambda file: (file.path.name, file.sha256)), revisions


def _parts(files: Iterable[RecordFile]) -> Iterable[FileSection]:
    for file in files:
        for section in file.sections:
            experiment, run_id = section.named("experiment"), section.named("run_id")
            if experiment is None or run_id is None:
                raise HarnessError(
                    f"{file.path} names no {'experiment' if experiment is None else 'run_id'}; "
                    "expected files that harness wrote. Leave that file out."
                )
            yield FileSection(file, section, experiment, run_id)


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
    common, code = without_code(metadata.get("settings") or {})
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


_MAY_GROW = ("groups", "reps")


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
        run = _filed(experiment, "+".join(ids), members, files, revisions)
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
        artifact, meta = build(experiment, run.outcomes, run.design, stats=stats, unread=bool(run.unread))
        meta["warnings"] += unread_sentences(run)
        meta = {**_provenance(run), **planned, **meta}
        found = {} if examine is None else examine(run, meta)
        mixed = {"mixed": {"runs": ids, "settings": conflicts} if conflicts or len(ids) > 1 else None}
        yield (
            artifact_name(experiment, run.run_id),
            artifact,
            {"run_id": run.run_id, **mixed, **meta, **found},
        )


def _design(experiment: str, parts: Sequence[FileSection], metadata: Sequence[Mapping[str, Any]]) -> Design:
    designs = [Design.from_metadata(entry["design"]) for entry in metadata if entry.get("design")]
    if not designs:
        raise HarnessError(
            f"No metadata line of {experiment} has a design, so missing trials cannot be identified; "
            f"looked in {', '.join(sorted({part.file.path.name for part in parts}))}. "
            "Add another file of the same run."
        )
    return designs[0].joined(designs[1:])


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


def _is_rehearsal(metadata: Mapping[str, Any]) -> bool:
    settings = metadata.get("settings") or {}
    return "rehearsal" in (metadata.get("provider"), settings.get("provider"), settings.get("judge_provider"))


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
