"""Compares two effects by a margin, and finds how many trials would settle the comparison."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from harness.stats.blocked import Layout
from harness.stats.results import Estimate, Interval, Quantity
from harness.stats.student import critical, interval, variance
from harness.stats.within import pooled_variance

MOST_REPS = 10_000


@dataclass(frozen=True, slots=True)
class Known:
    """An effect whose error is known: difference, standard error, degrees of freedom."""

    difference: float
    se: float
    df: float

    @classmethod
    def of(cls, estimate: Estimate) -> Known | None:
        if estimate.difference is None or estimate.se is None or estimate.df is None:
            return None
        return cls(estimate.difference, estimate.se, estimate.df)

    def interval(self, level: float) -> Interval:
        return interval(self.difference, self.se, self.df, level)

    def less(self, other: Known) -> Known:
        """self − other, of independent data; degrees of freedom after Welch (1947) and Satterthwaite (1946)."""
        se = math.hypot(self.se, other.se)
        df = se**4 / (self.se**4 / self.df + other.se**4 / other.df)
        return Known(self.difference - other.difference, se, df)


@dataclass(frozen=True, slots=True)
class MarginQuestion:
    """A new and an original effect, and the margin set beforehand. ``null``: the original is not significant at .05."""

    new: Known
    original: Known
    delta: float

    @property
    def null(self) -> bool:
        found = self.original.interval(0.95)
        return found.low <= 0 <= found.high

    @property
    def same_sign(self) -> bool:
        return self.new.difference * self.original.difference > 0

    @property
    def inner(self) -> Known:
        """What must lie inside the margin: D, or the new effect itself where the original shows none."""
        return self.new if self.null else self.new.less(self.original)

    def verdict(self, verdicts: int = 1) -> tuple[str, str]:
        """The verdict and the sentence that says why, adjusted for ``verdicts`` (Bonferroni)."""
        inside, outside = levels(verdicts)
        what = "the new effect" if self.null else "D"
        near = self.inner.interval(inside)
        far = self.new.less(self.original).interval(outside)
        if far.low > self.delta or far.high < -self.delta:
            return "inconsistent", f"the {shown(far)} of D lies wholly outside ±{self.delta:g}"
        if not (-self.delta < near.low and near.high < self.delta):
            return "inconclusive", f"the {shown(near)} of {what} is not inside ±{self.delta:g}"
        if not self.null and not self.same_sign:
            return "inconclusive", f"the {shown(near)} of D is inside ±{self.delta:g}, but the signs differ"
        why = "; the original shows no effect" if self.null else ", and the signs agree"
        return "consistent", f"the {shown(near)} of {what} is inside ±{self.delta:g}{why}"


def levels(verdicts: int) -> tuple[float, float]:
    """Levels of the intervals for consistent (90 % for one verdict) and inconsistent (95 %)."""
    return 1 - 0.10 / verdicts, 1 - 0.05 / verdicts


def shown(found: Interval) -> str:
    return f"{100 * found.level:.4g} % CI [{found.low:.2f}, {found.high:.2f}]"


def trials_needed(question: MarginQuestion, new: Layout, verdicts: int = 1) -> Quantity:
    """New trials per arm, by more reps of the same blocks, at which the D now seen would settle the verdict.

    More reps reduce the variance between reps, but not block × arm variance or the original's error. ``None`` with a
    reason where no number of reps settles it, or where one rep does not let the two be separated.
    """
    d = question.new.less(question.original).difference
    blocks = len(new.complete)
    between, _ = pooled_variance(new.cells)
    if between is None or blocks < 2:
        return Quantity(None, reason="needs two reps and two blocks to estimate the effect of more reps")
    inside, outside = levels(verdicts)
    if abs(d) >= question.delta:
        room, level, own = abs(d) - question.delta, outside, False
    else:
        room, level, own = question.delta - abs(question.inner.difference), inside, question.null
    if not question.null and not question.same_sign and abs(d) < question.delta:
        return Quantity(
            None, reason="the signs differ within the margin; more trials at this D do not change that"
        )
    fixed = max(0.0, variance(new.block_differences) - between * new.reciprocal_reps)

    def settled(reps: float) -> bool:
        se = math.sqrt((fixed + 2 * between / reps) / blocks)
        found = Known(0.0, se, blocks - 1)
        found = found if own else found.less(question.original)
        return found.se * critical(found.df, level) < room

    if room <= 0:
        why = "the new effect is outside the margin, its difference from an original of none is not"
        return Quantity(None, reason=f"{why}; more trials at these values do not change that")
    if not settled(MOST_REPS):
        why = "block × arm variance" if own else "the original's own error and block × arm variance"
        return Quantity(None, reason=f"no number of reps settles it: {why} would remain")
    reps = 1 + bisect_left(range(1, MOST_REPS), True, key=settled)
    return Quantity(float(reps * blocks))
