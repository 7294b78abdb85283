"""How long a report takes to write and to open.

    python benchmarks/report.py [--trials 2000] [--runs 5]

Trials are made up, about 30 kB each as those of a debate of five people are: 80 events, five corrections. Written by
``write_report`` in this process; opened from disk in headless Chromium with a fresh profile, warmed up by an empty
page. "Opened" is the time from the start of the navigation until the first transcript stands in the page (the page
sets ``data-ready`` then); the yardstick of 2 s is for 2,000 trials. A search that has to unpack every trial is timed
from the key to the count of matches.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from timing import verdict

from harness.records import Design
from harness.reports import write_report
from tests.support import records
from tests.support.browser import chromium, opened, until
from tests.support.reports import conversation, told_trial

PEOPLE = ("Ada", "Ben", "Cyd", "Dov", "Eve")
WORDS = Path(__file__).read_text("utf-8").split()
LIMIT, WRITTEN = 2.0, 10.0


def design(trials: int) -> Design:
    """Two groups of 4 panels × 5 proposals and as many reps as it takes."""
    metrics = ("Adherence", "Fluency", "Self-consistency", "Divergence")
    panels = tuple(tuple(f"{name} {panel}" for name in PEOPLE) for panel in "PQRS")
    return Design(("Control", "Treatment"), metrics, metrics[:3], panels, 5, max(1, trials // 40))


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=40))


def write_records(folder: Path, plan: Design) -> int:
    """The record files of one run; how many bytes."""
    rng = random.Random(0)
    for group in plan.groups:
        for rep in range(1, plan.reps + 1):
            first = records.metadata(group, design=plan, rep=rep) | {
                "provider": "openai",
                "model": "some-model",
            }
            mine = [one for one in plan.trials("exp_3", group) if one.cell.rep == rep]
            lines = [_trial(one, plan, rng) for one in mine]
            records.write_file(folder / f"exp_3_{group}_run{rep}.jsonl", first, lines)
    return sum(path.stat().st_size for path in folder.glob("*.jsonl"))


def _trial(trial: Any, plan: Design, rng: random.Random) -> dict[str, Any]:
    people = plan.panels[trial.panel]
    corrections = [
        {"step": 1, "person": name, "attempts": [[sentence(rng), 3.0], [sentence(rng), 6.0]], "kept": 1}
        for name in people
    ]
    talk = conversation(people, [sentence(rng) for _ in range(40)])
    return told_trial(trial, ("",), plan, transcript=talk, corrections=corrections)


def open_once(driver: Any, page: Path) -> tuple[float, float]:
    """Seconds until the first transcript stands in the page, and until a search over all has ended."""
    driver.get("about:blank")
    opened(driver, page)
    ready: float = driver.execute_script(READY)
    began = time.perf_counter()
    driver.execute_script(SEARCH)
    until(driver, "return !!document.documentElement.dataset.searched", 120)
    return ready / 1000, time.perf_counter() - began


READY = "return performance.getEntriesByName('ready')[0].startTime"
SEARCH = "document.getElementById('query').value = 'no such words anywhere';" \
         "document.querySelector('#search button').click()"  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    plan = design(asked.trials)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = write_records(folder, plan)
        trials = 2 * len(plan.panels) * plan.proposals * plan.reps
        print(f"{trials:,} trials, {size / 1e6:.0f} MB of records")
        began, cpu = time.perf_counter(), time.process_time()
        write_report([folder], folder / "report.html")
        page, seconds = folder / "report.html", time.perf_counter() - began
        print(
            f"written: {verdict(seconds, WRITTEN, 's')}, {time.process_time() - cpu:.2f} s of CPU;", end=" "
        )
        print(f"{page.stat().st_size / 1e6:.1f} MB; load is {os.getloadavg()[0]:.1f}")
        with chromium(folder / "profile") as driver:
            times = [open_once(driver, page) for _ in range(asked.runs + 1)][1:]
        ready, search = (statistics.median(column) for column in zip(*times, strict=True))
        print(
            f"opened: {verdict(ready, LIMIT, 's')}, median of {asked.runs}; worst {max(t[0] for t in times):.2f} s"
        )
        print(f"search through all trials: {search:.2f} s")


if __name__ == "__main__":
    main()
