"""What the harness adds to starting Python, to collecting cases, and to somebody else's test run.

    python benchmarks/startup.py [--runs 15]

All are wall times of whole processes, medians of alternating pairs. pytest-repeat and pytest-rerunfailures, which the
harness requires, load on both sides. Other installed plugins are kept out on both: some take a second to start, which
would hide a difference and flatter a ratio. ``-p no:harness`` is the yardstick's only difference, beside the test file.

- ``import harness`` beside ``pass``.
- Collecting 1,000 cases of one experiment (2 groups × ``--count 500``) beside plain pytest collecting a function
  parametrized over the same 2 groups × 500 reps, both under ``-m experiment --collect-only -q``.
- A suite of one empty test with the plugin beside the same without it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from timing import PYTEST, alternating, run, verdict

CASES = """
import pytest
from harness import Experiment, Group, Measure, Mode, Persona, Script

EXPERIMENT = Experiment(
    name="many",
    groups=(Group("Control"), Group("Treatment")),
    script=Script(task="Say something."),
    metrics=(Measure("lines", len),),
    population=(Persona("Ann", {"name": "Ann"}),),
    modes={"full": Mode(steps=1)},
)

@pytest.mark.experiment(EXPERIMENT)
def test_many(cell):
    cell.run()
"""
PLAIN = """
import pytest

@pytest.mark.experiment
@pytest.mark.parametrize("rep", range(1, 501))
@pytest.mark.parametrize("group", ["Control", "Treatment"])
def test_many(group, rep):
    pass
"""
INI = "[pytest]\nmarkers = experiment: as the plugin's own\naddopts = -p no:cacheprovider\n"
COLLECT = (*PYTEST, "-m", "experiment", "--collect-only", "-q")


def collecting(folder: Path, *arguments: str) -> float:
    seconds, printed = run((*COLLECT, *arguments), folder)
    if "1000 tests collected" not in printed:
        sys.exit(f"Expected 1,000 cases:\n{printed[-500:]}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="pairs of each comparison (default: 15)")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = {"test_cases.py": CASES, "test_plain.py": PLAIN, "test_one.py": "def test_one():\n    pass\n"}
        for file, text in {**texts, "pytest.ini": INI}.items():
            (folder / file).write_text(text)

        ours, bare = alternating(
            lambda: run((sys.executable, "-c", "import harness"), folder)[0],
            lambda: run((sys.executable, "-c", "pass"), folder)[0],
            runs,
        )
        print(f"import harness:      {ours:.3f} s beside {bare:.3f} s: adds {verdict(ours - bare, 0.2, 's')}")

        ours, bare = alternating(
            lambda: collecting(folder, "test_cases.py", "--count", "500"),
            lambda: collecting(folder, "test_plain.py", "-p", "no:harness"),
            runs,
        )
        print(f"collect 1,000 cases: {ours:.3f} s beside {bare:.3f} s: {verdict(ours / bare, 1.5, '×')}")

        ours, bare = alternating(
            lambda: run((*PYTEST, "-q", "test_one.py"), folder)[0],
            lambda: run((*PYTEST, "-q", "test_one.py", "-p", "no:harness"), folder)[0],
            runs,
        )
        print(f"unrelated suite:     {ours:.3f} s beside {bare:.3f} s: adds {verdict(ours - bare, 0.1, 's')}")


if __name__ == "__main__":
    main()
