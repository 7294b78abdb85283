"""Sampling, connecting and simulating populations, beside extropy-run 0.2.3 where there is one.

    EXTROPY_VENV=/path/of/a/venv python benchmarks/population.py [--agents 10000] [--their-network 1000]
                                                                 [--patience 300]

Every figure is of a separate process: seconds of the work itself, without start-up and without reading its input
back, and the process's peak memory. Both sides read the same files: the packaged town, 10,000 agents of it, and the
network made here. In the simulation everybody hears in the first of four steps, and replies take no time: here they
come from the rehearsal model through the gateway and its journal on disk, there from a stub in place of the call to
the provider. What the other side has not done within ``--patience`` seconds is stopped, and said to be so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

START = """
import asyncio, json, resource, sys, time
from pathlib import Path
folder, size = Path(sys.argv[1]), int(sys.argv[2])
def done(began, **more):
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": time.perf_counter() - began, "mib": memory, **more}))
"""
OURS = {
    "sample": """
from harness.experiments.population.formats.agents import write_agents
from harness.experiments.population.build.sampling import sample
from harness.experiments.population.formats.spec import read_spec
spec = read_spec(folder / "population.yaml")
began = time.perf_counter()
write_agents(folder / f"agents-{size}.json", sample(spec, count=size, seed=1))
done(began)
""",
    "network": """
import igraph, scipy.special
from harness.experiments.population.formats.agents import read_agents
from harness.experiments.population.build.network import connect
from harness.experiments.population.formats.network_config import read_network_config
from harness.experiments.population.formats.network_file import write_network
agents = read_agents(folder / f"agents-{size}.json")
config = read_network_config(folder / "network.yaml")
began = time.perf_counter()
made = connect(agents, config, seed=1)
write_network(folder / f"network-{size}.json", made, agents)
targets = made.meta["targets"]
told = {"degree": targets["avg_degree"]["reached"], "clustering": targets["clustering"]["reached"]}
for name, one in targets["homophily"].items():
    told[name] = f"{one['reached']:.3f} of {one['target']:.3f}"
done(began, **told)
""",
    "simulate": """
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.experiments.population.inputs import read_inputs
from harness.experiments.population.simulation.folder import RUN, simulate
from harness.experiments.population.simulation.simulation import SimulationOptions
inputs = read_inputs(folder / f"scenario-{size}.yaml")
out = folder / f"ours-{size}"
async def whole():
    gateway = Gateway(RehearsalProvider(1), journal=Journal(out / "journal"))
    gateway.open_run(RUN)
    try:
        return await simulate(inputs, SimulationOptions(seed=1), gateway, out)
    finally:
        await gateway.aclose()
began = time.perf_counter()
meta = asyncio.run(whole())
done(began, steps=meta["total_timesteps"], calls=meta["total_reasoning_calls"])
""",
}
THEIRS = {
    "sample": """
from extropy.core.models import PopulationSpec
from extropy.population.sampler.core import sample_population, save_json
spec = PopulationSpec.from_yaml(folder / "population.yaml")
began = time.perf_counter()
save_json(sample_population(spec, count=size, seed=1), folder / f"their-agents-{size}.json")
done(began)
""",
    "network": """
from extropy.population.network.config import NetworkConfig
from extropy.population.network.generator import generate_network, load_agents_json
agents = load_agents_json(folder / f"agents-{size}.json")
config = NetworkConfig.from_yaml(folder / "network.yaml").model_copy(update={"seed": 1})
began = time.perf_counter()
made = generate_network(agents, config)
made.save_json(folder / f"their-network-{size}.json")
done(began, degree=made.meta["avg_degree"])
""",
    "simulate": """
import random
from extropy.core.llm import TokenUsage
from extropy.simulation import engine, reasoning
calls = 0
async def stub(prompt, response_schema, schema_name="", model=None, max_tokens=None):
    global calls
    calls += 1
    if "reasoning" in response_schema["properties"]:
        return {
            "reasoning": "I have thought about it. " * 8, "public_statement": "I say so.", "reasoning_summary": "So.",
            "sentiment": random.uniform(-1, 1), "conviction": random.randint(0, 100),
            "will_share": random.random() < 0.5,
        }, TokenUsage()
    found = {}
    for name, one in response_schema["properties"].items():
        found[name] = random.choice(one["enum"]) if "enum" in one else one["type"] == "boolean" or 1.0
    return found, TokenUsage()
reasoning.simple_call_async = stub
began = time.perf_counter()
from extropy.core.models import PopulationSpec, ScenarioSpec, SimulationRunConfig
from extropy.population.network.generator import load_agents_json
path = folder / f"scenario-{size}.yaml"
config = SimulationRunConfig(scenario_path=str(path), output_dir=str(folder / f"theirs-{size}"), random_seed=1)
work = engine.SimulationEngine(
    ScenarioSpec.from_yaml(path), PopulationSpec.from_yaml(folder / "population.yaml"),
    load_agents_json(folder / f"agents-{size}.json"), json.loads((folder / f"network-{size}.json").read_text()), config,
)
work.run()
done(began, calls=calls)
""",
}


def measured(
    python: str, code: str, folder: Path, size: int, patience: float | None
) -> dict[str, object] | str:
    """What one process said, or why it said nothing."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "HOME": str(folder)}
    try:
        ran = subprocess.run(
            [python, "-c", START + code, str(folder), str(size)],
            env=environment, capture_output=True, text=True, timeout=patience, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not done after {patience:g} s"
    if ran.returncode:
        return f"failed: {ran.stderr.strip().splitlines()[-1][:160]}"
    found: dict[str, object] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found


def told(found: dict[str, object] | str) -> str:
    if isinstance(found, str):
        return found
    more = ", ".join(f"{name} {value}" for name, value in found.items() if name not in ("seconds", "mib"))
    return f"{found['seconds']:.2f} s, {found['mib']} MiB" + (f" ({more})" if more else "")


def write_town(folder: Path) -> None:
    """The packaged town, written out whole, so that both sides read it."""
    sys.path.insert(0, str(ROOT))
    from harness.experiments.population.example import PACKAGED, write_example
    from harness.experiments.population.formats.files import write_yaml
    from harness.experiments.population.formats.spec import read_spec

    write_example(folder)
    write_yaml(folder / "population.yaml", read_spec(PACKAGED / "population.yaml"))


def write_scenario(folder: Path, size: int) -> None:
    """Everybody hears in the first of four steps."""
    from harness.experiments.population.example import PACKAGED
    from harness.experiments.population.formats.files import write_yaml
    from harness.experiments.population.formats.scenario import ExposureRule, read_scenario

    one = read_scenario(PACKAGED / "scenario.yaml")
    everybody = [ExposureRule(channel="town_paper", when="true", probability=1.0, timestep=0)]
    files = {"agents_file": f"agents-{size}.json", "network_file": f"network-{size}.json"}
    parts = {
        "meta": one.meta.model_copy(update=files),
        "seed_exposure": one.seed_exposure.model_copy(update={"rules": everybody}),
        "simulation": one.simulation.model_copy(update={"max_timesteps": 4, "stop_conditions": None}),
    }
    write_yaml(folder / f"scenario-{size}.yaml", one.model_copy(update=parts))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--their-network", type=int, default=1_000)
    parser.add_argument("--patience", type=float, default=300.0)
    options = parser.parse_args()
    venv = os.environ.get("EXTROPY_VENV")
    theirs = str(Path(venv) / "bin" / "python") if venv else None
    size, other = options.agents, options.their_network
    limits = {"sample": 1, "simulate": 30}
    networks = {other: 1, size: 10, 10 * size: 120}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_town(folder)

        def line(stage: str, number: int, limit: float | None, *, compare: bool) -> None:
            ours = measured(sys.executable, OURS[stage], folder, number, None)
            met = "" if limit is None or isinstance(ours, str) else f"  limit {limit} s: {_met(ours, limit)}"
            print(f"{stage} {number:,}\n  ours    {told(ours)}{met}", flush=True)
            if compare and theirs:
                print(
                    f"  theirs  {told(measured(theirs, THEIRS[stage], folder, number, options.patience))}",
                    flush=True,
                )

        for number in networks:
            line("sample", number, limits["sample"] if number == size else None, compare=number == size)
            line("network", number, networks[number], compare=number == other)
        write_scenario(folder, size)
        line("simulate", size, limits["simulate"], compare=True)
    if theirs is None:
        print(
            "EXTROPY_VENV is not set: our figures alone. It is the path of a venv with extropy-run==0.2.3 in it."
        )


def _met(found: dict[str, object], limit: float) -> str:
    return "met" if float(str(found["seconds"])) <= limit else "MISSED"


if __name__ == "__main__":
    main()
