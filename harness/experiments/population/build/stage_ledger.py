"""The provenance of a study's stages, ``.stages.json``, and whether a stage has to run again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from harness.batches.study_layout import Study
from harness.errors import ConfigurationError, HarnessError
from harness.experiments.population.gates.stages import FILES
from harness.experiments.population.formats.files import FileModel, checked, read_json
from harness.records.atomic import write_atomic
from harness.records.json_safe import NOT_SET, differences, shown
from harness.records.writer import explained

NAME, WHAT = ".stages.json", "Stages"
NOTE = "placing.json"


class Record(FileModel):
    """One stage: its ``options``, and the SHA-256 (hex) of each file that it read, below the study, and of its output.

    ``by`` is who made the file: a person, a ``model`` (``rehearsal``: made up offline), or rules alone. ``mended`` says
    that a person has changed it since.
    """

    options: dict[str, Any]
    inputs: dict[str, str]
    output: str
    by: Literal["hand", "model", "rule"]
    model: str | None = None
    rehearsal: bool = False
    mended: bool = False


class Ledger(FileModel):
    """All stages that have run."""

    stages: dict[str, Record]


def path_of(study: Study) -> Path:
    """Its path."""
    return study.folder / NAME


def read(study: Study) -> dict[str, Record]:
    """The record of each stage that ran. Raises `HarnessError` for an invalid file."""
    path = path_of(study)
    if not path.exists():
        return {}
    try:
        records = checked(Ledger, read_json(path, WHAT), f"{WHAT} {path}").stages
        strange = sorted(records.keys() - FILES.keys())
        if strange:
            raise ConfigurationError(f"{WHAT} {path}: {strange[0]!r:.60} is not a stage.")
    except ConfigurationError as error:
        raise HarnessError(
            f"{error}\nDo not edit that file. Restore it; or delete it, and move away "
            f"{', '.join(FILES.values())}, to build everything again."
        ) from None
    return {stage: records[stage] for stage in FILES if stage in records}


def write(study: Study, records: Mapping[str, Record]) -> None:
    """Write it atomically. Raises `HarnessError`."""
    write_atomic(
        path_of(study),
        {"stages": {stage: records[stage].model_dump() for stage in FILES if stage in records}},
    )


def digest(path: Path) -> str | None:
    """The SHA-256 (hex) of a file; ``None`` if it is missing. Raises `HarnessError` if it is unreadable."""
    try:
        with explained(path, "read"), path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except HarnessError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


class StageState(StrEnum):
    """The state of a stage."""

    MISSING = "not made"
    STALE = "to be made again"
    CURRENT = "as it was"
    MENDED = "mended by hand"
    """Edited since the last build; only later stages run again."""
    UNKNOWN = "made by no build"
    CONFLICT = "mended, inputs changed"


@dataclass(frozen=True, slots=True)
class StageVerdict:
    """``changes`` lists the differences from the stage's inputs and options, one line each."""

    state: StageState
    changes: tuple[str, ...] = ()


def judge(record: Record | None, wanted: Record, found: str | None) -> StageVerdict:
    """The state of a stage whose file has the hash ``found``; ``wanted`` has the current options and inputs.

    Inputs and options that ``wanted`` lacks are not compared.
    """
    if found is None:
        return StageVerdict(StageState.MISSING)
    if record is None:
        return StageVerdict(StageState.UNKNOWN)
    changes = tuple(_changes(record, wanted))
    touched = record.mended or found != record.output
    if changes:
        return StageVerdict(StageState.CONFLICT if touched else StageState.STALE, changes)
    return StageVerdict(StageState.CURRENT if found == record.output else StageState.MENDED)


def _changes(record: Record, wanted: Record) -> Iterator[str]:
    for name, (then, now) in differences(record.inputs, wanted.inputs).items():
        if now != NOT_SET:
            yield f"{name}: {_short(then)} then, {_short(now)} now"
    for name, (then, now) in differences(record.options, wanted.options).items():
        if now != NOT_SET:
            yield f"{name}: {shown(then)} then, {shown(now)} now"


def _short(sha256: str) -> str:
    return f"SHA-256 {sha256[:12]}" if sha256 else "not there"


def disagreements(study: Study) -> Iterator[str]:
    """Files that do not match their stages' records; none for a study without records. Raises `HarnessError`."""
    records = read(study)
    for stage, name in FILES.items() if records else ():
        found, record = digest(study.folder / name), records.get(stage)
        if record is None:
            if found is not None:
                yield f"{name} exists, but no build made it."
            continue
        if found is None:
            yield f"{name} is gone; harness study build makes it again."
        elif found != record.output:
            yield f"{name} was changed: {_short(record.output)} then, {_short(found)} now."
        for other, then in record.inputs.items():
            now = digest(study.folder / other) or ""
            if now != then:
                yield f"{name} is made from another {other}: {_short(then)} then, {_short(now)} now."


class Placing(FileModel):
    """A finished file that will replace another: ``before`` is the hash of the old one."""

    stage: str
    record: Record
    before: str | None


def place(study: Study, new: Path, placing: Placing, records: dict[str, Record]) -> None:
    """Put ``new`` in the place of the stage's file, and its record into ``records``, atomically even if killed.

    Raises `HarnessError`.
    """
    note = new.parent / NOTE
    write_atomic(note, placing.model_dump())
    _put(study, new, placing, records)
    _tidy(new.parent)


def recover(study: Study, folder: Path, records: dict[str, Record]) -> None:
    """Finish a replacement that was killed in ``folder``, unless a person has edited the file since."""
    note = folder / NOTE
    if note.exists():
        placing = checked(Placing, read_json(note, WHAT), f"{WHAT} {note}")
        new, found = folder / FILES[placing.stage], digest(study.folder / FILES[placing.stage])
        if found == placing.record.output or (
            found == placing.before and digest(new) == placing.record.output
        ):
            _put(study, new, placing, records)
    _tidy(folder)


def _put(study: Study, new: Path, placing: Placing, records: dict[str, Record]) -> None:
    target = study.folder / FILES[placing.stage]
    if digest(target) != placing.record.output:
        with explained(target, "write"):
            new.replace(target)
    records[placing.stage] = placing.record
    write(study, records)


def _tidy(folder: Path) -> None:
    """The note goes first: without it, no file here belongs to a stage."""
    for path in (folder / NOTE, *(folder / name for name in FILES.values())):
        with explained(path, "remove"):
            path.unlink(missing_ok=True)
