"""``harness analyse``: the honest table of each run, or of published artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
from harness.cli.looking import note_looks
from harness.console import echo, echo_json
from harness.errors import ConfigurationError

if TYPE_CHECKING:
    from harness.model import Dataset
    from harness.reports.parts import Part


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
    found = datasets(artifacts, run or (), exp or ()) if artifacts else recorded(paths, run, exp)
    asked = [BinaryEvent.read(text) for text in counts or ()]
    answers = [(analysed(one), one, count_events(one, asked)) for one in found]
    if not artifacts:
        note_looks(paths, "analyse", {one.source for one in found})
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


def writer(format: TextFormat) -> Callable[[Iterable[Part]], str]:
    """How parts are written in a format."""
    from harness.reports.parts import as_markdown, as_text

    return as_markdown if format is TextFormat.MD else as_text


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
