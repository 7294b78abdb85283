"""The table of runs in SQLite. What cannot be used is set aside, never overwritten, and rebuilt."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UnwritableError
from harness.records.registry.lock import exclusive
from harness.records.writer import make_directory

if TYPE_CHECKING:
    import sqlite3

OPEN, FINISHED = "open", "finished"

VERSION = 0
"""Of the schema, as SQLite's ``user_version``. A file of a higher one is not read."""

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
on conflict (id) do update set fingerprint = excluded.fingerprint, settings = excluded.settings,
groups = excluded.groups, reps = excluded.reps, status = excluded.status"""
_SELECT = """
select id, experiment, fingerprint, settings, groups, reps, status, created from runs
where ?1 is null or experiment = ?1 order by number"""
_BUSY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an experiment. ``before`` is its row when this session found it; ``None``: this session started it.

    ``settings`` are the input of the fingerprint; ``groups`` has the settings of every group of any session; ``reps``
    is the largest number that any session planned. ``created`` is UTC, ISO 8601.
    """

    id: str
    experiment: str
    fingerprint: str
    settings: Mapping[str, Any]
    groups: Mapping[str, Any]
    reps: int
    status: str
    created: str
    before: Run | None = None

    @property
    def joined(self) -> bool:
        """Whether an earlier session began it."""
        return self.before is not None


class Rows:
    """The table within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, experiment: str | None = None) -> list[Run]:
        """Runs, oldest first."""
        return [_run(*row) for row in self._connection.execute(_SELECT, (experiment,))]

    def save(self, run: Run) -> None:
        """Insert ``run``, or update all of it but its name and when it began."""
        settings, groups = json.dumps(run.settings), json.dumps(run.groups)
        row = (run.id, run.experiment, run.fingerprint, settings, groups, run.reps, run.status, run.created)
        self._connection.execute(_INSERT, row)

    def mark(self, run_id: str, status: str, moment: str) -> bool:
        """Set a run's status and its end; false for an unknown run."""
        change = "update runs set status = ?, finished = ? where id = ?"
        return self._connection.execute(change, (status, moment, run_id)).rowcount > 0


class RunStore:
    """``path`` as a table of runs. Raises `UnwritableError` if the place is unusable.

    The table is checked before each transaction. A missing or empty one is filled from ``recover``, which returns the
    runs in other files; so is an unusable one, after it was set aside. ``say`` gets a sentence about it. If ``recover``
    raises, the files stay unchanged.
    """

    def __init__(self, path: Path, recover: Callable[[], Iterable[Run]], say: Callable[[str], None]) -> None:
        self._path, self._recover, self._say = path, recover, say
        self._ensure()

    @contextmanager
    def transaction(self) -> Iterator[Rows]:
        """One transaction, alone; rolled back when the body raises."""
        self._ensure()
        with self._explained(), self._writing() as connection:
            yield Rows(connection)

    def _ensure(self) -> None:
        """Have a table that can be used."""
        with self._explained():
            if self._fault() is None:
                return
            make_directory(self._path.parent)
            with exclusive(self._path.parent / ".locks" / "registry"):
                fault = self._fault()  # another session may have rebuilt it meanwhile
                if fault is not None:
                    self._rebuild(fault)

    def _rebuild(self, fault: str) -> None:
        runs = list(self._recover())
        aside = _set_aside(self._path) if fault else None
        with self._writing() as connection:  # all or nothing, so that a kill leaves what is rebuilt again
            connection.execute(_SCHEMA)
            for run in runs:
                Rows(connection).save(run)
        found = f"rebuilt from the record files and journals next to it (runs: {len(runs)})"
        if aside is not None:
            self._say(
                f"The registry {self._path} cannot be used ({fault}). It was set aside as {aside.name}, and {found}."
            )
        elif runs:
            self._say(f"The registry {self._path} was missing or empty; it was {found}.")

    def _fault(self) -> str | None:
        """Why the file cannot be used: ``None`` when it can, empty when there is nothing in it."""
        import sqlite3

        if not self._path.exists():
            return ""
        try:
            with self._connected() as connection:
                return _fault_of(connection)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            return str(error)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection:
            connection.execute("begin immediate")
            with connection:
                yield connection

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        import sqlite3

        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        connection.text_factory = lambda text: text.decode("utf-8")
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        import sqlite3

        try:
            yield
        except sqlite3.Error as error:
            raise UnwritableError(
                f"The registry of runs {self._path} cannot be used: {error}. Expected a place that this session "
                "may write to, used by no hung session; check it, or choose another folder."
            ) from error


def _fault_of(connection: sqlite3.Connection) -> str | None:
    """The fault of an open database, for `RunStore._fault`."""
    found = connection.execute("pragma quick_check(1)").fetchone()[0]
    if found != "ok":
        return " ".join(str(found).split())
    version = connection.execute("pragma user_version").fetchone()[0]
    if version > VERSION:
        return (
            f"a newer version of this package wrote it, with schema {version}; this one reads up to {VERSION}"
        )
    names = [
        name
        for (name,) in connection.execute(
            "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        )
    ]
    if not names:
        return ""
    if "runs" not in names:
        return f"it is another application's database, with the tables {', '.join(sorted(names)):.200}"
    columns = {row[1] for row in connection.execute("pragma table_info(runs)")}
    lacking = [name for name in (*Run.__dataclass_fields__, "number", "finished") if name not in columns]
    lacking.remove("before")
    if lacking:
        return f"its table lacks the column {lacking[0]}"
    try:
        for row in connection.execute(_SELECT, (None,)):
            _run(*row)
    except (ValueError, TypeError, RecursionError) as error:
        return f"a row cannot be read: {error!s:.200}"
    return None


def _run(
    run_id: str, experiment: str, mark: str, settings: str, groups: str, reps: int, status: str, created: str
) -> Run:
    """A row as a run. Raises `ValueError` or `TypeError` for values that no version of this package wrote."""
    texts = {"id": run_id, "experiment": experiment, "fingerprint": mark, "created": created}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} {value!r:.60} of run {run_id!r:.60} is not text")
    if status not in (OPEN, FINISHED):
        raise ValueError(f"status {status!r:.60} of run {run_id}; expected {OPEN!r} or {FINISHED!r}")
    if not isinstance(reps, int):
        raise TypeError(f"reps {reps!r:.60} of run {run_id} is not a whole number")
    described = _object(settings, run_id, "settings"), _object(groups, run_id, "groups")
    return Run(run_id, experiment, mark, *described, reps, status, created)


def _object(text: str, run_id: str, name: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError(f"{name} of run {run_id} is not a JSON object")
    return found


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    import sqlite3

    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _set_aside(path: Path) -> Path:
    """Rename a database with the files that belong to it; its new path."""
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm", "-journal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
