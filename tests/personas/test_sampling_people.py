"""Samples, quotas and weights of a population: seeded, recorded, and right in distribution."""

from __future__ import annotations

import dataclasses
import math
import pickle
import random
from collections import Counter
from typing import Any

import pytest

from harness import ConfigurationError, Persona, Population, load_population
from harness.model import attributes_of
from harness.personas.weights import effective_n

NORTH, SOUTH = "North", "South"


def town(size: int = 90) -> Population:
    rng = random.Random(3)
    return load_population(
        [
            {
                "name": f"P{number}",
                "region": NORTH if number % 3 else SOUTH,
                "sex": rng.choice("fm"),
                "age": number % 50 + 20,
            }
            for number in range(size)
        ]
    )


def counts(people: Population, attribute: str) -> Counter[Any]:
    return Counter(attributes_of(one)[attribute] for one in people)


def fault(call: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        call()
    assert len(caught.value.problems) == 1
    return str(caught.value)


def test_a_sample_is_repeatable_without_replacement_and_recorded() -> None:
    people = town()
    sample = people.sample(20, seed=1)
    assert sample == people.sample(20, seed=1) != people.sample(20, seed=2)
    assert len({one.name for one in sample}) == 20
    (step,) = sample.sampling
    assert step.to_metadata() == {"method": "simple", "size": 20, "frame": 90, "seed": 1}
    assert sample.sha256 != people.sha256


def test_everyone_is_drawn_equally_often_also_among_the_first() -> None:
    people = town(20)
    drawn, first = Counter[str](), Counter[str]()
    for seed in range(2000):
        sample = people.sample(5, seed=seed)
        drawn.update(one.name for one in sample)
        first[sample[0].name] += 1
    assert all(abs(drawn[one.name] - 500) < 5 * math.sqrt(2000 * 0.25 * 0.75) for one in people)
    assert all(abs(first[one.name] - 100) < 5 * math.sqrt(2000 * 0.05 * 0.95) for one in people)


def test_a_file_and_its_population_give_the_same_sample(tmp_path: Any) -> None:
    path = tmp_path / "p.csv"
    path.write_text("name,region\n" + "".join(f"P{n},{'NS'[n % 2]}\n" for n in range(200)))
    whole = load_population(path)
    for arguments in ({}, {"by": "region"}):
        one = load_population(path, sample=30, seed=5, **arguments)
        assert one.personas == whole.sample(30, seed=5, **arguments).personas
        assert one.sampling == whole.sample(30, seed=5, **arguments).sampling
        assert one.file_sha256 == whole.file_sha256


def test_strata_are_drawn_in_proportion() -> None:
    sample = town().sample(30, by="region", seed=1)
    assert counts(sample, "region") == {NORTH: 20, SOUTH: 10}
    assert str(sample.sampling[0]) == "stratified 30 of 90 by region, seed 1"
    uneven = town().sample(31, by=["region", "sex"], seed=1)
    assert len(uneven) == 31


def test_quotas_are_filled() -> None:
    sample = town().sample(quotas={"region": {NORTH: 6, SOUTH: 6}, "sex": {"f": 8, "m": 4}}, seed=4)
    assert counts(sample, "region") == {NORTH: 6, SOUTH: 6}
    assert counts(sample, "sex") == {"f": 8, "m": 4}
    assert not sample.sampling[0].is_random


def test_raking_meets_every_margin_and_changes_weights_least() -> None:
    margins = {"region": {NORTH: 0.4, SOUTH: 0.6}, "sex": {"f": 0.55, "m": 0.45}}
    people = town().rake(margins)
    assert math.isclose(sum(people.weights), 90)
    for attribute, shares in margins.items():
        for value, share in shares.items():
            mass = sum(one.weight for one in people if attributes_of(one)[attribute] == value)
            assert math.isclose(mass / 90, share, abs_tol=1e-6)
    for one, weight in zip(people, fitted(people, margins), strict=True):
        assert math.isclose(one.weight, weight, rel_tol=1e-5)
    assert 60 < people.effective_n < 90
    assert people.sampling[-1].method == "raked"


def fitted(people: Population, margins: dict[str, dict[str, float]]) -> list[float]:
    """Iterative proportional fitting, as in Deming & Stephan (1940)."""
    weights = [1.0] * len(people)
    for _ in range(500):
        for attribute, shares in margins.items():
            held = [attributes_of(one)[attribute] for one in people]
            for value, share in shares.items():
                mass = sum(weight for weight, mine in zip(weights, held, strict=True) if mine == value)
                factor = share * sum(weights) / mass
                weights = [
                    weight * factor if mine == value else weight
                    for weight, mine in zip(weights, held, strict=True)
                ]
    return [weight * len(people) / sum(weights) for weight in weights]


def test_raking_starts_from_the_weights_that_people_have() -> None:
    people = load_population(
        [{"name": str(n), "sex": "fm"[n % 2], "w": 1 + n} for n in range(10)], weight="w"
    )
    raked = people.rake({"sex": {"f": 0.5, "m": 0.5}})
    assert math.isclose(raked[2].weight / raked[0].weight, 3, rel_tol=1e-6)


def test_the_effective_size_is_kishs() -> None:
    assert effective_n([1.0] * 7) == 7
    assert math.isclose(effective_n([2, 1, 1]), 16 / 6)


RAKE_FAULTS = {
    "a category that nobody has": (
        {"region": {NORTH: 0.5, "West": 0.5}},
        "margins['region'] has 'West', but none of the 90 people has that region; expected one of North, South.",
    ),
    "a category without a share": (
        {"region": {NORTH: 1.0}},
        "margins['region'] lacks 'South', which people have",
    ),
    "shares that do not sum to 1": (
        {"region": {NORTH: 0.5, SOUTH: 0.4}},
        "margins['region']: the shares sum to 0.9; expected 1.",
    ),
    "counts": (
        {"region": {NORTH: 1000, SOUTH: 500}},
        "['North']=1000; expected a share, 0 to 1. Divide counts",
    ),
    "an unknown attribute": (
        {"regoin": {NORTH: 1.0}},
        "margins name 'regoin'; expected one of region, sex, age.",
    ),
    "no mapping": ({"region": 0.5}, "margins['region']=0.5; expected a mapping"),
    "no margins": ({}, "no margins; expected shares by attribute"),
}


@pytest.mark.parametrize(("margins", "message"), RAKE_FAULTS.values(), ids=RAKE_FAULTS.keys())
def test_margins_that_cannot_be_met_are_one_error(margins: Any, message: str) -> None:
    assert message in fault(lambda: town().rake(margins))


def test_margins_that_contradict_each_other_are_named() -> None:
    rows = [{"name": str(n), "sex": "fm"[n % 2], "job": ("nurse", "smith")[n % 2]} for n in range(20)]
    told = fault(
        lambda: load_population(rows).rake({"sex": {"f": 0.8, "m": 0.2}, "job": {"nurse": 0.3, "smith": 0.7}})
    )
    assert "the margins cannot be met together" in told and "too few combinations" in told
    missing = load_population([{"name": "a", "sex": "f"}, {"name": "b", "sex": None}])
    assert "1 of 2 people have no sex" in fault(lambda: missing.rake({"sex": {"f": 1.0}}))


QUOTA_FAULTS = {
    "more than there are": (
        {"region": {NORTH: 5, SOUTH: 500}},
        "quotas['region']['South']=500, and 30 such people are there; expected at most as many.",
    ),
    "a value that nobody has": ({"region": {"West": 1}}, "0 such people are there"),
    "different sums": (
        {"region": {NORTH: 5, SOUTH: 5}, "sex": {"f": 4, "m": 5}},
        "the quotas add up to region 10, sex 9; expected the same number",
    ),
    "no mapping": ({"region": 3}, "quotas['region']=3; expected a mapping"),
    "no number": ({"region": {NORTH: 0.5}}, "quotas['region']['North']=0.5; expected a number of people"),
    "an unknown attribute": ({"regoin": {NORTH: 1}}, "quotas names 'regoin'"),
}


@pytest.mark.parametrize(("quotas", "message"), QUOTA_FAULTS.values(), ids=QUOTA_FAULTS.keys())
def test_quotas_that_cannot_be_filled_are_one_error(quotas: Any, message: str) -> None:
    assert message in fault(lambda: town().sample(quotas=quotas))


def test_quotas_that_exclude_each_other_are_named() -> None:
    rows = [{"name": str(n), "sex": "fm"[n % 2], "job": ("nurse", "smith")[n % 2]} for n in range(20)]
    people = load_population(rows)
    told = fault(lambda: people.sample(quotas={"sex": {"f": 5, "m": 0}, "job": {"smith": 5}}))
    assert "no combination of people fills all quotas at once" in told


def test_levels_are_matched_as_a_file_of_margins_has_them() -> None:
    people = load_population([{"name": "a", "wave": 1}, {"name": "b", "wave": 2}])
    assert people.rake({"wave": {"1": 0.25, "2": 0.75}}).weights == pytest.approx((0.5, 1.5))
    assert len(people.sample(quotas={"wave": {"1": 1}})) == 1


def test_a_seed_is_a_whole_number() -> None:
    assert "seed='x'; expected a whole number." in fault(lambda: town().sample(3, seed="x"))  # type: ignore[arg-type]


def test_too_many_strata_are_refused() -> None:
    assert "more than 10 different values" in fault(lambda: town().sample(10, by="age"))
    assert "by= or quotas=" in fault(lambda: town().sample(by="sex", quotas={"sex": {"f": 1}}))


def test_a_population_is_a_tuple_that_keeps_its_origin() -> None:
    people = town().sample(30, seed=1).rake({"sex": {"f": 0.5, "m": 0.5}})
    again = pickle.loads(pickle.dumps(people))
    assert again == people and again.sampling == people.sampling and again.sha256 == people.sha256
    assert isinstance(people, tuple) and isinstance(people[0], Persona)
    assert people[:10].sampling[-1].method == "slice" and not people[:10].sampling[-1].is_random
    assert people[:] is people
    other = dataclasses.replace(people, personas=people.personas[:1])
    assert len(other) == 1 and other.sampling == people.sampling
    assert repr(people).startswith(
        "Population(30 people from rows; simple 30 of 90, seed 1; raked to sex; effective n"
    )
