"""Imports a file of scores into the records' folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import ConfigurationError
from harness.records import FiledRun
from harness.reports.review.item_keys import Key, read_keys
from harness.reports.review.items import reviewable
from harness.reports.review.scores import ScoreSheet, checked, read_scores
from harness.reports.review.store import Added, add, reviewers_name, store_path


@dataclass(frozen=True, slots=True)
class Imported:
    """``left`` is the number of transcripts of the export without scores in the file."""

    reviewer: str
    added: Added
    left: int
    path: Path


def key_of(sent: ScoreSheet, keys: Mapping[str, Key], where: Path) -> Key:
    """The key of the export that was scored. Raises `ConfigurationError`."""
    if sent.export in keys:
        return keys[sent.export]
    if sent.export:
        raise ConfigurationError(
            f"The scores belong to export {sent.export:.40}, which is not in {where}; "
            f"expected one of {', '.join(keys)}."
        )
    named = {row.item for row in sent.rows}
    by_hits = sorted(keys.values(), key=lambda key: len(named & key.items.keys()), reverse=True)
    return by_hits[0]


def import_scores(
    sent: ScoreSheet, key: Key, run: FiledRun, *, reviewer: str | None = None, now: datetime | None = None
) -> Imported:
    """Check ``sent`` against ``key`` and store its scores with the records of ``run``.

    ``reviewer`` overrides the name in the file and the one in the export.

    Raises `ConfigurationError` with every fault, and then stores nothing.
    """
    present = set(reviewable(run))
    items = {item: trial for item, trial in key.items.items() if trial in present}
    scores = checked(sent, items, scenarios_of(run))
    name = reviewers_name(reviewer or sent.reviewer or key.reviewer)
    given = {items[score.item]: score for score in scores}
    moment = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
    added = add(run.folder, run.experiment, run.run_id, name, given, imported=moment)
    path = store_path(run.folder, run.experiment, run.run_id)
    return Imported(name, added, len(items) - len(given), path)


def scenarios_of(run: FiledRun) -> dict[str, str]:
    """Trial → its scenario: the recorded id, or else panel and proposal."""
    found: dict[str, str] = {}
    for group in run.design.groups:
        for trial in run.design.trials(run.experiment, group):
            outcome = run.outcomes.get(trial.id)
            record = (outcome.accepted if outcome else None) or {}
            found[trial.id] = str(
                record.get("scenario_id") or f"panel {trial.panel + 1}, proposal {trial.proposal + 1}"
            )
    return found


def sent_and_key(scores: Path, key: Path) -> tuple[ScoreSheet, Key]:
    """A file of scores, and the key of its export. Raises `HarnessError`."""
    keys = read_keys(key)
    if not keys:
        raise ConfigurationError(f"{key} has no export; expected the key of one.")
    sent = read_scores(scores)
    return sent, key_of(sent, keys, key)
