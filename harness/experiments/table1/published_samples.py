"""Turn artifacts into datasets: reconstruct the design coordinates of published lists of samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import HarnessError
from harness.experiments.table1.artifacts import Artifact, read_artifacts
from harness.experiments.table1.metric_names import names
from harness.experiments.table1.settings import TABLE, ExperimentSettings
from harness.model import Dataset, Observation, Trial
from harness.records import Design

CONTROL = "Control"
ALL_PEOPLE, ALL_PROPOSALS = 20, 5
"""Numbers of people and proposals in a mode without limits."""

Gap = tuple[str, str, str, str | None]
"""Group, metric, trial and person of a missing sample."""


def published_datasets(
    folder: Path, *, runs: Collection[str] = (), only: Collection[str] = ()
) -> list[Dataset]:
    """One dataset per experiment of Table 1 with an artifact in ``folder``, in the table's order.

    Metric names are normalised (``persona_adherence``, ``self_consistency``, ``fluency``, ``divergence``, ...).
    The coordinates of published samples follow from their order: panel, proposal, rep, person. Persons are called
    ``person 1`` and so on, because the files do not name them. If a list is short, the missing places are unknown and
    its values are ``unplaced``. The meta file of our own artifacts says what is missing.

    Raises `HarnessError` as `read_artifacts` does.
    """
    return [dataset(artifact) for artifact in read_artifacts(folder, runs, only)]


def dataset(artifact: Artifact) -> Dataset:
    """The dataset of one artifact. Raises `HarnessError` if the design in its meta file is unreadable."""
    design, gaps = _recorded(artifact) if artifact.meta.get("design") else (_paper(artifact), _Gaps())
    placing = _Placing(artifact, design, gaps)
    observations = tuple(placing.observations())  # fills ``placing.unplaced`` too
    return Dataset(
        experiment=artifact.settings.name,
        groups=design.groups,
        metrics=design.metrics,
        observations=observations,
        source=artifact.run_id or artifact.path.name,
        coordinates="recorded" if artifact.meta.get("design") else "reconstructed",
        rehearsal=bool(artifact.meta.get("rehearsal")),
        meta=artifact.meta,
        unplaced=placing.unplaced,
    )


def caution(dataset: Dataset) -> Iterator[str]:
    """A warning for an artifact of ours without its meta file."""
    ours = dataset.source not in {row.artifact for row in TABLE}
    if ours and not dataset.meta:
        yield (
            "This artifact has no meta file, so it is unknown whether the run was a rehearsal and what is missing. "
            "'harness merge' writes both again from the records."
        )


def paper_design(settings: ExperimentSettings) -> Design:
    """The design of a published artifact, without groups and metrics; people are numbered from 1."""
    mode, size = settings.paper, settings.panel_size
    people = [f"person {number}" for number in range(1, (mode.people or ALL_PEOPLE) + 1)]
    panels = tuple(tuple(people[start : start + size]) for start in range(0, len(people), size))
    return Design((), (), (), panels, mode.proposals or ALL_PROPOSALS, mode.reps)


@dataclass(frozen=True, slots=True)
class _Gaps:
    """Missing values: whole trials by id, and single samples, each with its reason."""

    trials: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[Gap, str] = field(default_factory=dict)

    def reason(self, gap: Gap) -> str | None:
        return self.trials.get(gap[2]) or self.samples.get(gap)


def _paper(artifact: Artifact) -> Design:
    row, plain = artifact.settings, paper_design(artifact.settings)
    groups = sorted(artifact.samples, key=lambda group: group != CONTROL)
    metrics = dict.fromkeys(metric for samples in artifact.samples.values() for metric in samples)
    personal = names(name for name, _ in row.agent_propositions).values()
    return Design(tuple(groups), tuple(metrics), tuple(personal), plain.panels, plain.proposals, plain.reps)


def _recorded(artifact: Artifact) -> tuple[Design, _Gaps]:
    meta = artifact.meta
    recorded = Design.from_metadata(meta["design"])
    known = names(recorded.metrics)
    personal = tuple(known.get(metric, metric) for metric in recorded.person_metrics)
    design = replace(recorded, metrics=tuple(known.values()), person_metrics=personal)
    try:
        trials = {
            one["trial"]: "the trial did not finish"
            for outstanding in meta["trials"]["outstanding"].values()
            for one in outstanding
        }
        samples = {
            (one["group"], known.get(one["metric"], one["metric"]), one["trial"], one["person"]): str(
                one["reason"]
            )
            for one in meta["missing_samples"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise HarnessError(
            f"{artifact.path.with_suffix('.meta.json')}: does not list missing values correctly "
            f"({type(error).__name__}: {error}). Write it again with 'harness merge'."
        ) from error
    return design, _Gaps(trials, samples)


@dataclass(slots=True)
class _Placing:
    """Assigns an artifact's values to the places of its design, metric by metric."""

    artifact: Artifact
    design: Design
    gaps: _Gaps
    unplaced: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)

    def observations(self) -> Iterator[Observation]:
        for group in self.design.groups:
            for metric in self.design.metrics:
                yield from self._metric(metric, group)

    def _metric(self, metric: str, group: str) -> Iterator[Observation]:
        values = self.artifact.samples.get(group, {}).get(metric, ())
        places = list(self._places(metric, group))
        free = sum(1 for *_, reason in places if reason is None)
        if len(values) == free:
            left = iter(values)
            for trial, person, reason in places:
                yield _observation(metric, trial, person, None if reason else next(left), reason)
            return
        if values:
            self.unplaced[metric, group] = values
        for trial, person, reason in places:
            yield _observation(metric, trial, person, None, reason or _no_place(len(values), free))

    def _places(self, metric: str, group: str) -> Iterator[tuple[Trial, str | None, str | None]]:
        for trial in self.design.trials(self.artifact.settings.name, group):
            for person in self.design.expected(trial.panel, metric):
                yield trial, person, self.gaps.reason((group, metric, trial.id, person))


def _observation(
    metric: str, trial: Trial, person: str | None, value: float | None, reason: str | None
) -> Observation:
    cell = trial.cell
    return Observation(metric, cell.group, cell.rep, trial.panel, trial.proposal, person, value, reason)


def _no_place(there: int, expected: int) -> str:
    if not there:
        return "the artifact has no samples of it"
    return f"the artifact lists {there} samples for {expected} places, so which value belongs here is unknown"
