"""The runs of a results directory, read again from its record files when the registry is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.records.merge import artifact_name
from harness.records.reader import stream
from harness.records.store import FINISHED, OPEN, Run


def runs_in(results_dir: Path) -> list[Run]:
    """Every run that record files in ``results_dir`` begin with, oldest first.

    A run is finished when its artifact's meta file says that nothing is outstanding. Files that cannot be read,
    or whose first line does not tell enough, are passed over: this is what can be saved.
    """
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for path in sorted(results_dir.glob("*.jsonl")):
        with suppress(HarnessError):
            first = next(stream(path), {})
            if isinstance(first.get("run_id"), str) and isinstance(first.get("settings"), dict):
                entries.setdefault(first["run_id"], []).append(first)
    found = []
    for run_id, metadata in sorted(entries.items()):
        with suppress(KeyError, TypeError, AttributeError):
            found.append(_run(results_dir, run_id, metadata))
    return found


def _run(results_dir: Path, run_id: str, metadata: list[Mapping[str, Any]]) -> Run:
    first = metadata[0]
    return Run(
        id=run_id,
        experiment=str(first["experiment"]),
        fingerprint=str(first["fingerprint"]),
        settings=first["settings"],
        groups={str(entry["group"]): entry["group_settings"] for entry in metadata},
        reps=max(int(entry["design"]["reps"]) for entry in metadata),
        status=FINISHED if _is_finished(results_dir, first["experiment"], run_id) else OPEN,
        created=str(first.get("timestamp") or ""),
    )


def _is_finished(results_dir: Path, experiment: str, run_id: str) -> bool:
    meta = (results_dir / artifact_name(experiment, run_id)).with_suffix(".meta.json")
    with suppress(OSError, ValueError, AttributeError):
        return json.loads(meta.read_bytes()).get("partial") is False
    return False
