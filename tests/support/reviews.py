"""Made-up runs for blind reviews: turns whose calls and words betray the variant wherever they can."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.experiments.tool_variants.abilities import Ability
from harness.experiments.tool_variants.neutral_wording import READING
from harness.experiments.tool_variants.variants import VARIANTS
from harness.records import FiledRun, runs_in_files
from harness.reports.review import DIMENSIONS, Exported, export, import_scores
from harness.reports.review.score_import import sent_and_key
from tests.support.tool_runs import write_tool_run

Answer = Callable[[str, int, int], tuple[str, list[dict[str, Any]]]]
"""(variant, number of the scenario, rep) → words and calls."""
Scorer = Callable[[str], Mapping[str, int]]
"""From a trial's id to the scores that a made-up reviewer gives."""


def betraying(variant: str, scenario: int, rep: int) -> tuple[str, list[dict[str, Any]]]:
    """Every tool in turn, and words that name it, in all ways that a name may be written."""
    tools = [tool.name for tool in VARIANTS[variant].tools]
    name = tools[(scenario + rep) % len(tools)]
    ability = next(ability for ability, (tool, _) in VARIANTS[variant].examples.items() if tool == name)
    camel = name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:])
    text = (
        f"I used {name}, or {name.upper()}, {camel}, {name.replace('_', '-')}; this is {variant}. Rep {rep}."
    )
    if variant == "applike":
        text += " As cron: 0 18 * * 5."
    return text, [{"name": name, "args": dict(VARIANTS[variant].examples[ability][1])}]


def neutral(variant: str, scenario: int, rep: int) -> tuple[str, list[dict[str, Any]]]:
    """The same in every variant."""
    tool, arguments = VARIANTS[variant].examples[Ability.CREATE_ONCE]
    return f"Done, number {scenario}.", [{"name": tool, "args": dict(arguments)}]


def run_for_review(
    folder: Path,
    answer: Answer = betraying,
    *,
    provider: str = "openai",
    reps: int = 2,
    only: Sequence[int] | None = (0, 3, 9),
    failing: Callable[[str, int, int], bool] = lambda *_: False,
) -> FiledRun:
    """A run on disk, read back whole."""
    paths = write_tool_run(
        folder,
        lambda *place: None if failing(*place) else True,
        provider=provider,
        reps=reps,
        only=only,
        failure={"reason": "no reply", "kind": "ModelCallError"},
    )
    for path in paths:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines[1:]:
            if line["type"] == "scenario_result":
                text, calls = answer(line["group"], line["proposal"], line["rep"])
                line |= {
                    "response_text": text,
                    "tool_calls": calls,
                    "prompt": line["proposal_fields"]["prompt"],
                }
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read_back(folder)


def read_back(folder: Path) -> FiledRun:
    (run,) = runs_in_files(sorted(folder.glob("*.jsonl")), keep=lambda record: record)
    return run


def exported(run: FiledRun, out: Path, **more: Any) -> Exported:
    return export(run, out, reading=READING, **more)


def good(trial: str) -> Mapping[str, int]:
    return dict.fromkeys(DIMENSIONS, 3)


def filled_in(path: Path, out: Path, key: Path, scorer: Scorer = good, *, keep: int | None = None) -> Path:
    """The CSV sheet with scores, of the first ``keep`` items or of all."""
    items = {item: trial for one in keys(key) for item, trial in one["items"].items()}
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    for row in rows[:keep]:
        row.update({name: str(score) for name, score in scorer(items[row["item"]]).items()})
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return out


def keys(path: Path) -> list[dict[str, Any]]:
    """The exports that a key file knows."""
    found: list[dict[str, Any]] = json.loads(path.read_text())["exports"]
    return found


def reviewed(
    run: FiledRun, out: Path, reviewer: str, scorer: Scorer = good, *, keep: int | None = None
) -> None:
    """A whole round: sheets out, scores in."""
    done = exported(run, out / reviewer, reviewer=reviewer)
    scores = filled_in(out / reviewer / "review.csv", out / f"{reviewer}.csv", done.key, scorer, keep=keep)
    sent, key = sent_and_key(scores, done.key)
    import_scores(sent, key, run, reviewer=reviewer)
