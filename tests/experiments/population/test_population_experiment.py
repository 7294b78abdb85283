from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness
from harness.errors import ConfigurationError
from harness.experiments.population.build.network import connect
from harness.experiments.population.build.sampling import sample
from harness.experiments.population.example import write_example
from harness.experiments.population.experiment import simulation_experiment
from harness.experiments.population.formats.agents import write_agents
from harness.experiments.population.formats.network_config import NetworkConfig
from harness.experiments.population.formats.network_file import write_network
from harness.experiments.population.formats.spec import read_spec

VARIANTS = {"baseline": {}, "quiet": {"share_probability": 0.0}}


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    write_example(tmp_path / "town")
    agents = sample(read_spec(tmp_path / "town" / "population.yaml"), count=30, seed=1)
    write_agents(tmp_path / "town" / "agents.json", agents)
    write_network(tmp_path / "town" / "network.json", connect(agents, NetworkConfig(avg_degree=5)), agents)
    return tmp_path / "town" / "scenario.yaml"


def test_variants_are_groups_and_worlds_are_seeds(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = simulation_experiment(scenario, VARIANTS, worlds=2)
    done = harness.run(experiment, results_dir=tmp_path / "results", quiet=True)
    assert done.exit_code == 0
    loud, quiet = done.values("baseline", "aware"), done.values("quiet", "aware")
    assert len(loud) == len(quiet) == 2 and all(one >= two for one, two in zip(loud, quiet, strict=True))
    lines = [json.loads(line) for path in done.records for line in path.read_text().splitlines()]
    trials = [line for line in lines if line["type"] == "simulation_result"]
    seeds = {(line["simulation_seed"], line["population_size"]) for line in trials}
    assert len(trials) == 4 and len(seeds) == 2
    shares = [
        sum(done.values("baseline", f"stance_{one}")[rep] for one in ("for", "against", "undecided"))
        for rep in (0, 1)
    ]
    assert shares == pytest.approx([1, 1])


def test_an_unknown_axis_is_refused(scenario: Path) -> None:
    with pytest.raises(ConfigurationError, match="'loudness' is not an axis; expected one of threshold"):
        simulation_experiment(scenario, {"baseline": {"loudness": 3}})


def test_files_that_changed_are_told_before_the_first_call(scenario: Path) -> None:
    experiment = simulation_experiment(scenario, VARIANTS)
    scenario.write_text(scenario.read_text().replace("0.15", "0.16"))
    assert experiment.play is not None and experiment.play.check is not None
    assert [one for one in experiment.play.check(experiment) if "the Scenario file has changed" in one]
