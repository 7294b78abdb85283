"""Studies: twenty processes that append to one registry, and a batch that is killed at random moments.

    python benchmarks/studies.py [--rows 1000] [--kills 20] [--seed 20261120]

Two batches are killed with SIGKILL at a random moment, again and again, each time in a fresh study that then goes on to
its end; the result is compared with one that was not killed. In one, 12 variants of 144 trials ask the rehearsal
model for their steps one after another; in the other, 6 variants simulate a town of 150 agents, and their files are
compared byte for byte, databases by their dumps. There is no yardstick: expected are no lost and no torn row, and no
difference.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.batches.registry import Registry
from harness.batches.study_layout import Study
from tests.batches.test_study_registry import WRITER
from tests.support import towns
from tests.support.sessions import LIGHT, environment
from tests.support.studies import RACE, outcome

RACES = (
    "sweep",
    "races",
    "--path",
    "race.py",
    "--exp",
    "race",
    "--confidence",
    "4",
    "--axis",
    "chunk-size",
    "2",
    "3",
    "4",
)
TOWN = ("sweep", towns.NAME, "--axis", "threshold", "1", "3", "--confidence", "3")


def registry(folder: Path, rows: int, processes: int = 20) -> None:
    path = folder / "registry" / "runs.csv"
    began = time.perf_counter()
    words = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*words, str(n), str(rows)], env=environment()) for n in range(processes)]
    codes = {writer.wait() for writer in writers}
    seconds = time.perf_counter() - began
    content = Registry(path).read()
    lost = processes * rows - len({row.variant_id for row in content.rows})
    torn = len(content.problems) + len(list(path.parent.glob("*.torn-*")))
    print(
        f"registry: {processes} processes × {rows} rows in {seconds:.1f} s: {lost} lost, {torn} torn, {codes=}"
    )


@dataclass(frozen=True)
class Killed:
    """A kind of study: how it begins, the sweep, and its result."""

    name: str
    begin: Callable[[Path], object]
    sweep: Sequence[str]
    outcome: Callable[[Path], dict[str, Any]]

    def start(self, folder: Path, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", "from harness.cli import main; main()", "study", *words],
            cwd=folder,
            env=environment() | {"PYTEST_ADDOPTS": " ".join(LIGHT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def fresh(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        self.begin(folder)
        return folder

    def ended(self, folder: Path) -> dict[str, Any]:
        return self.outcome(folder / "runs" / self.name)


def races(folder: Path) -> None:
    (folder / "race.py").write_text(RACE)
    Study(folder / "runs", "races").init()


def town(folder: Path) -> None:
    towns.begin(folder, agents=150)


KINDS = (
    Killed("races", races, RACES, outcome),
    Killed(towns.NAME, town, TOWN, towns.simulated),
)


def kills(kind: Killed, folder: Path, times: int, rng: random.Random) -> None:
    whole = kind.fresh(folder / "whole")
    began = time.perf_counter()
    code = kind.start(whole, *kind.sweep).wait()
    seconds, expected = time.perf_counter() - began, kind.ended(whole)
    assert code == 0, code
    killed = differing = failed = 0
    for number in range(times):
        one = kind.fresh(folder / f"killed-{number}")
        process = kind.start(one, *kind.sweep)
        time.sleep(rng.uniform(0.3, seconds))
        ended = process.poll() is not None
        os.killpg(process.pid, signal.SIGKILL) if not ended else None
        process.wait()
        killed += not ended
        declared = any((one / "runs" / kind.name / "batches").glob("*/manifest.yaml"))
        failed += kind.start(one, *(("run", kind.name) if declared else kind.sweep)).wait() != 0
        found = kind.ended(one)
        differs = sorted(
            name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
        )
        differing += bool(differs)
        if differs:
            print(f"  {one.name}: {', '.join(differs)}")
    print(
        f"{kind.name}: killed {killed} of {times} times while it ran ({seconds:.1f} s undisturbed): "
        f"{differing} differ, {failed} failed"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20261120)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="studies-") as name:
        registry(Path(name) / "rows", asked.rows)
        for kind in KINDS:
            kills(kind, Path(name) / kind.name, asked.kills, random.Random(asked.seed))


if __name__ == "__main__":
    main()
