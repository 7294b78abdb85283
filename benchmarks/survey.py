"""How long `harness analyse` and `harness report` take for a questionnaire: one persona, one answer per item.

    python benchmarks/survey.py [--largest 2000] [--items 5]

Records are made up: each persona answers every item under two framings, on a scale of 1 to 5; personas have three
attributes and weights. Once the items are metrics of one trial, as a survey records them, and once each answer is a
trial. Printed for growing numbers of personas: CPU and wall seconds of both commands as a user starts them, and the
exponent of growth of CPU seconds (1 is linear), less what starting costs. Limits are for CPU seconds, because the
machine may have other work.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from timing import environment, verdict

from harness.model import Trial
from harness.records import Design
from harness.records.people import keep_people
from tests.support import records
from tests.support.reports import event

QUESTIONS = ("trust", "safety", "services", "taxes", "future")
SHA256 = "a" * 64
LIMITS = ((400, 3.0), (20_000, 20.0))
"""Up to how many answers, how many seconds."""
NOISE = 0.3
"""Seconds that starting differs from one time to the next."""


class Took(NamedTuple):
    """Seconds of one process: of CPU, and by the clock."""

    cpu: float
    wall: float


def write_answers(folder: Path, personas: int, items: int, *, trial_each: bool) -> int:
    """The records of a run; the number of answers."""
    rng = random.Random(personas)
    names = QUESTIONS[:1] if trial_each else tuple(f"{QUESTIONS[n % 5]}_{n}" for n in range(items))
    people = tuple((f"Persona {number}",) for number in range(personas))
    plan = Design(("plain", "hopeful"), names, names, people, items if trial_each else 1, 1)
    level = [rng.gauss(3, 1) for _ in people]
    population = {"source": "people.csv", "sha256": SHA256, "people_file": True, "people": personas}
    kept = [
        {
            "name": name,
            "weight": rng.choice((0.5, 1.0, 2.0)),
            "attributes": {
                "age": rng.randint(18, 90),
                "region": rng.choice("NSEW"),
                "gender": rng.choice("fm"),
            },
        }
        for (name,) in people
    ]
    keep_people(folder, population, kept)

    def answer(trial: Trial, *_: object) -> int:
        shift = 0.2 * (trial.cell.group == "hopeful")
        return max(1, min(5, round(level[trial.panel] + shift + rng.gauss(0, 0.8))))

    for group in plan.groups:
        metrics = [{"name": name, "function": None, "scale": [1, 5]} for name in names]
        first = records.metadata(group, design=plan, metrics=metrics) | {"population": population}
        lines = [
            records.finished(
                trial,
                plan,
                answer,
                people=list(people[trial.panel]),
                transcript=[
                    event(0, "", "CONVERSATION", f"How far do you agree? ({group})"),
                    event(1, people[trial.panel][0], "TALK", "4"),
                ],
            )
            for trial in plan.trials("exp_3", group)
        ]
        records.write_file(folder / f"exp_3_{group}_run1.jsonl", first, lines)
    return 2 * personas * items


def command(folder: Path, *words: str) -> Took:
    """Run a command of harness in ``folder``."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    line = [sys.executable, "-c", "from harness.cli.app import main; main()", *words]
    subprocess.run(line, cwd=folder, env=environment(), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(cpu, time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--largest", type=int, default=2000, help="personas (default: 2,000)")
    parser.add_argument("--items", type=int, default=5)
    asked = parser.parse_args()
    sizes = sorted({40, 200, max(40, asked.largest // 4), asked.largest})
    for trial_each, items in ((False, 1), (False, asked.items), (True, asked.items)):
        what = "each a trial" if trial_each else "metrics of one trial"
        print(f"\n{items} items, {what}, 2 framings")
        print("| personas | answers | analyse, CPU | wall | report, CPU | wall |\n" + "| --- " * 6 + "|")
        series = []
        for personas in sizes:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                answers = write_answers(folder, personas, items, trial_each=trial_each)
                took = [command(folder, word, ".") for word in ("analyse", "report")]
            series.append((answers, took))
            limit = next(seconds for most, seconds in LIMITS if answers <= most or most == LIMITS[-1][0])
            cells = (f"{verdict(one.cpu, limit, 's')} | {one.wall:.2f} s" for one in took)
            print(f"| {personas:,} | {answers:,} | {' | '.join(cells)} |", flush=True)
        for place, word in enumerate(("analyse", "report")):
            print(f"{word}: exponent {exponent([(n, took[place].cpu) for n, took in series])}")


def exponent(points: list[tuple[int, float]]) -> str:
    """Of the growth from the second largest to the largest, less the time of the smallest, which is starting."""
    (_, start), (n, some), (more, most) = points[0], points[-2], points[-1]
    if some - start < NOISE:
        return f"not told: {some - start:.2f} s beyond starting is noise"
    return f"{math.log((most - start) / (some - start)) / math.log(more / n):.2f}"


if __name__ == "__main__":
    main()
