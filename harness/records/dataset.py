"""From record files to what is analysed: each run's expected values with their coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.model import Dataset, Judgement, Observation
from harness.records.accepted_changes import accepted_changes, change_sentences
from harness.records.artifact import number
from harness.records.comparisons import judgements
from harness.records.design import Design
from harness.records.filed_runs import FiledRun, artifact_name, runs_in_files, unread_sentences
from harness.records.reader import Owners, SampleColumns, TrialHistory
from harness.records.respondents import panels_of, respondents_of, scales_of
from harness.text_files import read_json

_Places = Mapping[tuple[str, str | None], int]


def datasets(paths: Iterable[Path]) -> list[Dataset]:
    """One dataset per run in the record files ``paths``, oldest run first; trials that did not finish are missing.

    Raises `HarnessError` when a file cannot be read or no file of a run has its design.
    """
    return [dataset_of(run, meta_of(run)) for run in runs_in_files(paths)]


def dataset_of(run: FiledRun, meta: Mapping[str, Any] | None = None) -> Dataset:
    """What is analysed of ``run``; ``meta`` is its meta file, where there is one already."""
    return Dataset(
        experiment=run.experiment,
        groups=run.design.groups,
        metrics=run.design.metrics,
        observations=tuple(observations(run.experiment, run.outcomes, run.design, unread=bool(run.unread))),
        source=run.run_id,
        rehearsal=run.rehearsal,
        meta=meta or {},
        unread=tuple(unread_sentences(run)),
        factors=_factors(run),
        mixed=tuple(change_sentences(changes_in(run))),
        contrasts=run.design.contrasts,
        judgements=tuple(_judgements(run)),
        between=run.design.assignment is not None,
        undelivered=(meta or {}).get("undelivered") or {},
        panels=panels_of(run),
        respondents=respondents_of(run),
        scales=scales_of(run),
    )


def changes_in(run: FiledRun) -> list[dict[str, Any]]:
    """The changes of settings that the user accepted while ``run`` was under way."""
    return accepted_changes(run.metadata, (one for trial in run.outcomes.values() for one in trial.tries))


def _judgements(run: FiledRun) -> Iterator[Judgement]:
    finished = {name for name, outcome in run.outcomes.items() if outcome.accepted is not None}
    return judgements(run.experiment, run.design, run.metadata, run.comparisons, finished)


def _factors(run: FiledRun) -> dict[str, Mapping[str, str]]:
    """The level by factor of each group that has factors; none while a group's are not known, or names differ."""
    found: dict[str, Mapping[str, str]] = {}
    for line in run.metadata:
        levels = (line.get("group_settings") or {}).get("factors") or {}
        if isinstance(levels, Mapping):
            found[str(line.get("group"))] = {str(name): str(level) for name, level in levels.items()}
    if any(group not in found for group in run.design.groups):
        return {}
    crossed = {group: found[group] for group in run.design.groups if found[group]}
    return crossed if len({frozenset(levels) for levels in crossed.values()}) == 1 else {}


def observations(
    experiment: str, outcomes: Mapping[str, TrialHistory], design: Design, *, unread: bool = False
) -> Iterator[Observation]:
    """Every expected value, in the artifact's order: group, metric, panel, proposal, rep, person.

    ``unread``: some lines of the run could not be read, so that a trial without a record may have finished.
    """
    unseen = "no record of the trial could be read" if unread else "the trial did not finish"
    known: dict[Owners, _Places] = {}
    for group in design.groups:
        played = [
            (trial, *_played(outcomes.get(trial.id), known)) for trial in design.trials(experiment, group)
        ]
        for metric in design.metrics:
            for trial, samples, places in played:
                rep, panel, proposal = trial.cell.rep, trial.panel, trial.proposal
                for person in design.expected(panel, metric):
                    value, reason = _value(samples, places.get((metric, person)), unseen)
                    yield Observation(metric, group, rep, panel, proposal, person, value, reason)


def _played(
    outcome: TrialHistory | None, known: dict[Owners, _Places]
) -> tuple[SampleColumns | None, _Places]:
    """The samples of a trial's accepted record, and where in them each owner's first is."""
    if outcome is None or outcome.accepted is None:
        return None, {}
    found = SampleColumns.of(outcome.accepted.get("samples") or ())
    if found.owners not in known:
        known[found.owners] = {owner: place for place, owner in reversed(list(enumerate(found.owners)))}
    return found, known[found.owners]


def _value(samples: SampleColumns | None, place: int | None, unseen: str) -> tuple[float | None, str | None]:
    if samples is None:
        return None, unseen
    if place is None:
        return None, "the record has no such sample"
    value = number(samples.values[place])
    if value is not None:
        return value, None
    return None, str((samples.reasons and samples.reasons[place]) or "no reason recorded")


def meta_of(run: FiledRun) -> Mapping[str, Any]:
    """The meta file next to the records of ``run``, from its last merge; empty if missing."""
    return meta_beside(run.folder, run.experiment, run.run_id)


def meta_beside(folder: Path, experiment: str, run_id: str) -> Mapping[str, Any]:
    """The meta file of a run in ``folder``, from its last merge; empty if missing."""
    path = (folder / artifact_name(experiment, run_id)).with_suffix(".meta.json")
    with suppress(HarnessError):
        content = read_json(path, str(path))
        return content if isinstance(content, dict) else {}
    return {}
