"""Build a study's population: run each stage that needs it, then its gates, and stop if one FAILs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.experiments.population.build import stage_ledger
from harness.experiments.population.gates import (
    GATES,
    GateResult,
    Report,
    merged,
    read_report,
    run_gates,
    write_report,
)
from harness.experiments.population.gates.stages import FILES, MADE_FROM
from harness.experiments.population.build.pipeline import STAGES, Pipeline, read, rules
from harness.experiments.population.build.recipes import Recipes
from harness.experiments.population.build.stage_ledger import Placing, Record, StageState, StageVerdict, digest, judge
from harness.batches.study_layout import Study, locked
from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population.build.stages import Ask, StageSummary
from harness.model import Level
from harness.records.writer import make_directory

if TYPE_CHECKING:
    from harness.gateway.prices import Overrides


class How(StrEnum):
    """What a build did with a stage."""

    MADE = "made now"
    KEPT = "as it was"
    MENDED = "mended by hand"


@dataclass(frozen=True, slots=True)
class BuildStep:
    """A stage that is up to date: its action, record, summary if it ran now, and the verdicts of its gates."""

    stage: str
    how: How
    record: Record
    told: StageSummary | None = None
    gates: tuple[GateResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Built:
    """The result of a build. ``stopped`` is the gate that FAILs; later stages were not run."""

    steps: tuple[BuildStep, ...]
    report: Report
    stopped: GateResult | None = None


class Watch(Protocol):
    """Observes a build."""

    def began(self, stage: str) -> None:
        """A stage is about to run."""

    def done(self, step: BuildStep) -> None:
        """A stage is up to date, and its gates have run."""

    def again(self, result: GateResult) -> None:
        """A gate ran again with the files of later stages, with another verdict."""


def stage_verdicts(recipes: Recipes, records: Mapping[str, Record]) -> dict[str, StageVerdict]:
    """The state of each stage, as far as known before any runs."""
    found: dict[str, StageVerdict] = {}
    for stage in STAGES:
        unsure = [one for one in MADE_FROM[stage] if _runs(found[one])]
        verdict = judge(records.get(stage), recipes.wanted(stage, unsure), digest(recipes.file(stage)))
        behind = unsure and verdict.state in (StageState.CURRENT, StageState.MENDED)
        found[stage] = StageVerdict(StageState.STALE) if behind else verdict
    return found


@contextmanager
def alone(study: Study) -> Iterator[Path]:
    """Lock ``.build``, the working folder of a build, for this process. Raises `HarnessError`."""
    folder = study.folder / ".build"
    with locked(folder / "lock", f"Study {study.name}", "built", folder / "heartbeat.txt"):
        yield folder


class Build:
    """One build of a study, whose caller is `alone` with it in ``folder``.

    ``prices`` is the file of own prices, with its path for its hash. Raises `ConfigurationError`, before anything
    runs, for files that no build made, or that were edited by hand although their inputs changed too.
    """

    def __init__(
        self, study: Study, plan: Pipeline, folder: Path, prices: tuple[Path, Overrides] | None = None
    ) -> None:
        self._study, self._plan, self._new = study, plan, folder / "new"
        self.recipes = Recipes(study, plan, prices)
        self._profile, self._schema = rules(study, plan)
        self._records = stage_ledger.read(study)
        stage_ledger.recover(study, self._new, self._records)
        self._verdicts = stage_verdicts(self.recipes, self._records)
        self._refuse()

    @property
    def asks(self) -> bool:
        """Whether a stage that calls a model may run."""
        return any(
            self.recipes.by(stage) == "model" and _runs(verdict) for stage, verdict in self._verdicts.items()
        )

    def run(self, ask: Ask, watch: Watch) -> Built:
        """Run the build. Raises `HarnessError`; finished stages are kept."""
        steps: list[BuildStep] = []
        report = read_report(self._study.folder)
        half_seen: list[str] = []
        for stage in STAGES:
            watch.began(stage)
            step = self._brought(stage, ask)
            report, results = self._gated(stage, report)
            half_seen += [one.gate for one in results if later(stage) & one.inputs.keys()]
            steps.append(replace(step, gates=results))
            watch.done(steps[-1])
            stopped = _failed(results)
            if stopped is not None:
                return Built(tuple(steps), report, stopped)
        assert report is not None
        if half_seen:
            report = self._kept(self._asked(half_seen, report, ()), report)
        last = {one.gate: one for one in report.results}
        for one in (one for step in steps for one in step.gates if one.checks != last[one.gate].checks):
            watch.again(last[one.gate])
        steps = [replace(step, gates=tuple(last[one.gate] for one in step.gates)) for step in steps]
        return Built(tuple(steps), report, _failed([last[name] for name in half_seen]))

    # Stages

    def _refuse(self) -> None:
        raise_if_any(
            self._refusal(stage, one)
            for stage, one in self._verdicts.items()
            if one.state in (StageState.UNKNOWN, StageState.CONFLICT)
        )

    def _refusal(self, stage: str, verdict: StageVerdict) -> str:
        path = self.recipes.file(stage)
        if verdict.state is StageState.UNKNOWN:
            return (
                f"Stage {stage}: {path} is there, and no build made it; expected no file. Move it away, "
                "to have it made again."
            )
        return (
            f"Stage {stage}: {path} was edited by hand, and its inputs were changed too "
            f"({'; '.join(verdict.changes)}). Put that back; or delete {path}, to have it made again."
        )

    def _brought(self, stage: str, ask: Ask) -> BuildStep:
        """The stage up to date."""
        wanted = self.recipes.wanted(stage)
        verdict = judge(self._records.get(stage), wanted, digest(self.recipes.file(stage)))
        if verdict.state in (StageState.UNKNOWN, StageState.CONFLICT):
            raise ConfigurationError(self._refusal(stage, verdict))
        if verdict.state is StageState.CURRENT:
            return BuildStep(stage, How.KEPT, self._records[stage])
        target = self.recipes.file(stage)
        if verdict.state is StageState.MENDED:
            mended = {"output": digest(target), "mended": True}
            self._records[stage] = self._records[stage].model_copy(update=mended)
            stage_ledger.write(self._study, self._records)
            return BuildStep(stage, How.MENDED, self._records[stage])
        new = self._new / FILES[stage]
        make_directory(self._new)
        told = self.recipes.make(stage, new, ask)
        record = wanted.model_copy(update={"output": digest(new)})
        stage_ledger.place(
            self._study, new, Placing(stage=stage, record=record, before=digest(target)), self._records
        )
        return BuildStep(stage, How.MADE, record, told)

    # Gates

    def _gated(self, stage: str, before: Report | None) -> tuple[Report, tuple[GateResult, ...]]:
        """Run the gates after ``stage``, without the files of later stages, which may come from other inputs."""
        hidden = later(stage)
        names = [one.name for one in GATES.values() if one.stage == stage]
        report = self._asked(names, before, hidden)
        known = {one.gate: one for one in before.results} if before else {}
        lasting = tuple(one for one in report.results if not _weaker(one, known.get(one.gate), hidden))
        return self._kept(replace(report, results=lasting), before), report.results

    def _asked(self, names: Sequence[str], before: Report | None, hidden: Collection[str]) -> Report:
        return run_gates(
            self._study.folder,
            self._profile,
            self._schema,
            schema_name=self._plan.schema_map,
            gates=names,
            before=before,
            hidden=hidden,
        )

    def _kept(self, report: Report, before: Report | None) -> Report:
        found = merged(report, before)
        write_report(found, self._study.folder)
        return found


def build_problems(study: Study) -> list[str]:
    """Why the files of a study with a plan must not be simulated: stages out of date, gates that FAIL.

    Empty for a study without a plan. Raises `HarnessError`.
    """
    plan, report = read(study), read_report(study.folder)
    if plan is None:
        return []
    found = [
        f"Stage {stage}: {verdict.state}."
        for stage, verdict in stage_verdicts(Recipes(study, plan), stage_ledger.read(study)).items()
        if verdict.state is not StageState.CURRENT
    ]
    results = report.results if report else ()
    return found + [
        f"Gate {one.gate} after {one.stage}: FAIL."
        for one in results
        if one.stage in STAGES and one.level is Level.FAIL
    ]


def later(stage: str) -> set[str]:
    """The files of later stages."""
    return {FILES[one] for one in STAGES[STAGES.index(stage) + 1 :]}


def _weaker(now: GateResult, before: GateResult | None, hidden: Collection[str]) -> bool:
    """Whether ``now`` clears a FAIL only because it did not check the earlier fault."""
    unseen = now.inputs.keys() & hidden
    return (
        before is not None
        and before.level is Level.FAIL
        and now.level is not Level.FAIL
        and any(before.inputs.get(name) for name in unseen)
    )


def _runs(verdict: StageVerdict) -> bool:
    return verdict.state in (StageState.MISSING, StageState.STALE)


def _failed(results: Sequence[GateResult]) -> GateResult | None:
    return next((one for one in results if one.level is Level.FAIL), None)


def status_lines(place: Study) -> Iterator[str]:
    """Each stage of a study with a pipeline, its state, and the last verdicts of its gates."""
    plan = read(place)
    if plan is None:
        return
    records, report = stage_ledger.read(place), read_report(place.folder)
    said: dict[str, Any] = {}
    for result in report.results if report else ():
        said.setdefault(result.stage, []).append(f"{result.gate} {result.level}")
    for stage, verdict in stage_verdicts(Recipes(place, plan), records).items():
        by = made_by(records[stage]) if stage in records else ""
        yield f"{stage:<10}{verdict.state.value:<24}{by:<22.21}{'  '.join(said.get(stage, ()))}".rstrip()


def made_by(record: Record) -> str:
    if record.mended:
        return "hand, mended"
    return {"hand": "hand", "rule": "–"}.get(record.by, str(record.model))
