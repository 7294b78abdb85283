"""How well a model takes part: what it says in its turns, how many of its first replies are usable, how it scores.

    python benchmarks/model_quality.py --model local [--trials 6] [--seed 1]
    python benchmarks/model_quality.py --model openai:gpt-4o-mini --model ollama:qwen2.5:3b

Two people haggle over a few things, a judge scores three claims about each, and the offers are extracted. The table
shows, for each model: the share of turns in which something was done, and said aloud; how many first replies could be
used, by kind of call; how many of the ten scores were given, and the share of the most frequent one; tokens and
seconds of a call, for a local model also processor seconds, which a busy machine changes least. Equal seeds go to
models whose server takes them. It costs some twelve calls a trial.

``--json FILE`` adds the figures to a file, to compare versions of the prompts on the same seeds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import harness
from harness import Experiment, Extraction, Group, Mode, Persona, Proposition, Script

THINGS = ("a bicycle", "a desk lamp", "a box of apples", "a winter coat", "a used guitar", "a garden table")
PEOPLE = (
    Persona("Ada Reyes", {"occupation": "market trader", "style": "blunt, quick, likes a joke"}),
    Persona("Bo Lind", {"occupation": "retired teacher", "style": "polite, counts every coin"}),
)
CLAIMS = {
    "courtesy": "The person stays courteous, even when refusing.",
    "price": "The person names a price in euros.",
    "moon": "The person talks about a journey to the moon.",
}


def experiment(trials: int) -> Experiment:
    return Experiment(
        name="model_quality",
        population=PEOPLE,
        groups=(Group("Model"),),
        script=Script(
            task="Ada sells {thing}, and Bo may buy it. Agree a price.",
            proposals=tuple({"thing": thing} for thing in THINGS[:trials]),
            consolidation="Sum up which offers were made.",
            extraction=Extraction(
                objective="Each offer that was made.",
                situation="Two people haggle.",
                fields=("person", "price"),
                root="offers",
                metric="offers",
            ),
        ),
        metrics=tuple(Proposition(name, claim) for name, claim in CLAIMS.items()),
        modes={"full": Mode(reps=1, steps=2)},
    )


def measure(model: str, trials: int, seed: int, folder: Path) -> dict[str, Any]:
    """The figures of one model. Shares are from 0 to 1; ``None`` where nothing was counted."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = harness.run(
        experiment(trials),
        quiet=True,
        model=model,
        seed=seed,
        provider_seed=None if model.startswith("rehearsal") else seed,
        results_dir=folder,
    )
    busy = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began  # the local model is a child process
    records = [json.loads(line) for path in done.records for line in path.read_text("utf-8").splitlines()]
    finished = [one for one in records if one["type"] == "trial_result"]
    turns = [turn for one in finished for turn in _turns(one["transcript"])]
    scores = {
        name: [
            s["value"]
            for one in finished
            for s in one["samples"]
            if s["metric"] == name and s["value"] is not None
        ]
        for name in CLAIMS
    }
    used = Counter(value for values in scores.values() for value in values)
    calls = sum(sum(one["usage"]["calls"].values()) for one in finished)
    return {
        "model": model,
        "trials": len(finished),
        "planned": trials,
        "turns": len(turns),
        "acted": _share(sum(bool(turn - {"DONE"}) for turn in turns), len(turns)),
        "spoke": _share(sum("TALK" in turn for turn in turns), len(turns)),
        "usable": dict(_first_replies(folder, done.run_id)),
        "scores_used": len(used),
        "most_frequent_score": _share(max(used.values(), default=0), sum(used.values())),
        "means": {name: sum(values) / len(values) if values else None for name, values in scores.items()},
        "calls": calls,
        "tokens_out_per_call": _share(sum(one["usage"]["tokens_out"] for one in finished), calls),
        "seconds_per_call": _share(sum(one["duration"] for one in finished), calls),
        "processor_seconds_per_call": _share(busy, calls) if model.startswith("local") else None,
    }


def _turns(transcript: list[dict[str, Any]]) -> Iterator[set[str]]:
    """The kinds of action in each turn."""
    found: dict[tuple[int, str], set[str]] = {}
    for event in transcript:
        if event["kind"] == "action":
            found.setdefault((event["step"], event["person"]), set()).add(event["type"])
    yield from found.values()


def _first_replies(folder: Path, run_id: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Kind of call → (first replies that were used, first replies)."""
    with contextlib.closing(sqlite3.connect(folder / "journal" / f"{run_id}.sqlite")) as journal:
        rows = journal.execute(
            "select kind, sum(verdict = 'accepted'), count(*) from replies where draw = 0 group by kind order by kind"
        )
        yield from ((kind, (used, asked)) for kind, used, asked in rows)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def show(found: dict[str, Any]) -> None:
    def percent(value: float | None) -> str:
        return "–" if value is None else f"{value:.0%}"

    print(
        f"\n{found['model']}: {found['trials']} of {found['planned']} trials finished, {found['calls']} calls"
    )
    print(f"  turns with an action          {percent(found['acted'])} of {found['turns']}")
    print(f"  turns with something said     {percent(found['spoke'])} of {found['turns']}")
    for kind, (used, asked) in found["usable"].items():
        print(f"  first replies usable, {kind:<15} {used} of {asked}")
    print(f"  scores in use                 {found['scores_used']} of 10")
    print(f"  share of the most frequent    {percent(found['most_frequent_score'])}")
    for name, mean in found["means"].items():
        print(f"  mean score, {name:<17} {'–' if mean is None else format(mean, '.1f')}")
    print(f"  tokens out per call           {found['tokens_out_per_call'] or 0:.0f}")
    print(f"  seconds per call              {found['seconds_per_call'] or 0:.1f}")
    if found["processor_seconds_per_call"] is not None:
        print(f"  processor seconds per call    {found['processor_seconds_per_call']:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", help="may be repeated; default: rehearsal")
    parser.add_argument("--trials", type=int, default=6, choices=range(1, len(THINGS) + 1), metavar="1-6")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file to add the figures to, one line for each model")
    asked = parser.parse_args()
    for model in asked.model or ["rehearsal"]:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(model, asked.trials, asked.seed, Path(folder))
        show(found)
        if asked.json is not None:
            with asked.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
