"""What a simulation does, beside a naive one written from its description."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from harness.experiments.population.build.network import Network, connect
from harness.experiments.population.example import PACKAGED
from harness.experiments.population.formats.agents import Agents
from harness.experiments.population.formats.network_config import NetworkConfig
from harness.experiments.population.formats.persona import personas_of
from harness.experiments.population.formats.scenario import read_scenario, scenario_of
from harness.experiments.population.inputs import read_inputs
from harness.experiments.population.simulation.dynamics import stop
from harness.experiments.population.simulation.exposure import directed, hear
from harness.experiments.population.simulation.results import write_results
from harness.experiments.population.simulation.simulation import Simulation, SimulationOptions
from harness.experiments.population.simulation.state import (
    AgentStates,
    StopReason,
    Summary,
)
from tests.support.lazy_modules import LazyModule
from tests.support.naive_population import Naive, Scripted, events
from tests.support.populations import Sharing, people, with_exposure

stats = LazyModule("scipy.stats")


@pytest.mark.parametrize(
    ("threshold", "max_hops", "chunk"), [(1, None, 7), (2, 2, 50), (3, 1, 1), (5, None, 3)]
)
def test_a_simulation_goes_by_the_rules_as_they_are_written(
    finished: Path, tmp_path: Path, threshold: int, max_hops: int | None, chunk: int
) -> None:
    given = read_inputs(finished / "scenario.yaml")
    rules = [
        {"channel": "letter", "when": "district == 'riverside'", "probability": 1.0, "timestep": 0},
        {"channel": "town_paper", "when": "age >= 60", "probability": 1.0, "timestep": 2},
        {"channel": "letter", "when": "age >= 60", "probability": 0.0, "timestep": 3},
    ]
    inputs = with_exposure(given, rules, 12, max_hops=max_hops)
    options = SimulationOptions(seed=3, threshold=threshold, chunk_size=chunk)
    mind = Scripted(inputs.options)
    done = asyncio.run(Simulation(inputs, options, mind, tmp_path).run())
    write_results(tmp_path, inputs, options, done)
    rows = {row["_id"]: row for row in inputs.agents.rows()}
    river = {name for name, row in rows.items() if row["district"] == "riverside"}
    naive = Naive(
        inputs, [(0, river), (2, {name for name, row in rows.items() if row["age"] >= 60})], threshold
    )
    wanted = [naive.step(step) for step in range(len(done.summaries))]
    found = events((tmp_path / "timeline.jsonl").read_text())
    assert found == wanted[: len(found)]
    assert not any(any(one.values()) for one in wanted[len(found) :])
    agree(tmp_path, naive, wanted)


def agree(folder: Path, naive: Naive, wanted: list[dict[str, Any]]) -> None:
    """All files and the database tell the same, and what the naive one came to."""
    states = json.loads((folder / "agent_states.json").read_bytes())
    steps = json.loads((folder / "by_timestep.json").read_bytes())
    shares = json.loads((folder / "outcome_distributions.json").read_bytes())
    meta = json.loads((folder / "meta.json").read_bytes())
    for one in states:
        mine, final = naive.people[one["agent_id"]], one["final_state"]
        names = {
            "aware": "aware", "count": "exposure_count", "last": "last_reasoning_timestep", "position": "position",
            "sentiment": "sentiment", "conviction": "conviction", "share": "will_share",
        }  # fmt: skip
        assert {name: mine[name] for name in names} == pytest.approx(
            {name: final[theirs] for name, theirs in names.items()}
        )
        assert mine["reasoned"] == one["reasoning_count"]
    held = [one["position"] for one in naive.people.values() if one["position"] is not None]
    assert meta["denominators"]["stance"] == len(held) == steps[-1]["position_count"]
    assert shares["stance"] == {name: held.count(name) / len(held) for name in naive.options if name in held}
    assert steps[-1]["position_distribution"] == pytest.approx(shares["stance"])
    thoughts = [one["thought"] for one in naive.people.values() if "thought" in one]
    assert meta["denominators"]["will_vote"] == meta["agents_reasoned"] == len(thoughts)
    yes = sum(one.outcomes["will_vote"] for one in thoughts) / len(thoughts)
    assert shares["will_vote"] == {"true": yes, "false": 1 - yes}
    assert steps[-1]["average_sentiment"] == pytest.approx(fmean(one.sentiment for one in thoughts))
    for mine, row in zip(wanted, steps, strict=True):
        assert row["new_exposures"] == len(mine["seeds"]) + len(mine["told"])
        assert row["agents_reasoned"] + row["agents_failed"] == len(mine["thinking"])
        assert row["state_changes"] == len(mine["changed"])
    assert steps[-1]["cumulative_shares"] == sum(len(one["told"]) for one in wanted)
    with closing(sqlite3.connect(folder / "simulation.db")) as database:
        exposures = database.execute("SELECT COUNT(*) FROM exposures").fetchone()[0]
        rows = database.execute("SELECT agent_id, exposure_count, hop FROM agent_states").fetchall()
    assert exposures == meta["total_exposures"] == sum(one["exposure_count"] for one in
                                                        (state["final_state"] for state in states))  # fmt: skip
    assert {name: (count, hop) for name, count, hop in rows} == {
        name: (one["count"], -1 if one["hop"] is None else one["hop"]) for name, one in naive.people.items()
    }


def test_the_chance_to_hear_fades_with_every_hop(finished: Path) -> None:
    given = read_inputs(finished / "scenario.yaml")
    ring = connect(people(4000, x=np.arange(4000)), NetworkConfig(avg_degree=10, target_clustering=0.1))
    everybody = people(4000, x=np.arange(4000))
    data = given.scenario.model_dump(mode="json", exclude_none=True)
    data["outcomes"]["decision_relevant_attributes"] = []
    data["seed_exposure"]["rules"] = [
        {"channel": "letter", "when": "x < 400", "probability": 0.5, "timestep": 0}
    ]
    data["spread"] = {"share_probability": 0.4, "decay_per_hop": 0.3, "max_hops": 3}
    data["simulation"] = {"max_timesteps": 4}
    inputs = replace(
        given,
        scenario=scenario_of(data, frozenset({"x"})),
        agents=everybody,
        network=ring,
        personas=personas_of({"intro_template": "I am."}, frozenset({"x"})),
    )
    state, ties = AgentStates.initial(4000, 2 * len(ring)), directed(ring, 4000)
    state.aware[:], state.will_share[:], state.position[:] = True, True, 0
    for hop in range(4):
        state.hop[:] = hop
        heard = hear(inputs.scenario, everybody, ties, state, 1, seed=hop)
        tried, chance = len(heard.tried), 0.4 * 0.7 ** (hop + 1)
        assert tried == (len(ties.teller) if hop < 3 else 0)
        if tried:
            assert stats.binomtest(len(heard.agent), tried, chance).pvalue > 0.001


def test_where_an_agent_stands_in_the_file_does_not_decide_who_is_heard(finished: Path) -> None:
    """Of neighbours who are equally alike, those from the front of the file are heard no more than others."""
    given = read_inputs(finished / "scenario.yaml")
    inputs = with_exposure(
        given, [{"channel": "letter", "when": "true", "probability": 1.0, "timestep": 0}], 2
    )
    size = 40
    full = Network(*(one.astype(np.int64) for one in np.triu_indices(size, 1)), np.ones(780),
                   np.zeros(780, dtype=np.int64), ("peer",), {})  # fmt: skip
    mind = Sharing()
    asyncio.run(Simulation(replace(inputs, network=full), SimulationOptions(threshold=1), mind, None).run())
    heard = Counter(text for one in mind.asked if one.step == 1 for _, text in one.said)
    assert sum(heard.values()) == 5 * size
    assert len(heard) > 30 and max(heard.values()) < 20


def test_steps_in_which_a_model_fails_are_not_quiet() -> None:
    failing = {"agents_reasoned": 0, "agents_failed": 1, "new_exposures": 0}
    quiet = {**failing, "agents_failed": 0}
    assert stopped([quiet] * 3) is StopReason.QUIESCENT
    assert stopped([failing] * 3) is None and stopped([quiet, failing, quiet]) is None


def stopped(figures: list[dict[str, int]]) -> StopReason | None:
    scenario = read_scenario(PACKAGED / "scenario.yaml")
    none = {"shares_occurred": 0, "state_changes": 0, "exposure_rate": 0.5, "position_distribution": {}}
    empty = {"average_sentiment": None, "average_conviction": None, "sentiment_variance": None}
    summaries = [Summary(timestep=2 + n, **none, **empty, **one) for n, one in enumerate(figures)]
    found = stop(scenario, summaries)
    return found[0] if found else None


def test_one_agents_row_changes_no_lot_of_the_others(finished: Path) -> None:
    """Everybody else hears by the rules as before."""
    given = read_inputs(finished / "scenario.yaml")
    columns = {name: one.copy() for name, one in given.agents.columns.items()}
    columns["age"][3], columns["district"][3] = 91, "farms"
    other = Agents(given.agents.ids, columns, given.agents.meta)
    state, ties = AgentStates.initial(40, 2 * len(given.network)), directed(given.network, 40)
    first, second = (
        [n for n in hear(given.scenario, one, ties, state, 0, seed=9).agent.tolist() if n != 3]
        for one in (given.agents, other)
    )
    assert first == second and first
