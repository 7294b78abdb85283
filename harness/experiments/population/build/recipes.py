"""How a build makes each stage: its options, inputs and maker, and the fixes if its gate FAILs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.experiments.population.gates import GateResult
from harness.experiments.population.gates.stages import FILES, MADE_FROM, upstream
from harness.experiments.population.build.pipeline import BY_HAND, STAGES, Pipeline, by_hand
from harness.experiments.population.build.stage_ledger import Record, digest
from harness.batches.study_layout import Study
from harness.experiments.population.build import stages
from harness.experiments.population.build.stages import Ask, StageSummary

if TYPE_CHECKING:
    from harness.gateway.prices import Overrides

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "spec": ("population", "size"),
    "extend": ("event",),
    "sample": ("seed",),
    "network": ("seed",),
    "persona": (),
    "scenario": ("event", "steps"),
    "estimate": ("seed", "model", "threshold", "chunk_size"),
}
"""The options of the plan that a stage depends on; if a model writes it, model and seed too."""
OPTIONS_BY_HAND = {"spec": ("size",), "extend": ("size",)}
WRITTEN_BY_MODEL = ("spec", "extend", "persona", "scenario")
"""Used without a hand-written file."""
DEFAULT_STEPS = 10


@dataclass(frozen=True, slots=True)
class Fix:
    """A fix, and the stages that run again after it."""

    what: str
    reruns: tuple[str, ...]


class Recipes:
    """The recipes of one study and plan. ``prices`` are the user's own, with their file."""

    def __init__(self, study: Study, plan: Pipeline, prices: tuple[Path, Overrides] | None = None) -> None:
        self._study, self._plan, self._prices = study, plan, prices
        self._hand = by_hand(study)

    def file(self, stage: str) -> Path:
        """The file that it writes."""
        return self._study.folder / FILES[stage]

    def by(self, stage: str) -> Any:
        """Its maker: ``hand``, ``model`` or ``rule``."""
        if stage not in WRITTEN_BY_MODEL:
            return "rule"
        return "hand" if stage in self._hand else "model"

    def wanted(self, stage: str, unsure: Collection[str] = ()) -> Record:
        """Its record if it ran now, without the hash of its file and without inputs of stages ``unsure``."""
        names = [FILES[one] for one in MADE_FROM[stage] if one not in unsure]
        names += [BY_HAND[stage]] if stage in BY_HAND else []
        model = self._plan.model if self.by(stage) == "model" else None
        return Record(
            options=self._options(stage),
            inputs={name: digest(self._study.folder / name) or "" for name in names},
            output="",
            by=self.by(stage),
            model=model,
            rehearsal=model is not None and model.partition(":")[0] == "rehearsal",
        )

    def _names(self, stage: str) -> tuple[str, ...]:
        by = self.by(stage)
        names = OPTIONS_BY_HAND.get(stage, ()) if by == "hand" else OPTIONS[stage]
        return names + (("seed", "model", "base_url") if by == "model" else ())

    def _options(self, stage: str) -> dict[str, Any]:
        found = {name: getattr(self._plan, name) for name in self._names(stage)}
        return found | ({"prices": digest(self._prices[0])} if stage == "estimate" and self._prices else {})

    def make(self, stage: str, out: Path, ask: Ask) -> StageSummary:
        """Write the stage's file to ``out``. Raises `HarnessError`."""
        maker: Callable[[Path, Ask], StageSummary] = getattr(self, f"_{stage}")
        return maker(out, ask)

    def _spec(self, out: Path, ask: Ask) -> StageSummary:
        plan = self._plan
        return stages.make_spec(
            out, ask, description=plan.population or "", size=plan.size, by_hand=self._hand.get("spec")
        )

    def _extend(self, out: Path, ask: Ask) -> StageSummary:
        hand, plan = self._hand.get("extend"), self._plan
        size = plan.size if hand else None
        return stages.extend(self.file("spec"), out, ask, scenario=plan.event or "", size=size, by_hand=hand)

    def _sample(self, out: Path, _ask: Ask) -> StageSummary:
        return stages.sample(self.file("extend"), out, seed=self._plan.seed)

    def _network(self, out: Path, _ask: Ask) -> StageSummary:
        return stages.network(
            self.file("sample"), out, config=self._hand.get("network"), seed=self._plan.seed
        )

    def _persona(self, out: Path, ask: Ask) -> StageSummary:
        return stages.persona(self.file("extend"), out, ask, by_hand=self._hand.get("persona"))

    def _scenario(self, out: Path, ask: Ask) -> StageSummary:
        keys = {"population_spec": "extend", "agents_file": "sample", "network_file": "network"}
        return stages.scenario(
            self.file("extend"),
            out,
            ask,
            named={key: FILES[stage] for key, stage in keys.items()},
            description=self._plan.event or "",
            steps=self._plan.steps or DEFAULT_STEPS,
            by_hand=self._hand.get("scenario"),
        )

    def _estimate(self, out: Path, _ask: Ask) -> StageSummary:
        from harness.experiments.population.simulation.simulation import SimulationOptions

        plan = self._plan
        options = SimulationOptions(plan.seed, plan.threshold, plan.chunk_size, plan.model)
        return stages.estimate(self.file("scenario"), out, options, self._prices[1] if self._prices else None)

    # After a FAIL

    def fixes(self, failed: GateResult) -> list[Fix]:
        """Possible fixes, smallest first: files of the stages that the gate checked, and options."""
        looked_at = {stage for stage in STAGES if failed.inputs.get(FILES[stage])}
        found: dict[str, Collection[str]] = {}
        for stage in (one for one in reversed(STAGES) if one in upstream(failed.stage) | looked_at):
            if stage in self._hand:
                found[f"change {self._hand[stage]}"] = [stage]
            elif stage == "network":
                found[f"write {self._study.folder / BY_HAND[stage]}"] = [stage]
            if self.by(stage) != "hand":
                after = [one for one in STAGES if stage in MADE_FROM[one]]
                found[f"mend {self.file(stage)} by hand"] = after
            for name in set(self._names(stage)) - {"model", "base_url"}:
                readers = [one for one in STAGES if name in self._names(one)]
                found[f"another --{name.replace('_', '-')}"] = readers
        every = [
            Fix(what, tuple(stage for stage in STAGES if upstream(stage) & set(changed)))
            for what, changed in found.items()
        ]
        return sorted(every, key=lambda one: (len(one.reruns), one.what))
