"""``harness table1``: the paper's table from samples, and whether it agrees with what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common_options import AsJson, Experiments, NewestRuns, settings_here, with_results
from harness.cli.results import note_looks
from harness.console import echo, echo_json
from harness.errors import ExitCode


@with_results()
def table1(
    results: Path | None,
    artifacts: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of published artifacts, or a TinyTroupe checkout."),
    ] = None,
    exp: Experiments = None,
    run: NewestRuns = None,
    as_json: AsJson = False,
    validate: Annotated[
        bool, typer.Option("--validate", help="Compare with the published values; exit code 1 on any miss.")
    ] = False,
) -> None:
    """Print Table 1 from the samples of artifacts: published ones or your runs'."""
    from harness.experiments.table1 import markdown, validation
    from harness.experiments.table1.artifacts import read_artifacts
    from harness.experiments.table1.published_values import SIZES
    from harness.experiments.table1.table import as_json as to_json
    from harness.experiments.table1.table import table
    from harness.reports.parts import as_markdown, as_text

    folder = artifacts or results or settings_here().results_dir
    tables = [table(one) for one in read_artifacts(folder, run or (), exp or ())]
    ours = {one.artifact.run_id for one in tables if one.artifact.run_id is not None}
    if ours and any(folder.glob("*.jsonl")):
        note_looks([folder], "table1", ours)
    if as_json:
        echo_json(to_json(tables), sort_keys=True)
    else:
        echo(as_markdown(markdown.parts(tables)), end="")
    if not validate:
        return
    wanted = exp or list(SIZES)
    absent = [name for name in wanted if name not in {one.experiment for one in tables}]
    misses = validation.validate(tables)
    verdict = as_text(markdown.verdict(tables, absent, misses))
    echo(verdict if as_json else f"\n{verdict}", end="", err=as_json)
    raise typer.Exit(int(ExitCode.FAILED if absent or misses else ExitCode.OK))
