"""``harness analyse``: the honest table of each run, or of published artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.looking import note_looks
from harness.console import echo, echo_json
from harness.errors import ConfigurationError

if TYPE_CHECKING:
    from harness.model import Dataset
    from harness.reports.parts import Part

RESULTS = Path("results")


class AnalysisFormat(StrEnum):
    TEXT = "text"
    MD = "md"


@app.command()
def analyse(
    results: Annotated[
        list[Path] | None, typer.Argument(help="Folders of results or JSONL files.", show_default="results")
    ] = None,
    artifacts: Annotated[
        Path | None, typer.Option(help="Analyse artifacts of Table 1 in this folder instead.")
    ] = None,
    exp: Annotated[list[str] | None, typer.Option(help="Only this experiment; may be repeated.")] = None,
    run: Annotated[list[str] | None, typer.Option(help="Only this run; may be repeated.")] = None,
    counts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EVENT",
            help="Also count an event, such as 'Fluency>=7', with an exact test; may be repeated.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, sorted by key.")] = False,
    format: Annotated[
        AnalysisFormat, typer.Option(help="text, 80 columns wide, or md.")
    ] = AnalysisFormat.TEXT,
) -> None:
    """Print the analysis of each run: differences blocked by panel and proposal, and what stands beside them."""
    from harness.guests import comments, datasets
    from harness.reports.tables import analysis_json, analysis_parts
    from harness.stats import analyse as analysed
    from harness.stats.binary_events import BinaryEvent, count_events

    if artifacts is not None and results:
        raise ConfigurationError("Both results and --artifacts were given; expected one of them.")
    found = (
        datasets(artifacts, run or (), exp or ()) if artifacts else recorded(results or [RESULTS], run, exp)
    )
    asked = [BinaryEvent.read(text) for text in counts or ()]
    answers = [(analysed(one), one, count_events(one, asked)) for one in found]
    if not artifacts:
        note_looks(results or [RESULTS], "analyse", {one.source for one in found})
    if as_json:
        content = [analysis_json(*each) for each in answers]
        echo_json(content, sort_keys=True)
        return
    write = writer(format)
    pages = (
        write(analysis_parts(told, one, comments(told, one) if artifacts else (), counted))
        for told, one, counted in answers
    )
    echo("\n".join(pages), end="")


def writer(format: AnalysisFormat) -> Callable[[Iterable[Part]], str]:
    """How parts are written in a format."""
    from harness.reports.parts import as_markdown, as_text

    return as_markdown if format is AnalysisFormat.MD else as_text


def recorded(
    paths: Sequence[Path], runs: Sequence[str] | None = None, only: Sequence[str] | None = None
) -> list[Dataset]:
    """The datasets of the runs in ``paths``, oldest first. Raises `HarnessError` when there are none such."""
    from harness.records import datasets, record_files

    return _chosen(datasets(record_files(paths)), runs or (), only or (), ", ".join(map(str, paths)))


def _chosen(found: list[Dataset], runs: Sequence[str], only: Sequence[str], where: str) -> list[Dataset]:
    names, ids = sorted({one.experiment for one in found}), sorted({one.source for one in found})
    problems = [f"Experiment {name!r}: no records in {where}; expected one of {', '.join(names)}."
                for name in only if name not in names]  # fmt: skip
    problems += [f"Run {name!r}: no records in {where}; expected one of {', '.join(ids)}."
                 for name in runs if name not in ids]  # fmt: skip
    if problems:
        raise ConfigurationError(*problems)
    return [one for one in found if (not only or one.experiment in only) and (not runs or one.source in runs)]
