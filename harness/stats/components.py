"""Variance components of scores: trials, personas, block × arm, and residual."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import HarnessError
from harness.model import Dataset, Observation
from harness.stats.blocked import layout
from harness.stats.student import variance
from harness.stats.within import pooled_variance

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Components:
    """Variances, in squared points. ``block_arm`` is the variance of the true difference over blocks.

    ``residual`` is that of one persona's score in one trial; 0 where a metric has one score per trial, whose variance
    within a block is then all ``trial``. ``notes`` name components that were estimated below 0 and set to 0.
    """

    trial: float
    person: float
    block_arm: float
    residual: float
    notes: tuple[str, ...] = ()

    def of_trial(self, people: int) -> float:
        """Variance of the mean of one trial with ``people`` personas, around its block and arm."""
        return self.trial + self.residual / max(people, 1)

    def of_difference(self, reps: float, people: int) -> float:
        """Variance of one block's difference with ``reps`` trials in each arm."""
        return self.block_arm + 2 * self.of_trial(people) / reps


class Sizes(NamedTuple):
    """A design: ``reps`` per arm of each block, and ``people`` per panel (0: one score per trial)."""

    reps: int
    panels: int
    proposals: int
    people: int

    @property
    def blocks(self) -> int:
        return self.panels * self.proposals

    @property
    def trials(self) -> int:
        """Per arm."""
        return self.blocks * self.reps


def observed(dataset: Dataset, metric: str, treatment: str) -> Components:
    """The components of ``metric`` in the first group and ``treatment``, by the method of moments (ANOVA).

    Exact expectations when nothing is missing; with missing scores, mean reciprocal numbers stand for the sizes.
    Raises `HarnessError` when no block and arm has two trials, or there are fewer than two blocks.
    """
    arms = (dataset.groups[0], treatment)
    found = layout(dataset, metric, *arms)
    between, _ = pooled_variance(found.cells)
    if between is None or len(found.complete) < 2:
        few = f"{len(found.complete)} blocks with both arms, {'no' if between is None else 'some'} cell with two trials"
        raise HarnessError(
            f"{metric} of {dataset.experiment}: {found.note() if found.unplaced else few}; expected two blocks and "
            "two reps or more, without which the variances cannot be separated. Run more, or choose another metric."
        )
    kept = [one for arm in arms for one in dataset.of(metric, arm) if one.value is not None]
    residual, person = _of_persons(kept)
    per_trial = fmean(1 / n for n in Counter(one.trial for one in kept).values()) if residual else 0.0
    trial = between - residual * per_trial
    block_arm = variance(found.block_differences) - between * found.reciprocal_reps
    return _above_zero(trial=trial, person=person, block_arm=block_arm, residual=residual)


def sizes(dataset: Dataset, metric: str) -> Sizes:
    """The design that ``dataset`` expected of ``metric``."""
    expected = list(dataset.of(metric))
    people = [len({o.person for o in found if o.person}) for found in _by_panel(expected)]
    return Sizes(
        reps=len({one.rep for one in expected}),
        panels=len(people),
        proposals=len({one.proposal for one in expected}),
        people=max(people, default=0),
    )


def _above_zero(**found: float) -> Components:
    below = tuple(
        f"{name.replace('_', ' × ')} variance estimated at {value:.3g}, taken as 0"
        for name, value in found.items()
        if value < 0
    )
    return Components(**{name: max(0.0, value) for name, value in found.items()}, notes=below)


def _by_panel(found: Sequence[Observation]) -> list[list[Observation]]:
    panels: dict[int, list[Observation]] = {}
    for one in found:
        panels.setdefault(one.panel, []).append(one)
    return [panels[panel] for panel in sorted(panels)]


def _of_persons(kept: Sequence[Observation]) -> tuple[float, float]:
    """Residual and persona variance, from the additive fit of trials and personas in each panel."""
    if all(one.person is None for one in kept):
        return 0.0, 0.0
    fits = [_additive(found) for found in _by_panel(kept)]
    df = sum(fit.df for fit in fits)
    if df < 1:
        return 0.0, 0.0
    residual = math.fsum(fit.squares for fit in fits) / df
    spreads = [variance(fit.persons) - residual * fit.reciprocal for fit in fits if len(fit.persons) > 1]
    return residual, fmean(spreads) if spreads else 0.0


class _Fit(NamedTuple):
    """Sum of squares that remain, its degrees of freedom, the personas' effects, and the mean of 1 / their trials."""

    squares: float
    df: int
    persons: list[float]
    reciprocal: float


def _additive(kept: Sequence[Observation]) -> _Fit:
    import numpy as np

    trials = {trial: place for place, trial in enumerate(sorted({one.trial for one in kept}))}
    persons = {name: place for place, name in enumerate(sorted({str(one.person) for one in kept}))}
    design = np.zeros((len(kept), len(trials) + len(persons)))
    for row, one in enumerate(kept):
        design[row, trials[one.trial]] = design[row, len(trials) + persons[str(one.person)]] = 1
    values = np.array([one.value for one in kept], dtype=float)
    effects, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    rest: np.ndarray = values - design @ effects
    counts = design[:, len(trials) :].sum(axis=0)
    return _Fit(
        float(rest @ rest),
        len(kept) - int(rank),
        [float(effect) for effect in effects[len(trials) :]],
        float((1 / counts).mean()),
    )
