"""Selects the runs of a report and collects what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import harness.stats as stats
from harness.checks import CheckRunner, OwnChecks, examine
from harness.checks.treatment_delivery import undelivered
from harness.errors import ConfigurationError, HarnessError, expected_one_of
from harness.model import Check, Dataset
from harness.records import Design, FiledRun, build, dataset_of, meta_of, record_files, runs_in_files
from harness.records.json_safe import plain
from harness.reports.parts import Part
from harness.reports.plan_section import plan_sentences
from harness.reports.preferences import Analyses, preference_parts
from harness.stats.analysis import Progress, silent
from harness.stats.preferences import analyse_preferences
from harness.stats.results import Analysis

if TYPE_CHECKING:
    from harness.humans.comparison import PeopleComparison


@dataclass(frozen=True, slots=True)
class Published:
    """A published result for one metric: means, sample SDs, their difference, and p as printed."""

    control_mean: float
    control_sd: float
    treatment_mean: float
    treatment_sd: float
    difference: float
    p: str
    n_control: int
    n_treatment: int


Publications = Callable[[str, Sequence[str]], Mapping[str, Published]]
"""From an experiment and its metrics, by the run's names, to the published result of each."""


OwnAnswers = Callable[[FiledRun, Sequence[Check]], Iterable[Part]]
"""The parts that an experiment adds to the report of a run, given its checks."""


@dataclass(frozen=True)
class RunReport:
    """One run: its analysis, its validity checks, and published results of the same experiment.

    ``meta`` is derived from the records: ``summary``, ``samples``, ``trials``, ``failures``, ``usage``, ….
    ``answer`` has the parts that the experiment adds.
    """

    run: FiledRun
    dataset: Dataset
    analysis: Analysis
    meta: Mapping[str, Any]
    checks: tuple[Check, ...] = ()
    published: Mapping[str, Published] = field(default_factory=dict)
    answer: tuple[Part, ...] = ()
    people: tuple[PeopleComparison, ...] = ()
    people_problem: str = ""
    """Why people's answers beside the results could not be compared with."""

    @property
    def experiment(self) -> str:
        return self.run.experiment

    @property
    def run_id(self) -> str:
        return self.run.run_id

    @property
    def rehearsal(self) -> bool:
        return self.run.rehearsal

    @property
    def design(self) -> Design:
        return self.run.design

    @property
    def first_line(self) -> Mapping[str, Any]:
        """The metadata of the run's first file."""
        return self.run.metadata[0] if self.run.metadata else {}

    def plan(self) -> list[str]:
        """The run compared with its locked plan, in sentences; none without a plan."""
        return list(plan_sentences(self.dataset.meta))

    @cached_property
    def preference_analyses(self) -> Analyses:
        """The pairwise comparisons of the run as plain data; empty where it declares none."""
        found: Analyses = plain(analyse_preferences(self.dataset))[0]
        return found

    @property
    def preferences(self) -> list[Part]:
        """The pairwise comparisons of the run, in parts; none where it declares none."""
        return list(preference_parts(self.preference_analyses, rehearsal=self.rehearsal))

    def arms(self) -> dict[str, Mapping[str, Any]]:
        """Group → the metadata of one of its files; empty if there is none."""
        lines = {str(line.get("group")): line for line in reversed(self.run.metadata)}
        return {group: lines.get(group, {}) for group in self.design.groups}


@dataclass(frozen=True)
class Selection:
    """The runs of a report, and the ids of runs in the same files that it leaves out, by experiment."""

    reports: tuple[RunReport, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def rehearsal(self) -> bool:
        return any(one.rehearsal for one in self.reports)


def select(
    paths: Iterable[Path],
    run_ids: Sequence[str] = (),
    published: Publications | None = None,
    own: OwnChecks | None = None,
    answers: OwnAnswers | None = None,
    progress: Progress = silent,
) -> Selection:
    """The runs ``run_ids``, or the newest of each experiment, a rehearsal only if there is no other run.

    Arguments are those of `write_report`. Raises `HarnessError` when there are no files or one cannot be read, and
    `ConfigurationError` for an unknown id.
    """
    progress("Reading records")
    runs = runs_in_files(record_files(paths), keep=CheckRunner().keep)
    chosen = _named(runs, run_ids) if run_ids else _newest(runs)
    left_out: dict[str, tuple[str, ...]] = {}
    for run in runs:
        if run not in chosen:
            left_out[run.experiment] = (*left_out.get(run.experiment, ()), run.run_id)
    reports = (_report(run, published or _nothing, own, answers, progress) for run in chosen)
    return Selection(tuple(reports), left_out)


def _named(runs: Sequence[FiledRun], run_ids: Sequence[str]) -> list[FiledRun]:
    known = {run.run_id for run in runs}
    problems = [
        f"Run {name}: not in the files given; {expected_one_of(name, sorted(known))}"
        for name in run_ids
        if name not in known
    ]
    if problems:
        raise ConfigurationError(*problems)
    return [run for run in runs if run.run_id in run_ids]


def _newest(runs: Sequence[FiledRun]) -> list[FiledRun]:
    newest: dict[str, FiledRun] = {}
    # Ids begin with their time. A partial run counts only where there is no complete one.
    for run in sorted(runs, key=lambda run: (not run.rehearsal, run.design.only is None, run.run_id)):
        newest[run.experiment] = run
    return [newest[name] for name in sorted(newest)]


def _report(
    run: FiledRun,
    published: Publications,
    own: OwnChecks | None,
    answers: OwnAnswers | None,
    progress: Progress,
) -> RunReport:
    dataset = dataset_of(run, meta_of(run))
    _, meta = build(
        run.experiment,
        run.outcomes,
        run.design,
        stats=stats,
        unread=bool(run.unread),
        comparisons=run.comparisons,
    )
    progress(f"{run.experiment}: validity checks")
    checks = tuple(examine(run, dataset, own))
    dataset = replace(dataset, undelivered=undelivered(checks))
    earlier = published(run.experiment, run.design.metrics)
    analysis = stats.analyse(dataset, progress=progress)
    people, problem = _beside_people(run, progress)
    beside = tuple(check for one in people for check in one.checks)
    added = tuple(_answer(run, checks, answers))
    return RunReport(run, dataset, analysis, meta, (*checks, *beside), earlier, added, people, problem)


def _beside_people(run: FiledRun, progress: Progress) -> tuple[tuple[PeopleComparison, ...], str]:
    """The run beside each of the human data in its folder that answer its items, and what went wrong."""
    # Imported here: every session loads this module, and few compare with people.
    from harness.humans.comparison import compared, shares_items, survey_items, survey_runs
    from harness.humans.dataset import has_humans, humans_in

    if not has_humans(run.folder) or not survey_items(run):
        return (), ""
    try:
        (whole,) = survey_runs([file.path for file in run.files], run_ids=[run.run_id])
        data = [one for one in humans_in(run.folder).values() if shares_items(whole, one)]
        return tuple(compared(whole, one, progress=progress) for one in data), ""
    except HarnessError as error:
        return (), f"No comparison with people: {error}"


def _answer(run: FiledRun, checks: Sequence[Check], answers: OwnAnswers | None) -> list[Part]:
    try:
        return list(answers(run, checks)) if answers else []
    except Exception as error:  # one experiment's fault must not prevent the report
        return [f"The experiment's own part failed: {type(error).__name__}: {error}"]


def _nothing(experiment: str, metrics: Sequence[str]) -> Mapping[str, Published]:  # noqa: ARG001
    return {}
