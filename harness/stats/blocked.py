"""The primary analysis: the difference blocked by panel × proposal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean

from harness.model import Dataset, Observation
from harness.model.observation import is_answer_without_number
from harness.stats.results import Estimate
from harness.stats.units import Units, mean_of_units

Trials = Mapping[tuple[int, int], tuple[float, ...]]
"""Block → the means of its trials in one arm, in the order of reps."""


@dataclass(frozen=True, slots=True)
class Block:
    """One panel on one proposal: the mean over persons of each trial, by arm."""

    panel: int
    proposal: int
    control: tuple[float, ...]
    treatment: tuple[float, ...]

    @property
    def complete(self) -> bool:
        return bool(self.control and self.treatment)

    @property
    def difference(self) -> float:
        """Mean of the treatment's trial means − mean of the control's. The block must be complete."""
        return fmean(self.treatment) - fmean(self.control)


@dataclass(frozen=True, slots=True)
class Layout:
    """The scores of one metric in two arms: blocks in the design's order, and what is missing."""

    blocks: tuple[Block, ...]
    scores: int
    missing_scores: int
    trials: int
    missing_trials: int
    unplaced: tuple[str, ...] = ()
    """Arms whose values came from unknown trials."""
    units: Units = field(default_factory=Units)
    opted_out: int = 0
    """Missing scores of personas who answered without a number, or were not asked."""

    @property
    def complete(self) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.complete)

    @property
    def by_unit(self) -> Mapping[int, float]:
        """Panel → the mean difference over its complete blocks, where a panel is a persona; else block by block."""
        if not self.units.by_persona:
            return dict(enumerate(block.difference for block in self.complete))
        found: dict[int, list[float]] = defaultdict(list)
        for block in self.complete:
            found[block.panel].append(block.difference)
        return {panel: fmean(values) for panel, values in found.items()}

    @property
    def differences(self) -> list[float]:
        """The difference of each unit: of each complete block, or of each persona over its blocks."""
        return list(self.by_unit.values())

    @property
    def block_differences(self) -> list[float]:
        """The difference of each complete block, whatever the unit."""
        return [block.difference for block in self.complete]

    @property
    def cells(self) -> list[tuple[float, ...]]:
        """The trial means of each arm of each complete block."""
        return [cell for block in self.complete for cell in (block.control, block.treatment)]

    @property
    def repeats(self) -> bool:
        """Whether an arm of a complete block has two trials or more."""
        return any(len(cell) > 1 for cell in self.cells)

    @property
    def reciprocal_reps(self) -> float:
        """The mean over complete blocks of 1 / trials of control + 1 / trials of treatment."""
        return 2 * fmean(1 / len(cell) for cell in self.cells)

    def note(self) -> str | None:
        """What is missing and how it is handled; ``None`` if nothing is."""
        if self.unplaced:
            arms = " and ".join(self.unplaced)
            return f"the places of {arms}'s scores in the design are not known, so they are in no block"
        if not self.missing_scores:
            return None
        gone = f"{self.missing_scores} of {self.scores} scores are missing"
        if self.opted_out:
            gone += f", {self.opted_out} of them because a persona opted out or was not asked"
        out = [f"panel {b.panel} × proposal {b.proposal}" for b in self.blocks if not b.complete]
        if self.units.by_persona:
            return f"{gone}; {len(out)} answers that an arm lacks are left out of both" if out else gone
        text = f"{gone} ({self.missing_trials} of {self.trials} trials whole); blocks are means of what was obtained"
        few = ", ".join(out[:3]) + (f" and {len(out) - 3} more" if len(out) > 3 else "")
        return f"{text}; left out because an arm is missing: {few}" if out else text


def layout(dataset: Dataset, metric: str, control: str, treatment: str) -> Layout:
    """The blocks of ``metric`` in two arms, whatever the order of observations and reps."""
    arms = {arm: _trial_means(dataset.of(metric, arm)) for arm in (control, treatment)}
    by_block = {arm: _by_block(means) for arm, means in arms.items()}
    keys = sorted({trial[2:] for means in arms.values() for trial in means})
    blocks = tuple(
        Block(*key, by_block[control].get(key, ()), by_block[treatment].get(key, ())) for key in keys
    )
    found = [one for arm in (control, treatment) for one in dataset.of(metric, arm)]
    means = [mean for arm in arms.values() for mean in arm.values()]
    return Layout(
        blocks,
        scores=len(found),
        missing_scores=sum(one.value is None for one in found),
        trials=len(means),
        missing_trials=sum(mean is None for mean in means),
        unplaced=tuple(arm for arm in (control, treatment) if dataset.unplaced.get((metric, arm))),
        units=Units.of(dataset),
        opted_out=sum(is_answer_without_number(one.reason) for one in found),
    )


def blocked(found: Layout, confidence: float = 0.95) -> Estimate:
    """The difference within units: the mean of one difference per block or persona, with units − 1 degrees of freedom.

    Each unit has the same weight, however many of its trials finished, unless personas have weights (`mean_of_units`).
    Unit × arm variance counts as error, so the test is conservative for these units alone.
    Source: Cox & Reid, The Theory of the Design of Experiments (2000), §3.4; Yates (1935) on blocks as the error.
    """
    units, differences = found.units, found.by_unit
    asked = Estimate(
        units.method("differences"), units.claim, units.noun, len(differences), note=found.note()
    )
    answer = mean_of_units(asked, differences, units, confidence)
    if found.unplaced:
        return replace(answer, reason=found.note(), note=None)
    if answer.n >= 2 and answer.se is None:
        each = f"of {answer.n} {'personas' if units.by_persona else 'blocks'}"
        same = f"the difference is {answer.difference:.4g} in each {each}"
        return replace(answer, reason=f"{same}: without spread there is neither a test nor an interval")
    return answer


def _trial_means(observations: Iterable[Observation]) -> Mapping[tuple[str, int, int, int], float | None]:
    scores: dict[tuple[str, int, int, int], list[float]] = defaultdict(list)
    for one in observations:
        kept = scores[one.trial]
        if one.value is not None:
            kept.append(one.value)
    return {trial: fmean(values) if values else None for trial, values in scores.items()}


def _by_block(means: Mapping[tuple[str, int, int, int], float | None]) -> Trials:
    """The trial means of one arm by block, gathered in one pass."""
    found: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
    for (_, rep, panel, proposal), mean in means.items():
        if mean is not None:
            found[panel, proposal].append((rep, mean))
    return {block: tuple(mean for _, mean in sorted(trials)) for block, trials in found.items()}
