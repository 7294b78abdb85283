"""Effects of crossed factors against hand computation, SciPy, and planted truths."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from statistics import fmean

import pytest
from scipy import stats

from harness.errors import ConfigurationError
from harness.model import Dataset, Group, Observation, factorial
from harness.stats import analyse
from harness.stats.factors import factor_effects

TONE = {"warm": {"instructions": "Be warm."}, "cold": {"instructions": "Be cold."}}
LENGTH = {"free": {}, "short": {"instructions": "Use ten words.", "settings": {"words": 10}}}
MODEL = {"a": {}, "b": {"model_options": {"top_p": 0.5}}, "c": {"temperature": 0.1}}


def dataset(
    arms: tuple[Group, ...], truth: Callable[[Mapping[str, str]], float], seed: int = 1, blocks: int = 24
) -> Dataset:
    rng = random.Random(seed)
    shifts = [rng.gauss(0, 2) for _ in range(blocks)]
    found = [
        Observation("m", arm.name, rep, block, 0, None, truth(arm.factors) + shifts[block] + rng.gauss(0, 1))
        for arm, block, rep in product(arms, range(blocks), (1, 2))
    ]
    factors = {arm.name: dict(arm.factors) for arm in arms}
    return Dataset("e", tuple(arm.name for arm in arms), ("m",), tuple(found), "r", factors=factors)


def test_a_two_by_two_finds_the_planted_interaction_and_nothing_else() -> None:
    data = dataset(
        factorial(tone=TONE, length=LENGTH), lambda at: 2.0 * (at == {"tone": "cold", "length": "short"})
    )
    found = {one.name: one for one in factor_effects(data)}
    assert list(found) == ["tone: cold − warm", "length: short − free", "tone × length: cold, short"]
    assert found["tone × length: cold, short"].estimate.difference == pytest.approx(2, abs=0.7)
    assert found["tone: cold − warm"].estimate.difference == pytest.approx(1, abs=0.5)
    assert all(one.p_adjusted is not None and one.p_adjusted < 0.01 for one in found.values())
    assert {one.adjustment for one in found.values()} == {"Holm over 3 effects"}


def test_a_main_effect_is_the_paired_t_test_of_its_contrast() -> None:
    data = dataset(factorial(tone=TONE, length=LENGTH), lambda at: 0.3 * (at["tone"] == "cold"))
    means = {
        (group, block): fmean(one.value for one in data.of("m", group) if one.panel == block)  # type: ignore[misc]
        for group, block in product(data.groups, range(24))
    }
    contrast = [
        (means["cold-free", b] + means["cold-short", b] - means["warm-free", b] - means["warm-short", b]) / 2
        for b in range(24)
    ]
    expected = stats.ttest_1samp(contrast, 0)
    (found, *_) = factor_effects(data)
    assert found.estimate.p == pytest.approx(expected.pvalue)
    assert (found.estimate.df, found.estimate.n) == (23, 24)


def test_missing_cells_restrict_an_effect_by_name_and_an_interaction_without_them_is_not_claimed() -> None:
    arms = factorial(where=lambda at: at != {"tone": "cold", "model": "c"}, tone=TONE, model=MODEL)
    found = {one.name: one for one in factor_effects(dataset(arms, lambda at: 1.0 * (at["model"] == "c")))}
    assert list(found) == [
        "tone: cold − warm (model a or b)",
        "model: b − a",
        "model: c − a (tone warm)",
        "tone × model: cold, b",
        "tone × model: cold, c",
    ]
    lacking = found["tone × model: cold, c"]
    assert lacking.estimate.reason == "not estimable: no arm has tone cold, model c"
    assert (lacking.estimate.difference, lacking.estimate.p, lacking.p_adjusted) == (None, None, None)
    assert found["model: b − a"].adjustment == "Holm over 4 effects"
    assert found["model: c − a (tone warm)"].weights == {"warm-c": 1.0, "warm-a": -1.0}


def test_a_half_fraction_claims_no_effect_that_its_aliases_could_explain() -> None:
    def even(at: Mapping[str, str]) -> bool:
        return (at["tone"] == "cold") ^ (at["length"] == "short") ^ (at["model"] == "b")

    models = {"a": MODEL["a"], "b": MODEL["b"]}
    arms = factorial(where=even, tone=TONE, length=LENGTH, model=models)
    found = factor_effects(dataset(arms, lambda _: 0.0))
    assert len(found) == 6 and all(one.estimate.p is None for one in found)
    assert found[0].estimate.reason == (
        "not estimable: no combination of length, model has all 2 arms that it compares; "
        "name a contrast to test it under an assumption"
    )


def test_an_arm_outside_the_factorial_leaves_its_effects_as_they_are() -> None:
    data = dataset(factorial(tone=TONE, length=LENGTH), lambda at: 1.0 * (at["tone"] == "cold"))
    beside = replace(data, groups=("plain", *data.groups))
    assert factor_effects(beside) == factor_effects(data)


def test_no_effect_is_claimed_more_often_than_its_level_says() -> None:
    arms = factorial(tone=TONE, length=LENGTH)
    found = [one for seed in range(200) for one in factor_effects(dataset(arms, lambda _: 0.0, seed, 8))]
    low = sum((one.estimate.p or 1) < 0.05 for one in found)
    assert low <= stats.binom.ppf(0.99, len(found), 0.05)


def test_designs_without_two_factors_have_no_effects() -> None:
    assert not factor_effects(dataset(factorial(tone=TONE), lambda _: 0.0))
    assert not analyse(dataset(factorial(tone=TONE), lambda _: 0.0), with_secondary=False).effects
    assert analyse(dataset(factorial(tone=TONE, length=LENGTH), lambda _: 0.0), with_secondary=False).effects


def test_arms_carry_what_their_levels_declare() -> None:
    arms = {arm.name: arm for arm in factorial(tone=TONE, length=LENGTH, model=MODEL)}
    assert len(arms) == 12
    arm = arms["cold-short-c"]
    assert arm.instructions == "Be cold.\n\nUse ten words."
    assert (arm.settings, arm.temperature) == ({"words": 10}, 0.1)
    assert arm.declared["factors"] == {"tone": "cold", "length": "short", "model": "c"}


@pytest.mark.parametrize(
    ("factors", "problem"),
    [
        ({}, "no factors"),
        ({"tone": {}}, r"tone=\{\}; expected a mapping of levels"),
        ({"tone": {"": {}}}, r"tone\[''\]: a level needs a name"),
        ({"tone": {"warm": "Be warm."}}, r"tone\['warm'\]='Be warm.'; expected a mapping of fields of Group"),
        ({"tone": {"warm": {"name": "x"}}}, "name is set by factorial itself"),
        ({"tone": {"warm": {"instruction": "x"}}}, "did you mean 'instructions'"),
        ({"a": {"x": {"temperature": 1}}, "b": {"y": {"temperature": 0}}}, "x-y: temperature is set by two factors"),
        ({"where": lambda _: False, "tone": TONE}, "where= keeps no combination"),
    ],
)  # fmt: skip
def test_a_bad_factor_is_one_clear_error(factors: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        factorial(**factors)  # type: ignore[arg-type]
