"""Distances between distributions of answers, for one pair of samples or thousands at once.

Distributions are arrays of shares whose last axes are parts × levels; a distance is the mean over parts. All distances
are between 0 (the same distribution) and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.stats.human_comparison.answers import AnswerSample, AnswerScale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.stats.human_comparison.answers import Codes, Numbers

FINEST = 251
"""The most places of a grid for numbers; finer answers are rounded to it."""
EVEN = 101
"""Evenly spaced places that every grid for numbers has, so that even answers can be told from people's."""
BINS = 10
"""Equal bins of the range in which numbers are compared by total variation and Jensen–Shannon."""


def total_variation(one: Numbers, other: Numbers) -> Numbers:
    """Half the sum of absolute differences: the share of answers that would have to change."""
    import numpy as np

    found: Numbers = np.abs(one - other).sum(axis=-1).mean(axis=-1) / 2
    return found


def wasserstein(one: Numbers, other: Numbers, positions: Numbers) -> Numbers:
    """How far answers must move on average: the area between the cumulative shares; 1 is the whole range."""
    import numpy as np

    apart = np.abs(np.cumsum(one - other, axis=-1))[..., :-1]
    found: Numbers = (apart * np.diff(positions)).sum(axis=-1).mean(axis=-1)
    return found


def jensen_shannon(one: Numbers, other: Numbers) -> Numbers:
    """The Jensen–Shannon divergence in bits (Lin 1991): 0 to 1."""
    middle = (one + other) / 2
    found: Numbers = ((_kullback_leibler(one, middle) + _kullback_leibler(other, middle)) / 2).mean(axis=-1)
    return found


def _kullback_leibler(one: Numbers, other: Numbers) -> Numbers:
    import numpy as np

    ratio = np.divide(one, other, out=np.ones_like(one), where=one > 0)
    found: Numbers = (one * np.log2(ratio)).sum(axis=-1)
    return found.clip(min=0)


@dataclass(frozen=True, eq=False)
class AnswerGrid:
    """The places on which answers of both sides are counted: levels, or for numbers the values that occur.

    ``positions`` are the places from 0 to 1, ``numbers`` their values for means, where they have one. ``coarse`` maps
    places to `BINS` bins, for numbers.
    """

    scale: AnswerScale
    positions: Numbers
    numbers: Numbers | None
    least: float = 0.0
    most: float = 1.0
    coarse: Numbers | None = None

    @classmethod
    def of(cls, scale: AnswerScale, samples: Sequence[AnswerSample]) -> AnswerGrid:
        """The grid for ``samples``, of which the first is people's."""
        import numpy as np

        if scale.kind != "numeric":
            positions = np.linspace(0, 1, len(scale.levels)) if len(scale.levels) > 1 else np.zeros(1)
            return cls(scale, positions, np.array(scale.numbers) if scale.numbers else None)
        least, most = _bounds(scale, samples)
        values = np.unique(np.concatenate([one.values.ravel() for one in samples]))
        even = np.linspace(least, most, EVEN)
        places = np.unique(np.concatenate([values, even]))
        if len(places) > FINEST:
            places = np.linspace(places[0], places[-1], FINEST)
        width = most - least
        positions = (places - least) / width
        bins = np.clip((positions * BINS).astype(int), 0, BINS - 1)
        return cls(scale, positions, places, least, most, np.eye(BINS)[bins])

    def places(self, values: Numbers) -> Codes:
        """The nearest place of each value."""
        import numpy as np

        if self.scale.kind != "numeric":
            return values.astype(np.int64)
        assert self.numbers is not None
        middles = (self.numbers[1:] + self.numbers[:-1]) / 2
        found: Codes = np.searchsorted(middles, values)
        return found

    def shares(self, values: Numbers, weights: Numbers) -> Numbers:
        """The weighted share of each place in each part: parts × places."""
        import numpy as np

        places, count = self.places(values), len(self.positions)
        parts = [np.bincount(column, weights, minlength=count) for column in places.T]
        found: Numbers = np.array(parts, dtype=float) / weights.sum()
        return found

    def distances(self, one: Numbers, other: Numbers) -> dict[str, Numbers]:
        """Every distance that suits the scale, the one that decides first."""
        coarse = (one, other) if self.coarse is None else (one @ self.coarse, other @ self.coarse)
        found = {"total variation": total_variation(*coarse), "Jensen–Shannon": jensen_shannon(*coarse)}
        if self.scale.kind == "nominal":
            return found
        return {"Wasserstein": wasserstein(one, other, self.positions), **found}

    def deciding(self, one: Numbers, other: Numbers) -> Numbers:
        """The distance that decides alone."""
        if self.scale.kind == "nominal":
            return total_variation(one, other)
        return wasserstein(one, other, self.positions)

    def spread(self, shares: Numbers) -> Numbers:
        """How much answers vary: the variance of places from 0 to 1, or without an order the chance that two differ.

        Summed over parts.
        """
        if self.scale.kind == "nominal":
            found: Numbers = (1 - (shares**2).sum(axis=-1)).sum(axis=-1)
            return found
        mean = shares @ self.positions
        varies: Numbers = (shares @ self.positions**2 - mean**2).sum(axis=-1)
        return varies.clip(min=0)

    def mean(self, shares: Numbers) -> Numbers | None:
        """The mean answer of an item with one part and numbers; ``None`` for others."""
        if self.numbers is None or len(self.scale.parts) > 1:
            return None
        found: Numbers = (shares @ self.numbers)[..., 0]
        return found

    def popularity(self, shares: Numbers) -> Numbers | None:
        """A number per option by which options are ranked; ``None`` for items with fewer than three options."""
        found: Numbers
        if self.scale.form == "plain":
            found = shares[..., 0, :]
            return found if self.scale.kind == "nominal" and found.shape[-1] > 2 else None
        if len(self.scale.parts) < 3:
            return None
        found = shares @ (self.positions if self.numbers is None else self.numbers)
        return -found if self.scale.form == "ranking" else found


def kendall(one: Numbers, other: Numbers) -> Numbers:
    """Kendall's tau-b over the last axis; NaN where all of one side are tied."""
    import numpy as np

    signs = [np.sign(side[..., :, None] - side[..., None, :]) for side in (one, other)]
    both = (signs[0] * signs[1]).sum(axis=(-2, -1))
    size = np.sqrt((signs[0] ** 2).sum(axis=(-2, -1)) * (signs[1] ** 2).sum(axis=(-2, -1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Numbers = both / size
    return found


def _bounds(scale: AnswerScale, samples: Sequence[AnswerSample]) -> tuple[float, float]:
    people = samples[0].values
    least = float(people.min()) if scale.least is None else scale.least
    most = float(people.max()) if scale.most is None else scale.most
    return (least, most) if most > least else (least, least + 1.0)
