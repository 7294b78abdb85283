"""Records of rescored trials, in separate files.

They have their own folder, and no line has a ``run_id`` or a type of a trial's, so that no reader takes them for trials
of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.records.reader import stream
from harness.records.writer import JSONLWriter, safe_name

FOLDER = "rescored"
METADATA, RESULT, FAILURE = "rescore_metadata", "rescore_result", "rescore_failure"
_COORDINATES = ("group", "rep", "panel", "proposal")


def rescored_folder(results_dir: Path) -> Path:
    """Where the records of scores given again stand."""
    return results_dir / FOLDER


def open_rescored(results_dir: Path, metadata: Mapping[str, Any], timestamp: str) -> JSONLWriter:
    """A new file; ``metadata`` has at least ``experiment``, ``rescored_run`` and ``rescore_id``."""
    names = (metadata["experiment"], metadata["rescored_run"], "rescored", timestamp)
    name = "_".join(safe_name(str(one)) for one in names)
    folder = rescored_folder(results_dir)
    return JSONLWriter(directory=folder, name=f"{name}.jsonl", metadata={"type": METADATA, **metadata})


def rescored_line(
    rescore_id: str,
    record: Mapping[str, Any],
    outcome: Iterable[Mapping[str, Any]] | str,
    **more: Any,
) -> dict[str, Any]:
    """One try at scoring the trial of ``record`` again: its samples, or the reason why there are none."""
    failed = isinstance(outcome, str)
    return {
        "type": FAILURE if failed else RESULT,
        "rescore_id": rescore_id,
        "rescored_trial": record["trial"],
        **{name: record[name] for name in _COORDINATES},
        **({"reason": outcome} if failed else {"samples": list(outcome)}),
        **more,
    }


def is_begun(results_dir: Path, rescore_id: str) -> bool:
    """Whether a session has worked under ``rescore_id`` before."""
    first = (next(stream(path), {}) for path in sorted(rescored_folder(results_dir).glob("*.jsonl")))
    return any(line.get("rescore_id") == rescore_id for line in first)


def read_rescored(results_dir: Path, rescore_id: str) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """What is on record under ``rescore_id``: the first result of each trial, and how often each was tried."""
    results: dict[str, dict[str, Any]] = {}
    tries: dict[str, int] = {}
    for path in sorted(rescored_folder(results_dir).glob("*.jsonl")):
        for line in stream(path, lost=True):
            if line.get("type") == METADATA and line.get("rescore_id") != rescore_id:
                break
            trial = line.get("rescored_trial")
            if line.get("type") in (RESULT, FAILURE) and isinstance(trial, str):
                tries[trial] = tries.get(trial, 0) + 1
                if line["type"] == RESULT and isinstance(line.get("samples"), list):
                    results.setdefault(trial, line)
    return results, tries


def shuffled_samples(results_dir: Path, run_id: str) -> Iterator[Mapping[str, Any]]:
    """The samples of shuffled transcripts by the run's own judge and instrument, each trial once.

    Each has ``value``, ``intact``, and ``original``: the same judge's scores of the intact transcript.
    """
    seen: set[Any] = set()
    for path in sorted(rescored_folder(results_dir).glob("*.jsonl")):
        first, *lines = stream(path, lost=True) if _is_own_control(next(stream(path), {}), run_id) else ({},)
        for line in lines:
            mark = first.get("rescore_id"), line.get("rescored_trial")
            if line.get("type") == RESULT and mark not in seen:
                seen.add(mark)
                yield from line["samples"]


def _is_own_control(first: Mapping[str, Any], run_id: str) -> bool:
    own = first.get("rescored_run") == run_id and first.get("own_judge") is True
    return own and first.get("shuffled") is not None
