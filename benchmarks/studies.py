"""Studies: twenty processes that append to one registry, and a batch that is killed at random moments.

    python benchmarks/studies.py [--rows 1000] [--kills 20] [--seed 20261120]

The batch (12 variants, 144 trials, each asking the rehearsal model for its steps one after another) is killed with
SIGKILL at a random moment, again and again, each time in a fresh study that then goes on to its end; what it ended with
is held against one that nobody killed. There is no yardstick: expected are no lost and no torn row, and no difference.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.operations.registry import Registry
from tests.operations.test_study_registry import WRITER
from tests.support.sessions import LIGHT, environment
from tests.support.studies import RACE, outcome

SWEEP = (
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


def begun(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "race.py").write_text(RACE)
    return subprocess.Popen(
        [sys.executable, "-c", "from harness.cli import main; main()", "study", *words],
        cwd=folder,
        env=environment() | {"PYTEST_ADDOPTS": " ".join(LIGHT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kills(folder: Path, times: int, rng: random.Random) -> None:
    whole = folder / "whole"
    began = time.perf_counter()
    codes = [begun(whole, "init", "races").wait(), begun(whole, *SWEEP).wait()]
    seconds, expected = time.perf_counter() - began, outcome(whole / "runs/races")
    assert codes == [0, 0], codes
    killed = differing = failed = 0
    for number in range(times):
        one = folder / f"killed-{number}"
        begun(one, "init", "races").wait()
        process = begun(one, *SWEEP)
        time.sleep(rng.uniform(0.3, seconds))
        ended = process.poll() is not None
        os.killpg(process.pid, signal.SIGKILL) if not ended else None
        process.wait()
        killed += not ended
        declared = any((one / "runs/races/batches").glob("*/manifest.yaml"))
        failed += begun(one, *(("run", "races") if declared else SWEEP)).wait() != 0
        found = outcome(one / "runs/races")
        differs = sorted(
            name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
        )
        differing += bool(differs)
        if differs:
            print(f"  {one.name}: {', '.join(differs)}")
    print(
        f"kills: {killed} of {times} while it ran ({seconds:.1f} s undisturbed): {differing} differ, {failed} failed"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20261120)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="studies-") as name:
        registry(Path(name) / "rows", asked.rows)
        kills(Path(name) / "kills", asked.kills, random.Random(asked.seed))


if __name__ == "__main__":
    main()
