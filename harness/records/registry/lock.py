"""A lock on a run, held by one live process. The system frees it when its holder dies, however it dies.

filelock makes the same call; it does not name the process that holds the lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import RunInUseError
from harness.records.writer import explained, make_directory


class RunLock:
    """Holds ``path`` locked from its making until `release`; the file holds the process id of the holder.

    Raises `RunInUseError` naming that id when another session has it. Needs POSIX (`fcntl`).
    """

    def __init__(self, path: Path, run_id: str) -> None:
        import fcntl

        self._file = _open(path)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise RunInUseError(run_id, holder) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode("ascii"), 0)

    def release(self) -> None:
        """Free the run. The file stays: to remove it could free another session's lock."""
        os.close(self._file)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait until no other process is in the same block of the same ``path``. For short work only."""
    import fcntl

    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _open(path: Path) -> int:
    make_directory(path.parent)
    with explained(path, "open the lock"):
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
