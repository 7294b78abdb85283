"""One scenario by both engines, ours and extropy-run 0.2.3, behind one gateway at zero latency, over several seeds.

    HARNESS_EXTROPY_PYTHON=/path/of/its/venv/bin/python python benchmarks/population_engines.py
                                                                        [--agents 300] [--seeds 5]

Both read the same files (the packaged town) and are answered by the same rehearsal model, with the same seed. Its
replies are drawn at random from the schemas of the questions: shares of positions say nothing of any town, and the
figures tell engines apart only by what the engines do with replies, not by what they ask. Seconds are of the whole
simulation, its journal on disk and, for extropy-run, the start of its process and the way over HTTP included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.experiments.population.build.network import connect
from harness.experiments.population.build.sampling import sample
from harness.experiments.population.example import write_example
from harness.experiments.population.extropy.simulation import simulate_in_folder
from harness.experiments.population.formats.agents import write_agents
from harness.experiments.population.formats.network_config import read_network_config
from harness.experiments.population.formats.network_file import write_network
from harness.experiments.population.formats.spec import read_spec
from harness.experiments.population.inputs import read_inputs
from harness.experiments.population.simulation.folder import RUN, simulate
from harness.experiments.population.simulation.simulation import SimulationOptions
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.rehearsal.provider import RehearsalProvider

ENGINES = ("own", "extropy-run 0.2.3")


def make_town(folder: Path, size: int) -> Path:
    """The example's files with ``size`` agents; the scenario's path."""
    write_example(folder)
    agents = sample(read_spec(folder / "population.yaml"), count=size, seed=1)
    write_agents(folder / "agents.json", agents)
    made = connect(agents, read_network_config(folder / "network.yaml"), seed=1)
    write_network(folder / "network.json", made, agents)
    return folder / "scenario.yaml"


def simulated(engine: str, scenario: Path, out: Path, seed: int) -> dict[str, Any]:
    """What the engine's files say, and how long it took."""

    async def whole() -> dict[str, Any]:
        gateway = Gateway(RehearsalProvider(seed), journal=Journal(out / "journal"))
        gateway.open_run(RUN)
        options = SimulationOptions(seed=seed)
        try:
            if engine == "own":
                return await simulate(read_inputs(scenario), options, gateway, out)
            return await simulate_in_folder(scenario, None, options, gateway, out)
        finally:
            await gateway.aclose()

    began = time.perf_counter()
    meta = asyncio.run(whole())
    seconds = time.perf_counter() - began
    steps = json.loads((out / "by_timestep.json").read_bytes())
    return {
        "aware": [one["exposure_rate"] for one in steps],
        "positions": steps[-1]["position_distribution"],
        "agents": meta["agents_reasoned"],
        "calls": meta["total_reasoning_calls"],
        "seconds": seconds,
    }


def told(values: Sequence[float], form: str) -> str:
    """Mean, and the range over seeds."""
    return f"{statistics.fmean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scenario = make_town(Path(temporary) / "town", arguments.agents)
        options = read_inputs(scenario).options
        runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in ENGINES}
        for seed in range(1, arguments.seeds + 1):
            for engine in ENGINES:
                out = Path(temporary) / f"{engine.partition(' ')[0]}-{seed}"
                runs[engine].append(simulated(engine, scenario, out, seed))
    print(f"{arguments.agents} agents, {arguments.seeds} seeds; mean (least to most) over seeds\n")
    for engine, found in runs.items():
        print(engine)
        print(f"  steps                {told([len(one['aware']) for one in found], '.0f')}")
        for step in range(max(len(one["aware"]) for one in found)):
            rates = [one["aware"][step] for one in found if step < len(one["aware"])]
            print(f"  aware after step {step + 1}   {told(rates, '.1%')}" + f", n={len(rates)}")
        for name in options:
            print(f"  {name:<20} {told([one['positions'].get(name, 0.0) for one in found], '.1%')}")
        print(f"  agents who reasoned  {told([one['agents'] for one in found], '.0f')}")
        print(f"  calls                {told([one['calls'] for one in found], '.0f')}")
        print(f"  seconds              {told([one['seconds'] for one in found], '.2f')}\n")
    print(
        "Shares are of those who hold a position at the end. Replies were made up offline: no evidence of anything."
    )


if __name__ == "__main__":
    main()
