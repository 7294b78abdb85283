"""``harness compare``: runs tested against each other, as arms of a run are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.common_options import AsJson, Format, TextFormat, with_results
from harness.cli.results import formatted, note_looks
from harness.console import echo, echo_json
from harness.errors import ConfigurationError, expected_one_of

if TYPE_CHECKING:
    from harness.records import FiledRun
    from harness.records.run_comparison import ComparedLevel
    from harness.reports.parts import Part


@app.command()
@with_results(files=False)
def compare(
    results: list[Path],
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Ids of two runs or more.", show_default=False),
    ] = None,
    pairs: Annotated[
        bool,
        typer.Option("--pairs", help="Compare every run with every other one, not with the first alone."),
    ] = False,
    as_json: AsJson = False,
    format: Format = TextFormat.TEXT,
) -> None:
    """Test runs against each other, block by block, as arms are; exploratory. Says first what differs between them."""
    from harness.records.run_comparison import EXPLORATORY, difference_lines, joined_dataset
    from harness.reports.run_comparison import comparison_json, comparison_parts
    from harness.stats import analyse

    levels = _levels(results, runs or ())
    data = joined_dataset(levels, pairs=pairs)
    differences = {later.name: difference_lines(levels[0], later) for later in levels[1:]}
    analysis = analyse(data, with_secondary=False)
    note_looks(results, "compare", {run.run_id for level in levels for run in level.runs})
    if as_json:
        content = {
            "experiment": data.experiment,
            "runs": {level.name: level.runs[0].run_id for level in levels},
            "rehearsal": data.rehearsal,
            "exploratory": EXPLORATORY,
            "differences": differences,
            "contrasts": comparison_json(analysis),
        }
        echo_json(content, sort_keys=True)
        return
    parts: list[Part] = [*_opening(data.experiment, levels, differences), *comparison_parts(analysis, data)]
    echo(formatted(parts, format), end="")


def _levels(results: Sequence[Path], names: Sequence[str]) -> list[ComparedLevel]:
    """The runs of these ids, each under a letter. Raises `ConfigurationError`."""
    from harness.records import record_files, runs_in_files
    from harness.records.run_comparison import ComparedLevel

    found: dict[str, list[FiledRun]] = {}
    for run in runs_in_files(record_files(results)):
        found.setdefault(run.run_id, []).append(run)
    known = ", ".join(f"{run_id} ({runs[0].experiment})" for run_id, runs in found.items()) or "none"
    problems = [
        f"Run {name!r}: no records in {', '.join(map(str, results))}; {expected_one_of(name, list(found))}"
        for name in names
        if name not in found
    ]
    problems += [
        f"Run {name} is named twice; expected each once." for name in {*names} if names.count(name) > 1
    ]
    if len(names) < 2 and not problems:
        problems = [f"{len(names)} runs are named; expected two or more of {known}."]
    if len(names) > len(ascii_uppercase):
        problems.append(f"{len(names)} runs are named; expected at most {len(ascii_uppercase)}.")
    if problems:
        raise ConfigurationError(*problems)
    return [
        ComparedLevel(letter, (found[name][0],)) for letter, name in zip(ascii_uppercase, names, strict=False)
    ]


def _opening(
    experiment: str, levels: Sequence[ComparedLevel], differences: dict[str, list[str]]
) -> Sequence[Part]:
    """Which runs, and what differs between the first and each later one."""
    from harness.reports.parts import Heading, Items

    parts: list[Part] = [Heading(f"{experiment}: {len(levels)} runs compared")]
    parts.append(Items(tuple(f"{level.name} is run {level.runs[0].run_id}" for level in levels)))
    for name, lines in differences.items():
        parts += [f"What differs between {levels[0].name} and {name}:", Items(tuple(lines))]
    return parts
