"""Multiplicity: Holm over metrics, Dunnett over groups. Holm is computed here because the core lacks statsmodels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from harness.extras import reason_without
from harness.stats.beta import two_sided_p


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm's (1979) step-down p for each name; valid whatever the dependence.

    An undefined p stays ``None`` and counts in the size of the family, which was fixed beforehand.
    """
    defined = sorted((p, name) for name, p in p_values.items() if p is not None)
    adjusted: dict[str, float | None] = dict.fromkeys(p_values)
    highest = 0.0
    for rank, (p, name) in enumerate(defined):
        highest = max(highest, min(1.0, p * (len(p_values) - rank)))
        adjusted[name] = highest
    return adjusted


def dunnett(t: Sequence[float], df: int, correlation: Sequence[Sequence[float]]) -> list[float]:
    """Dunnett's (1955) two-sided p of each contrast with the one control: P(max |T| ≥ |t|).

    T is multivariate t with ``df`` and the contrasts' ``correlation`` (0.5 throughout when all groups have one size).
    Computed by `scipy.stats.multivariate_t` to about 1e-5, with a seeded generator.
    """
    if len(t) == 1:
        return [two_sided_p(t[0], df)]
    import numpy as np
    from scipy import stats

    law = stats.multivariate_t(shape=np.asarray(correlation, dtype=float), df=df)
    size = len(t)
    found = []
    for value in map(abs, t):
        if math.isinf(value):
            found.append(0.0)
            continue
        box = np.full(size, value)
        inside = law.cdf(box, lower_limit=-box, maxpts=200_000, random_state=np.random.default_rng(0))
        found.append(float(np.clip(1 - inside, 0, 1)))
    return found


def dunnett_blocked(cells: Sequence[Sequence[float]]) -> tuple[list[float], int] | str:
    """Dunnett's p of each later group against the first in randomised blocks, and the degrees of freedom.

    ``cells`` holds a row per block with the mean of each group. The error is the block × group mean square,
    (blocks − 1)(groups − 1) degrees of freedom. A sentence gives the reason where it is undefined.
    """
    blocks = len(cells)
    groups = len(cells[0]) if cells else 0
    if blocks < 2:
        return f"Dunnett needs 2 or more blocks that have every group; there are {blocks}"
    df = (blocks - 1) * (groups - 1)
    group_means = [fmean(column) for column in zip(*cells, strict=True)]
    square = _interaction(cells, group_means) / df
    size = max(abs(value) for row in cells for value in row)
    if square <= (1e-12 * size) ** 2:
        return "the block differences do not vary"
    se = math.sqrt(2 * square / blocks)
    if groups > 2 and (why := reason_without("analysis")):
        return f"Dunnett: {why}"
    t = [(mean - group_means[0]) / se for mean in group_means[1:]]
    correlation = [[1.0 if i == j else 0.5 for j in range(len(t))] for i in range(len(t))]
    return dunnett(t, df, correlation), df


def _interaction(cells: Sequence[Sequence[float]], group_means: Sequence[float]) -> float:
    """Sum of squares of what blocks and groups do not explain."""
    grand = fmean(group_means)
    rows = [(row, fmean(row)) for row in cells]
    return math.fsum(
        (value - block_mean - mean + grand) ** 2
        for row, block_mean in rows
        for value, mean in zip(row, group_means, strict=True)
    )
