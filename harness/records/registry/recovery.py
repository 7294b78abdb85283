"""The runs of a results directory, read again from its record files and journals when the registry is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, LostRepliesError
from harness.records.earlier_versions import CODE
from harness.records.filed_runs import artifact_name
from harness.records.reader import first_object
from harness.records.registry.store import FINISHED, OPEN, Run
from harness.text_files import read_json

_RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]+(-\d+)?")
"""What the journal of a run is called; commands that ask a model keep journals beside these."""


def recovered(results_dir: Path, *, known: Collection[str] = (), accept_loss: bool = False) -> list[Run]:
    """Every run that record files or journals in ``results_dir`` describe, oldest first.

    Raises `LostRepliesError` for a journal whose replies belong to none of them, nor to a run that is ``known``,
    unless ``accept_loss``.
    """
    found = {run.id: run for run in runs_in(results_dir)}
    orphans = []
    for path in sorted((results_dir / "journal").glob("*.sqlite")):
        if _RUN_ID.fullmatch(path.stem):
            about, replies = _journal(path)
            run = _described(about, results_dir) if replies and about.get("id") == path.stem else None
            if run is not None:
                found[run.id] = _joined(run, found.get(run.id))
            elif replies and path.stem not in found and path.stem not in known:
                orphans.append(path)
    if orphans and not accept_loss:
        raise LostRepliesError(
            f"The registry {results_dir / 'runs.sqlite'} is missing or cannot be used, and {orphans[0]} holds paid "
            f"replies of a run that no record file describes{_more(orphans)}: they cannot be used again. Put the "
            "registry back."
        )
    return sorted(found.values(), key=lambda run: (run.created, run.id))


def runs_in(results_dir: Path) -> list[Run]:
    """Every run in the first lines of record files in ``results_dir``, oldest first.

    A run is finished if its meta file says that nothing is outstanding. Unreadable files, and those with an incomplete
    first line, are skipped.
    """
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for path in sorted(results_dir.glob("*.jsonl")):
        with suppress(HarnessError):
            first = first_object(path)
            if isinstance(first.get("run_id"), str) and isinstance(first.get("settings"), dict):
                entries.setdefault(first["run_id"], []).append(first)
    found = []
    for run_id, metadata in sorted(entries.items()):
        with suppress(KeyError, TypeError, AttributeError, ValueError):
            found.append(_run(results_dir, run_id, metadata))
    return found


def _run(results_dir: Path, run_id: str, metadata: list[Mapping[str, Any]]) -> Run:
    metadata = sorted(metadata, key=lambda entry: str(entry.get("timestamp") or ""))
    first, last = (
        metadata[0],
        metadata[-1],
    )  # the last: sessions since may have added the code to the settings
    return Run(
        id=run_id,
        experiment=str(first["experiment"]),
        fingerprint=str(last["fingerprint"]),
        settings=last["settings"],
        groups={str(entry["group"]): entry["group_settings"] for entry in metadata},
        reps=max(int(entry["design"]["reps"]) for entry in metadata),
        status=_status(results_dir, first["experiment"], run_id),
        created=str(first.get("timestamp") or ""),
    )


def describe(run: Run) -> str:
    """The run of a journal, as JSON: enough to restore it in the registry."""
    names = ("id", "experiment", "fingerprint", "settings", "groups", "reps", "created")
    return json.dumps({name: getattr(run, name) for name in names})


def _described(about: Mapping[str, Any], results_dir: Path) -> Run | None:
    try:
        return Run(
            id=str(about["id"]),
            experiment=str(about["experiment"]),
            fingerprint=str(about["fingerprint"]),
            settings=dict(about["settings"]),
            groups=dict(about["groups"]),
            reps=int(about["reps"]),
            status=_status(results_dir, str(about["experiment"]), str(about["id"])),
            created=str(about["created"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _joined(run: Run, other: Run | None) -> Run:
    """A run as its journal describes it, with what its records add."""
    if other is None:
        return run
    groups = {**run.groups, **other.groups}
    if CODE in other.settings:  # the version that began the journal may have recorded none
        run = replace(run, fingerprint=other.fingerprint, settings=other.settings)
    return replace(run, groups=groups, reps=max(run.reps, other.reps), status=other.status)


def _journal(path: Path) -> tuple[Mapping[str, Any], bool]:
    """The run of a journal, and whether it has replies. Damage counts as unreadable replies."""
    import sqlite3

    about: Any = {}
    try:
        if path.stat().st_size == 0:
            return {}, False
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            replies = bool(connection.execute("select 1 from replies limit 1").fetchone())
            with suppress(sqlite3.Error, ValueError, TypeError):
                about = json.loads(connection.execute("select about from run").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return {}, False
        raise HarnessError(f"The journal {path} cannot be read: {error}.") from error
    except sqlite3.DatabaseError:
        return {}, True
    return about if isinstance(about, dict) else {}, replies


def _more(orphans: Collection[Path]) -> str:
    return f" (nor what {len(orphans) - 1} other journals hold)" if len(orphans) > 1 else ""


def _status(results_dir: Path, experiment: str, run_id: str) -> str:
    return FINISHED if _is_finished(results_dir, experiment, run_id) else OPEN


def _is_finished(results_dir: Path, experiment: str, run_id: str) -> bool:
    meta = (results_dir / artifact_name(experiment, run_id)).with_suffix(".meta.json")
    with suppress(HarnessError, AttributeError):
        return read_json(meta, str(meta)).get("partial") is False
    return False
