"""Stores the scores of reviews in an append-only file in the records' folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.console import name_problems
from harness.errors import HarnessError, raise_if_any
from harness.records import stream, write_whole
from harness.records.json_safe import to_line
from harness.records.registry.lock import exclusive
from harness.records.writer import explained, safe_name
from harness.reports.review.dimensions import DIMENSIONS, SCALE
from harness.reports.review.scores import ReviewScore
from harness.text_files import recoded

METADATA, SCORE = "review_metadata", "review_score"


@dataclass(frozen=True, slots=True)
class StoredScores:
    """One transcript's scores by one reviewer. ``changed`` counts their revisions."""

    trial: str
    reviewer: str
    scores: Mapping[str, int]
    notes: str = ""
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Added:
    """The result of an import: transcripts scored for the first time, rescored, and unchanged."""

    new: int
    changed: int
    same: int


def store_path(folder: Path, experiment: str, run_id: str) -> Path:
    """The file of a run's scores."""
    return folder / f"{safe_name(experiment)}_review_{safe_name(run_id)}.jsonl"


def kept(folder: Path, experiment: str, run_id: str) -> dict[tuple[str, str], StoredScores]:
    """(reviewer, trial) → the latest scores."""
    path = store_path(folder, experiment, run_id)
    found: dict[tuple[str, str], StoredScores] = {}
    for line in stream(path, lost=True) if path.exists() else ():
        if line.get("type") == SCORE and (one := _kept(line)):
            earlier = found.get((one.reviewer, one.trial))
            again = 0 if earlier is None else earlier.changed + 1
            found[(one.reviewer, one.trial)] = StoredScores(
                one.trial, one.reviewer, one.scores, one.notes, again
            )
    return found


def _kept(line: Mapping[str, Any]) -> StoredScores | None:
    trial, reviewer, scores = (line.get(name) for name in ("reviewed_trial", "reviewer", "scores"))
    if not isinstance(trial, str) or not isinstance(reviewer, str) or not isinstance(scores, Mapping):
        return None
    if set(scores) != set(DIMENSIONS) or not all(
        type(one) is int and one in SCALE for one in scores.values()
    ):
        return None
    return StoredScores(trial, reviewer, dict(scores), str(line.get("notes") or ""))


def add(
    folder: Path,
    experiment: str,
    run_id: str,
    reviewer: str,
    given: Mapping[str, ReviewScore],
    *,
    imported: str,
) -> Added:
    """Append what is new of ``given`` (trial → score) by ``reviewer``, atomically.

    ``imported`` is a UTC time. Raises `HarnessError`.
    """
    path = store_path(folder, experiment, run_id)
    with exclusive(path.parent / ".locks" / f"{path.stem}.lock"):
        before = kept(folder, experiment, run_id)
        lines: list[dict[str, Any]] = []
        added = Added(0, 0, 0)
        for trial, score in given.items():
            earlier = before.get((reviewer, trial))
            if earlier and (earlier.scores, earlier.notes) == (dict(score.scores), score.notes):
                added = Added(added.new, added.changed, added.same + 1)
                continue
            added = Added(added.new + (earlier is None), added.changed + (earlier is not None), added.same)
            lines.append(_line(trial, reviewer, score, imported))
        if lines:
            write_whole(path, _content(path, experiment, run_id, lines))
    return added


def _line(trial: str, reviewer: str, score: ReviewScore, imported: str) -> dict[str, Any]:
    content = {"item": score.item, "scores": dict(score.scores), "notes": score.notes, "imported": imported}
    return {"type": SCORE, "reviewed_trial": trial, "reviewer": reviewer, **content}


def _content(path: Path, experiment: str, run_id: str, lines: Sequence[Mapping[str, Any]]) -> bytes:
    first = {
        "type": METADATA,
        "experiment": experiment,
        "reviewed_run": run_id,
        "dimensions": dict(DIMENSIONS),
    }
    with explained(path, "read"):
        before = recoded(path.read_bytes()) if path.exists() else to_line(first)
    return before + (b"" if before.endswith(b"\n") else b"\n") + b"".join(map(to_line, lines))


def reviewers_name(name: str) -> str:
    """``name`` as stored: on one line, not empty. Raises `HarnessError`."""
    clean = " ".join(name.split())
    raise_if_any(name_problems("Reviewer", clean))
    if not clean or len(clean) > 100:
        raise HarnessError(f"Reviewer {name!r:.60}: expected a name of 1 to 100 characters.")
    return clean
