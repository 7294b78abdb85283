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


def dunnett(t: Sequence[float], df: int) -> list[float]:
    """Dunnett's (1955) two-sided p of each contrast with the one control, all groups of one size: P(max |T| ≥ |t|).

    T is multivariate t with ``df`` and correlation ½: given the control's mean z and the scale s, its parts are
    independent, so P is one minus the integral of [Φ(z + √2 s t) − Φ(z − √2 s t)]^k over both, here by Gauss quadrature
    to about 1e-9. `scipy.stats.dunnett` gives the same by randomised quasi-Monte Carlo, in a second per contrast.
    """
    if len(t) == 1:
        return [two_sided_p(t[0], df)]
    import numpy as np
    from scipy import special, stats

    z, of_z = special.roots_hermitenorm(120)
    low, high = np.sqrt(stats.chi2.ppf([1e-13, 1 - 1e-13], df) / df)
    nodes, of_s = special.roots_legendre(120)
    s = (high - low) / 2 * nodes + (high + low) / 2
    density = stats.chi.pdf(s * math.sqrt(df), df) * math.sqrt(df) * of_s * (high - low) / 2
    found = []
    for value in map(abs, t):
        reach = math.sqrt(2) * s[:, None] * value
        inside = (special.ndtr(z + reach) - special.ndtr(z - reach)) ** len(t)
        found.append(float(np.clip(1 - density @ (inside @ of_z) / math.sqrt(2 * math.pi), 0, 1)))
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
    return dunnett(t, df), df


def residual_deviations(cells: Sequence[Sequence[float]]) -> list[float]:
    """The standard deviation of each group's means after its own and its block's: alike, if arms vary alike."""
    group_means = [fmean(column) for column in zip(*cells, strict=True)]
    grand = fmean(group_means)
    squares = [0.0] * len(group_means)
    for row in cells:
        block = fmean(row)
        for place, (value, mean) in enumerate(zip(row, group_means, strict=True)):
            squares[place] += (value - block - mean + grand) ** 2
    return [math.sqrt(square / max(1, len(cells) - 1)) for square in squares]


def _interaction(cells: Sequence[Sequence[float]], group_means: Sequence[float]) -> float:
    """Sum of squares of what blocks and groups do not explain."""
    grand = fmean(group_means)
    rows = [(row, fmean(row)) for row in cells]
    return math.fsum(
        (value - block_mean - mean + grand) ** 2
        for row, block_mean in rows
        for value, mean in zip(row, group_means, strict=True)
    )
