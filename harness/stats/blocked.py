"""The primary analysis: the difference blocked by panel × proposal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from harness.model import Dataset, Observation
from harness.stats.results import FIXED_SET, GENERALISING, Estimate
from harness.stats.student import one_sample

METHOD = "paired t on block differences"
UNIT = "blocks (panel × proposal)"
ENOUGH_LEVELS = 5
"""Fewer panels or proposals do not support a claim about others."""


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

    @property
    def complete(self) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.complete)

    @property
    def differences(self) -> list[float]:
        """The difference in each complete block."""
        return [block.difference for block in self.complete]

    @property
    def cells(self) -> list[tuple[float, ...]]:
        """The trial means of each arm of each complete block."""
        return [cell for block in self.complete for cell in (block.control, block.treatment)]

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
        text = (
            f"{self.missing_scores} of {self.scores} scores are missing ({self.missing_trials} of "
            f"{self.trials} trials whole); blocks are means of what was obtained"
        )
        out = [f"panel {b.panel} × proposal {b.proposal}" for b in self.blocks if not b.complete]
        few = ", ".join(out[:3]) + (f" and {len(out) - 3} more" if len(out) > 3 else "")
        return f"{text}; left out because an arm is missing: {few}" if out else text


def layout(dataset: Dataset, metric: str, control: str, treatment: str) -> Layout:
    """The blocks of ``metric`` in two arms, whatever the order of observations and reps."""
    arms = {arm: _trial_means(dataset.of(metric, arm)) for arm in (control, treatment)}
    keys = sorted({trial[2:] for arm in arms.values() for trial in arm})
    blocks = tuple(Block(*key, _of(arms[control], key), _of(arms[treatment], key)) for key in keys)
    found = [one for arm in (control, treatment) for one in dataset.of(metric, arm)]
    means = [mean for arm in arms.values() for mean in arm.values()]
    return Layout(
        blocks,
        scores=len(found),
        missing_scores=sum(one.value is None for one in found),
        trials=len(means),
        missing_trials=sum(mean is None for mean in means),
        unplaced=tuple(arm for arm in (control, treatment) if dataset.unplaced.get((metric, arm))),
    )


def blocked(found: Layout, confidence: float = 0.95) -> Estimate:
    """The fixed-set difference: mean over blocks of the difference of arms, with blocks − 1 degrees of freedom.

    Each block has the same weight, however many of its trials finished. Block × arm variance counts as error, so the
    test is conservative for these blocks alone.
    Source: Cox & Reid, The Theory of the Design of Experiments (2000), §3.4; Yates (1935) on blocks as the error.
    """
    asked = Estimate(METHOD, FIXED_SET, UNIT, len(found.complete), note=found.note())
    answer = one_sample(asked, found.differences, confidence)
    if found.unplaced:
        return replace(answer, reason=found.note(), note=None)
    if answer.n >= 2 and answer.se is None:
        same = f"the difference is {answer.difference:.4g} in each of {answer.n} blocks"
        return replace(answer, reason=f"{same}: without spread there is neither a test nor an interval")
    return answer


def generalising(found: Layout) -> Estimate:
    """Why nothing is claimed for other personas and proposals: that needs random slopes, and enough levels."""
    panels = len({block.panel for block in found.complete})
    proposals = len({block.proposal for block in found.complete})
    levels = f"{panels} panel{'s' * (panels != 1)} and {proposals} proposal{'s' * (proposals != 1)}"
    few = min(panels, proposals) < ENOUGH_LEVELS
    why = "are too few levels" if few else "are levels enough, but random slopes are not fitted here"
    return Estimate(
        method="random slopes of persona, panel and proposal",
        estimand=GENERALISING,
        unit="panels and proposals",
        n=min(panels, proposals),
        reason=f"not estimable: {levels} {why}; more repetitions will not help; add panels or proposals",
    )


def _trial_means(observations: Iterable[Observation]) -> Mapping[tuple[str, int, int, int], float | None]:
    scores: dict[tuple[str, int, int, int], list[float]] = defaultdict(list)
    for one in observations:
        kept = scores[one.trial]
        if one.value is not None:
            kept.append(one.value)
    return {trial: fmean(values) if values else None for trial, values in scores.items()}


def _of(means: Mapping[tuple[str, int, int, int], float | None], block: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(mean for trial, mean in sorted(means.items()) if trial[2:] == block and mean is not None)
