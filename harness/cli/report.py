"""``harness report``: runs as one page to read, or as Markdown."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.looking import note_looks
from harness.console import echo
from harness.errors import ConfigurationError


class ReportFormat(StrEnum):
    HTML = "html"
    MD = "md"


@app.command()
def report(
    results: Annotated[
        list[Path] | None, typer.Argument(help="Folders of results or JSONL files.", show_default="results")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write, .html or .md.", show_default="report.html")
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(help="This run; may be repeated. Default: the newest of each experiment."),
    ] = None,
    format: Annotated[ReportFormat | None, typer.Option(help="Default: by the name of the file.")] = None,
    uncompressed: Annotated[
        bool, typer.Option("--uncompressed", help="Leave transcripts unpacked, for old browsers.")
    ] = False,
) -> None:
    """Write a report: the verdict, effects, validity checks, costs, and every transcript."""
    from harness.guests import published
    from harness.reports import write_report
    from harness.runtime.play_checks import own_answers, own_checks

    paths = results or [Path("results")]
    problems = [
        f"{path}: no such file or folder; expected results of a run." for path in paths if not path.exists()
    ]
    if problems:
        raise ConfigurationError(*problems)
    target = out or Path(f"report.{format or ReportFormat.HTML}")
    form, compress = (str(format) if format else None), (False if uncompressed else None)
    selection = write_report(
        paths,
        target,
        runs=run or (),
        published=published,
        format=form,
        compress=compress,
        own=own_checks(),
        answers=own_answers(),
    )
    note_looks(paths, "report", {one.run_id for one in selection.reports})
    echo(target)
    for experiment, ids in selection.left_out.items():
        echo(
            f"Not shown (older runs or rehearsals): {experiment}, {', '.join(ids)} (--run shows them)",
            err=True,
        )
