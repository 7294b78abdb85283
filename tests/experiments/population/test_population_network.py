from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigurationError
from harness.experiments.population.build.measures import assortativity, clustering
from harness.experiments.population.build.network import Network, connect
from harness.experiments.population.build.sampling import sample
from harness.experiments.population.example import PACKAGED
from harness.experiments.population.formats.network_config import NetworkConfig, read_network_config
from harness.experiments.population.formats.network_file import read_network, write_network
from harness.experiments.population.formats.spec import read_spec
from tests.support.lazy_modules import LazyModule

nx = LazyModule("networkx")

AGENTS = sample(read_spec(PACKAGED / "population.yaml"), count=1000, seed=3)
CONFIG = read_network_config(PACKAGED / "network.yaml", frozenset(AGENTS.columns))


@pytest.fixture(scope="module")
def network() -> Network:
    return connect(AGENTS, CONFIG, seed=3)


@pytest.fixture(scope="module")
def edges(network: Network) -> np.ndarray:
    return np.stack([network.source, network.target], axis=1)


def test_every_target_is_met_and_told(network: Network) -> None:
    targets = network.meta["targets"]
    assert targets["avg_degree"] == {"target": 12.0, "reached": 12.0, "met": True}
    assert targets["clustering"]["met"] and all(one["met"] for one in targets["homophily"].values())


def test_what_is_told_is_what_another_library_finds(network: Network, edges: np.ndarray) -> None:
    graph = nx.Graph(edges.tolist())
    graph.add_nodes_from(range(1000))
    nx.set_node_attributes(graph, dict(enumerate(AGENTS.columns["district"].tolist())), "district")
    nx.set_node_attributes(graph, dict(enumerate(AGENTS.columns["age"].astype(float).tolist())), "age")
    reached = network.meta["targets"]
    assert nx.average_clustering(graph) == pytest.approx(reached["clustering"]["reached"], abs=1e-4)
    district = nx.attribute_assortativity_coefficient(graph, "district")
    age = nx.numeric_assortativity_coefficient(graph, "age")
    assert district == pytest.approx(reached["homophily"]["district"]["reached"], abs=1e-4)
    assert age == pytest.approx(reached["homophily"]["age"]["reached"], abs=1e-4)
    assert max(map(len, nx.connected_components(graph))) / 1000 == network.meta["largest_component_ratio"]


def test_ties_are_simple_and_sorted(network: Network, edges: np.ndarray) -> None:
    assert (network.source < network.target).all()
    assert len(np.unique(edges, axis=0)) == len(edges) == 6000
    assert ((network.weight >= 0) & (network.weight <= 1)).all()


def test_kinds_go_by_priority(network: Network) -> None:
    district, work = AGENTS.columns["district"], AGENTS.columns["work"]
    same = district[network.source] == district[network.target]
    both = (work[network.source] == "employed") & (work[network.target] == "employed")
    kinds = np.array(network.kinds)[network.kind]
    assert (kinds[same] == "neighbour").all() and (kinds[~same & both] == "colleague").all()
    assert (kinds[~same & ~both] == "acquaintance").all()


def test_multipliers_give_more_ties(edges: np.ndarray) -> None:
    degrees = np.bincount(edges.ravel(), minlength=1000)
    busy = AGENTS.columns["work"] == "self_employed"
    assert 1.1 < degrees[busy].mean() / degrees[~busy].mean() < 1.5


def test_the_seed_decides(network: Network) -> None:
    assert (connect(AGENTS, CONFIG, seed=3).target == network.target).all()
    assert not np.array_equal(connect(AGENTS, CONFIG, seed=4).target, network.target)


@pytest.mark.parametrize(("clustered", "homophily"), [(0.0, 0.0), (0.1, 0.6), (0.5, 0.3)])
def test_other_targets(clustered: float, homophily: float) -> None:
    weights = {"district": CONFIG.attribute_weights["district"]}
    made = connect(
        AGENTS, NetworkConfig(target_clustering=clustered, homophily=homophily, attribute_weights=weights)
    )
    targets = made.meta["targets"]
    assert targets["clustering"]["met"] and targets["homophily"]["district"]["met"], targets


def test_what_cannot_be_had_is_told() -> None:
    targets = connect(AGENTS, NetworkConfig(avg_degree=4, target_clustering=0.9)).meta["targets"]
    assert not targets["clustering"]["met"] and targets["clustering"]["reached"] < 0.9


def test_a_degree_beyond_the_population_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="avg_degree=1000 for 1,000 agents; expected at most 999"):
        connect(AGENTS, NetworkConfig(avg_degree=1000))


def test_a_file_comes_back_as_it_was(tmp_path: Path, network: Network) -> None:
    write_network(tmp_path / "network.json", network, AGENTS)
    again = read_network(tmp_path / "network.json", AGENTS)
    assert (again.source == network.source).all() and (again.weight == network.weight).all()
    assert np.array(again.kinds)[again.kind].tolist() == np.array(network.kinds)[network.kind].tolist()


def test_measures_of_a_triangle_with_a_tail() -> None:
    edges = np.array([[0, 1], [0, 2], [1, 2], [2, 3]])
    assert clustering(edges, 4) == pytest.approx((1 + 1 + 1 / 3 + 0) / 4)
    assert assortativity(np.array([0, 0, 0, 0]), edges, ordered=False) == 0.0
