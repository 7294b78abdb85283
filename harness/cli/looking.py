"""Whoever has a result printed has looked at it: commands that show results say so here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path


def note_looks(places: Iterable[Path], how: str, run_ids: Collection[str] | None = None) -> None:
    """Note a look at each run in ``places``, or at those of ``run_ids``. Raises `HarnessError`."""
    from harness.records import record_files, runs_in_files
    from harness.records.looks import note_look_at
    from harness.records.reader import Lean

    now = datetime.now(UTC)
    for run in runs_in_files(record_files(places), keep=Lean()):
        if run_ids is None or run.run_id in run_ids:
            note_look_at(run, how=how, now=now)
