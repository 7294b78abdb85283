"""A study whose scenario is a small town's, and ``harness study`` on it in a process that may be killed at a call.

Also used by `benchmarks/studies.py`.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from harness.batches.batch_plan import start_study
from harness.batches.study_layout import Study
from harness.experiments.population.build.network import connect
from harness.experiments.population.build.sampling import sample
from harness.experiments.population.example import PACKAGED
from harness.experiments.population.formats.agents import write_agents
from harness.experiments.population.formats.network_config import NetworkConfig
from harness.experiments.population.formats.network_file import write_network
from harness.experiments.population.formats.spec import read_spec
from tests.support.sessions import LIGHT, environment
from tests.support.studies import outcome

NAME = "town"
HARNESS = """
import os, signal
from harness.gateway.rehearsal.provider import RehearsalProvider
answer, moment, seen = RehearsalProvider.complete, int(os.environ.get("KILL_AT", "0")), []
async def complete(self, *arguments, **named):
    seen.append(1)
    if len(seen) == moment:
        os.kill(os.getpid(), signal.SIGKILL)
    return await answer(self, *arguments, **named)
RehearsalProvider.complete = complete
from harness.cli import main
main()
"""


def begin(root: Path, agents: int = 60) -> Study:
    """A study with all that a simulation needs, under ``root / "runs"``."""
    study = Study(root / "runs", NAME)
    start_study(study)
    for name in ("population.yaml", "population.persona.yaml", "scenario.yaml"):
        shutil.copy(PACKAGED / name, study.folder / name)
    drawn = sample(read_spec(study.folder / "population.yaml"), count=agents, seed=42)
    write_agents(study.folder / "agents.json", drawn)
    write_network(study.folder / "network.json", connect(drawn, NetworkConfig(avg_degree=6), seed=42), drawn)
    return study


def command(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """``harness study`` with ``words``, in a process of its own, killed at call number ``KILL_AT``."""
    return subprocess.run(
        [sys.executable, "-c", HARNESS, "study", *words],
        cwd=folder,
        env=environment() | {"PYTEST_ADDOPTS": " ".join(LIGHT)} | variables,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def simulated(study: Path) -> dict[str, Any]:
    """`outcome`, and with it the files of each simulation: byte for byte, the database by its dump."""
    found = outcome(study)
    for results in sorted(study.glob("batches/*/variants/*/results")):
        variant = results.parent.name
        for path in sorted(results.iterdir()):
            if path.suffix == ".db":
                found[f"{variant} {path.name}"] = dump(path)
            elif not path.name.startswith("population.") and path.name not in ("files.json", "gates.json"):
                found[f"{variant} {path.name}"] = path.read_bytes()
    return found


def dump(path: Path) -> list[str]:
    """All that a database holds."""
    with closing(sqlite3.connect(path)) as database, contextlib.closing(database.cursor()):
        return list(database.iterdump())
