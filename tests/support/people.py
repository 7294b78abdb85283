"""Runs of surveys with answers as a test wants them, and people's own answers as microdata."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.model.survey.item import Item
from harness.records import Design, FiledRun, runs_in_files
from harness.records.people import keep_people
from tests.support.records import finished, metadata, write_file


def survey_run(
    folder: Path,
    items: Sequence[Item],
    arms: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    provider: str = "openai",
    attributes: Sequence[Mapping[str, Any]] = (),
    weights: Sequence[float] = (),
    **settings: Any,
) -> FiledRun:
    """Write a run of the experiment ``trust`` and read it: per arm one mapping of item → answer per persona."""
    names = [f"P{number}" for number in range(len(next(iter(arms.values()))))]
    measures = tuple(measure.name for item in items for measure in item.measures)
    design = Design(
        groups=tuple(arms), metrics=measures, person_metrics=measures, panels=tuple((name,) for name in names),
        proposals=1, reps=1,
    )  # fmt: skip
    population = {"source": "declared", "sha256": "abc", "people": len(names), "people_file": True}
    people = [
        {"name": name, "weight": weights[place] if weights else 1.0,
         "attributes": attributes[place] if attributes else {}}
        for place, name in enumerate(names)
    ]  # fmt: skip
    keep_people(folder, population, people)
    for arm, answers in arms.items():
        first = metadata(arm, design=design, play={"survey": [item.declared for item in items]}, **settings)
        first |= {"experiment": "trust", "provider": provider, "population": population, "engine": "own"}
        lines = [
            finished(trial, design, lambda *_: 1, people=list(design.panels[trial.panel]),
                     answers={name: _answer(given) for name, given in answers[trial.panel].items()})
            for trial in design.trials("trust", arm)
        ]  # fmt: skip
        write_file(folder / f"trust_{arm}_run1_x.jsonl", first, lines)
    (run,) = runs_in_files(sorted(folder.glob("*.jsonl")))
    return run


def _answer(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping) and "status" in given:
        return dict(given)
    return {"status": "answered", "value": given, "position": 1}


def microdata(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """A CSV file of respondents."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path
