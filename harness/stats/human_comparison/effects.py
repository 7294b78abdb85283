"""Treatment effects of a model beside people's, where the human data are an experiment too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.stats.human_comparison.answers import AnswerMean, AnswerSample, AnswerScale, weighted_mean
from harness.stats.human_comparison.comparison import mean_difference
from harness.stats.results import Interval, Quantity
from harness.stats.student import critical, interval

if TYPE_CHECKING:
    from harness.stats.human_comparison.answers import Numbers

SAME, OPPOSITE, UNCLEAR = "same", "opposite", "people's sign is not clear"


@dataclass(frozen=True, slots=True)
class EffectComparison:
    """The effect of ``arm`` − ``control`` on one outcome of an item: the model's and people's, with 95 % intervals.

    ``ratio`` is the model's effect over people's, with Fieller's interval. ``sign`` says whether both effects have one
    sign, where people's interval excludes 0. ``people_agree`` is the chance that as many people as there are personas
    would show people's sign.
    """

    item: str
    outcome: str
    arm: str
    control: str
    model: Quantity
    people: Quantity
    ratio: Quantity
    sign: str
    people_agree: float | None


def compare_effects(
    scale: AnswerScale,
    model: Mapping[str, AnswerSample],
    people: Mapping[str, AnswerSample],
) -> Iterator[EffectComparison]:
    """The effect of each later arm against the first, per outcome; ``model`` and ``people`` are samples by arm.

    Outcomes are those of the item's metrics: the mean, the share of the first of two options, or the share, rank or
    amount of each option. Arms of the model that share personas are paired by persona.
    """
    control, *others = [arm for arm in model if arm in people]
    for outcome, place in outcomes(scale):
        for arm in others:
            theirs = [
                _moments(scale, place, people[name]) if len(people[name]) else None for name in (arm, control)
            ]
            found = _model_effect(scale, place, model[arm], model[control])
            yield _compared(scale.item, outcome, arm, control, found, _difference(theirs[0], theirs[1]))


def outcomes(scale: AnswerScale) -> list[tuple[str, int | None]]:
    """The names of an item's outcomes, each with its level or part."""
    if scale.form != "plain":
        return [(part, place) for place, part in enumerate(scale.parts)]
    if scale.kind == "nominal" and len(scale.levels) > 2:
        return [(level, place) for place, level in enumerate(scale.levels)]
    return [("", None)]


def outcome_numbers(scale: AnswerScale, place: int | None, sample: AnswerSample) -> Numbers:
    """The number of each answer for one outcome."""
    import numpy as np

    column: Numbers = sample.values[:, 0 if place is None or scale.form == "plain" else place]
    if scale.form != "plain":
        return column + 1 if scale.form == "ranking" else column
    if place is not None:
        return np.asarray(column == place, dtype=float)
    if scale.kind == "numeric":
        return column
    found: Numbers = np.asarray(scale.numbers, dtype=float)[column.astype(int)]
    return found


@dataclass(frozen=True, slots=True)
class _OneEffect:
    """A difference with its variance (``None`` if unknown) and degrees of freedom; ``n`` persons per arm."""

    difference: float
    variance: float | None
    df: float
    n: float
    shown: Quantity


def _moments(scale: AnswerScale, place: int | None, sample: AnswerSample) -> tuple[AnswerMean, float] | None:
    found = weighted_mean(outcome_numbers(scale, place, sample), sample)
    return None if found is None else (found, sample.effective_n)


def _difference(
    one: tuple[AnswerMean, float] | None, other: tuple[AnswerMean, float] | None
) -> _OneEffect | None:
    if one is None or other is None:
        return None
    shown = mean_difference(one[0], other[0])
    variance, df = None, 1.0
    if one[0].variance is not None and other[0].variance is not None:
        variance = one[0].variance + other[0].variance
        parts = [(mean.variance or 0.0, mean.df) for mean, _ in (one, other)]
        bottom = sum(part**2 / freedom for part, freedom in parts if part > 0)
        df = variance**2 / bottom if bottom else 1.0
    return _OneEffect(one[0].mean - other[0].mean, variance, df, min(one[1], other[1]), shown)


def _model_effect(
    scale: AnswerScale, place: int | None, arm: AnswerSample, control: AnswerSample
) -> _OneEffect | None:
    """Paired by persona where two or more answered in both arms, else between two independent samples."""
    if not len(arm) or not len(control):
        return None
    means = [_by_name(scale, place, side) for side in (arm, control)]
    shared = [name for name in means[0] if name in means[1]]
    if len(shared) < 2:
        return _difference(_moments(scale, place, arm), _moments(scale, place, control))
    pairs = [means[0][name][0] - means[1][name][0] for name in shared]
    weights = [(means[0][name][1] + means[1][name][1]) / 2 for name in shared]
    sample = AnswerSample.of(pairs, weights)
    mean = weighted_mean(sample.values[:, 0], sample)
    assert mean is not None
    if not mean.variance:
        shown = Quantity(mean.mean, reason="the differences do not vary")
        return _OneEffect(mean.mean, None, mean.df, sample.effective_n, shown)
    half = interval(mean.mean, math.sqrt(mean.variance), mean.df, 0.95)
    return _OneEffect(mean.mean, mean.variance, mean.df, sample.effective_n, Quantity(mean.mean, half))


def _by_name(scale: AnswerScale, place: int | None, sample: AnswerSample) -> dict[str, tuple[float, float]]:
    """Persona → weighted mean and weight; empty where personas have no names."""
    import numpy as np

    if not sample.names:
        return {}
    numbers = outcome_numbers(scale, place, sample)
    weights = np.bincount(sample.persons, sample.weights, minlength=len(sample.names))
    sums = np.bincount(sample.persons, sample.weights * numbers, minlength=len(sample.names))
    return {
        name: (float(total / weight), float(weight))
        for name, total, weight in zip(sample.names, sums, weights, strict=True)
        if weight > 0
    }


def _compared(
    item: str, outcome: str, arm: str, control: str, model: _OneEffect | None, people: _OneEffect | None
) -> EffectComparison:
    if model is None or people is None:
        side = "the model" if model is None else "people"
        nothing = Quantity(None, reason=f"no answers of {side} in both arms")
        one, other = (nothing if effect is None else effect.shown for effect in (model, people))
        return EffectComparison(item, outcome, arm, control, one, other, nothing, UNCLEAR, None)
    limits = people.shown.interval
    clear = limits is not None and (limits.low > 0 or limits.high < 0)
    sign = UNCLEAR
    if clear:
        sign = SAME if model.difference * people.difference > 0 else OPPOSITE
    return EffectComparison(
        item, outcome, arm, control, model.shown, people.shown, _ratio(model, people), sign,
        _people_agree(people, model.n),
    )  # fmt: skip


def _ratio(model: _OneEffect, people: _OneEffect) -> Quantity:
    """Model over people with Fieller's 95 % interval (Fieller 1954), which is bounded if people's effect is clear."""
    if people.difference == 0:
        return Quantity(None, reason="people show no effect")
    ratio = model.difference / people.difference
    if model.variance is None or people.variance is None:
        return Quantity(ratio, reason="one effect has no standard error")
    t = critical(min(model.df, people.df), 0.95)
    a = people.difference**2 - t**2 * people.variance
    if a <= 0:
        return Quantity(None, reason="people's own effect is not clear, so a ratio to it has no bounds")
    b = model.difference * people.difference
    c = model.difference**2 - t**2 * model.variance
    root = math.sqrt(max(b**2 - a * c, 0.0))
    return Quantity(ratio, Interval((b - root) / a, (b + root) / a))


def _people_agree(people: _OneEffect, n: float) -> float | None:
    """The chance that ``n`` people per arm show the sign of people's effect, by the normal distribution."""
    if not people.variance or not people.difference:
        return None
    error = math.sqrt(people.variance * people.n / n)
    return 0.5 * (1 + math.erf(abs(people.difference) / error / math.sqrt(2)))
