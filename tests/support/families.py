"""Many experiments of one design, without an effect or with a planted one, analysed as a run is: which p are small?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from harness.model import Contrast, Dataset, Observation, factorial
from harness.model.contrast import CONTROL, Contrasts
from harness.stats import analyse
from harness.stats.results import ALPHA, Analysis

BLOCKS, REPS = 12, 2
BLOCK_SD, BLOCK_ARM_SD, TRIAL_SD = 1.5, 0.4, 1.0
TWO = ("Control", "Treatment")
FIVE = ("Control", "A", "B", "C", "D")
TREND = Contrast("trend", {"A": -1.5, "B": -0.5, "C": 0.5, "D": 1.5})
NAMED: Contrasts = (("A", "Control"), ("B", "A"), TREND)
CROSSED = {
    arm.name: dict(arm.factors)
    for arm in factorial(tone={"warm": {}, "cold": {}}, length={"free": {}, "short": {}})
}


@dataclass(frozen=True)
class Design:
    """Arms and what is compared; the family that counts is the factors' ``effects``, or the compared arms."""

    name: str
    groups: tuple[str, ...]
    contrasts: Contrasts = CONTROL
    factors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    effects: bool = False
    metrics: int = 2
    between: bool = False


DESIGNS = (
    Design("A/A, two arms", TWO),
    Design("2 × 2, effects of the factors", tuple(CROSSED), factors=CROSSED, effects=True),
    Design("five arms, each against the first", FIVE),
    Design("five arms, every pair", FIVE, "pairs"),
    Design("five arms, named contrasts", FIVE, NAMED),
    Design("between personas, two arms", TWO, between=True),
    Design("between personas, 2 × 2", tuple(CROSSED), factors=CROSSED, effects=True, between=True),
)

INTERACTION = "tone × length: cold, short"


def interaction(points: float) -> dict[str, float]:
    """Shifts of the arms of the 2 × 2 that make an interaction of so many points and no main effect."""
    signs = {"warm-free": 1, "warm-short": -1, "cold-free": -1, "cold-short": 1}
    return {arm: sign * points / 4 for arm, sign in signs.items()}


def tests_of(analysis: Analysis, design: Design) -> Iterator[tuple[str, float | None, float | None]]:
    """Name, p and adjusted p of every test in the family."""
    if design.effects:
        yield from ((one.name, one.estimate.p, one.p_adjusted) for one in analysis.effects)
        return
    yield from ((one.contrast, one.primary.p, one.p_adjusted) for one in analysis.comparisons)
    yield from ((one.name, one.estimate.p, one.p_adjusted) for one in analysis.contrasts)


@dataclass(frozen=True)
class Found:
    """Of ``runs`` experiments: those with a small adjusted p among the true nulls.

    ``raw`` is the share of small p-values among the true nulls before adjustment, ``power`` that of small adjusted ones
    among the tests of what was planted.
    """

    runs: int
    false: int
    raw: float
    power: float | None


def simulate(
    design: Design,
    runs: int,
    seed: int,
    *,
    spread: Mapping[str, float] | None = None,
    shifts: Mapping[str, float] | None = None,
    planted: str = "",
) -> Found:
    """``spread`` multiplies an arm's trial SD, ``shifts`` moves its mean; ``planted`` names what that plants."""
    rng = np.random.default_rng([seed, len(design.groups), len(design.name)])
    false = small = tests = 0
    found: list[bool] = []
    for _ in range(runs):
        data = drawn(design, rng, spread or {}, shifts or {})
        every = list(tests_of(analyse(data, with_secondary=False), design))
        nulls = [one for one in every if one[0] != planted]
        false += any(p is not None and p <= ALPHA for _, _, p in nulls)
        found += [p is not None and p <= ALPHA for name, _, p in every if name == planted]
        small += sum(p is not None and p <= ALPHA for _, p, _ in nulls)
        tests += len(nulls)
    return Found(runs, false, small / tests, sum(found) / len(found) if found else None)


def drawn(
    design: Design, rng: np.random.Generator, spread: Mapping[str, float], shifts: Mapping[str, float]
) -> Dataset:
    """One experiment: block, block × arm and trial, all normal; the metrics are independent.

    Between personas each arm has blocks of its own.
    """
    names = tuple(f"m{number}" for number in range(design.metrics))
    found = []
    for metric in names:
        blocks = rng.normal(0, BLOCK_SD, BLOCKS)
        for number, arm in enumerate(design.groups):
            if design.between:
                blocks = rng.normal(0, BLOCK_SD, BLOCKS)
            first = number * BLOCKS if design.between else 0
            level = blocks + shifts.get(arm, 0.0) + rng.normal(0, BLOCK_ARM_SD, BLOCKS)
            trials = level[:, None] + rng.normal(0, TRIAL_SD * spread.get(arm, 1.0), (BLOCKS, REPS))
            found += [
                Observation(metric, arm, rep + 1, first + block, 0, None, float(trials[block, rep]))
                for block, rep in product(range(BLOCKS), range(REPS))
            ]
    return Dataset(
        "e",
        design.groups,
        names,
        tuple(found),
        "r",
        factors=design.factors,
        contrasts=design.contrasts,
        between=design.between,
    )
