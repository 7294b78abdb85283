"""Describe code and settings that changed since a run was started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.model import Sample
from harness.records import Run, files_of_run
from harness.records.accepted_changes import is_mixed
from harness.records.measurements import CODE as METRIC_CODE
from harness.records.reader import first_object
from harness.records.registry.code_store import code_difference, setting_lines
from harness.records.registry.runs import run_differences
from harness.records.registry.store import FINISHED, OPEN

LISTED = 8
"""Differences that are shown; the rest are counted."""


def new_run_notes(
    results_dir: Path, run: Run, earlier: Sequence[Run], measures: Mapping[str, str]
) -> Iterator[str]:
    """Why ``run`` begins beside an open one, or that a finished one could be measured again for nothing."""
    beside = next((one for one in reversed(earlier) if one.status == OPEN), None)
    if beside is not None and is_mixed(beside.settings):
        yield f"{run.experiment}: starting a new run. The open run {beside.id} is mixed, and is resumed only by name."
        return
    if beside is not None and (found := run_differences(beside, run)):
        lines = list(setting_lines(results_dir, dict(list(found.items())[:LISTED])))
        if len(found) > LISTED:
            lines.append(f"  and {len(found) - LISTED} more")
        yield "\n".join(
            [f"{run.experiment}: starting a new run. The open run {beside.id} differs in:", *lines]
        )
        return
    same = [one for one in earlier if one.status == FINISHED and not run_differences(one, run)]
    if same and measures:
        then = _recorded(results_dir, same[-1])
        changed = [name for name, code in measures.items() if then and then.get(name, code) != code]
        if changed:
            yield (
                f"{run.experiment}: the code of {', '.join(changed)} has changed since run {same[-1].id} finished. "
                f"Resume run {same[-1].id} to compute it again from its transcripts, without model calls."
            )


def _recorded(results_dir: Path, run: Run) -> Mapping[str, Any]:
    """The metric code of a run's newest file."""
    lines = [first_object(path) for path in files_of_run(results_dir, run.experiment, run.id)]
    found: Any = max(lines, key=lambda line: str(line.get("timestamp") or ""), default={}).get(METRIC_CODE)
    return found if isinstance(found, Mapping) else {}


def remeasured_notes(
    results_dir: Path,
    experiment: str,
    then: Mapping[str, str],
    now: Mapping[str, str],
    found: Mapping[str, Sequence[Sample]],
) -> Iterator[str]:
    """Which metrics were computed again, of how many trials, and what changed in their code."""
    for name, code in now.items():
        before = then.get(name)
        number = sum(any(one.metric == name for one in samples) for samples in found.values())
        if code != before or number:
            was = f"was {before}" if before else "was not recorded"
            lines = list(code_difference(results_dir, before, code)) if before else []
            text = f"{experiment}: metric {name}: computed again from the transcripts of {number} trials with code "
            yield "\n".join([f"{text}{code} ({was}); no model was called.", *lines])
