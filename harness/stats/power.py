"""The power of a design, and the sizes that a wanted power needs."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.stats.components import Components, Sizes
from harness.stats.counts import Count
from harness.stats.results import ALPHA, Interval
from harness.stats.simulation import blocked_many, simulate
from harness.stats.student import rejection

if TYPE_CHECKING:
    import numpy as np

RUNS = 2000
MOST = 1000
"""The largest number of reps, personas per panel or proposals considered."""
_AT_ONCE = 2_000_000
"""Scores per arm simulated at once: 16 MB."""


@dataclass(frozen=True, slots=True)
class Power:
    """The share of simulated experiments whose primary p was at most ``alpha``, with its Monte-Carlo 99 % interval.

    ``limit`` is the power of infinitely many reps of the same blocks.
    """

    power: float
    interval: Interval
    runs: int
    effect: float
    design: Sizes
    limit: float
    alpha: float = ALPHA


@dataclass(frozen=True, slots=True)
class Lever:
    """One size of the design, the others unchanged. ``needed`` is ``None`` with a reason where no number is enough.

    ``power`` is the simulated power of ``needed``, ``limit`` the one that infinite growth of this size would reach.
    """

    name: str
    now: int
    needed: int | None
    power: Power | None
    limit: float
    reason: str | None = None


def power(
    components: Components,
    effect: float,
    design: Sizes,
    runs: int = RUNS,
    rng: np.random.Generator | None = None,
) -> Power:
    """Power of the primary analysis for a true difference of ``effect`` points, by ``runs`` simulated experiments.

    Scores are simulated with personas, trials, block × arm and residual, and analysed as `blocked` does. Without
    ``rng`` the generator has seed 0. Raises `ValueError` for fewer than two blocks, or a size below 1.
    """
    import numpy as np

    if min(design[:3]) < 1 or design.people < 0 or design.blocks < 2 or runs < 1:
        raise ValueError(f"{design}, {runs} runs: expected sizes of 1 or more and two blocks or more")
    rng = rng or np.random.default_rng(0)
    size = max(1, _AT_ONCE // (design.trials * max(design.people, 1)))
    found = 0
    for start in range(0, runs, size):
        arms = simulate(components, effect, design, min(size, runs - start), rng)
        found += int(np.count_nonzero(blocked_many(*arms).p <= ALPHA))
    limit = exact_power(components, effect, design._replace(reps=0))
    return Power(found / runs, monte_carlo(found, runs), runs, effect, design, limit)


def exact_power(components: Components, effect: float, design: Sizes) -> float:
    """Power of the paired t on block differences by the noncentral t (Cohen 1988, §2.5); ``reps=0``: infinite."""
    endless = design.reps == 0
    variance = components.block_arm if endless else components.of_difference(design.reps, design.people)
    if variance == 0:
        return 1.0 if effect else 0.0
    return rejection(effect * math.sqrt(design.blocks / variance), design.blocks - 1, ALPHA)


def needed(
    components: Components,
    effect: float,
    design: Sizes,
    wanted: float = 0.8,
    runs: int = RUNS,
    seed: int = 0,
) -> tuple[Lever, ...]:
    """The least reps, personas per panel and proposals, each alone, whose power is ``wanted``.

    `exact_power` finds the size, whose power is then simulated. More reps reduce the variance of trials and replies,
    more personas that of replies alone, and only more blocks reduce block × arm variance. Another persona or proposal
    also changes what the difference is claimed for.
    """
    import numpy as np

    endless_reps = exact_power(components, effect, design._replace(reps=0))
    endless_people = exact_power(replace(components, residual=0.0), effect, design)
    limits = {"reps": endless_reps, "people": endless_people, "proposals": 1.0 if effect else ALPHA}
    if not design.people:
        del limits["people"]

    def lever(size: str, limit: float) -> Lever:
        name = "people per panel" if size == "people" else size
        now = getattr(design, size)

        def sized(number: int) -> Sizes:
            return design._replace(**{size: number})

        def enough(number: int) -> bool:
            found = sized(number)
            return found.blocks >= 2 and exact_power(components, effect, found) >= wanted

        if limit <= wanted:
            return Lever(name, now, None, None, limit, f"no number is enough: power tends to {limit:.2f}")
        if not enough(MOST):
            return Lever(name, now, None, None, limit, f"more than {MOST}")
        least = 1 + bisect_left(range(1, MOST), True, key=enough)
        found = power(components, effect, sized(least), runs, np.random.default_rng(seed))
        return Lever(name, now, least, found, limit)

    return tuple(lever(size, limit) for size, limit in limits.items())


def monte_carlo(events: int, runs: int, level: float = 0.99) -> Interval:
    """Clopper–Pearson bounds of a simulated share."""
    found = Count(events, runs).interval(level)
    assert found is not None  # only 0 of 0 has no interval
    return found
