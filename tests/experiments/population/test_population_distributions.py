"""What is drawn: each number and option is of the distribution that its spec names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigurationError
from harness.experiments.population.build.sampling import sample
from harness.experiments.population.formats.agents import Agents
from harness.experiments.population.formats.spec import spec_of
from tests.support.lazy_modules import LazyModule

stats = LazyModule("scipy.stats")


def attribute(name: str = "x", drawn: Any = None, type: str = "float", **more: Any) -> dict[str, Any]:
    constraints = more.pop("constraints", [])
    strategy = "derived" if "formula" in more else "conditional" if "modifiers" in more else "independent"
    return {
        "name": name,
        "type": type,
        "sampling": {"strategy": strategy, "distribution": drawn, **more},
        "constraints": constraints,
    }


def drawn(*attributes: dict[str, Any], count: int = 20_000, seed: int = 0) -> Agents:
    meta = {"description": "them", "size": 10}
    return sample(spec_of({"meta": meta, "attributes": list(attributes)}), count=count, seed=seed)


NORMAL = {"type": "normal", "mean": 0.0, "std": 1.0}


DIE = {"type": "uniform", "min": 1.0, "max": 6.0}


OPTIONS = {"type": "categorical", "options": ["a", "b"], "weights": [1.0, 0.0]}


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 2.0), (3.0, None), (7.5, None), (10.0, None), (12.0, 12.5), (None, -20.0)]
)
def test_a_truncated_normal_is_one_however_far_out_its_bounds_are(
    low: float | None, high: float | None
) -> None:
    values = drawn(attribute(drawn={**NORMAL, "min": low, "max": high})).columns["x"]
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    assert stats.kstest(values, stats.truncnorm(low, high).cdf).pvalue > 0.001
    assert len(np.unique(values)) > 19_000


@pytest.mark.parametrize(
    ("distribution", "theory"),
    [
        (
            {"type": "beta", "alpha": 2.0, "beta": 5.0, "min": 10.0, "max": 20.0},
            lambda: stats.beta(2, 5, 10, 10),
        ),
        ({"type": "uniform", "min": -3.0, "max": 5.0}, lambda: stats.uniform(-3, 8)),
        (
            {"type": "lognormal", "mean": 30.0, "std": 20.0},
            lambda: stats.lognorm(np.sqrt(np.log(1 + 4 / 9)), scale=30 / np.sqrt(1 + 4 / 9)),
        ),
    ],
)
def test_numbers_are_of_the_distribution_that_is_named(distribution: dict[str, Any], theory: Any) -> None:
    assert stats.kstest(drawn(attribute(drawn=distribution)).columns["x"], theory().cdf).pvalue > 0.001


def test_options_go_by_their_weights_and_the_last_match() -> None:
    options = {"type": "categorical", "options": ["a", "b", "c"], "weights": [1.0, 2.0, 1.0]}
    overrides = [
        {"when": "true", "weight_overrides": {"a": 5.0}},
        {"when": "n > 0", "weight_overrides": {"c": 9.0}},
    ]
    people = drawn(attribute("n", NORMAL), attribute("o", options, "categorical", modifiers=overrides))
    above = people.columns["n"] > 0
    for mask, weights in ((above, [1, 2, 9]), (~above, [5, 2, 1])):
        counts = [int((people.columns["o"][mask] == name).sum()) for name in "abc"]
        wanted = mask.sum() * np.array(weights) / sum(weights)
        assert stats.chisquare(counts, wanted).pvalue > 0.001


def test_whole_numbers_between_bounds_are_equally_likely() -> None:
    counts = np.bincount(drawn(attribute(drawn=DIE, type="int")).columns["x"])
    assert len(counts) == 7 and stats.chisquare(counts[1:]).pvalue > 0.001


def test_a_truncated_whole_number_has_its_share_at_the_bound_too() -> None:
    bounded = {"type": "normal", "mean": 20.0, "std": 10.0, "min": 18.0, "max": 22.0}
    values = drawn(attribute(drawn=bounded, type="int")).columns["x"]
    counts = [int((values == age).sum()) for age in range(18, 23)]
    shares = np.diff(stats.norm(20, 10).cdf(np.arange(17.5, 23.5)))
    assert stats.chisquare(counts, 20_000 * shares / shares.sum()).pvalue > 0.001


@pytest.mark.parametrize(
    ("bounds", "least", "most"),
    [({"min": 0.5, "max": 3.5}, 1, 3), ({"min": 2.0, "max": 2.0}, 2, 2), ({"min": -0.5}, 0, 9)],
)
def test_whole_numbers_keep_within_bounds_that_are_not_whole(
    bounds: dict[str, float], least: int, most: int
) -> None:
    modifiers = [{"when": "true", "multiply": 3.0}]
    values = drawn(attribute(drawn={**NORMAL, **bounds}, type="int", modifiers=modifiers)).columns["x"]
    assert values.min() >= least and values.max() <= max(most, 30)
    assert "max" not in bounds or values.max() == most


def test_hard_bounds_between_whole_numbers_are_kept() -> None:
    bounds = [{"type": "hard_min", "value": -0.5}, {"type": "hard_max", "value": 1.5}]
    values = drawn(attribute(drawn=NORMAL, type="int", constraints=bounds)).columns["x"]
    assert set(values.tolist()) == {0, 1}


UNDRAWABLE = [
    ({"drawn": {"type": "uniform", "min": -1e308, "max": 1e308}}, "finite"),
    ({"drawn": {"type": "normal", "mean": 1e30, "std": 1.0}, "type": "int"}, "whole number"),
    ({"drawn": {"type": "normal", "mean": 1e308, "std": 1e308}}, "finite"),
    ({"drawn": {"type": "lognormal", "mean": 1e-300, "std": 1e300}}, "finite"),
    ({"formula": "1e30 + 1", "type": "int"}, "whole number"),
    ({"drawn": {**NORMAL, "type": "normal"}, "type": "boolean"}, "expected"),
    ({"drawn": NORMAL, "type": "categorical"}, "expected"),
    ({"drawn": {**OPTIONS, "options": ["on", "off"]}, "type": "boolean"}, "'off'"),
    ({"drawn": {**OPTIONS, "weights": [1e308, 1e308]}, "type": "categorical"}, "weights"),
    ({"drawn": OPTIONS, "type": "categorical", "modifiers": [{"when": "true", "weight_overrides": {"a": 0.0}}]},
     "modifiers.0"),
    ({"drawn": NORMAL, "modifiers": [{"when": "true", "weight_overrides": {"a": 1.0}}]}, "weight_overrides"),
    ({"drawn": NORMAL, "modifiers": [{"when": "true", "probability_override": 1.0}]}, "probability_override"),
    ({"drawn": OPTIONS, "type": "categorical", "modifiers": [{"when": "true", "multiply": 2.0}]}, "multiply"),
    ({"drawn": NORMAL, "constraints": [{"type": "hard_min", "value": 5.0}, {"type": "hard_max", "value": 1.0}]},
     "hard_min=5 is above hard_max=1"),
    ({"drawn": OPTIONS, "type": "categorical", "constraints": [{"type": "hard_min", "value": 5.0}]}, "hard_min"),
    ({"formula": "log(2, 10)"}, "log takes 1"),
    ({"formula": "sqrt(4, 2)"}, "sqrt takes 1"),
    ({"formula": "round(4, 2, 1)"}, "round takes 1 or 2"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "told"), UNDRAWABLE)
def test_what_cannot_be_drawn_is_refused_by_name(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=r"'x'") as caught:
        drawn(attribute(**settings), count=50)
    assert told in str(caught.value)


def test_modifiers_that_would_not_be_looked_at_are_refused() -> None:
    ignored = attribute(drawn=NORMAL, modifiers=[{"when": "true", "add": 100.0}])
    ignored["sampling"]["strategy"] = "independent"
    with pytest.raises(ConfigurationError, match=r"'x'.*conditional"):
        drawn(ignored, count=50)


def test_the_order_of_attributes_and_one_more_of_them_change_nothing_else() -> None:
    one = attribute("a", NORMAL)
    two = attribute("b", {**OPTIONS, "weights": [1.0, 3.0]}, "categorical",
                    modifiers=[{"when": "a > 0", "weight_overrides": {"a": 9.0}}])  # fmt: skip
    three = attribute("c", formula="a * 2 if b == 'a' else a")
    first = drawn(one, two, three, count=500).columns
    others = drawn(three, attribute("z", DIE, type="int"), two, one, count=500).columns
    assert all((first[name] == others[name]).all() for name in "abc")
