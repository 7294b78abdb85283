"""The registry of a study, ``registry/runs.csv``: a row per run of a variant, appended whole, under a lock."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from pathlib import Path

from harness.batches.study_layout import write
from harness.console import warn
from harness.errors import ConfigurationError, HarnessError
from harness.records.writer import explained, make_directory
from harness.text_files import encoding_of, recoded


class VariantStatus(StrEnum):
    """How a run of a variant ended, as in the registry."""

    SUCCESS = "success"
    """Every trial finished, and models answered where they were asked."""
    PARTIAL = "partial"
    """Some trials finished, others failed."""
    FAILED = "failed"
    """No trial finished, or no model call was answered."""
    STOPPED = "stopped"
    """The budget, or a server that asked for too long a wait, ended the session first."""
    INTERRUPTED = "interrupted"
    """A person ended the session first."""


@dataclass(frozen=True, slots=True)
class RegistryRow:
    """One run of a variant. ``timestamp`` is UTC, ISO 8601; ``results_dir`` is below the study."""

    timestamp: str
    study: str
    batch_id: str
    variant_id: str
    scenario_rev: str
    config_rev: str
    seed: str
    status: str
    results_dir: str
    notes: str = ""


HEADER = tuple(field.name for field in fields(RegistryRow))
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Content:
    """What a registry has: its rows, and what is wrong with lines that are none."""

    rows: tuple[RegistryRow, ...]
    problems: tuple[str, ...]

    def latest(self, batch_id: str) -> dict[str, RegistryRow]:
        """The last row of each variant of a batch."""
        return {row.variant_id: row for row in self.rows if row.batch_id == batch_id}


class Registry:
    """``path`` as a registry. Raises `HarnessError` where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Write the header if there is no file."""
        with self._locked():
            pass

    def append(self, rows: Sequence[RegistryRow]) -> None:
        """Add ``rows``, all or none. A line that a crash tore is set aside first, with a warning.

        Raises `ConfigurationError` for a status outside the vocabulary.
        """
        unknown = sorted({row.status for row in rows} - set(VariantStatus))
        if unknown:
            raise ConfigurationError(f"Status {unknown[0]!r}: expected one of {', '.join(VariantStatus)}.")
        with self._locked() as file:
            _append(file, self.path, b"".join(_line(astuple(row)) for row in rows))

    def read(self) -> Content:
        """Every row. Lines that are none are named, and left where they are."""
        with explained(self.path, "read"):
            text = recoded(self.path.read_bytes()).decode("utf-8", "replace")
        rows, problems = [], []
        for number, line in enumerate(text.splitlines(keepends=True), 1):
            if number == 1 and line.rstrip("\r\n") == ",".join(HEADER):
                continue
            problem = _problem(line)
            if problem is None:
                rows.append(RegistryRow(*next(csv.reader([line]))))
            else:
                problems.append(f"{self.path.name} line {number}: {problem}")
        return Content(tuple(rows), tuple(problems))

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, open, ours alone, with its header and no torn line."""
        import fcntl

        make_directory(self.path.parent)
        with explained(self.path, "write"):
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                _refuse_other_encodings(file, self.path)
                _mend(file, self.path)
                if os.fstat(file).st_size == 0:
                    _append(file, self.path, _line(HEADER))
                yield file
            finally:
                os.close(file)


def _refuse_other_encodings(file: int, path: Path) -> None:
    """Raise `HarnessError` for a file to which rows in UTF-8 cannot be appended: a spreadsheet saved it again."""
    name = encoding_of(os.pread(file, 4, 0))
    if not name.startswith("utf-8"):
        raise HarnessError(f"{path} is in {name.upper()}; expected UTF-8. Save it again in that encoding.")


def _append(file: int, path: Path, data: bytes) -> None:
    """Append ``data``, or leave the file unchanged."""
    size = os.fstat(file).st_size
    try:
        written = os.write(file, data)
        if written < len(data):
            raise HarnessError(f"Could not write {path}: only a part of the row was taken; is the disk full?")
        os.fsync(file)
    except BaseException:
        os.ftruncate(file, size)
        raise


def _mend(file: int, path: Path) -> None:
    """Set aside what follows the last line's end: a row whose writing was interrupted."""
    size = os.fstat(file).st_size
    data = os.pread(file, size, 0) if size and os.pread(file, 1, size - 1) != b"\n" else b""
    torn = data[data.rfind(b"\n") + 1 :]
    if not torn:
        return
    number = 1
    while (aside := path.with_name(f"{path.name}.torn-{number}")).exists():
        number += 1
    write(aside, torn)
    os.ftruncate(file, size - len(torn))
    warn(
        f"{path}: its last line was torn ({torn[:60]!r}); that line was set aside as {aside.name}. No other row is "
        "touched; harness study audit says what is missing.",
        stacklevel=5,
    )


def _line(values: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_CONTROL.sub(" ", value)[:2000] for value in values])
    return text.getvalue().encode("utf-8", "replace")


def _problem(line: str) -> str | None:
    if not line.endswith("\n"):
        return f"torn ({line[:60]!r}); the next row written sets it aside."
    try:
        values = next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        return f"{error}."
    if len(values) != len(HEADER):
        return f"{len(values)} fields; expected {len(HEADER)}: {', '.join(HEADER)}."
    status = values[HEADER.index("status")]
    return (
        None
        if status in set(VariantStatus)
        else f"status {status!r:.40}; expected one of {', '.join(VariantStatus)}."
    )
