"""The registry of runs: which run a session belongs to, and that no two live sessions work on one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from harness.console import warn
from harness.errors import ConfigurationError, RunChangedError, expected_one_of
from harness.records.accepted_changes import Differences, is_mixed, with_changes, without_changes
from harness.records.earlier_versions import setting_differences
from harness.records.json_safe import canonical, plain
from harness.records.registry.code_store import setting_lines
from harness.records.registry.lock import RunLock
from harness.records.registry.recovery import recovered
from harness.records.registry.store import FINISHED, OPEN, Run, RunStore
from harness.records.writer import make_directory


def fingerprint(settings: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of ``settings`` as canonical JSON: equal settings in any order of keys are equal.

    Raises `ConfigurationError` for settings that JSON cannot hold.
    """
    try:
        return hashlib.sha256(canonical(settings)).hexdigest()
    except ValueError as error:
        raise ConfigurationError(f"Settings of the run: {error}; expected plain JSON data.") from error


def session_timestamp(moment: datetime) -> str:
    """The time in file names and run ids: ``20251120T174100``, UTC."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S}"


def _warn(text: str) -> None:
    warn(text)


class RunRegistry:
    """The runs of a results directory, in ``runs.sqlite``. Locks are held until `close`.

    ``clock`` gives aware datetimes, ``token`` the random part of run ids. A ``runs.sqlite`` that is missing, empty or
    cannot be used is rebuilt from record files and journals, and ``say`` gets a sentence about it. Raises
    `LostRepliesError` where a journal holds replies of a run that nothing describes, unless ``accept_loss``.
    """

    def __init__(
        self,
        results_dir: Path,
        clock: Callable[[], datetime],
        token: Callable[[], str] = lambda: secrets.token_hex(3),
        *,
        accept_loss: bool = False,
        say: Callable[[str], None] = _warn,
    ) -> None:
        self._dir, self._clock, self._token = make_directory(results_dir), clock, token
        self._accept_loss = accept_loss
        self._locks: dict[str, RunLock] = {}
        self._mine: dict[str, Run] = {}
        self._store = RunStore(results_dir / "runs.sqlite", self._recovered, say)

    def _recovered(self) -> list[Run]:
        """The runs that files beside the registry describe, and those that this session works on; oldest first."""
        found = {run.id: run for run in recovered(self._dir, known=self._mine, accept_loss=self._accept_loss)}
        return sorted({**found, **self._mine}.values(), key=lambda run: (run.created, run.id))

    def open(
        self,
        experiment: str,
        settings: Mapping[str, Any],
        groups: Mapping[str, Mapping[str, Any]],
        reps: int,
        *,
        resume: str | None = None,
        fresh: bool = False,
        accept_changes: bool = False,
        prepare: Callable[[Run], object] = lambda _: None,
    ) -> Run:
        """Join the newest open run of these settings, or begin one; lock it for this session.

        A run is joined when its settings are ``settings`` and no group that both have differs;
        then it gets the new groups, and the larger ``reps``. A run of version 0.1.0, which recorded no code, is joined
        when all else agrees; from then on it has the code of ``settings``. ``fresh`` joins no
        run of another session. ``resume`` names the run to join, finished or not. With ``accept_changes`` that run may
        have other settings: from then on it has ``settings`` and the list of its changes, and is joined only by name.
        ``prepare`` is called with a new run before the registry has it: a run that
        is in the registry has been prepared, whenever the process was killed.

        Raises `ConfigurationError` when ``resume`` is unknown, `RunChangedError` with each difference when it has
        other settings, and `RunInUseError` when another live session works on the run.
        """
        if resume is not None and fresh:
            raise ConfigurationError("resume and fresh contradict each other; expected one of them.")
        if accept_changes and resume is None:
            raise ConfigurationError(
                "Changes can be accepted for a named run only, so that no other run is mixed; expected the id of the "
                "run to resume."
            )
        wanted = _wanted(experiment, settings, groups, reps)
        with self._store.transaction() as rows:
            known = rows.all(experiment)
            if fresh:  # but a group that comes later in this session belongs to the run it began
                known = [run for run in known if run.id in self._locks]
            earlier = _joinable(wanted, known) if resume is None else _named(resume, wanted, known)
            taken = {run.id for run in rows.all()}
            if earlier is None:
                run = self._begun(wanted, taken)
            else:
                changed = run_differences(earlier, wanted)
                if changed and not accept_changes:
                    raise _refusal(earlier, changed, self._dir)
                run = _continued(earlier, wanted, changed, self._now())
            self._lock(run)
            if earlier is None:
                prepare(run)
            rows.save(run)
        self._mine[run.id] = replace(run, before=None)
        return run

    def finish(self, run_id: str) -> None:
        """Mark a run as finished: the next session with its settings begins another."""
        with self._store.transaction() as rows:
            if not rows.mark(run_id, FINISHED, self._now().isoformat()):
                raise ConfigurationError(_unknown(run_id, rows.all()))
        if run_id in self._mine:
            self._mine[run_id] = replace(self._mine[run_id], status=FINISHED)

    def runs(self, experiment: str | None = None) -> tuple[Run, ...]:
        """All runs, oldest first, or those of one experiment."""
        with self._store.transaction() as rows:
            return tuple(rows.all(experiment))

    def close(self) -> None:
        """Release the locks."""
        while self._locks:
            self._locks.popitem()[1].release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC)

    def _begun(self, wanted: Run, taken: set[str]) -> Run:
        now = self._now()
        name, number = f"{session_timestamp(now)}-{self._token()}", 1
        while (run_id := name if number == 1 else f"{name}-{number}") in taken:
            number += 1
        return replace(wanted, id=run_id, created=now.isoformat())

    def _lock(self, run: Run) -> None:
        if run.id not in self._locks:
            self._locks[run.id] = RunLock(self._dir / ".locks" / run.id, run.id)


def _wanted(
    experiment: str, settings: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]], reps: int
) -> Run:
    mark = fingerprint(settings)
    return Run("", experiment, mark, plain(settings)[0], plain(groups)[0], reps, OPEN, "")


def _named(run_id: str, wanted: Run, known: list[Run]) -> Run:
    found = next((run for run in known if run.id == run_id), None)
    if found is None:
        raise ConfigurationError(_unknown(run_id, known, wanted.experiment))
    return found


def _refusal(run: Run, changed: Differences, results_dir: Path) -> RunChangedError:
    return RunChangedError(
        f"Run {run.id} of {run.experiment} was started with other settings:",
        *setting_lines(results_dir, changed),
        "Restore them.",
    )


def _joinable(wanted: Run, known: list[Run]) -> Run | None:
    for run in reversed(known):
        if run.status == OPEN and not is_mixed(run.settings) and not run_differences(run, wanted):
            return run
    return None


def run_differences(run: Run, wanted: Run) -> dict[str, tuple[Any, Any]]:
    """The settings in which a run differs from the one that is wanted, those of the groups that both have included."""
    found = {}
    if run.fingerprint != wanted.fingerprint:
        found = setting_differences(without_changes(run.settings), without_changes(wanted.settings))
    for name in wanted.groups.keys() & run.groups.keys():
        changed = setting_differences(run.groups[name], wanted.groups[name])
        found |= {f"group {name}: {key}": values for key, values in changed.items()}
    return found


def _continued(run: Run, wanted: Run, changed: Differences, now: datetime) -> Run:
    groups = {**run.groups, **wanted.groups}
    settings = with_changes(wanted.settings, run.settings, changed, now)
    return replace(
        run,
        status=OPEN,
        before=run,
        fingerprint=fingerprint(settings) if is_mixed(settings) else wanted.fingerprint,
        settings=settings,
        groups=groups,
        reps=max(run.reps, wanted.reps),
    )


def _unknown(run_id: str, known: list[Run], experiment: str = "") -> str:
    of = f" of {experiment}" if experiment else ""
    ids = [run.id for run in known]
    return f"Run {run_id!r}{of} is not in the registry; {expected_one_of(run_id, ids)}"
