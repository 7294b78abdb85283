"""Read runs from their record files: the sections of a run, its design, and the outcome of each trial."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.model.roles import is_rehearsed
from harness.records.design import Design
from harness.records.lines import RecordFile, RecordSection
from harness.records.measurements import Measured, Revisions
from harness.records.read_problems import MOST_NAMED, Problem, note
from harness.records.reader import Keep, TrialHistory, first_object, outcomes, read_all
from harness.records.writer import safe_name


@dataclass(frozen=True, slots=True)
class FileSection:
    """One section of one file, with the names that it is sorted by."""

    file: RecordFile
    section: RecordSection
    experiment: str
    run_id: str


@dataclass(frozen=True, slots=True)
class FiledRun:
    """One run from its files: its design, and the outcome of each trial.

    ``measured`` has the code by which each metric was computed from transcripts; ``revisions`` reads the files
    likewise.
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
    comparisons: tuple[Mapping[str, Any], ...] = ()
    """The lines of its pairwise comparisons."""
    unread: tuple[Problem, ...] = ()
    """What could not be read and is missing: lines of its files, and files by their names its own that hold nothing.

    Empty for a run whose planned trials all have a record and whose files all have their metadata.
    """

    @property
    def rehearsal(self) -> bool:
        return any(_is_rehearsal(entry) for entry in self.metadata)


def record_files(paths: Iterable[Path], *, or_none: bool = False) -> list[Path]:
    """The JSONL files among and in ``paths``. `HarnessError` for no such path, and for none unless ``or_none``.

    A folder's files that begin with another kind of JSON object are left out: an experiment may keep its own files
    there.
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
    """Whether the first line says so; the reader reports an unreadable one."""
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
    files, revisions = read_run_files(paths, keep)
    for part in sections_of(files):
        members.setdefault((part.run_id, part.experiment), []).append(part)
    runs = [
        filed_run(experiment, run_id, parts, files, revisions)
        for (run_id, experiment), parts in sorted(members.items())
    ]
    for file in files:
        if not file.sections and not any(
            is_named_for(file.path, run.experiment, run.design.groups) for run in runs
        ):
            note(file.problems, lost=True)
    return runs


def filed_run(
    experiment: str,
    run_id: str,
    parts: Sequence[FileSection],
    read: Iterable[RecordFile],
    revisions: Revisions,
) -> FiledRun:
    metadata = tuple(part.section.metadata for part in parts if part.section.metadata)
    ids = {part.run_id for part in parts}
    extra = ((file, line) for file in read for line in (*file.measurements, *file.comparisons))
    again = [file for file, line in extra if line.get("run_id") in ids]
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
        tuple(line for file in files for line in file.comparisons if line.get("run_id") in ids),
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


def read_run_files(paths: Iterable[Path], keep: Keep | None = None) -> tuple[list[RecordFile], Revisions]:
    unique = {os.path.realpath(path): path for path in paths}
    if not unique:
        raise HarnessError("No files to merge; expected JSONL files, such as results/*.jsonl.")
    files, revisions = read_all(unique.values(), keep=keep)
    return sorted(files, key=lambda file: (file.path.name, file.sha256)), revisions


def sections_of(files: Iterable[RecordFile]) -> Iterable[FileSection]:
    for file in files:
        for section in file.sections:
            experiment, run_id = section.named("experiment"), section.named("run_id")
            if experiment is None or run_id is None:
                raise HarnessError(
                    f"{file.path} names no {'experiment' if experiment is None else 'run_id'}; "
                    "expected files that harness wrote. Leave that file out."
                )
            yield FileSection(file, section, experiment, run_id)


def _design(experiment: str, parts: Sequence[FileSection], metadata: Sequence[Mapping[str, Any]]) -> Design:
    designs = [Design.from_metadata(entry["design"]) for entry in metadata if entry.get("design")]
    if not designs:
        raise HarnessError(
            f"No metadata line of {experiment} has a design, so missing trials cannot be identified; "
            f"looked in {', '.join(sorted({part.file.path.name for part in parts}))}. "
            "Add another file of the same run."
        )
    return designs[0].joined(designs[1:])


def _is_rehearsal(metadata: Mapping[str, Any]) -> bool:
    return metadata.get("provider") == "rehearsal" or is_rehearsed(metadata.get("settings") or {})
