"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.records.json_safe import encoded, indented, plain
from harness.records.writer import explained, make_directory


def write_atomic(path: Path, data: Any) -> None:
    """Write ``data`` as JSON so that ``path`` holds the old or the new whole, whatever happens meanwhile."""
    try:
        text = indented(data)
    except (ValueError, TypeError, RecursionError):
        text = indented(plain(data)[0])
    write_whole(path, encoded(text) + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` in the same way. Raises `HarnessError` when that is not possible."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    make_directory(path.parent)
    with explained(path, "write"):
        try:
            _write_durably(temporary, content)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_directory(path.parent)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
