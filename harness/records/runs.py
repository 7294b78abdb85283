"""The registry of runs: which run a session belongs to, and that no two live sessions work on one."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from harness.errors import ConfigurationError, HarnessError
from harness.records.lock import RunLock
from harness.records.plain import canonical, differences, plain
from harness.records.writer import make_directory

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


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an experiment. ``joined`` tells that an earlier session began it.

    ``settings`` are what the fingerprint is of; ``groups`` the settings of every group that any session
    brought; ``reps`` the largest number that any session planned. ``created`` is UTC, ISO 8601.
    """

    id: str
    experiment: str
    fingerprint: str
    status: str
    created: str
    joined: bool
    settings: Mapping[str, Any]
    groups: Mapping[str, Any]
    reps: int


def fingerprint(settings: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of ``settings`` as canonical JSON: equal settings in any order of keys are equal.

    Raises `ConfigurationError` for settings that JSON cannot hold.
    """
    try:
        return hashlib.sha256(canonical(settings)).hexdigest()
    except ValueError as error:
        raise ConfigurationError(f"Settings of the run: {error}; expected plain JSON data.") from error


def session_timestamp(moment: datetime) -> str:
    """The moment as file names and run ids have it: ``20251120T174100``, UTC."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S}"


class RunRegistry:
    """The runs of a results directory, in ``runs.sqlite``. Locks are held until `close`.

    ``clock`` gives aware datetimes, ``token`` the random part of run ids. A damaged ``runs.sqlite`` is set
    aside under another name, with a warning.
    """

    def __init__(
        self,
        results_dir: Path,
        clock: Callable[[], datetime],
        token: Callable[[], str] = lambda: secrets.token_hex(3),
    ) -> None:
        self._dir, self._clock, self._token = make_directory(results_dir), clock, token
        self._path = results_dir / "runs.sqlite"
        self._locks: dict[str, RunLock] = {}
        self._prepare()

    def open(
        self,
        experiment: str,
        settings: Mapping[str, Any],
        groups: Mapping[str, Mapping[str, Any]],
        reps: int,
        *,
        resume: str | None = None,
        fresh: bool = False,
    ) -> Run:
        """Join the newest open run of these settings, or begin one; lock it for this session.

        A run is joined when its fingerprint is that of ``settings`` and no group that both have differs;
        then it gets the new groups, and the larger ``reps``. ``fresh`` always begins one. ``resume`` names
        the run to join, finished or not.

        Raises `ConfigurationError` when ``resume`` is unknown or has other settings, naming each difference,
        and `HarnessError` when another live session works on the run.
        """
        if resume is not None and fresh:
            raise ConfigurationError("--resume and --fresh contradict each other; expected one of them.")
        plain_settings, plain_groups = plain(settings)[0], plain(groups)[0]
        wanted = Run(
            "", experiment, fingerprint(settings), OPEN, "", False, plain_settings, plain_groups, reps
        )
        with self._transaction() as connection:
            known = _runs(connection, experiment)
            if resume is not None:
                earlier: Run | None = _resumable(resume, wanted, known)
            else:
                earlier = None if fresh else _joinable(wanted, known)
            run = self._begun(wanted, known) if earlier is None else _continued(earlier, wanted)
            self._lock(run)
            _save(connection, run)
        return run

    def finish(self, run_id: str) -> None:
        """Mark a run as finished: the next session with its settings begins another."""
        with self._transaction() as connection:
            changed = connection.execute(
                "update runs set status = ?, finished = ? where id = ?",
                (FINISHED, self._now().isoformat(), run_id),
            )
            if changed.rowcount == 0:
                raise ConfigurationError(_unknown(run_id, _runs(connection)))

    def runs(self, experiment: str | None = None) -> tuple[Run, ...]:
        """All runs, oldest first, or those of one experiment."""
        with self._transaction() as connection:
            return tuple(_runs(connection, experiment))

    def close(self) -> None:
        """Release the locks."""
        while self._locks:
            self._locks.popitem()[1].release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC)

    def _begun(self, wanted: Run, known: list[Run]) -> Run:
        now = self._now()
        run_id = f"{session_timestamp(now)}-{self._token()}"
        if any(run.id == run_id for run in known):
            raise HarnessError(f"Run id {run_id} is taken; two sessions began in one second. Start again.")
        return replace(wanted, id=run_id, created=now.isoformat())

    def _lock(self, run: Run) -> None:
        if run.id not in self._locks:
            self._locks[run.id] = RunLock(self._dir / ".locks" / run.id, run.id)

    def _prepare(self) -> None:
        import sqlite3

        try:
            self._create()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise self._explained(error) from error
            _set_aside(self._path, error)
            self._create()

    def _create(self) -> None:
        with self._connected() as connection:
            connection.execute(_SCHEMA)
            if connection.execute("pragma quick_check").fetchone()[0] != "ok":
                raise _damaged()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        import sqlite3

        try:
            with self._connected() as connection:
                connection.execute("begin immediate")
                with connection:
                    yield connection
        except sqlite3.Error as error:
            raise self._explained(error) from error

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


def _resumable(run_id: str, wanted: Run, known: list[Run]) -> Run:
    found = next((run for run in known if run.id == run_id), None)
    if found is None:
        raise ConfigurationError(_unknown(run_id, known, wanted.experiment))
    changed = dict(differences(found.settings, wanted.settings))
    changed.update(_group_differences(found, wanted))
    if changed:
        lines = (f"  {key}: {then!r:.80} then, {now!r:.80} now" for key, (then, now) in changed.items())
        raise ConfigurationError(
            f"--resume {run_id}: the run of {wanted.experiment} was begun with other settings:",
            *lines,
            "Set them as they were, or start a new run with --fresh.",
        )
    return found


def _joinable(wanted: Run, known: list[Run]) -> Run | None:
    for run in reversed(known):
        same = run.status == OPEN and run.fingerprint == wanted.fingerprint
        if same and not _group_differences(run, wanted):
            return run
    return None


def _group_differences(run: Run, wanted: Run) -> dict[str, tuple[Any, Any]]:
    return {
        f"group {name}: {key}": values
        for name in wanted.groups
        if name in run.groups
        for key, values in differences(run.groups[name], wanted.groups[name]).items()
    }


def _continued(run: Run, wanted: Run) -> Run:
    groups = {**run.groups, **wanted.groups}
    return replace(run, status=OPEN, joined=True, groups=groups, reps=max(run.reps, wanted.reps))


def _unknown(run_id: str, known: list[Run], experiment: str = "") -> str:
    of = f" of {experiment}" if experiment else ""
    ids = ", ".join(run.id for run in known) or "none"
    return f"Run {run_id!r}{of} is not in the registry; expected one of: {ids}."


def _runs(connection: sqlite3.Connection, experiment: str | None = None) -> list[Run]:
    rows = connection.execute(
        "select id, experiment, fingerprint, status, created, settings, groups, reps from runs "
        "where ?1 is null or experiment = ?1 order by number",
        (experiment,),
    )
    return [_run(*row) for row in rows]


def _run(
    run_id: str, experiment: str, mark: str, status: str, created: str, settings: str, groups: str, reps: int
) -> Run:
    return Run(
        run_id, experiment, mark, status, created, False, json.loads(settings), json.loads(groups), reps
    )


def _save(connection: sqlite3.Connection, run: Run) -> None:
    connection.execute(
        "insert into runs (id, experiment, fingerprint, settings, groups, reps, status, created) "
        "values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set "
        "groups = excluded.groups, reps = excluded.reps, status = excluded.status",
        (
            run.id,
            run.experiment,
            run.fingerprint,
            json.dumps(run.settings),
            json.dumps(run.groups),
            run.reps,
            run.status,
            run.created,
        ),
    )


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    import sqlite3

    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _damaged() -> sqlite3.DatabaseError:
    import sqlite3

    return sqlite3.DatabaseError("its quick check finds damage")


def _set_aside(path: Path, error: Exception) -> None:
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm", "-journal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            os.replace(part, aside.with_name(aside.name + suffix))  # noqa: PTH105 - the names say it best
    warnings.warn(
        f"{path} is damaged ({error}); it was set aside as {aside.name} and a new registry begun. Earlier "
        "runs keep their files, but cannot be joined until it is put back.",
        RuntimeWarning,
        stacklevel=4,
    )
