"""The table of runs in SQLite. Damage is set aside with a warning, never overwritten."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError

if TYPE_CHECKING:
    import sqlite3

OPEN, FINISHED = "open", "finished"

_SCHEMA = """
create table if not exists runs (
    number integer primary key autoincrement,
    id text unique not null,
    experiment text not null,
    fingerprint text not null,
    settings text not null,
    groups text not null,
    reps integer not null,
    status text not null,
    created text not null,
    finished text
)"""
_INSERT = """
insert into runs (id, experiment, fingerprint, settings, groups, reps, status, created)
values (?, ?, ?, ?, ?, ?, ?, ?)
on conflict (id) do update set groups = excluded.groups, reps = excluded.reps, status = excluded.status"""
_SELECT = """
select id, experiment, fingerprint, settings, groups, reps, status, created from runs
where ?1 is null or experiment = ?1 order by number"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an experiment. ``joined`` tells that an earlier session began it.

    ``settings`` are what the fingerprint is of; ``groups`` the settings of every group that any session
    brought; ``reps`` the largest number that any session planned. ``created`` is UTC, ISO 8601.
    """

    id: str
    experiment: str
    fingerprint: str
    settings: Mapping[str, Any]
    groups: Mapping[str, Any]
    reps: int
    status: str
    created: str
    joined: bool = False


class Rows:
    """The table within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, experiment: str | None = None) -> list[Run]:
        """Runs, oldest first."""
        return [_run(*row) for row in self._connection.execute(_SELECT, (experiment,))]

    def save(self, run: Run) -> None:
        """Insert ``run``, or update its groups, reps and status."""
        settings, groups = json.dumps(run.settings), json.dumps(run.groups)
        row = (run.id, run.experiment, run.fingerprint, settings, groups, run.reps, run.status, run.created)
        self._connection.execute(_INSERT, row)

    def mark(self, run_id: str, status: str, moment: str) -> bool:
        """Set a run's status and when it finished; false when there is no such run."""
        change = "update runs set status = ?, finished = ? where id = ?"
        return self._connection.execute(change, (status, moment, run_id)).rowcount > 0


class RunStore:
    """``path`` as a table of runs, created when not there. Raises `HarnessError` where it cannot be used.

    ``lost``: it was damaged, and what is here now is new and empty.
    """

    def __init__(self, path: Path) -> None:
        import sqlite3

        self._path, self.lost = path, False
        try:
            self._create()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise self._explained(error) from error
            _set_aside(path, error)
            self._create()
            self.lost = True

    @contextmanager
    def transaction(self) -> Iterator[Rows]:
        """One transaction, alone; rolled back when the body raises."""
        import sqlite3

        try:
            with self._connected() as connection:
                connection.execute("begin immediate")
                with connection:
                    yield Rows(connection)
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _create(self) -> None:
        with self._connected() as connection:
            connection.execute(_SCHEMA)
            if connection.execute("pragma quick_check").fetchone()[0] != "ok":
                raise _damage("its quick check finds damage")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        import sqlite3

        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    def _explained(self, error: Exception) -> HarnessError:
        return HarnessError(
            f"The registry of runs {self._path} cannot be used: {error}. Expected a place that this session "
            "may write to, used by no hung session; check it, or choose another with --results-dir."
        )


def _run(
    run_id: str, experiment: str, mark: str, settings: str, groups: str, reps: int, status: str, created: str
) -> Run:
    return Run(run_id, experiment, mark, json.loads(settings), json.loads(groups), reps, status, created)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    import sqlite3

    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _damage(text: str) -> sqlite3.DatabaseError:
    import sqlite3

    return sqlite3.DatabaseError(text)


def _set_aside(path: Path, error: Exception) -> None:
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm", "-journal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    warnings.warn(
        f"{path} is damaged ({error}); it was set aside as {aside.name} and a new registry made from the "
        "record files. Runs without such a file can be joined again when it is put back.",
        RuntimeWarning,
        stacklevel=5,
    )
