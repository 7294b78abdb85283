"""The yardstick of a comparison: people against people at the model's sample size, and guesses without a model.

People against people: both sides are drawn from people's answers, with as many effective persons as the model's sample
and the people's have (a parametric bootstrap). The distance that 95 % of such draws stay within is the noise ceiling:
a model whose answers came from the same distribution would stay within it just as often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.stats.human_comparison.answers import AnswerSample, AnswerScale
from harness.stats.human_comparison.distances import AnswerGrid, kendall

if TYPE_CHECKING:
    import numpy as np

    from harness.stats.human_comparison.answers import Numbers

DRAWS = 1000
"""Draws of people against people."""
GUESSES = 100
"""Draws of uniform answers."""
CEILING = 0.95
"""The share of draws of people against people that stays within the ceiling."""
_AT_ONCE = 5_000_000
"""Numbers that one block of draws may take."""


@dataclass(frozen=True, eq=False)
class PeopleAgainstPeople:
    """What draws of people against people gave: an entry per draw; ``None`` where the item has no such number."""

    distances: Numbers
    spread_ratios: Numbers
    agreement: Numbers | None
    means: tuple[Numbers, Numbers] | None

    @property
    def ceiling(self) -> float:
        import numpy as np

        return float(np.quantile(self.distances, CEILING, method="higher"))

    @property
    def middle(self) -> float:
        """The mean distance of people from people."""
        return float(self.distances.mean())


def people_against_people(
    people: AnswerSample, grid: AnswerGrid, size: float, rng: np.random.Generator, draws: int = DRAWS
) -> PeopleAgainstPeople:
    """Draws of ``size`` persons against as many as ``people`` effectively are."""
    import numpy as np

    rows, inverse = np.unique(grid.places(people.values), axis=0, return_inverse=True)
    chances = np.bincount(inverse.ravel(), people.weights)
    chances = chances / chances.sum()
    count, parts, places = len(rows), rows.shape[1], len(grid.positions)
    cells = np.zeros((count, parts, places))
    for part in range(parts):
        cells[np.arange(count), part, rows[:, part]] = 1
    flat = cells.reshape(count, -1)
    sizes = [max(1, round(size)), max(1, round(people.effective_n))]
    found = []
    block = max(1, _AT_ONCE // max(count, parts * places))
    for start in range(0, draws, block):
        number = min(block, draws - start)
        one, other = (
            (rng.multinomial(n, chances, size=number) @ flat / n).reshape(number, parts, places)
            for n in sizes
        )
        found.append(_described(grid, one, other, sizes))
    distances, ratios, agreement, one_mean, other_mean = (
        None if column[0] is None else np.concatenate(column) for column in zip(*found, strict=True)
    )
    assert distances is not None
    assert ratios is not None
    means = None if one_mean is None or other_mean is None else (one_mean, other_mean)
    return PeopleAgainstPeople(distances, ratios, agreement, means)


def _described(
    grid: AnswerGrid, one: Numbers, other: Numbers, sizes: list[int]
) -> tuple[Numbers | None, ...]:
    popularity = [grid.popularity(side) for side in (one, other)]
    agreement = None
    if popularity[0] is not None and popularity[1] is not None:
        agreement = kendall(popularity[0], popularity[1])
    return (
        grid.deciding(one, other),
        spread_ratio(grid, one, other, sizes[0], sizes[1]),
        agreement,
        grid.mean(one),
        grid.mean(other),
    )


def spread_ratio(grid: AnswerGrid, one: Numbers, other: Numbers, size: float, of: float) -> Numbers:
    """The spread of ``one`` over that of ``other``, both as sample variances; NaN where ``other`` does not vary."""
    import numpy as np

    sample = [n / (n - 1) if n > 1 else 1.0 for n in (size, of)]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Numbers = grid.spread(one) * sample[0] / (grid.spread(other) * sample[1])
    return found


def uniform_distance(
    people: AnswerSample, grid: AnswerGrid, size: float, rng: np.random.Generator, draws: int = GUESSES
) -> float:
    """The mean distance from people of ``size`` answers drawn uniformly."""
    import numpy as np

    number = max(1, round(size))
    truth = grid.shares(people.values, people.weights)
    ones = np.ones(number)
    guesses = (_uniform(grid, number, rng) for _ in range(draws))
    return float(np.mean([grid.deciding(grid.shares(guess, ones), truth) for guess in guesses]))


def _uniform(grid: AnswerGrid, number: int, rng: np.random.Generator) -> Numbers:
    import numpy as np

    scale = grid.scale
    drawn: Numbers
    if scale.form == "ranking":
        order = np.tile(np.arange(len(scale.parts)), (number, 1))
        return rng.permuted(order, axis=1).astype(float)
    if scale.form == "allocation":
        drawn = rng.dirichlet(np.ones(len(scale.parts)), size=number) * grid.most
        return drawn
    if scale.kind != "numeric":
        return rng.integers(len(scale.levels), size=(number, len(scale.parts))).astype(float)
    if scale.whole:
        return rng.integers(int(grid.least), int(grid.most) + 1, size=(number, 1)).astype(float)
    return rng.uniform(grid.least, grid.most, size=(number, 1))


def majority_distance(people: AnswerSample, grid: AnswerGrid) -> float:
    """The distance from people when every answer is people's most frequent one.

    For numbers it is their median, the best constant; for a ranking the order of people's mean ranks.
    """
    truth = grid.shares(people.values, people.weights)
    import numpy as np

    answer = np.array([_majority(grid, truth)], dtype=float)
    return float(grid.deciding(grid.shares(answer, np.ones(1)), truth))


def _majority(grid: AnswerGrid, truth: Numbers) -> Numbers:
    import numpy as np

    if grid.scale.form == "ranking":
        mean = truth @ np.arange(truth.shape[-1])
        return np.asarray(np.argsort(np.argsort(mean, kind="stable")), dtype=float)
    if grid.scale.kind != "numeric":
        return np.asarray(truth.argmax(axis=-1), dtype=float)
    assert grid.numbers is not None
    medians = (np.cumsum(truth, axis=-1) >= 0.5 - 1e-12).argmax(axis=-1)
    return np.asarray(grid.numbers[medians], dtype=float)


def is_comparable(scale: AnswerScale) -> bool:
    """Whether the scale has levels or is numeric; free text without categories is not."""
    return scale.kind == "numeric" or len(scale.levels) > 1
