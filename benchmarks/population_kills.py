"""Simulations killed with SIGKILL at random moments, run again to their end, and held against one that was not.

    python benchmarks/population_kills.py [--kills 20] [--agents 300] [--seed 0]

Files must be equal byte for byte and simulation.db by its dump; of the folder only the heartbeat and the journal are
left out. Moments are drawn between 0.6 seconds and nine tenths of the whole run's time, so that it is not imports that
are killed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = ("meta.json", "by_timestep.json", "outcome_distributions.json", "agent_states.json", "timeline.jsonl")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from harness.cli import main; main()", "population", *map(str, arguments)]


def simulate(town: Path, out: Path, hash_seed: int) -> subprocess.Popen[bytes]:
    arguments = (
        "simulate",
        town / "scenario.yaml",
        "-o",
        out,
        "--model",
        "rehearsal:10ms",
        "--chunk-size",
        20,
    )
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.Popen(
        command(*arguments), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def content(folder: Path) -> list[bytes | str]:
    database = sqlite3.connect(folder / "simulation.db")
    try:
        return [*((folder / name).read_bytes() for name in FILES), "\n".join(database.iterdump())]
    finally:
        database.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--agents", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        town = Path(name) / "town"
        subprocess.run(command("example", town), check=True, stdout=subprocess.DEVNULL)
        for stage in (
            ("sample", town / "population.yaml", "-o", town / "agents.json", "--count", options.agents),
            ("network", town / "agents.json", "-c", town / "network.yaml", "-o", town / "network.json"),
        ):
            subprocess.run(command(*stage), check=True, stdout=subprocess.DEVNULL)
        began = time.monotonic()
        assert simulate(town, town / "whole", 0).wait() == 0
        took, whole = time.monotonic() - began, content(town / "whole")
        kills = equal = 0
        for number in range(options.kills):
            out = town / f"killed-{number}"
            running = simulate(town, out, number)
            try:
                running.wait(rng.uniform(0.6, 0.9 * took))
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                running.wait()
                kills += 1
            assert simulate(town, out, number + 1).wait() == 0
            equal += content(out) == whole
        print(
            f"{kills} of {options.kills} killed before their end; {equal} of {options.kills} equal to the whole run"
        )


if __name__ == "__main__":
    main()
