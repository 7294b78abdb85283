from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigurationError
from harness.experiments.population.build.sampling import sample
from harness.experiments.population.example import PACKAGED
from harness.experiments.population.formats.agents import read_agents, write_agents
from harness.experiments.population.formats.files import write_yaml
from harness.experiments.population.formats.spec import order, read_spec, spec_of

EXAMPLE = read_spec(PACKAGED / "population.yaml")


def attribute(
    name: str, distribution: dict[str, Any] | None = None, type: str = "float", **more: Any
) -> dict[str, Any]:
    modifiers = more.pop("modifiers", [])
    constraints = more.pop("constraints", [])
    strategy = "derived" if "formula" in more else "conditional" if modifiers else "independent"
    sampling = {"strategy": strategy, "distribution": distribution, "modifiers": modifiers, **more}
    return {"name": name, "type": type, "sampling": sampling, "constraints": constraints}


def drawn(*attributes: dict[str, Any], count: int = 20_000, seed: int = 0) -> Any:
    return sample(
        spec_of({"meta": {"description": "d", "size": count}, "attributes": list(attributes)}), seed=seed
    )


@pytest.mark.parametrize(
    ("distribution", "mean", "std"),
    [
        ({"type": "normal", "mean": 10.0, "std": 2.0}, 10, 2),
        (
            {"type": "normal", "mean": 0.0, "std": 1.0, "min": 0.0},
            0.7979,
            0.6028,
        ),  # half-normal: √(2/π), √(1−2/π)
        ({"type": "lognormal", "mean": 9.0, "std": 3.0}, 9, 3),
        ({"type": "uniform", "min": 2.0, "max": 8.0}, 5, 1.732),
        ({"type": "beta", "alpha": 2.0, "beta": 2.0}, 0.5, 0.2236),
        ({"type": "beta", "alpha": 2.0, "beta": 2.0, "min": 10.0, "max": 20.0}, 15, 2.236),
    ],
)
def test_moments(distribution: dict[str, Any], mean: float, std: float) -> None:
    values = drawn(attribute("x", distribution)).columns["x"]
    assert values.mean() == pytest.approx(mean, abs=4 * std / 140)
    assert values.std() == pytest.approx(std, rel=0.04)


def test_truncation_leaves_no_heap_at_the_bounds() -> None:
    values = drawn(
        attribute("x", {"type": "normal", "mean": 5.0, "std": 4.0, "min": 0.0, "max": 8.0})
    ).columns["x"]
    assert values.min() >= 0 and values.max() <= 8 and len(np.unique(values)) == len(values)


def test_shares_and_overrides() -> None:
    agents = drawn(
        attribute("car", {"type": "boolean", "probability_true": 0.25}, "boolean"),
        attribute(
            "town",
            {"type": "categorical", "options": ["a", "b"], "weights": [3.0, 1.0]},
            "categorical",
            modifiers=[{"when": "car", "weight_overrides": {"a": 0.0}}],
        ),
    )
    car, town = agents.columns["car"], agents.columns["town"]
    assert car.mean() == pytest.approx(0.25, abs=0.02)
    assert (town[car] == "b").all()
    assert (town[~car] == "a").mean() == pytest.approx(0.75, abs=0.02)


def test_formulas_follow_what_they_read_whatever_the_order_in_the_file() -> None:
    size = attribute(
        "size", {"type": "categorical", "options": ["1", "2", "5+"], "weights": [1.0, 1.0, 1.0]}, "int"
    )
    children = attribute("children", {"type": "uniform", "min": 0.0, "max": 9.0}, "int")
    capped = attribute("capped", None, "int", formula="min(children, size - 1)")
    one, two = drawn(size, children, capped), drawn(capped, children, size)
    assert set(one.columns["size"]) == {1, 2, 5}
    assert (one.columns["capped"] <= one.columns["size"] - 1).all()
    assert all((one.columns[name] == two.columns[name]).all() for name in one.columns)


def test_another_attribute_changes_none_of_the_others() -> None:
    x, y = (attribute(name, {"type": "uniform", "min": 0.0, "max": 1.0}) for name in "xy")
    assert (drawn(x).columns["x"] == drawn(y, x).columns["x"]).all()
    assert not (drawn(x).columns["x"] == drawn(y).columns["y"]).any()
    assert not (drawn(x).columns["x"] == drawn(x, seed=1).columns["x"]).any()


def test_violations_are_counted_with_their_number() -> None:
    agents = drawn(
        attribute(
            "x",
            {"type": "uniform", "min": 0.0, "max": 1.0},
            constraints=[{"type": "expression", "expression": "value < 0.5"}],
        ),
    )
    violated = agents.meta["stats"]["constraint_violations"]["x: value < 0.5"]
    assert violated == int((agents.columns["x"] >= 0.5).sum()) > 0


def test_formula_bounds_that_cross_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="'x': its lower bound is above its upper for"):
        drawn(
            attribute("y", {"type": "uniform", "min": 0.0, "max": 2.0}),
            attribute("x", {"type": "normal", "mean": 0.0, "std": 1.0, "min_formula": "y", "max": 1.0}),
        )


def test_a_file_comes_back_as_it_was(tmp_path: Any) -> None:
    agents = sample(EXAMPLE, seed=7)
    write_agents(tmp_path / "agents.json", agents)
    again = read_agents(tmp_path / "agents.json")
    assert again.rows() == agents.rows() and again.meta == agents.meta
    write_agents(tmp_path / "again.json", again)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "agents.json").read_bytes()


def test_a_spec_comes_back_as_it_was(tmp_path: Any) -> None:
    write_yaml(tmp_path / "population.yaml", EXAMPLE)
    assert read_spec(tmp_path / "population.yaml") == EXAMPLE


def test_the_example_is_as_it_says() -> None:
    agents = sample(EXAMPLE)
    assert len(agents) == 800
    assert agents.columns["age"].min() >= 18 and agents.columns["age"].max() <= 92
    assert set(agents.columns["work"][agents.columns["age"] >= 66]) & {"studying", "looking"} == set()
    assert not any(agents.meta["stats"]["constraint_violations"].values())


def test_the_order_respects_every_dependency() -> None:
    data = EXAMPLE.model_dump(exclude_none=True)
    shuffled = copy.deepcopy(data)
    shuffled["attributes"].reverse()
    assert order(spec_of(shuffled)) == order(EXAMPLE)
