from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigurationError, HarnessError, ModelCallError, RefusedError
from harness.experiments.population.build.network import connect
from harness.experiments.population.build.sampling import sample
from harness.experiments.population.example import write_example
from harness.experiments.population.formats.agents import write_agents
from harness.experiments.population.formats.network_config import read_network_config
from harness.experiments.population.formats.network_file import write_network
from harness.experiments.population.formats.spec import read_spec
from harness.experiments.population.inputs import Inputs, read_inputs
from harness.experiments.population.simulation.estimate import estimate
from harness.experiments.population.simulation.folder import RUN, simulate
from harness.experiments.population.simulation.reasoning import Asked, Chunk
from harness.experiments.population.simulation.simulation import Simulation, SimulationOptions
from harness.experiments.population.simulation.state import ReasoningFailure, StopReason, Thought
from harness.gateway.calls import Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.retry import RetryPolicy

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's files, 90 agents and their network."""
    folder = tmp_path_factory.mktemp("town")
    write_example(folder)
    agents = sample(read_spec(folder / "population.yaml"), count=90, seed=1)
    write_agents(folder / "agents.json", agents)
    write_network(
        folder / "network.json", connect(agents, read_network_config(folder / "network.yaml")), agents
    )
    return folder


@pytest.fixture(scope="module")
def inputs(town: Path) -> Inputs:
    return read_inputs(town / "scenario.yaml")


class Odd(RehearsalProvider):
    """A rehearsal that fails as it is told, by the call's number."""

    def __init__(self, fault: Any = lambda _number: None) -> None:
        super().__init__(0)
        self.number, self._fault = 0, fault

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.number += 1
        error = self._fault(self.number)
        if error is not None:
            raise error
        return await super().complete(request, trial=trial, occurrence=occurrence)


def run(
    inputs: Inputs, folder: Path, provider: Any = None, options: SimulationOptions | None = None
) -> dict[str, Any]:
    async def whole() -> dict[str, Any]:
        retry = RetryPolicy(1)
        gateway = Gateway(provider or RehearsalProvider(0), journal=Journal(folder / "journal"), retry=retry)
        gateway.open_run(RUN)
        try:
            return await simulate(
                inputs, options or SimulationOptions(chunk_size=8), gateway, folder, wall=lambda: 0.0
            )
        finally:
            await gateway.aclose()

    return asyncio.run(whole())


def content(folder: Path) -> dict[str, Any]:
    """All that counts: files byte for byte but the heartbeat, the database by its dump."""
    names = (
        "meta.json",
        "by_timestep.json",
        "outcome_distributions.json",
        "agent_states.json",
        "timeline.jsonl",
    )
    database = sqlite3.connect(folder / "simulation.db")
    try:
        dump = "\n".join(database.iterdump())
    finally:
        database.close()
    return {**{name: (folder / name).read_bytes() for name in names}, "dump": dump}


@pytest.fixture(scope="module")
def whole(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    run(inputs, folder)
    return folder


def test_a_run_is_whole(whole: Path, inputs: Inputs) -> None:
    meta = json.loads((whole / "meta.json").read_bytes())
    states = json.loads((whole / "agent_states.json").read_bytes())
    steps = json.loads((whole / "by_timestep.json").read_bytes())
    shares = json.loads((whole / "outcome_distributions.json").read_bytes())
    assert meta["stopped_reason"] in {one.value for one in StopReason}
    assert meta["models_answering"] == {"rehearsal-1": meta["total_reasoning_calls"]} and meta["rehearsal"]
    held = [one["final_state"]["position"] for one in states if one["final_state"]["position"]]
    assert meta["denominators"]["stance"] == len(held) == steps[-1]["position_count"]
    assert shares["stance"]["for"] == held.count("for") / len(held)
    assert sum(one["final_state"]["aware"] for one in states) / 90 == meta["final_exposure_rate"]
    lines = [json.loads(line) for line in (whole / "timeline.jsonl").read_text().splitlines()]
    kinds = [one["event_type"] for one in lines]
    assert kinds.count("seed_exposure") + kinds.count("network_exposure") == meta["total_exposures"]
    assert 2 * kinds.count("agent_reasoned") == meta["total_reasoning_calls"]
    assert all(one["attributes"].keys() == inputs.agents.columns.keys() for one in states)


@pytest.mark.parametrize("dies_at", [1, 37, 80])
def test_a_run_that_was_killed_goes_on_to_the_same_end(
    town: Path, whole: Path, tmp_path: Path, dies_at: int
) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tests.experiments.population.test_population_simulation import Odd, read_inputs, run\n"
        "def die(number):\n"
        f"    if number == {dies_at}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "run(read_inputs(Path(sys.argv[1])), Path(sys.argv[2]), Odd(die))\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", code, str(town / "scenario.yaml"), str(tmp_path)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "7"}, check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (tmp_path / "meta.json").exists()
    with (tmp_path / "timeline.jsonl").open("a") as file:
        file.write('{"timestep": 9')  # as a step leaves it that was cut off while it was written
    provider = Odd()
    run(read_inputs(town / "scenario.yaml"), tmp_path, provider)
    assert content(tmp_path) == content(whole)
    calls = json.loads((whole / "meta.json").read_bytes())["total_reasoning_calls"]
    assert provider.number < calls or dies_at == 1  # what was answered before is not asked again


def test_what_is_done_is_left_as_it_is(inputs: Inputs, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    before = {path: path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    provider = Odd()
    run(inputs, tmp_path / "copy", provider)
    assert provider.number == 0
    assert {path: path.read_bytes() for path in before if path.name != ".lock"} == {
        path: text for path, text in before.items() if path.name != ".lock"
    }


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (SimulationOptions(chunk_size=8, seed=1), "seed=0, but now it is 1"),
        (SimulationOptions(chunk_size=9), "chunk_size=8, but now it is 9"),
        (SimulationOptions(chunk_size=8, threshold=2), "threshold=3, but now it is 2"),
        (SimulationOptions(chunk_size=8, model="openai:x"), "model='rehearsal', but now it is 'openai:x'"),
    ],
)
def test_other_settings_are_refused(
    inputs: Inputs, whole: Path, tmp_path: Path, options: SimulationOptions, named: str
) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    with pytest.raises(ConfigurationError, match=named):
        run(inputs, tmp_path / "copy", options=options)


def test_another_file_is_refused(town: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(town, tmp_path / "town")
    path = tmp_path / "town" / "scenario.yaml"
    path.write_text(path.read_text().replace("probability: 0.9", "probability: 0.8"))
    shutil.copytree(whole, tmp_path / "copy")
    with pytest.raises(ConfigurationError, match="Scenario file="):
        run(read_inputs(path), tmp_path / "copy")


def test_a_second_process_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    from harness.records.registry.lock import RunLock

    lock = RunLock(tmp_path / ".lock", "x")
    try:
        with pytest.raises(HarnessError, match="another session"):
            run(inputs, tmp_path)
    finally:
        lock.release()


def test_a_failure_is_recorded_and_asked_again_in_the_next_step(inputs: Inputs, tmp_path: Path) -> None:
    meta = run(inputs, tmp_path, Odd(lambda number: ModelCallError("cut off") if number == 3 else None))
    assert meta["agents_failed"] == 1
    lines = [json.loads(line) for line in (tmp_path / "timeline.jsonl").read_text().splitlines()]
    failed = next(one for one in lines if one["event_type"] == "reasoning_failed")
    again = [
        one
        for one in lines
        if one["agent_id"] == failed["agent_id"] and one["event_type"] == "agent_reasoned"
    ]
    assert failed["details"]["reason"] == "cut off" and again[0]["timestep"] == failed["timestep"] + 1


def test_who_refuses_is_not_asked_again_for_it(inputs: Inputs, tmp_path: Path) -> None:
    meta = run(
        inputs,
        tmp_path,
        Odd(lambda number: RefusedError("no") if number == 3 else None),
        SimulationOptions(threshold=99),
    )
    lines = [json.loads(line) for line in (tmp_path / "timeline.jsonl").read_text().splitlines()]
    failed = next(one for one in lines if one["event_type"] == "reasoning_failed")
    assert failed["details"]["refused"] and meta["agents_failed"] == 1
    assert not [
        one
        for one in lines
        if one["agent_id"] == failed["agent_id"] and one["event_type"] == "agent_reasoned"
    ]


def test_no_reply_at_all_is_no_success(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(ModelCallError, match=r"No reply for any of 8 agents .*: down"):
        run(inputs, tmp_path, Odd(lambda _number: ModelCallError("down")))
    assert not (tmp_path / "meta.json").exists()
    assert run(inputs, tmp_path)["agents_failed"] == 0  # and with a model that answers it goes on


def test_a_fatal_failure_is_told_as_it_is(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(ModelCallError, match="no key"):
        run(
            inputs,
            tmp_path,
            Odd(lambda number: ModelCallError("no key", fatal=True) if number == 30 else None),
        )


def test_nobody_who_reasons_is_no_success(town: Path, tmp_path: Path) -> None:
    shutil.copytree(town, tmp_path / "town")
    path = tmp_path / "town" / "scenario.yaml"
    path.write_text(
        path.read_text()
        .replace("probability: 0.9", "probability: 0")
        .replace("0.15", "0")
        .replace("probability: 0.1,", "probability: 0,")
    )
    with pytest.raises(HarnessError, match="no agent reasoned"):
        run(read_inputs(path), tmp_path / "results")


def test_the_order_of_hashes_does_not_matter(town: Path, whole: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.experiments.population.test_population_simulation import read_inputs, run\n"
        "run(read_inputs(Path(sys.argv[1])), Path(sys.argv[2]))\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "PYTHONHASHSEED": "12345",
    }
    command = [sys.executable, "-c", code, str(town / "scenario.yaml"), str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    assert content(tmp_path) == content(whole)


class Fixed:
    """Thinks the same for everybody."""

    def __init__(self, conviction: float = 0.9, share: bool = True, position: str = "for") -> None:
        self.asked: list[Asked] = []
        self._thought = Thought(
            "r", "s", "m", 0.5, conviction, share, {"stance": position, "will_vote": True}
        )

    async def think(self, asked: Sequence[Asked], name: str) -> Chunk:
        self.asked += asked
        return Chunk([self._thought] * len(asked))


def alone(inputs: Inputs, mind: Any, **options: Any) -> Any:
    return asyncio.run(Simulation(inputs, SimulationOptions(**options), mind, None).run())


def changed(inputs: Inputs, **parts: Any) -> Inputs:
    from dataclasses import replace

    scenario = inputs.scenario
    for name, values in parts.items():
        scenario = scenario.model_copy(update={name: getattr(scenario, name).model_copy(update=values)})
    return replace(inputs, scenario=scenario)


def test_who_does_not_share_reaches_nobody(inputs: Inputs) -> None:
    done = alone(inputs, Fixed(share=False))
    assert sum(one.shares_occurred for one in done.summaries) == 0
    assert (done.state.hop[done.state.aware] == 0).all()


def test_word_goes_no_further_than_max_hops(inputs: Inputs) -> None:
    done = alone(
        changed(inputs, spread={"share_probability": 1.0, "decay_per_hop": 0.0, "max_hops": 1}), Fixed()
    )
    assert set(done.state.hop[done.state.aware].tolist()) == {0, 1}


def test_each_neighbour_is_told_once(inputs: Inputs) -> None:
    everybody = changed(inputs, spread={"share_probability": 1.0, "decay_per_hop": 0.0, "max_hops": None})
    done = alone(everybody, Fixed())
    assert sum(one.shares_occurred for one in done.summaries) <= 2 * len(inputs.network)
    assert done.reason is StopReason.CONDITION and done.detail == "exposure_rate > 0.98"


def test_the_firm_do_not_think_again_and_the_unsure_do(inputs: Inputs) -> None:
    loud = changed(
        inputs, spread={"share_probability": 1.0, "decay_per_hop": 0.0}, simulation={"stop_conditions": None}
    )
    firm, unsure = Fixed(0.9), Fixed(0.5)
    alone(loud, firm, threshold=1)
    alone(loud, unsure, threshold=1)
    assert len({one.agent for one in firm.asked}) == len(firm.asked)
    assert len({one.agent for one in unsure.asked}) < len(unsure.asked)
    again = next(one for one in unsure.asked if one.memories)
    assert again.memories[0].summary == "m" and again.said


def test_conviction_fades(inputs: Inputs) -> None:
    done = alone(changed(inputs, simulation={"stop_conditions": None}), Fixed(0.6, share=False), threshold=99)
    early = np.flatnonzero(done.state.last == 0)
    steps = len(done.summaries) - 1
    assert done.state.conviction[early] == pytest.approx(0.6 * 0.95**steps)


def test_it_ends_when_nothing_happens_any_more(inputs: Inputs) -> None:
    quiet = changed(inputs, simulation={"stop_conditions": None, "max_timesteps": 40})
    done = alone(quiet, Fixed(share=False))
    assert done.reason is StopReason.QUIESCENT and len(done.summaries) == 6


def test_chunks_do_not_change_what_is_thought(inputs: Inputs) -> None:
    one, two = Fixed(0.5), Fixed(0.5)
    alone(inputs, one, chunk_size=1)
    alone(inputs, two, chunk_size=500)
    assert one.asked == two.asked


def test_a_failure_is_no_opinion(inputs: Inputs) -> None:
    class Silent(Fixed):
        async def think(self, asked: Sequence[Asked], name: str) -> Chunk:
            return Chunk([ReasoningFailure("no") for _ in asked])

    done = alone(inputs, Silent())
    assert (done.state.position == -1).all() and np.isnan(done.state.sentiment).all()


def test_estimates_bracket_a_rehearsal(inputs: Inputs, whole: Path) -> None:
    least, expected, most = asyncio.run(estimate(inputs, SimulationOptions(model="openai:gpt-4o-mini")))
    calls = json.loads((whole / "meta.json").read_bytes())["total_reasoning_calls"]
    assert least.calls <= calls <= most.calls and least.calls <= expected.calls <= most.calls
    assert 0 < least.dollars < most.dollars  # type: ignore[operator]
