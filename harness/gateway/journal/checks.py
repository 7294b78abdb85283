"""Whether a journal's files are whole. SQLite takes one that is missing or empty for a new one, and says nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path

SUFFIXES = ("", "-wal", "-shm", "-mark")
"""Of the files that are one journal: the database, SQLite's write-ahead log and index, and the log's mark."""

Identity = tuple[int, ...]


class LogMark:
    """A file next to a journal while its log holds commits, with the journal's size and time at those commits.

    If the log is missing while size and time are unchanged, it was deleted: a checkpoint would have changed them.
    """

    def __init__(self, path: Path) -> None:
        self._database, self._path = path, beside(path, "-mark")
        self._written = ""

    def set(self) -> None:
        """Note that the log has commits."""
        now = self._state()
        if now != self._written:
            self._path.write_text(now)
            self._written = now

    def clear(self) -> None:
        """Note that the log is folded in."""
        self._path.unlink(missing_ok=True)
        self._written = ""

    def shows_loss(self) -> bool:
        """Whether the log was deleted."""
        if beside(self._database, "-wal").exists():
            return False
        with suppress(OSError, ValueError):
            return self._path.read_text() == self._state() or beside(self._database, "-shm").exists()
        return beside(self._database, "-shm").exists()

    def _state(self) -> str:
        found = self._database.stat()
        return f"{found.st_size} {found.st_mtime_ns}"


def identity(path: Path) -> Identity:
    """The files at the paths of the journal and its log now; fewer if some are missing."""
    found: Identity = ()
    with suppress(FileNotFoundError):
        for one in (path.stat(), beside(path, "-wal").stat()):  # a file system may allow no log
            found += (one.st_dev, one.st_ino)
    return found


def fault_of(path: Path, columns: Collection[str], *, expected: bool) -> str:
    """Why replies may be lost; empty when the file is sound, or not there and not ``expected``.

    ``columns`` are those that the table of replies must have. Raises `sqlite3.Error` and `OSError` where that cannot
    be found out.
    """
    if not path.exists():
        return "is missing" if expected else ""
    if path.stat().st_size == 0:
        return "is empty"
    if LogMark(path).shows_loss():
        return f"lacks its write-ahead log {path.name}-wal"
    try:
        with closing(_connect(path)) as connection:
            return _fault_in(connection, path.stem, columns)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return f"is damaged ({error})"


def read_only(path: Path) -> sqlite3.Connection:
    """The database to read; immutable without a log, so that reading leaves no log or index file."""
    alone = "" if beside(path, "-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{alone}", uri=True, timeout=10)


def _connect(path: Path) -> sqlite3.Connection:
    """The database to look at; read-only where it has a log, which may be another one's and is folded in else."""
    if beside(path, "-wal").exists():
        connection = read_only(path)
        try:
            connection.execute("select count(*) from sqlite_master").fetchone()
            return connection
        except sqlite3.OperationalError:  # there is no index of the log, which only a writer can make
            connection.close()
    return sqlite3.connect(path, timeout=10)


def _fault_in(connection: sqlite3.Connection, run_id: str, columns: Collection[str]) -> str:
    found = connection.execute("pragma quick_check(1)").fetchone()[0]
    if found != "ok":
        return f"is damaged ({' '.join(str(found).split())})"
    names = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    if "replies" not in names:
        return "holds no table of replies"
    known = {row[1] for row in connection.execute("pragma table_info(replies)")}
    lacking = [name for name in columns if name not in known]
    if lacking:
        return f"lacks the column {lacking[0]}"
    about = connection.execute("select about from run").fetchone() if "run" in names else None
    with suppress(ValueError, TypeError, AttributeError):
        other = json.loads(about[0]).get("id") if about else None
        if other not in (None, run_id):
            return f"belongs to run {other!s:.120}"
    return ""


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite found the file itself at fault, and not its place or another process."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def beside(path: Path, suffix: str) -> Path:
    """The path of the same name with ``suffix``."""
    return path.with_name(path.name + suffix)


def free(path: Path, word: str) -> Path:
    """The first name like ``<path>.<word>-1`` that is not taken."""
    number = 1
    while (found := beside(path, f".{word}-{number}")).exists():
        number += 1
    return found


def set_aside(path: Path) -> None:
    """Rename the journal, with the files that belong to it."""
    aside = free(path, "corrupt")
    for suffix in SUFFIXES:
        part = beside(path, suffix)
        if part.exists():
            part.rename(beside(aside, suffix))
