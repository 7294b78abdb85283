"""Many questionnaires without an effect, analysed as a run is: which p are small?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from harness.model import Dataset, Respondents, SampleDesign, Scale
from harness.stats import analyse
from harness.stats.crossed import across_items
from harness.stats.moderation import moderation
from harness.stats.ordinal import rank_test
from harness.stats.personas import PersonaValues
from harness.stats.results import ALPHA
from tests.support.answers import ARMS, answers
from tests.support.families import Found

PEOPLE = 60
Test = tuple[float | None, float | None]
"""A p, and the same after the correction of its family."""


def whole(values: np.ndarray) -> np.ndarray:
    """Answers on a scale of 1 to 5."""
    rounded: np.ndarray = np.clip(np.round(values), 1, 5)
    return rounded


def survey(
    rng: np.random.Generator, items: int = 2, *, between: bool = False, arm_sd: float = 0.0
) -> Dataset:
    """Items as metrics; personas differ in level, the same in both arms unless ``between``.

    ``arm_sd``: each item has a difference between the arms that it draws from 0, in points that are not rounded.
    """
    level, parts = rng.normal(3, 0.9, (PEOPLE, 1)), []
    for item in range(items):
        shift, arms = rng.normal(0, arm_sd), {}
        for group in ARMS:
            if between:
                level = rng.normal(3, 0.9, (PEOPLE, 1))
            drawn = level + rng.normal(0, 0.8, (PEOPLE, 1)) + shift * (group == ARMS[1])
            arms[group] = drawn if arm_sd else whole(drawn)
        parts.append(answers(arms, between=between, metric=f"i{item}"))
    names = tuple(part.metrics[0] for part in parts)
    every = tuple(one for part in parts for one in part.observations)
    return replace(parts[0], metrics=names, observations=every, scales=dict.fromkeys(names, Scale(1, 5)))


def unequal(rng: np.random.Generator, *, between: bool, strata: bool = True) -> Dataset:
    """Four fifths of the sample are of the half of the population with an effect of +1, the rest of that with −1.

    In the population there is none: weights show it.
    """
    many = PEOPLE * 4 // 5
    effect = np.where(np.arange(PEOPLE) < many, 1.0, -1.0)[:, None]
    levels = [rng.normal(3, 0.9, (PEOPLE, 1)) for _ in ARMS]
    arms = {
        group: levels[place if between else 0] + rng.normal(0, 0.8, (PEOPLE, 1)) + place * effect
        for place, group in enumerate(ARMS)
    }
    data = answers(arms, between=between)
    names = [name for (name,) in data.panels]
    weights = [1 / many if number % PEOPLE < many else 1 / (PEOPLE - many) for number in range(len(names))]
    halves = ["a" if number % PEOPLE < many else "b" for number in range(len(names))]
    found = Respondents(
        {"half": dict(zip(names, halves, strict=True))},
        dict(zip(names, weights, strict=True)),
        SampleDesign("stratified", strata="half" if strata else None),
    )
    return replace(data, respondents=found)


def attributes(data: Dataset, rng: np.random.Generator) -> Dataset:
    """Four attributes of two to four levels that nothing depends on."""
    names = [name for (name,) in data.panels]
    found = {
        f"a{levels}{place}": {name: str(rng.integers(levels)) for name in names}
        for place, levels in enumerate((2, 2, 3, 4))
    }
    return replace(data, respondents=Respondents(found))


def primary(data: Dataset) -> Iterator[Test]:
    yield from ((one.primary.p, one.p_adjusted) for one in analyse(data, with_secondary=False).comparisons)


def alone(p: float | None) -> Iterator[Test]:
    yield p, p


def by_attribute(data: Dataset) -> Iterator[Test]:
    tests = moderation(data, [(metric, ARMS) for metric in data.metrics])
    yield from ((one.p, one.p_adjusted) for one in tests)


FAMILIES: Mapping[str, Callable[[np.random.Generator], Iterator[Test]]] = {
    "within personas, 2 items": lambda rng: primary(survey(rng)),
    "between personas, 2 items": lambda rng: primary(survey(rng, between=True)),
    "within personas, unequal sample, weighted": lambda rng: primary(unequal(rng, between=False)),
    "within personas, unequal sample, weighted, strata unknown": lambda rng: primary(
        unequal(rng, between=False, strata=False)
    ),
    "between personas, unequal sample, weighted": lambda rng: primary(unequal(rng, between=True)),
    "personas and 8 items random": lambda rng: alone(
        across_items(survey(rng, 8, arm_sd=0.3), ARMS)[0].both_random.p
    ),
    "treatment × 4 attributes × 2 items": lambda rng: by_attribute(attributes(survey(rng), rng)),
    "treatment × 4 attributes × 2 items, between": lambda rng: by_attribute(
        attributes(survey(rng, between=True), rng)
    ),
    "Wilcoxon signed-rank": lambda rng: alone(rank_test(PersonaValues.of(survey(rng, 1), "i0", ARMS)).p),
    "Mann–Whitney": lambda rng: alone(
        rank_test(PersonaValues.of(survey(rng, 1, between=True), "i0", ARMS)).p
    ),
}
"""A questionnaire without an effect, and the tests that form one family."""


def simulate_family(name: str, runs: int, seed: int) -> Found:
    """Draw and analyse ``runs`` questionnaires."""
    rng = np.random.default_rng([seed, len(name)])
    false = small = tests = 0
    for _ in range(runs):
        found = list(FAMILIES[name](rng))
        false += any(adjusted is not None and adjusted <= ALPHA for _, adjusted in found)
        small += sum(p is not None and p <= ALPHA for p, _ in found)
        tests += len(found)
    return Found(runs, false, small / tests, None)
