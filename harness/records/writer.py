"""Writing records: one JSONL file per cell, nothing overwritten, each line with the OS at once."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from harness.errors import HarnessError, UnwritableError
from harness.model import Cell
from harness.records.json_safe import to_line

_CAUSES = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "your disk quota is used up: free some space",
    errno.EFBIG: "the file reached the size limit: raise it (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission to write there: change it",
    errno.EPERM: "no permission to write there: change it",
    errno.EEXIST: "a file is in the way of the directory: move it",
    errno.ENOTDIR: "a file is in the way of the directory: move it",
}
AT_ONCE = 16
"""Files that are synced at the same time: the disk does many in one go, and a thousand take a tenth of the time."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn an `OSError` on ``path`` into an `UnwritableError` that says what to mend."""
    try:
        yield
    except OSError as error:
        cause = _CAUSES.get(error.errno or 0, "check the place")
        raise UnwritableError(f"Could not {doing} {path}: {error.strerror or error}; {cause}.") from error


def safe_name(text: str) -> str:
    """``text`` with every character that has no business in a file name replaced by ``-``."""
    return _UNSAFE.sub("-", text).lstrip(".") or "unnamed"


def make_directory(path: Path) -> Path:
    """``path``, created with its parents when it is not there. Raises `HarnessError`."""
    with explained(path, "create the directory"):
        path.mkdir(parents=True, exist_ok=True)
    return path


class JSONLWriter:
    """Appends records to its own JSONL file.

    The file is ``path``; else ``name`` in ``directory`` (default: the current one); else named after the time. An
    existing name gets ``-2``, ``-3``, … before its suffix. ``metadata`` becomes the first line
    when the file is created. The file is open only while a line is written, since a session may have more cells
    than a process may have open files. Safe to use from several threads. Raises `HarnessError` when the place cannot
    be written to; what was written before stays readable.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        directory: Path | None = None,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        generated = name or f"records_{datetime.now(UTC):%Y%m%dT%H%M%S}.jsonl"
        self._lock = threading.Lock()
        self._size = 0
        self._closed = False
        self._identity = (0, 0)
        self.path, file = _create(path if path is not None else (directory or Path()) / generated)
        with _closing(file):
            self._identity = _identity(file)
            if metadata is not None:
                self._start(metadata, file)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one line. When this returns, the line survives the death of this process."""
        line = to_line(record)
        with self._lock:
            if self._closed:
                raise HarnessError(f"{self.path} is closed; a record came after the end of the session.")
            try:
                with explained(self.path, "write a record to"), _opened(self.path) as file:
                    self._refuse_another(file)
                    self._append(line, file)
            except HarnessError as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    raise self._lost("was removed") from error
                raise

    def close(self) -> None:
        """Make everything durable and close. A second call does nothing."""
        with self._lock:
            before, self._closed = self._closed, True
            if not before:
                with explained(self.path, "finish writing"), _opened(self.path) as file:
                    os.fsync(file)

    def _start(self, metadata: Mapping[str, Any], file: int) -> None:
        try:
            with explained(self.path, "write a record to"):
                self._append(to_line(metadata), file)
        except HarnessError:
            self._closed = True
            self.path.unlink(missing_ok=True)
            raise

    def _refuse_another(self, file: int) -> None:
        """Raise `HarnessError` where the file was replaced or cut."""
        size = os.fstat(file).st_size
        if _identity(file) != self._identity:
            raise self._lost("was replaced")
        if size < self._size:
            raise self._lost(f"was cut from {self._size:,} to {size:,} bytes")

    def _lost(self, fault: str) -> HarnessError:
        return HarnessError(
            f"{self.path} {fault} during the run; its earlier records are lost. Nothing more is sent. "
            "Rerun the same command: trials without a record are recorded again from the journal."
        )

    def _append(self, line: bytes, file: int) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(file, rest) :]
        except OSError:
            with suppress(OSError):  # without it the reader finds and reports a torn line
                os.ftruncate(file, self._size)
            raise
        self._size += len(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class WriterPool:
    """The writers of one session, one per cell, each opened when it is first asked for.

    ``metadata`` gives what else the first line of a cell's file says; it may replace ``run_id``, since one
    session may work on several runs. ``timestamp`` is the session's, for file names.
    """

    def __init__(
        self,
        run_id: str,
        git_commit: str | None,
        *,
        results_dir: Path,
        timestamp: str,
        metadata: Callable[[Cell], Mapping[str, Any]] | None = None,
    ) -> None:
        self._run_id, self._git_commit = run_id, git_commit
        self._results_dir, self._timestamp = results_dir, timestamp
        self._metadata = metadata
        self._writers: dict[Cell, JSONLWriter] = {}
        self._lock = threading.Lock()

    def get(self, experiment: str, group: str, rep: int) -> JSONLWriter:
        """The writer of that cell."""
        cell = Cell(experiment, group, rep)
        with self._lock:
            if cell not in self._writers:
                self._writers[cell] = self._open(cell)
            return self._writers[cell]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files opened so far, in the order of opening."""
        with self._lock:
            return tuple(writer.path for writer in self._writers.values())

    def close_all(self) -> None:
        """Close every writer, even when one fails; then raise the first failure."""
        with self._lock, ThreadPoolExecutor(AT_ONCE, "harness-writers") as threads:
            closed = [threads.submit(writer.close) for writer in self._writers.values()]
        failures = [error for one in closed if (error := one.exception()) is not None]
        if failures:
            raise failures[0]

    def _open(self, cell: Cell) -> JSONLWriter:
        more = self._metadata(cell) if self._metadata else {}
        first = {
            "type": "run_metadata",
            "run_id": self._run_id,
            "git_commit": self._git_commit,
            "experiment": cell.experiment,
            "group": cell.group,
            "rep": cell.rep,
        }
        name = f"{safe_name(cell.experiment)}_{safe_name(cell.group)}_run{cell.rep}_{self._timestamp}.jsonl"
        return JSONLWriter(directory=self._results_dir, name=name, metadata={**first, **more})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_all()


def _create(wanted: Path) -> tuple[Path, int]:
    """A new file of that name, or of the first like it that is free, and it open."""
    number, path = 1, wanted
    with explained(wanted, "create"):
        while True:
            try:
                return path, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                number += 1
                path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
            except FileNotFoundError:
                make_directory(wanted.parent)


def _identity(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino


def _opened(path: Path) -> AbstractContextManager[int]:
    return _closing(os.open(path, os.O_WRONLY | os.O_APPEND))


@contextmanager
def _closing(file: int) -> Iterator[int]:
    try:
        yield file
    finally:
        os.close(file)
