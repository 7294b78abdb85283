"""Whether subgroups differ among personas as much as they do among people."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.stats.human_comparison.answers import AnswerSample, AnswerScale
from harness.stats.human_comparison.distances import AnswerGrid
from harness.stats.human_comparison.noise import DRAWS
from harness.stats.results import ALPHA, Interval, Quantity

if TYPE_CHECKING:
    import numpy as np

    from harness.stats.human_comparison.answers import Numbers

FEWEST = 5
"""The fewest effective persons of a subgroup on each side."""
MOST_SUBGROUPS = 12
"""The most values of an attribute that are subgroups; one with more, such as an age, needs bins."""


@dataclass(frozen=True, slots=True)
class SubgroupSpread:
    """How far the subgroups of one attribute are apart on one item, among the personas of one arm and among people.

    ``model`` and ``people`` are standard deviations of the subgroups' mean places on the scale from 0 to 1, or of their
    shares where answers have no order, weighted by people's subgroup sizes. ``ratio`` is the model's over people's; its
    interval is where 90 % of draws of people against people lie, at the model's subgroup sizes. ``people_differ`` says
    whether people's subgroups differ by more than chance (p < .05).
    """

    item: str
    group: str
    attribute: str
    subgroups: tuple[str, ...]
    model: float
    people: float
    ratio: Quantity
    people_differ: bool


def shared_subgroups(
    model: AnswerSample, people: AnswerSample, attribute: str, values: Sequence[str]
) -> list[str]:
    """Those of ``values`` of ``attribute`` that at least `FEWEST` personas and people have."""
    sides = [side for side in (model, people) if attribute in side.attributes]
    if len(sides) < 2:
        return []
    return [
        one for one in values if all(side.subgroup(attribute, one).effective_n >= FEWEST for side in sides)
    ]


def subgroup_spread(
    scale: AnswerScale,
    model: AnswerSample,
    people: AnswerSample,
    attribute: str,
    values: Sequence[str],
    *,
    group: str = "",
    seed: int = 0,
    draws: int = DRAWS,
) -> SubgroupSpread | None:
    """Compare how far the subgroups ``values`` are apart; ``None`` where fewer than two have enough on both sides."""
    import numpy as np

    names = shared_subgroups(model, people, attribute, values)
    if len(names) < 2:
        return None
    rng = np.random.default_rng(
        [seed, *(zlib.crc32(name.encode()) for name in (scale.item, group, attribute))]
    )
    grid = AnswerGrid.of(scale, (people, model))
    ours, theirs = ({name: side.subgroup(attribute, name) for name in names} for side in (model, people))
    sizes = np.array([theirs[name].weights.sum() for name in names])
    sizes = sizes / sizes.sum()
    shares = {name: grid.shares(one.values, one.weights) for name, one in theirs.items()}
    found = _apart(grid, np.array([grid.shares(one.values, one.weights) for one in ours.values()]), sizes)
    truth = _apart(grid, np.array(list(shares.values())), sizes)
    one, other = (_drawn(shares, side, draws, rng) for side in (ours, theirs))
    pooled = np.tensordot(sizes, np.array(list(shares.values())), axes=1)
    none = _drawn(dict.fromkeys(names, pooled), theirs, draws, rng)
    differ = float((_apart(grid, none, sizes) >= truth).mean()) < ALPHA
    ratio = Quantity(None, reason="people's subgroups do not differ at all")
    if truth > 0:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = np.sqrt(_apart(grid, one, sizes) / _apart(grid, other, sizes))
        low, high = np.nanquantile(ratios, [0.05, 0.95])
        ratio = Quantity(math.sqrt(found / truth), Interval(float(low), float(high), 0.90))
    return SubgroupSpread(
        scale.item, group, attribute, tuple(names), math.sqrt(found), math.sqrt(truth), ratio, differ
    )


def _apart(grid: AnswerGrid, shares: Numbers, sizes: Numbers) -> Numbers:
    """The weighted variance between subgroups, whose axis is the one before parts and places; summed over parts."""
    features = shares if grid.scale.kind == "nominal" else (shares @ grid.positions)[..., None]
    weights = sizes[:, None, None]
    mean = (features * weights).sum(axis=-3, keepdims=True)
    found: Numbers = ((features - mean) ** 2 * weights).sum(axis=(-3, -2, -1))
    return found


def _drawn(
    shares: Mapping[str, Numbers], sizes: Mapping[str, AnswerSample], draws: int, rng: np.random.Generator
) -> Numbers:
    """Draws × subgroups × parts × places: shares of as many persons as each subgroup effectively has."""
    import numpy as np

    drawn = []
    for name, one in shares.items():
        n = max(1, round(sizes[name].effective_n))
        drawn.append(
            np.stack([rng.multinomial(n, part / part.sum(), size=draws) / n for part in one], axis=1)
        )
    return np.stack(drawn, axis=1)
