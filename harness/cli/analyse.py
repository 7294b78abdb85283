"""``harness analyse``: the honest table of each run, or of published artifacts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.common_options import (
    AsJson,
    Experiments,
    Format,
    Runs,
    TextFormat,
    settings_here,
    with_results,
)
from harness.cli.progress import StageProgress
from harness.cli.results import note_looks, print_answers, recorded
from harness.errors import ConfigurationError

if TYPE_CHECKING:
    from harness.model import Dataset
    from harness.reports.parts import Part
    from harness.stats.counts import CountComparison
    from harness.stats.results import Analysis


@app.command()
@with_results()
def analyse(
    results: list[Path] | None,
    artifacts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Analyse the Table 1 artifacts in DIR instead.")
    ] = None,
    exp: Experiments = None,
    run: Runs = None,
    counts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EVENT",
            help="Also count an event such as 'Fluency>=7', with an exact test; may be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
    format: Format = TextFormat.TEXT,
) -> None:
    """Print the analysis of each run: differences between groups, blocked by panel and proposal."""
    from harness.guests import comments, datasets
    from harness.reports.tables import analysis_json, analysis_parts
    from harness.stats import analyse as analysed
    from harness.stats.binary_events import BinaryEvent, count_events

    if artifacts is not None and results:
        raise ConfigurationError("Both results and --artifacts were given; expected one of them.")
    paths = results or [settings_here().results_dir]
    asked = [BinaryEvent.read(text) for text in counts or ()]
    with StageProgress() as progress:
        progress("Reading records")
        found = (
            datasets(artifacts, run or (), exp or ()) if artifacts else recorded(paths, run or (), exp or ())
        )
        answers = [(analysed(one, progress=progress), one, count_events(one, asked)) for one in found]
    if not artifacts:
        note_looks(paths, "analyse", {one.source for one in found})

    def parts(answer: tuple[Analysis, Dataset, list[CountComparison]]) -> Iterable[Part]:
        analysis, one, counted = answer
        return analysis_parts(analysis, one, comments(analysis, one) if artifacts else (), counted)

    print_answers(answers, lambda each: analysis_json(*each), parts, format, as_json=as_json)
