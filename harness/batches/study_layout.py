"""Where a study keeps what: the folders and files under ``runs/<study>/``, and writing into them.

    registry/runs.csv, registry/latest.txt
    specs/
    batches/<batch_id>/manifest.yaml
    batches/<batch_id>/variants/<variant_id>/{inputs,results}/

A batch also has ``report.md`` once it is finished, and ``.session/``: what its pytest sessions work in (registry of
runs, journal of replies, records, heartbeat).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import text_files
from harness.batches import ids
from harness.errors import ConfigurationError, HarnessError, RunInUseError
from harness.records.atomic import write_whole
from harness.records.registry.lock import RunLock
from harness.records.writer import explained, make_directory


@dataclass(frozen=True, slots=True)
class VariantFolder:
    """The place of a variant."""

    folder: Path

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def resolved(self) -> Path:
        """What its run's settings were resolved to."""
        return self.inputs / "settings.json"

    @property
    def placed(self) -> Path:
        """Name → SHA-256 of everything in ``results``; written last."""
        return self.results / "files.json"


@dataclass(frozen=True, slots=True)
class Batch:
    """The place of a batch."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.yaml"

    @property
    def report(self) -> Path:
        return self.folder / "report.md"

    @property
    def session(self) -> Path:
        return self.folder / ".session"

    @property
    def heartbeat(self) -> Path:
        return self.session / "heartbeat.txt"

    def variant(self, variant_id: str) -> VariantFolder:
        return VariantFolder(self.folder / "variants" / variant_id)


@dataclass(frozen=True, slots=True)
class Study:
    """A study under ``root`` (``runs``). Its name is checked when it is made: nothing lies outside its folder."""

    root: Path
    name: str

    def __post_init__(self) -> None:
        ids.study_id(self.name)

    @property
    def folder(self) -> Path:
        return self.root / self.name

    @property
    def rows(self) -> Path:
        return self.folder / "registry" / "runs.csv"

    @property
    def latest(self) -> Path:
        return self.folder / "registry" / "latest.txt"

    @property
    def specs(self) -> Path:
        return self.folder / "specs"

    def batch(self, batch_id: str) -> Batch:
        """The place of a batch, there or not. Raises `ConfigurationError` for an invalid id."""
        return Batch(self.folder / "batches" / str(ids.parse_batch(batch_id)))

    def batch_ids(self) -> list[str]:
        """Every folder of a batch, by name."""
        return [name for name in self._folders() if ids.is_batch(name)]

    def strays(self) -> list[str]:
        """Folders among the batches that are none."""
        return [name for name in self._folders() if not ids.is_batch(name)]

    def _folders(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "batches").glob("*") if path.is_dir())

    def newest(self) -> str | None:
        """The batch that was declared last; of one minute, the one whose manifest is the newest file."""
        declared = [name for name in self.batch_ids() if self.batch(name).manifest.is_file()]
        minute = len("bYYYYMMDD-HHMM")
        times = {name: (name[:minute], self.batch(name).manifest.stat().st_mtime_ns) for name in declared}
        return max(times, key=times.__getitem__, default=None)

    def spec_files(self) -> list[Path]:
        """Every file under ``specs``, by name."""
        return sorted(
            path for path in self.specs.rglob("*") if path.is_file() and not path.name.startswith(".")
        )

    def existing(self) -> Study:
        """The study itself. Raises `ConfigurationError` where it was not begun."""
        if not self.rows.is_file():
            raise ConfigurationError(
                f"Study {self.name!r}: no {self.rows}; expected a study begun with: harness study init {self.name}"
            )
        return self


def read_json(path: Path, expected: str) -> Any:
    """What a JSON file has, without NaN. Raises `HarnessError` for a file that cannot be read, naming ``expected``."""
    try:
        return text_files.read_json(path, str(path), expected=expected)
    except ConfigurationError as error:
        raise HarnessError(str(error)) from error


@contextmanager
def locked(path: Path, owner: str, doing: str, heartbeat: Path) -> Iterator[None]:
    """Hold the lock at ``path``; ``owner`` is ``doing`` what no two processes may. Raises `HarnessError`."""
    try:
        lock = RunLock(path, owner)
    except RunInUseError as error:
        raise HarnessError(
            f"{owner} is being {doing} by another live session (process {error.process}); wait for it to end. "
            f"How far it is: {heartbeat}"
        ) from None
    try:
        yield
    finally:
        lock.release()


def write(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all; leave it alone where it is the same already. Raises `HarnessError`."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    with suppress(OSError):
        if path.read_bytes() == data:
            return
    write_whole(path, data)


def place(source: Path, target: Path) -> None:
    """Put ``source`` at ``target`` too, whole or not at all: as a link where there can be one, else as a copy."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    make_directory(target.parent)
    with explained(target, "write"):
        try:
            temporary.unlink(missing_ok=True)
            try:
                os.link(source, temporary)
            except OSError:
                shutil.copyfile(source, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
