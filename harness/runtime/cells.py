"""A cell as it is entered, under way, and how it ended."""

from __future__ import annotations

import concurrent.futures
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from harness.errors import HarnessError
from harness.model import Cell, Dialogue, Experiment, Sample, Trial, TrialFailure
from harness.model.watched_settings import Unread, never_read, unread_sentence
from harness.records import Design
from harness.runtime import provenance
from harness.runtime.busy_time import busy_seconds
from harness.runtime.output_capture import CaseOutput
from harness.runtime.plan import CellPlan
from harness.user_code import shown

LISTED = 5
"""Failures named in full in one message; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A request to enter a cell, as plain data, so that it may come from another process.

    ``settings``, with the session's facts, identify its run, and ``group_settings`` its arm. ``trials`` is their
    number, ``first_line`` the cell's part of its file's first line. ``label`` names the case's one trial if the cell
    has several cases. ``measures`` are the code hashes of metrics computed from transcripts.
    """

    cell: Cell
    trials: int
    settings: Mapping[str, Any]
    group_settings: Mapping[str, Any]
    design: Design
    first_line: Mapping[str, Any]
    label: str = ""
    measures: Mapping[str, str] = field(default_factory=dict)
    models: tuple[tuple[str, str], ...] = ()
    """What the experiment's declarations name as models: where, for messages, and the model's spec."""
    fixed_model: bool = False
    """Whether names of models in its requests are ignored (`Play.fixed_model`)."""
    repeats: bool = True
    """Whether equal replies lead to equal requests; a `Play` may declare that its own vary."""


CodeOf = Callable[[CellPlan], provenance.PlanCode]


def entry_of(plan: CellPlan, declared_population: str | None, code: provenance.PlanCode) -> Entry:
    """What is entered for ``plan``, which runs ``code``.

    ``declared_population`` is the hash of its experiment's own population.
    """
    return Entry(
        plan.cell,
        len(plan.trials),
        provenance.base_settings(plan, code, declared_population=declared_population),
        provenance.group_settings(plan, code, declared_population=declared_population),
        _design(plan),
        provenance.cell_metadata(plan),
        _label(plan),
        provenance.metric_code(code),
        tuple(_named_models(plan.experiment)),
        plan.experiment.play is not None and plan.experiment.play.fixed_model,
        plan.experiment.play is None or plan.experiment.play.deterministic,
    )


def _named_models(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """The models that declarations name, each with where."""
    for group in experiment.groups:
        if group.model:
            yield f"Group {group.name!r} of {experiment.name}", group.model
    if isinstance(experiment.play, Dialogue) and isinstance(experiment.play.agent, str):
        yield f"Experiment {experiment.name}: play: agent", experiment.play.agent


def entries_of(plans: Sequence[CellPlan], declared: Mapping[str, str | None], code_of: CodeOf) -> list[Entry]:
    """What is entered for each of ``plans``. What the reps of an arm have in common is worked out once.

    ``declared`` are the hashes of the experiments' own populations.
    """
    made: dict[tuple[object, ...], Entry] = {}
    return [_entered(plan, declared[plan.cell.experiment], code_of, made) for plan in plans]


def _entered(
    plan: CellPlan,
    declared_population: str | None,
    code_of: CodeOf,
    made: dict[tuple[object, ...], Entry],
) -> Entry:
    own = ("cell", "panels", "trials")  # the panels follow from the rest
    parts = (id(getattr(plan, name)) for name in CellPlan.__slots__ if name not in own)
    key = (plan.cell.group, len(plan.trials), *parts)
    if key not in made:
        made[key] = entry_of(plan, declared_population, code_of(plan))
    first_line = {**made[key].first_line, "rep": plan.cell.rep}
    return replace(made[key], cell=plan.cell, first_line=first_line, label=_label(plan))


def _label(plan: CellPlan) -> str:
    play = plan.experiment.play
    return str(plan.trials[0].proposal["id"]) if play is not None and play.case_per_trial else ""


def _design(plan: CellPlan) -> Design:
    kinds = provenance.metric_kinds(plan.experiment)
    return Design(
        groups=tuple(group.name for group in plan.experiment.groups),
        metrics=tuple(kinds),
        person_metrics=tuple(name for name, personal in kinds.items() if personal),
        panels=tuple(tuple(person.name for person in panel) for panel in plan.panels),
        proposals=len(plan.experiment.script.proposals[: plan.mode.proposals]),
        reps=plan.reps,
        only=plan.selected,
        assignment=plan.assignment,
        contrasts=plan.experiment.contrasts,
    )


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """How one trial ended. ``failure`` is ``None`` when it finished; ``earlier`` when its record was there already.

    ``began`` is when it started, in seconds since 1970. ``unread`` are settings that its play did not read.
    """

    trial: Trial
    samples: tuple[Sample, ...] = ()
    failure: TrialFailure | None = None
    seconds: float = 0.0
    earlier: bool = False
    unread: Unread = field(default_factory=dict)
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class CellStatus:
    """How a cell stands when it is entered: its case's name to observers, its run, and what is done already.

    ``opened`` says that its run is new to this session. ``unmeasured`` are trials of its run with the metrics that a
    player must compute again from their transcripts first; ``None`` where there is nothing to do.
    """

    case: str
    run_id: str
    opened: bool
    accepted: Mapping[str, TrialOutcome] = field(default_factory=dict)
    unmeasured: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """Every trial of a cell that ended, in the order of the plan, and what stopped the others.

    ``stopped`` says why the session ended before the cell did; ``None`` when it did not. ``metrics`` are the names of
    the experiment's metrics, where they are known. ``all_scenarios``: the case covers every proposal of its arm.
    """

    cell: Cell
    played: tuple[TrialOutcome, ...]
    expected: int
    stopped: str | None = None
    metrics: tuple[str, ...] | None = None
    all_scenarios: bool = False

    @property
    def failures(self) -> tuple[TrialFailure, ...]:
        return tuple(one.failure for one in self.played if one.failure is not None)

    @property
    def finished(self) -> bool:
        """Whether every trial of the cell has its record."""
        return sum(one.failure is None for one in self.played) == self.expected

    @property
    def seconds(self) -> float:
        """How long the cell ran: the time in which at least one of its trials did, without waiting for a turn."""
        return busy_seconds((one.began, one.seconds) for one in self.played)

    def values(self, metric: str) -> tuple[float, ...]:
        """The values of ``metric`` that were obtained, in the order of the trials."""
        return tuple(
            sample.value
            for one in self.played
            for sample in one.samples
            if sample.metric == metric and sample.value is not None
        )

    def problem(self) -> str | None:
        """One readable text about what is not finished or could not be measured, or ``None``."""
        found = (self._unfinished(), self._unmeasured(), self._unknown(), self._unread())
        texts = [text for text in found if text is not None]
        return "\n".join(texts) or None

    def _unmeasured(self) -> str | None:
        """What functions of metrics raised, each reason once with how many samples it cost."""
        reasons = Counter(
            f"{sample.metric}: {sample.reason}"
            for one in self.played
            for sample in one.samples
            if sample.raised
        )
        if not reasons:
            return None
        lines = [f"{self.cell}: {sum(reasons.values())} samples are missing because a metric failed."]
        lines += [
            f"  {reason}" + (f" ({n} times)" if n > 1 else "") for reason, n in reasons.most_common(LISTED)
        ]
        if len(reasons) > LISTED:
            lines.append(
                f"  … and {len(reasons) - LISTED} other reasons; each sample has its own in its JSONL file."
            )
        lines.append(
            "  The trials are kept: fix the metric and rerun the same command; no trial runs twice. A metric "
            "that cannot score a transcript returns None."
        )
        return "\n".join(lines)

    def _unknown(self) -> str | None:
        """Names of samples from the play that are not among the experiment's metrics."""
        named = dict.fromkeys(sample.metric for one in self.played for sample in one.samples)
        unknown = [] if self.metrics is None else [name for name in named if name not in self.metrics]
        if not unknown:
            return None
        return (
            f"{self.cell}: samples of {', '.join(map(repr, unknown[:LISTED]))}, which is not a metric of "
            f"{self.cell.experiment}; expected one of {', '.join(self.metrics or ())}. No result has them."
        )

    def _unread(self) -> str | None:
        """Settings that the play of no trial read; a single scenario need not read them all."""
        found = (
            never_read([one.unread for one in self.played]) if self.finished and self.all_scenarios else {}
        )
        if not found:
            return None
        return (
            f"{self.cell}: {unread_sentence(found, len(self.played))}. A setting that nothing reads is not "
            "a treatment: read it in the play, or remove it; either starts a new run."
        )

    def _unfinished(self) -> str | None:
        if self.finished:
            return None
        done = self.expected - sum(one.failure is None for one in self.played)
        lines = [f"{self.cell}: {done} of {self.expected} trials did not finish."]
        lines += [f"  {failure.trial.id}: {failure.reason}" for failure in self.failures[:LISTED]]
        if len(self.failures) > LISTED:
            lines.append(
                f"  … and {len(self.failures) - LISTED} more; each has a trial_failure line in its JSONL file."
            )
        if self.stopped:
            lines.append(f"  {self.stopped}")
        lines.append("  Finished trials are kept. To run only these, rerun the same command.")
        return "\n".join(lines)


@dataclass
class CellRun:
    """The trials of one case that were started, and what they logged."""

    plan: CellPlan
    standing: CellStatus
    output: CaseOutput = field(default_factory=CaseOutput)
    futures: dict[str, Future[TrialOutcome]] = field(default_factory=dict)

    def wait(
        self, tick: Callable[[], None], lost: Callable[[], bool] = lambda: False, interval: float = 0.2
    ) -> tuple[TrialOutcome, ...]:
        """Wait until every trial has ended, calling ``tick`` meanwhile. Cancelled trials are left out.

        Once ``lost`` holds, those under way cannot end any more, and are left out too.
        """
        while not lost() and (waiting := [future for future in self.futures.values() if not future.done()]):
            if concurrent.futures.wait(waiting, timeout=interval).not_done:
                tick()
        ended = (future for future in self.futures.values() if future.done() and not future.cancelled())
        return tuple(future.result() for future in ended)


def failure_of(trial: Trial, error: BaseException) -> TrialFailure:
    """The failure of a trial that ended with ``error``; an error without a readable message is named by its class."""
    kind = type(error).__name__
    if isinstance(error, HarnessError):
        return TrialFailure(trial, str(error), kind, dict(error.details))
    return TrialFailure(trial, shown(error), kind)


def outcome_of(run: CellRun, played: Iterable[TrialOutcome], stopped: HarnessError | None) -> CellOutcome:
    """Put the trials that ended into the plan's order."""
    by_id: Mapping[str, TrialOutcome] = {one.trial.id: one for one in played}
    ordered = tuple(by_id[plan.trial.id] for plan in run.plan.trials if plan.trial.id in by_id)
    experiment = run.plan.experiment
    return CellOutcome(
        run.plan.cell,
        ordered,
        len(run.plan.trials),
        None if stopped is None else str(stopped),
        experiment.metric_names,
        run.plan.selected is None and not (experiment.play is not None and experiment.play.case_per_trial),
    )
