"""From a file of scores to scores beside the records."""

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
    """``left`` transcripts of the export have no scores of this reviewer's in the file."""

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
            f"The scores are of export {sent.export:.40}, which {where} does not know; "
            f"expected one of {', '.join(keys)}."
        )
    named = {row.item for row in sent.rows}
    by_hits = sorted(keys.values(), key=lambda key: len(named & key.items.keys()), reverse=True)
    return by_hits[0]


def import_scores(
    sent: ScoreSheet, key: Key, run: FiledRun, *, reviewer: str | None = None, now: datetime | None = None
) -> Imported:
    """Check ``sent`` against ``key`` and keep its scores beside the records of ``run``.

    ``reviewer`` goes before the name in the file and the one that the sheet was exported for.

    Raises `ConfigurationError` with every fault; then nothing is kept.
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
    """Trial → the scenario it played: its own name for it, else panel and proposal."""
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
        raise ConfigurationError(f"{key} knows no export; expected the key of one.")
    sent = read_scores(scores)
    return sent, key_of(sent, keys, key)
