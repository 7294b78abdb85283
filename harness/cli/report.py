"""``harness report``: runs as one page to read, or as Markdown."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.common_options import NewestRuns, with_results
from harness.cli.progress import StageProgress
from harness.cli.results import note_looks
from harness.console import echo


class ReportFormat(StrEnum):
    HTML = "html"
    MD = "md"


@app.command()
@with_results()
def report(
    results: list[Path],
    out: Annotated[
        Path | None, typer.Option(help="File to write, .html or .md.", show_default="report.html")
    ] = None,
    run: NewestRuns = None,
    format: Annotated[
        ReportFormat | None, typer.Option(help="Format. Default: by the name of the file.")
    ] = None,
    uncompressed: Annotated[
        bool, typer.Option("--uncompressed", help="Do not compress transcripts, for old browsers.")
    ] = False,
) -> None:
    """Write a report: verdict, effects, validity checks, costs, and every transcript."""
    from harness.guests import published
    from harness.reports import check_target, write_report
    from harness.runtime.play_checks import own_answers, own_checks

    target = out or Path(f"report.{format or ReportFormat.HTML}")
    form, compress = (str(format) if format else None), (False if uncompressed else None)
    check_target(target, form)
    with StageProgress() as progress:
        selection = write_report(
            results,
            target,
            runs=run or (),
            published=published,
            format=form,
            compress=compress,
            own=own_checks(),
            answers=own_answers(),
            progress=progress,
        )
    note_looks(results, "report", {one.run_id for one in selection.reports})
    echo(target)
    for experiment, ids in selection.left_out.items():
        echo(
            f"Not shown (older runs or rehearsals): {experiment}, {', '.join(ids)} (--run shows them)",
            err=True,
        )
