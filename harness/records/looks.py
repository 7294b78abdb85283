"""Looks at results: each time that results of a run were shown, with their extent."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.records.filed_runs import FiledRun
from harness.records.json_safe import to_line
from harness.records.reader import stream
from harness.records.writer import explained, make_directory

NAME = "plans/looks.jsonl"


def note_look(
    results_dir: Path,
    run_id: str,
    experiment: str,
    finished: Mapping[str, int],
    *,
    how: str,
    now: datetime,
    planned: int | None = None,
) -> None:
    """Append a row: when, how (``session``, ``merge``, ``report``), and the finished trials of each group.

    Where nothing has finished there is nothing to see, and no row. Raises `HarnessError`.
    """
    if not any(finished.values()):
        return
    row = {
        "type": "look",
        "look_run": run_id,
        "experiment": experiment,
        "time": now.astimezone(UTC).isoformat(),
        "how": how,
        "finished": dict(finished),
        "planned": planned,
    }
    path = results_dir / NAME
    make_directory(path.parent)
    with explained(path, "note a look in"):
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, to_line(row))  # one write, so that two sessions' rows do not mix
        finally:
            os.close(file)


def note_look_at(run: FiledRun, *, how: str, now: datetime) -> None:
    """The same for a filed run; a rehearsal has no results."""
    if not run.rehearsal:
        groups = [one.accepted["group"] for one in run.outcomes.values() if one.accepted is not None]
        finished = {group: groups.count(group) for group in run.design.groups}
        planned = run.design.trials_per_group
        note_look(run.folder, run.run_id, run.experiment, finished, how=how, now=now, planned=planned)


def looks_at(results_dir: Path, runs: Iterable[str]) -> list[dict[str, Any]]:
    """Every row about ``runs``, oldest first."""
    wanted = set(runs)
    with suppress(HarnessError):
        return [row for row in stream(results_dir / NAME) if row.get("look_run") in wanted]
    return []


def count_looks(rows: Iterable[Mapping[str, Any]]) -> int:
    """How often there was something new to see: looking at the same trials twice is one look."""
    return len({(row["look_run"], tuple(sorted((row.get("finished") or {}).items()))) for row in rows})
