"""Ordinal answers: the share at or above each point of the scale, and tests by ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from harness.extras import reason_without
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

    Zeros are ranked and then left out (Pratt 1959). Effects: the matched-pairs rank-biserial correlation (Kerby 2014),
    and the probability of a higher answer, ties counting half (Vargha & Delaney 2000). Weights are ignored.
    """
    between = values.units.between
    method = "Mann–Whitney" if between else "Wilcoxon signed-rank"
    asked = Estimate(method, values.units.own_claim, values.units.noun, 0)
    if why := reason_without("analysis"):
        return replace(asked, reason=why)
    if between:
        return _mann_whitney(asked, [*values.control.values()], [*values.treatment.values()], values.arms)
    return _signed_rank(asked, [*values.differences.values()], values.arms)


def _signed_rank(asked: Estimate, differences: Sequence[float], arms: tuple[str, str]) -> Estimate:
    from scipy import stats

    higher, lower = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
    asked = replace(asked, n=len(differences))
    words = (
        f"{higher} answered higher under {arms[1]}, {lower} lower, {len(differences) - higher - lower} alike"
    )
    if higher + lower < FEWEST_RANKED:
        return replace(
            asked,
            reason=f"needs {FEWEST_RANKED} differences other than 0; there are {higher + lower}",
            note=words,
        )
    p = float(stats.wilcoxon(differences, zero_method="pratt", correction=False, method="approx").pvalue)
    ranks = stats.rankdata([abs(one) for one in differences])
    signed = [(rank if one > 0 else -rank) for rank, one in zip(ranks, differences, strict=True) if one]
    correlation = sum(signed) / sum(map(abs, signed))
    return replace(asked, p=p, note=f"{words}; rank-biserial correlation {correlation:+.2f}")


def _mann_whitney(
    asked: Estimate, control: Sequence[float], treatment: Sequence[float], arms: tuple[str, str]
) -> Estimate:
    from scipy import stats

    asked = replace(asked, n=len(control) + len(treatment))
    if min(len(control), len(treatment)) < FEWEST_RANKED:
        sizes = f"{len(control)} and {len(treatment)}"
        return replace(asked, reason=f"needs {FEWEST_RANKED} personas in each arm; there are {sizes}")
    if len({*control, *treatment}) == 1:
        return replace(asked, reason="every answer is the same")
    found = stats.mannwhitneyu(treatment, control, use_continuity=False, method="asymptotic")
    chance = float(found.statistic) / (len(control) * len(treatment))
    words = f"a persona under {arms[1]} answers higher than one under {arms[0]} with probability {chance:.0%}"
    return replace(asked, p=float(found.pvalue), note=f"{words} (ties count half)")
