"""100,000 trial records, loaded, aggregated and merged: seconds and peak memory, each in its own process.

CPU time (user and system) is given beside the wall clock's: on a machine that does other work it changes least.

    python benchmarks/data.py [--trials N] [--folder DIR]

The records have the shape of exp_3's (5 people, 18 samples with their justifications), with transcripts of two events;
they are made up by this script in a temporary folder, which takes a minute that is not counted.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from timing import verdict

from harness.model import (
    Cell,
    CorrectionEvent,
    Event,
    Persona,
    Sample,
    Script,
    Trial,
    TrialPlan,
    TrialResult,
    Usage,
)
from harness.records import Design, JSONLWriter, trial_line

SECONDS, MIB = 10.0, 1024.0
PER_CELL = 500
GROUPS = ("Control", "Treatment")
PERSONAL = ("Hard Persona Adherence", "Self-consistency", "Fluency")
METRICS = (*PERSONAL, "opinions_qty", "Task Completion", "Divergence")
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PANELS, PROPOSALS = 20, 25
WORDS = (
    "the",
    "people",
    "who",
    "queue",
    "for",
    "it",
    "have",
    "never",
    "been",
    "asked",
    "before",
    "and",
    "know",
)


def text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words)).capitalize() + "."


def design_of(reps: int) -> Design:
    panels = tuple(tuple(f"Person {p}-{i}" for i in range(5)) for p in range(PANELS))
    return Design(GROUPS, METRICS, PERSONAL, panels, PROPOSALS, reps)


def metadata(design: Design, group: str, rep: int) -> dict[str, object]:
    settings = {"experiment": "made_up", "provider": "rehearsal", "model": "rehearsal-1", "seed": 0}
    first = {"type": "run_metadata", "run_id": "20260101T000000-abcdef", "experiment": "made_up"}
    more = {"mode": "full", "engine": "embedded", "provider": "rehearsal", "model": "rehearsal-1"}
    rest = {"design": design.to_metadata(), "settings": settings, "group_settings": {"correction": None}}
    return {**first, "group": group, "rep": rep, "fingerprint": "0" * 64, **more, **rest}


def line(rng: random.Random, design: Design, trial: Trial, number: int) -> dict[str, object]:
    people = design.panels[trial.panel]
    personas = tuple(Persona(name, {}) for name in people)
    samples = tuple(
        Sample(metric, rng.randint(0, 9), person, None, text(rng, 24))
        if rng.random() > 0.01
        else Sample(metric, None, person, "the reply was no number")
        for metric in design.metrics
        for person in design.expected(trial.panel, metric)
    )
    events = tuple(Event(1, name, "action", "TALK", text(rng, 60), name) for name in people[:2])
    correction = CorrectionEvent(1, people[0], ((text(rng, 30), 4.0), (text(rng, 30), 6.0)), 1)
    result = TrialResult(trial, samples, events, {"opinions": [{"opinion": text(rng, 9)}]}, (correction,))
    fields = {
        "theme": f"Theme {trial.proposal}",
        "details": f"Proposal {trial.proposal}: " + "a motion, " * 45,
    }
    plan = TrialPlan(trial, personas, Script(""), fields, 5, None, (), (), 0)
    started = BEGAN + timedelta(seconds=number)
    return trial_line(
        result,
        plan,
        run_id="20260101T000000-abcdef",
        usage=Usage({"act": 31, "quality_check": 35, "score_person": 15}, 190_000, 8_000, 0.0301),
        attempt=1,
        started=started,
        ended=started + timedelta(seconds=1.5),
        duration=1.5,
    )


def generate(folder: Path, trials: int) -> None:
    """``trials`` records in files of 500, one file per cell."""
    rng = random.Random(4)
    design = design_of(max(1, trials // (PER_CELL * len(GROUPS))))
    number = 0
    for group in design.groups:
        for rep in range(1, design.reps + 1):
            path = folder / f"made_up_{group}_run{rep}_20260101T000000.jsonl"
            with JSONLWriter(path, metadata=metadata(design, group, rep)) as writer:
                for trial in cell_trials(group, rep):
                    number += 1
                    writer.write(line(rng, design, trial, number))


def cell_trials(group: str, rep: int) -> Iterator[Trial]:
    cell = Cell("made_up", group, rep)
    return (Trial(cell, panel, proposal) for panel in range(PANELS) for proposal in range(PROPOSALS))


def load(folder: Path) -> str:
    """``harness.load`` and its data frames of trials and scores, then means by group and metric."""
    import harness

    frames = harness.load(folder)
    trials, scores = frames.trials, frames.scores
    began = time.perf_counter()
    means = scores.groupby(["group", "metric"], observed=True).value.agg(["count", "mean", "std"])
    seconds = time.perf_counter() - began
    return (
        f"{len(trials):,} trials, {len(scores):,} scores, {len(means)} means; aggregate alone {seconds:.2f} s"
    )


def merge(folder: Path) -> str:
    """``harness.records.merge``: the artifact and its meta file."""
    import harness.stats as stats
    from harness.records import merge as merge_files

    (artifact,) = merge_files(sorted(folder.glob("*.jsonl")), folder / "merged", stats=stats)
    return f"{artifact.stat().st_size / 2**20:.1f} MiB of artifact"


STEPS = {"load": load, "merge": merge}


def alone(step: str, folder: Path) -> tuple[float, float, float]:
    """A step in its own process: seconds of wall from its first line, of CPU in all, and MiB of peak memory."""
    done = subprocess.run(
        [sys.executable, __file__, "--step", step, "--folder", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    said, seconds, cpu, peak = done.stdout.strip().split("\t")
    print(f"{step:<6} {float(seconds):6.2f} s wall, {float(cpu):6.2f} s CPU, {float(peak):5.0f} MiB: {said}")
    return float(seconds), float(cpu), float(peak)


def step(name: str, folder: Path) -> None:
    began = time.perf_counter()
    said = STEPS[name](folder)
    seconds = time.perf_counter() - began
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(f"{said}\t{seconds}\t{time.process_time()}\t{peak}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="records that an earlier call made; kept")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        return step(options.step, options.folder)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.glob("*.jsonl")):
            generate(folder, options.trials)
        size = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
        print(
            f"{size / 2**20:.0f} MiB in {len(list(folder.glob('*.jsonl')))} files; load is {os.getloadavg()[0]:.1f}"
        )
        figures = [alone(name, folder) for name in STEPS]
    wall, cpu, peak = zip(*figures, strict=True)
    print(
        "load, aggregate and merge:",
        verdict(sum(wall), SECONDS, "s"),
        "of wall;",
        f"{sum(cpu):.2f} s of CPU;",
    )
    print(f"load is {os.getloadavg()[0]:.1f}; peak memory:", verdict(max(peak), MIB, "MiB"))
    return None


if __name__ == "__main__":
    main()
