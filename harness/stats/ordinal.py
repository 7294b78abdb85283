"""Ordinal answers: the share at or above each point of the scale, and tests by ranks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from harness.model import Dataset
from harness.stats.personas import PersonaValues
from harness.stats.results import CumulativeShares, Estimate, PointShare

MOST_POINTS = 11
"""A scale with more points is numeric: its shares would be a list of numbers."""
FEWEST_RANKED = 10
"""Fewer differences other than 0 are too few for the normal approximation."""


def ordinal_points(dataset: Dataset, metric: str) -> tuple[float, ...]:
    """The points of an ordinal metric, from its scale or else its values; empty where it is not ordinal."""
    values = {one.value for one in dataset.of(metric) if one.value is not None}
    if not all(float(value).is_integer() for value in values):
        return ()
    scale = dataset.scales.get(metric)
    if scale is not None and scale.ends is not None:
        low, high = scale.ends
        whole = float(low).is_integer() and float(high).is_integer() and high - low < MOST_POINTS
        return tuple(map(float, range(int(low), int(high) + 1))) if whole and high - low > 1 else ()
    return tuple(sorted(values)) if 2 < len(values) <= MOST_POINTS else ()


def cumulative_shares(
    dataset: Dataset, metric: str, arms: tuple[str, str], confidence: float = 0.95
) -> CumulativeShares | None:
    """The shares of answers at or above each point but the lowest, with differences as the primary analysis has them.

    Their intervals are not adjusted. ``None`` for a metric that is not ordinal, or a design of more than one persona
    per trial.
    """
    points = ordinal_points(dataset, metric) if dataset.individual else ()
    if not points:
        return None
    found = []
    for point in points[1:]:
        values = PersonaValues.of(dataset, metric, arms, partial(_reaches, point))
        found.append(PointShare(point, *values.means(), values.difference(confidence)))
    return CumulativeShares(metric, *arms, tuple(found), rank_test(PersonaValues.of(dataset, metric, arms)))


def _reaches(point: float, value: float) -> float:
    return float(value >= point)


def rank_test(values: PersonaValues) -> Estimate:
    """Wilcoxon's (1945) signed-rank test within personas, Mann & Whitney's (1947) between; the effect in words.

    Normal approximations with the correction for ties. Zeros are ranked and then left out (Pratt 1959). Effects: the
    matched-pairs rank-biserial correlation (Kerby 2014), and the probability of a higher answer, ties counting half
    (Vargha & Delaney 2000). Weights are ignored. Computed here because `scipy.stats` takes longer to import than all
    the rest of an analysis; the tests hold them against it.
    """
    between = values.units.between
    method = "Mann–Whitney" if between else "Wilcoxon signed-rank"
    asked = Estimate(method, values.units.own_claim, values.units.noun, 0)
    if between:
        return _mann_whitney(asked, [*values.control.values()], [*values.treatment.values()], values.arms)
    return _signed_rank(asked, [*values.differences.values()], values.arms)


def _signed_rank(asked: Estimate, differences: Sequence[float], arms: tuple[str, str]) -> Estimate:
    n = len(differences)
    higher, lower = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
    zeros = n - higher - lower
    asked = replace(asked, n=n)
    words = f"{higher} answered higher under {arms[1]}, {lower} lower, {zeros} alike"
    if higher + lower < FEWEST_RANKED:
        reason = f"needs {FEWEST_RANKED} differences other than 0; there are {higher + lower}"
        return replace(asked, reason=reason, note=words)
    ranks, _ = midranks([abs(one) for one in differences])
    up = math.fsum(rank for rank, one in zip(ranks, differences, strict=True) if one > 0)
    down = math.fsum(rank for rank, one in zip(ranks, differences, strict=True) if one < 0)
    _, ties = midranks([abs(one) for one in differences if one])
    mean = (n * (n + 1) - zeros * (zeros + 1)) / 4
    variance = (n * (n + 1) * (2 * n + 1) - zeros * (zeros + 1) * (2 * zeros + 1)) / 24 - ties / 48
    note = f"{words}; rank-biserial correlation {(up - down) / (up + down):+.2f}"
    return replace(asked, p=_two_sided(up - mean, variance), note=note)


def _mann_whitney(
    asked: Estimate, control: Sequence[float], treatment: Sequence[float], arms: tuple[str, str]
) -> Estimate:
    n, m = len(control), len(treatment)
    asked = replace(asked, n=n + m)
    if min(n, m) < FEWEST_RANKED:
        return replace(asked, reason=f"needs {FEWEST_RANKED} personas in each arm; there are {n} and {m}")
    if len({*control, *treatment}) == 1:
        return replace(asked, reason="every answer is the same")
    ranks, ties = midranks([*treatment, *control])
    wins = math.fsum(ranks[:m]) - m * (m + 1) / 2
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    words = f"a persona under {arms[1]} answers higher than one under {arms[0]} with probability {wins / (n * m):.0%}"
    return replace(asked, p=_two_sided(wins - n * m / 2, variance), note=f"{words} (ties count half)")


def midranks(values: Sequence[float]) -> tuple[list[float], int]:
    """The rank of each value, equal values sharing the mean of theirs; and Σ(t³ − t) over groups of t equal ones.

    >>> midranks([5, 2, 5])
    ([2.5, 1.0, 2.5], 6)
    """
    counts = Counter(values)
    rank_of, below = {}, 0
    for value in sorted(counts):
        rank_of[value] = below + (counts[value] + 1) / 2
        below += counts[value]
    return [rank_of[value] for value in values], sum(t**3 - t for t in counts.values())


def _two_sided(distance: float, variance: float) -> float:
    return math.erfc(abs(distance) / math.sqrt(2 * variance))
