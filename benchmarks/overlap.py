"""How closely the cases of one session overlap: 1,000 cases of one call each beside plain pytest.

    python benchmarks/overlap.py [--runs 5] [--cases 1000] [--concurrency 100]

One experiment, 2 groups × ``--count 500``, one person, one step: a call per case, 100 in flight, in one process,
journal on, a JSONL file per case. The yardstick is plain pytest with pytest-repeat, as many cases of 2 groups ×
``--count 500``, whose test writes the same line (a record that ours wrote) to a JSONL file and flushes it. It calls
nothing.

Wall times of whole processes and their CPU time (user and system), medians of alternating pairs, other plugins kept
out on both sides. At zero latency ours may take 2.5 × the yardstick. At 100 ms a call, 1,000 calls cannot take less
than 1 s, and one after another would take 100 s; ours may take 2.5 s.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from startup import CASES, INI
from timing import PYTEST, Command, run, verdict

WRITING = """
import json
from pathlib import Path

import pytest

LINE = json.loads(Path("line.json").read_text())
FILE = open("plain.jsonl", "w")

@pytest.mark.experiment
@pytest.mark.parametrize("group", ["Control", "Treatment"])
def test_many(group):
    FILE.write(json.dumps({**LINE, "group": group}) + "\\n")
    FILE.flush()
"""
FILES = {"test_cases.py": CASES, "test_plain.py": WRITING, "pytest.ini": INI}
SLOWER, SECONDS = 2.5, 2.5
"""What ours may take: times the yardstick at zero latency, and seconds at 100 ms a call."""


@dataclass(frozen=True)
class Taken:
    """What a process took: seconds on the wall's clock, and of CPU time with all its children."""

    seconds: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.cpu:.2f} s CPU)"


def timed(command: Command, folder: Path) -> Taken:
    """What one process took from start to exit. Ends this script if it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, _ = run(command, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(seconds, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def alternating(ours: Callable[[], Taken], yardstick: Callable[[], Taken], runs: int) -> tuple[Taken, Taken]:
    """Medians of ``runs`` pairs, ours and yardstick in turn, after one pair that warms up."""
    ours(), yardstick()
    first, second = zip(*((ours(), yardstick()) for _ in range(runs)), strict=True)
    return _median(first), _median(second)


def _median(taken: Sequence[Taken]) -> Taken:
    return Taken(statistics.median(one.seconds for one in taken), statistics.median(one.cpu for one in taken))


class Comparison:
    """Both sides in one folder."""

    def __init__(self, folder: Path, cases: int, concurrency: int) -> None:
        self.folder, self.cases, self.concurrency = folder, cases, concurrency
        self._count = ("-q", "-m", "experiment", "--count", str(cases // 2))
        for file, text in FILES.items():
            (folder / file).write_text(text)

    def playing(self, milliseconds: int) -> Taken:
        """Ours: each call takes so long."""
        with tempfile.TemporaryDirectory() as results:
            model = ("--model", f"rehearsal:{milliseconds}ms", "--concurrency", str(self.concurrency))
            command = (*PYTEST, *self._count, "test_cases.py", *model, "--results-dir", results)
            taken = timed(command, self.folder)
            records = sorted(Path(results).glob("*.jsonl"))
            if len(records) != self.cases:
                sys.exit(f"Expected {self.cases} record files, found {len(records)}.")
            (self.folder / "line.json").write_text(records[0].read_text().splitlines()[1])
            return taken

    def writing(self) -> Taken:
        """The yardstick."""
        taken = timed((*PYTEST, *self._count, "test_plain.py", "-p", "no:harness"), self.folder)
        if (self.folder / "plain.jsonl").read_text().count("\n") != self.cases:
            sys.exit(f"Expected {self.cases} lines from the yardstick.")
        return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="pairs of each comparison (default: 5)")
    parser.add_argument("--cases", type=int, default=1000, help="even number of cases (default: 1000)")
    parser.add_argument("--concurrency", type=int, default=100, help="calls in flight (default: 100)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        both = Comparison(Path(name), options.cases, options.concurrency)
        for milliseconds in (0, 100):
            ours, plain = alternating(lambda: both.playing(milliseconds), both.writing, options.runs)  # noqa: B023
            ratio = ours.seconds / plain.seconds
            judged = verdict(ours.seconds, SECONDS, "s") if milliseconds else verdict(ratio, SLOWER, "×")
            print(
                f"{options.cases} cases, {milliseconds:>3} ms a call, {options.concurrency} in flight: {ours} beside "
                f"{plain} for plain pytest writing the same lines: {ratio:.2f} × wall, "
                f"{ours.cpu / plain.cpu:.2f} × CPU; {judged}",
                flush=True,
            )


if __name__ == "__main__":
    main()
