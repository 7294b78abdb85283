"""Intraclass correlations by trial and by persona, and the design effect."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from harness.model import Dataset, Observation
from harness.stats.beta import f_quantile
from harness.stats.results import Interval, Quantity

ONE_PER_TRIAL = "one score per trial"


class Squares(NamedTuple):
    """Mean squares between and within clusters, their degrees of freedom, and the mean cluster size n₀."""

    between: float
    within: float
    df_between: int
    df_within: int
    size: float

    @property
    def icc(self) -> float:
        """(MSB − MSW) / (MSB + (n₀ − 1) MSW); it can fall below 0."""
        return (self.between - self.within) / (self.between + (self.size - 1) * self.within)


class PlacedScore(NamedTuple):
    arm: str
    cluster: Hashable
    value: float


def icc_by_trial(dataset: Dataset, metric: str, arms: Sequence[str], confidence: float = 0.95) -> Quantity:
    """The share of an arm's variance that lies between trials, blocks included: clusters nested in arms."""
    return _quantity(_by_trial(dataset, metric, arms), "trials", confidence)


def icc_by_person(dataset: Dataset, metric: str, arms: Sequence[str], confidence: float = 0.95) -> Quantity:
    """The share of an arm's variance that lies between personas: clusters crossed with arms."""
    scores = _per_person(dataset, metric, arms, lambda one: (one.panel, one.person))
    found = squares(scores, nested=False) if scores else "no scores per persona"
    return _quantity(found, "personas", confidence)


def design_effect(dataset: Dataset, metric: str, arms: Sequence[str]) -> Quantity:
    """Kish's 1 + (n₀ − 1) ICC by trial: how many raw scores are worth one independent score."""
    found = _by_trial(dataset, metric, arms)
    if isinstance(found, str):
        return Quantity(None, reason=found)
    return Quantity(1 + (found.size - 1) * found.icc)


def _by_trial(dataset: Dataset, metric: str, arms: Sequence[str]) -> Squares | str:
    scores = _per_person(dataset, metric, arms, lambda one: one.trial)
    if len(scores) == len({one.cluster for one in scores}):
        return ONE_PER_TRIAL
    return squares(scores, nested=True)


def _per_person(
    dataset: Dataset, metric: str, arms: Sequence[str], cluster: Callable[[Observation], Hashable]
) -> list[PlacedScore]:
    """The scores obtained, by ``cluster``; none of a metric that has no scores of persons."""
    kept = [one for arm in arms for one in dataset.of(metric, arm) if one.value is not None]
    if all(one.person is None for one in kept):
        return []
    return [PlacedScore(one.group, cluster(one), one.value) for one in kept if one.value is not None]


def squares(scores: Iterable[PlacedScore], *, nested: bool) -> Squares | str:
    """Mean squares of scores less their arm's mean (Donner 1986; Snedecor & Cochran 1989, §13.5); or why not.

    ``nested``: each cluster belongs to one arm, which costs one degree of freedom per arm between clusters;
    otherwise clusters cross the arms, and the arms cost their degrees of freedom within.
    """
    centred = _centred(sorted(scores, key=repr))
    clusters: dict[Hashable, list[float]] = defaultdict(list)
    for one in centred:
        clusters[one.cluster].append(one.value)
    arms = Counter(one.arm for one in centred)
    total, groups = len(centred), len(clusters)
    df_between = groups - (len(arms) if nested else 1)
    df_within = total - groups - (0 if nested else len(arms) - 1)
    if df_between < 1 or df_within < 1:
        return (
            f"needs two clusters or more, some with two scores; there are {total} scores in {groups} clusters"
        )
    between = math.fsum(len(values) * fmean(values) ** 2 for values in clusters.values())
    within = math.fsum((value - fmean(values)) ** 2 for values in clusters.values() for value in values)
    if between + within <= 1e-12:
        return "every score of an arm is the same"
    size = _mean_size(centred, clusters, df_between, arms if nested else None)
    return Squares(between / df_between, within / df_within, df_between, df_within, size)


def _mean_size(
    centred: Sequence[PlacedScore],
    clusters: dict[Hashable, list[float]],
    df: int,
    arms: Counter[str] | None,
) -> float:
    """n₀: the cluster size that makes the expected mean square right when sizes differ."""
    arm_of = {one.cluster: one.arm for one in centred}
    sizes = {cluster: len(values) for cluster, values in clusters.items()}
    over = {c: arms[arm_of[c]] if arms else len(centred) for c in sizes}
    return (len(centred) - math.fsum(n * n / over[c] for c, n in sizes.items())) / df


def _centred(scores: Sequence[PlacedScore]) -> list[PlacedScore]:
    means = {arm: fmean(one.value for one in scores if one.arm == arm) for arm in {s.arm for s in scores}}
    return [one._replace(value=one.value - means[one.arm]) for one in scores]


def _quantity(found: Squares | str, what: str, confidence: float) -> Quantity:
    if isinstance(found, str):
        return Quantity(None, reason=found.replace("clusters", what))
    if found.between + (found.size - 1) * found.within <= 0:
        return Quantity(None, reason="the mean squares leave no variance to share out")
    return Quantity(found.icc, _interval(found, confidence))


def _interval(found: Squares, confidence: float) -> Interval | None:
    """Searle's (1971) from the F ratio: exact for equal cluster sizes, approximate otherwise."""
    if found.within == 0:
        return None
    ratio, tail = found.between / found.within, (1 + confidence) / 2
    low = ratio / f_quantile(tail, found.df_between, found.df_within)
    high = ratio * f_quantile(tail, found.df_within, found.df_between)
    n = found.size
    return Interval((low - 1) / (low + n - 1), (high - 1) / (high + n - 1), confidence)
