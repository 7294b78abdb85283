"""Who knows whom: ties go by their conditions and multipliers, at any size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigurationError
from harness.experiments.population.build.network import Network, connect
from harness.experiments.population.build.sampling import sample
from harness.experiments.population.example import PACKAGED
from harness.experiments.population.formats.agents import Agents
from harness.experiments.population.formats.network_config import NetworkConfig, read_network_config
from harness.experiments.population.formats.network_file import write_network
from harness.experiments.population.formats.spec import read_spec
from tests.support.populations import people


def degrees(made: Any, size: int) -> Any:
    return np.bincount(np.concatenate([made.source, made.target]), minlength=size)


@pytest.mark.parametrize("multiplier", [0.3, 1.3, 3.0, 5.0])
def test_a_multiplier_multiplies_by_what_it_says(multiplier: float) -> None:
    some = np.arange(2000) % 4 == 0
    wanted = {"degree_multipliers": [{"attribute": "some", "condition": True, "multiplier": multiplier}]}
    found = degrees(connect(people(2000, some=some), NetworkConfig.model_validate(wanted)), 2000)
    assert found[some].mean() / found[~some].mean() == pytest.approx(
        multiplier, rel=0.25 if multiplier < 0.5 else 0.15
    )


@pytest.mark.parametrize(
    ("values", "condition"),
    [(np.arange(200) < 50, "True"), (np.arange(200) % 3, "1"), (np.arange(200) % 3, True),
     (np.arange(200) < 50, 1.0)],
)  # fmt: skip
def test_a_condition_that_nobody_can_meet_is_refused(values: Any, condition: Any) -> None:
    one = {"attribute": "some", "condition": condition, "multiplier": 5.0}
    with pytest.raises(ConfigurationError, match="degree_multipliers: some"):
        connect(people(some=values), NetworkConfig.model_validate({"degree_multipliers": [one]}))


@pytest.mark.parametrize("least", [1e-3, 1e-9, 1e-320])
def test_ties_that_nearly_nobody_may_have_are_found_nevertheless(least: float) -> None:
    one = {"attribute": "some", "condition": False, "multiplier": least}
    made = connect(
        people(some=np.arange(200) < 10), NetworkConfig.model_validate({"degree_multipliers": [one]})
    )
    assert len(made) == 1200 and len(set(zip(made.source, made.target, strict=True))) == 1200


@pytest.mark.parametrize(
    ("size", "degree", "ties"), [(1, 0.5, 0), (2, 1.0, 1), (3, 2.0, 3), (3, 1.0, 2), (5, 4.0, 10)]
)
def test_the_smallest_populations_can_be_connected(size: int, degree: float, ties: int) -> None:
    wanted = {"avg_degree": degree, "attribute_weights": {"x": {"weight": 1.0}}}
    made = connect(people(size, x=np.arange(size)), NetworkConfig.model_validate(wanted))
    assert len(made) == ties
    assert made.meta["targets"]["homophily"]["x"]["reached"] == pytest.approx(0.0, abs=1.0)


NEAR = {"weight": 1.0, "match_type": "numeric_range", "range_value": 1.0}


@pytest.mark.parametrize(
    ("values", "weights", "told"),
    [
        (np.where(np.arange(200) < 9, np.nan, 1.0), {"x": NEAR}, "x: missing for 9 of 200"),
        (np.arange(200.0) * 1e305, {"x": NEAR}, "x"),
    ],
)
def test_numbers_that_cannot_be_compared_are_refused(values: Any, weights: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        connect(people(x=values), NetworkConfig.model_validate({"attribute_weights": weights}))


def test_weights_of_any_size_give_shares() -> None:
    wanted = {"attribute_weights": {"x": {**NEAR, "weight": 1e308}, "y": {"weight": 1e308}}}
    made = connect(people(x=np.arange(200.0), y=np.arange(200) % 2), NetworkConfig.model_validate(wanted))
    assert ((made.weight >= 0) & (made.weight <= 1)).all()


def test_an_attribute_of_many_values_takes_no_memory_of_their_square() -> None:
    from harness.experiments.population.build.measures import assortativity

    edges = np.array([[n, n + 1] for n in range(49_999)])
    assert abs(assortativity(np.arange(50_000) // 2, edges, ordered=False) - 0.5) < 0.001


def test_a_network_is_written_in_the_memory_of_its_file(tmp_path: Path) -> None:
    """A tie takes its text, not a buffer of kilobytes."""
    everybody, size = people(20_000), 40_000
    ties = np.arange(size, dtype=np.int64) % 20_000
    made = Network(ties, (ties + 1 + np.arange(size) // 20_000) % 20_000, np.ones(size),
                   np.zeros(size, dtype=np.int64), ("peer",), {})  # fmt: skip
    tracemalloc.start()
    try:
        write_network(tmp_path / "network.json", made, everybody)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * (tmp_path / "network.json").stat().st_size


def test_the_order_of_agents_in_the_file_changes_no_measure_of_their_network() -> None:
    """Sorted by age or not: what the network is like is the same within its tolerance."""
    agents = sample(read_spec(PACKAGED / "population.yaml"), count=1500, seed=5)
    config = read_network_config(PACKAGED / "network.yaml", frozenset(agents.columns))
    order = np.argsort(agents.columns["age"], kind="stable")
    by_age = Agents(
        tuple(agents.ids[n] for n in order), {name: one[order] for name, one in agents.columns.items()}
    )
    first, second = (connect(one, config, seed=1) for one in (agents, by_age))
    for made, everybody in ((first, agents), (second, by_age)):
        targets = made.meta["targets"]
        assert targets["clustering"]["met"] and all(one["met"] for one in targets["homophily"].values())
        found = degrees(made, 1500)
        place = np.arange(1500)
        assert abs(np.corrcoef(found, place)[0, 1]) < 0.15, everybody.ids[:3]
