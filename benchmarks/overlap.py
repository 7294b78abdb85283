"""How closely the cases of one session overlap: 1,000 cases of one call each beside plain pytest.

    python benchmarks/overlap.py [--runs 5] [--concurrency 100] [--shape questions|reps|both]

``questions``: one experiment that plays its trials itself, 2 groups × 250 questions × ``--count 2``, a case and a call
each; 100 in flight, in one process, journal on, a JSONL file per group and rep. ``reps``: the embedded engine with one
person and one step, 2 groups × ``--count 500``, so that each of the 1,000 cases has its own file, which no
experiment is known to need; it is printed and held to no limit. The yardstick is plain pytest with pytest-repeat, as
many cases over the same parameters, whose test writes the same line (a record that ours wrote) to a JSONL file and
flushes it. It calls nothing.

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

QUESTIONS = """
import pytest
from harness import Experiment, Group, Measure, Mode, Play, Sample, Script, TrialResult
from harness.gateway.calls import Request, CallSite


async def play(plan, client):
    messages = [{"role": "user", "content": plan.proposal["prompt"]}]
    reply = await client.complete(Request(messages), CallSite("answer"))
    return TrialResult(plan.trial, (Sample("length", len(reply.text)),), details={"text": reply.text})


EXPERIMENT = Experiment(
    name="questions",
    groups=(Group("Control"), Group("Treatment")),
    script=Script(task="", proposals=tuple({"id": str(n), "prompt": f"Question {n}?"} for n in range(250))),
    metrics=(Measure("length"),),
    modes={"full": Mode()},
    play=Play(play, case_per_trial=True),
)

@pytest.mark.experiment(EXPERIMENT)
def test_questions(cell):
    cell.run()
"""
WRITING = """
import json
from pathlib import Path

import pytest

LINE = json.loads(Path("line.json").read_text())
FILE = open("plain.jsonl", "w")

@pytest.mark.experiment
@pytest.mark.parametrize("question", range(QUESTIONS))
@pytest.mark.parametrize("group", ["Control", "Treatment"])
def test_many(group, question):
    FILE.write(json.dumps({**LINE, "group": group}) + "\\n")
    FILE.flush()
"""


@dataclass(frozen=True)
class Shape:
    """How 1,000 cases come about: our test file, ``questions`` × ``count`` in each of two groups, and its files."""

    name: str
    source: str
    questions: int
    count: int
    files: int
    limited: bool


SHAPES = (Shape("questions", QUESTIONS, 250, 2, 4, True), Shape("reps", CASES, 1, 500, 1000, False))
CASES_IN_ALL = 1000
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

    def __init__(self, folder: Path, shape: Shape, concurrency: int) -> None:
        self.folder, self.shape, self.concurrency = folder, shape, concurrency
        self._count = ("-q", "-m", "experiment", "--count", str(shape.count))
        writing = WRITING.replace("QUESTIONS", str(shape.questions))
        for file, text in {"test_ours.py": shape.source, "test_plain.py": writing, "pytest.ini": INI}.items():
            (folder / file).write_text(text)

    def playing(self, milliseconds: int) -> Taken:
        """Ours: each call takes so long."""
        with tempfile.TemporaryDirectory() as results:
            model = ("--model", f"rehearsal:{milliseconds}ms", "--concurrency", str(self.concurrency))
            command = (*PYTEST, *self._count, "test_ours.py", *model, "--results-dir", results)
            taken = timed(command, self.folder)
            records = [path.read_text().splitlines() for path in sorted(Path(results).glob("*.jsonl"))]
            found = len(records), sum(len(lines) - 1 for lines in records)
            if found != (self.shape.files, CASES_IN_ALL):
                sys.exit(f"Expected {self.shape.files} files and {CASES_IN_ALL} records, found {found}.")
            (self.folder / "line.json").write_text(records[0][1])
            return taken

    def writing(self) -> Taken:
        """The yardstick."""
        taken = timed((*PYTEST, *self._count, "test_plain.py", "-p", "no:harness"), self.folder)
        if (self.folder / "plain.jsonl").read_text().count("\n") != CASES_IN_ALL:
            sys.exit(f"Expected {CASES_IN_ALL} lines from the yardstick.")
        return taken


def compare(shape: Shape, runs: int, concurrency: int) -> None:
    """Print both latencies of one shape."""
    with tempfile.TemporaryDirectory() as name:
        both = Comparison(Path(name), shape, concurrency)
        for milliseconds in (0, 100):
            ours, plain = alternating(lambda: both.playing(milliseconds), both.writing, runs)  # noqa: B023
            ratio = ours.seconds / plain.seconds
            judged = verdict(ours.seconds, SECONDS, "s") if milliseconds else verdict(ratio, SLOWER, "×")
            print(
                f"{shape.name:<9} {milliseconds:>3} ms a call, {concurrency} in flight: {ours} beside {plain} for "
                f"plain pytest writing the same lines: {ratio:.2f} × wall, {ours.cpu / plain.cpu:.2f} × CPU"
                + (f"; {judged}" if shape.limited else ""),
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="pairs of each comparison (default: 5)")
    parser.add_argument("--concurrency", type=int, default=100, help="calls in flight (default: 100)")
    names = [shape.name for shape in SHAPES]
    parser.add_argument("--shape", choices=[*names, "both"], default="both", help="default: both")
    options = parser.parse_args()
    for shape in SHAPES:
        if options.shape in (shape.name, "both"):
            compare(shape, options.runs, options.concurrency)


if __name__ == "__main__":
    main()
