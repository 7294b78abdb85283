"""One item of one side compared with people's answers: distances, their yardstick, and a verdict by a stated rule."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.stats.human_comparison.answers import AnswerMean, AnswerSample, AnswerScale, weighted_mean
from harness.stats.human_comparison.distances import AnswerGrid, kendall
from harness.stats.human_comparison.noise import (
    DRAWS,
    PeopleAgainstPeople,
    majority_distance,
    people_against_people,
    spread_ratio,
    uniform_distance,
)
from harness.stats.results import Interval, Quantity
from harness.stats.student import interval

if TYPE_CHECKING:
    from harness.stats.human_comparison.answers import Numbers

WITHIN, BETWEEN, NO_BETTER, OPEN = "within the ceiling", "between", "no better than baseline", "not decided"
FEWEST_MODEL, FEWEST_PEOPLE = 10, 30
"""The fewest effective persons on each side for a verdict."""
RULE = (
    "Ceiling: the distance that 95 % of draws of people against people stay within, at the model's number of persons. "
    "Baseline: the nearer to people of uniform answers and of everyone giving people's most frequent answer. "
    "Within the ceiling: the model's distance is at most the ceiling. No better than baseline: it is above the "
    "ceiling and at least the baseline's. Between: above the ceiling and below the baseline. Not decided: within the "
    f"ceiling where the ceiling is not below the baseline, or fewer than {FEWEST_MODEL} personas or {FEWEST_PEOPLE} "
    "people. The distance is total variation for answers without an order, and Wasserstein's on the scale from 0 to 1 "
    "for ordered answers and numbers."
)
"""The rule of the verdict, printed above every comparison."""


_UNKNOWN = Quantity(None)


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """The answers of one side: ``n`` persons, effectively ``effective_n`` after weighting.

    ``se`` is the standard error of ``mean``. ``shares`` has the share of each level, or place of the grid, per part
    of the item.
    """

    n: int
    effective_n: float
    mean: float | None = None
    se: float | None = None
    opted_out: float = 0.0
    missing: int = 0
    shares: tuple[tuple[float, ...], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ItemComparison:
    """One item: one arm of a run against people, or against those of one subgroup.

    ``distances`` has each by name; the first decides. ``ceiling`` and ``typical`` are the 95th percentile and the mean
    of that distance between people and people, ``uniform`` and ``majority`` the distances of guesses. ``difference`` is
    the model's mean − people's. ``spread`` is the model's variance over people's, ``agreement`` Kendall's tau-b between
    the two orders of options; the intervals of both are where 90 % of draws of people against people lie. ``verdict``
    is ``None``, with a ``reason``, where nothing can be claimed. ``numbers`` are those of the shares' places, if any.
    """

    scale: AnswerScale
    group: str
    subgroup: str
    model: ComparedSide
    people: ComparedSide
    verdict: str | None
    reason: str | None
    distances: Mapping[str, float] = field(default_factory=dict)
    ceiling: float | None = None
    typical: float | None = None
    uniform: float | None = None
    majority: float | None = None
    difference: Quantity = _UNKNOWN
    spread: Quantity = _UNKNOWN
    agreement: Quantity = _UNKNOWN
    numbers: tuple[float, ...] = field(default=(), repr=False)

    @property
    def item(self) -> str:
        return self.scale.item

    @property
    def baseline(self) -> float | None:
        """The distance of the nearer guess."""
        if self.uniform is None or self.majority is None:
            return None
        return min(self.uniform, self.majority)

    @property
    def distance(self) -> float | None:
        """The distance that decides."""
        return next(iter(self.distances.values()), None)

    @property
    def closeness(self) -> float | None:
        """1 at the typical distance of people from people, 0 at the nearer guess; ``None`` if these do not differ."""
        if self.distance is None or self.baseline is None or self.typical is None:
            return None
        span = self.baseline - self.typical
        return (self.baseline - self.distance) / span if span > 0 else None


def compare_item(
    scale: AnswerScale,
    model: AnswerSample,
    people: AnswerSample,
    *,
    group: str = "",
    subgroup: str = "",
    nothing_claimed: str | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> ItemComparison:
    """Compare a ``model``'s answers with ``people``'s.

    ``nothing_claimed`` is the reason for giving no verdict, such as a rehearsal. Equal arguments give equal numbers:
    ``seed`` and the names seed the draws.
    """
    import numpy as np

    if not len(model) or not len(people):
        side = "the model" if not len(model) else "people"
        sides = _side(model), _side(people)
        return ItemComparison(
            scale, group, subgroup, *sides, None, nothing_claimed or f"no answers of {side}"
        )
    rng = np.random.default_rng(
        [seed, *(zlib.crc32(name.encode()) for name in (scale.item, group, subgroup))]
    )
    grid = AnswerGrid.of(scale, (people, model))
    one, other = (grid.shares(side.values, side.weights) for side in (model, people))
    means = [_mean(scale, grid, side) for side in (model, people)]
    noise = people_against_people(people, grid, model.effective_n, rng, draws)
    distances = {name: float(value) for name, value in grid.distances(one, other).items()}
    uniform, majority = (
        uniform_distance(people, grid, model.effective_n, rng),
        majority_distance(people, grid),
    )
    verdict, reason = decide(
        next(iter(distances.values())),
        noise.ceiling,
        min(uniform, majority),
        model.effective_n,
        people.effective_n,
    )
    if nothing_claimed is not None:
        verdict, reason = None, nothing_claimed
    return ItemComparison(
        scale,
        group,
        subgroup,
        _side(model, means[0], one),
        _side(people, means[1], other),
        verdict,
        reason,
        distances,
        noise.ceiling,
        noise.middle,
        uniform,
        majority,
        mean_difference(means[0], means[1]),
        _spread(grid, one, other, (model.effective_n, people.effective_n), noise),
        _agreement(grid, one, other, noise),
        () if grid.numbers is None else tuple(grid.numbers.tolist()),
    )


def _side(
    sample: AnswerSample, mean: AnswerMean | None = None, shares: Numbers | None = None
) -> ComparedSide:
    return ComparedSide(
        sample.people,
        sample.effective_n,
        None if mean is None else mean.mean,
        None if mean is None or mean.variance is None else math.sqrt(mean.variance),
        sample.opted_out,
        sample.missing,
        () if shares is None else tuple(map(tuple, shares.tolist())),
    )


def decide(
    distance: float, ceiling: float, baseline: float, model_n: float, people_n: float
) -> tuple[str | None, str | None]:
    """The verdict by `RULE`, and the reason where there is none or it is open."""
    if model_n < FEWEST_MODEL:
        return OPEN, f"{_count(model_n)} personas; a verdict needs {FEWEST_MODEL}"
    if people_n < FEWEST_PEOPLE:
        return OPEN, f"{_count(people_n)} people; a verdict needs {FEWEST_PEOPLE}"
    if distance <= ceiling:
        if ceiling >= baseline:
            return OPEN, "with so few answers, people are no nearer to people than a guess is: add personas"
        return WITHIN, None
    return (BETWEEN if distance < baseline else NO_BETTER), None


def _count(number: float) -> str:
    return f"{number:.0f}" if float(number).is_integer() else f"effectively {number:.1f}"


def numbers_of(scale: AnswerScale, grid: AnswerGrid, sample: AnswerSample) -> Numbers | None:
    """The number of each answer to an item with one part and numbers; ``None`` for other items."""
    if grid.numbers is None or len(scale.parts) > 1:
        return None
    if scale.kind == "numeric":
        return sample.values[:, 0]
    found: Numbers = grid.numbers[sample.values[:, 0].astype(int)]
    return found


def _mean(scale: AnswerScale, grid: AnswerGrid, sample: AnswerSample) -> AnswerMean | None:
    numbers = numbers_of(scale, grid, sample)
    return None if numbers is None else weighted_mean(numbers, sample)


def mean_difference(one: AnswerMean | None, other: AnswerMean | None) -> Quantity:
    """``one`` − ``other``, with Welch's interval for independent samples."""
    if one is None or other is None:
        return Quantity(None, reason="the answers have no mean")
    difference = one.mean - other.mean
    if one.variance is None or other.variance is None:
        return Quantity(difference, reason="one person alone has no variance")
    variance = one.variance + other.variance
    if not variance > 0:
        return Quantity(difference, reason="the answers do not vary")
    parts = ((one.variance, one.df), (other.variance, other.df))
    df = variance**2 / sum(part**2 / freedom for part, freedom in parts if part > 0)
    return Quantity(difference, interval(difference, math.sqrt(variance), df, 0.95))


def _spread(
    grid: AnswerGrid,
    one: Numbers,
    other: Numbers,
    sizes: tuple[float, float],
    noise: PeopleAgainstPeople,
) -> Quantity:
    found = float(spread_ratio(grid, one, other, *sizes))
    if not math.isfinite(found):
        return Quantity(None, reason="people's answers do not vary")
    return Quantity(found, _central(noise.spread_ratios))


def _agreement(grid: AnswerGrid, one: Numbers, other: Numbers, noise: PeopleAgainstPeople) -> Quantity:
    popularity = [grid.popularity(side) for side in (one, other)]
    if popularity[0] is None or popularity[1] is None:
        return Quantity(None, reason="fewer than three options to rank")
    found = float(kendall(popularity[0], popularity[1]))
    if not math.isfinite(found):
        return Quantity(None, reason="one side has every option tied")
    return Quantity(found, None if noise.agreement is None else _central(noise.agreement))


def _central(draws: Numbers) -> Interval | None:
    """Where 90 % of draws lie."""
    import numpy as np

    known = draws[np.isfinite(draws)]
    if not len(known):
        return None
    low, high = np.quantile(known, [0.05, 0.95])
    return Interval(float(low), float(high), 0.90)
