"""The same difference as the primary one, with the spread between reps of a block as its error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from harness.stats.blocked import Layout
from harness.stats.results import FIXED_SET, Estimate
from harness.stats.student import variance, with_t_interval


def within_blocks(found: Layout, confidence: float = 0.95) -> Estimate:
    """Mean of block differences; error pooled over trials of the same block and arm (two-way ANOVA, Fisher 1925).

    Degrees of freedom are the trials less the block × arm cells. For the fixed set alone it is exact where the
    spread is equal in all cells; it says nothing beyond these blocks, and needs two reps or more.
    """
    asked = Estimate("t on reps within blocks", FIXED_SET, "trials", sum(map(len, found.cells)))
    pooled, df = pooled_variance(found.cells)
    if pooled is None:
        return replace(asked, reason="needs 2 or more trials of the same block and arm; there are none")
    se = math.sqrt(pooled * found.reciprocal_reps / len(found.complete))
    return with_t_interval(asked, fmean(found.block_differences), se, df, confidence)


def pooled_variance(cells: Sequence[Sequence[float]]) -> tuple[float | None, int]:
    """Variance within ``cells`` and its degrees of freedom; ``None`` where no cell has two values."""
    df = sum(len(cell) - 1 for cell in cells)
    if df < 1:
        return None, 0
    return math.fsum(variance(cell) * (len(cell) - 1) for cell in cells if len(cell) > 1) / df, df
