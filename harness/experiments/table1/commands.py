"""``harness table1``: the paper's table from samples, and whether it agrees with what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.looking import note_looks
from harness.console import echo, echo_json
from harness.errors import ExitCode

Artifacts = Annotated[
    Path,
    typer.Option(help="Folder of artifacts: published ones, a TinyTroupe checkout, or a run's results."),
]


def table1(
    artifacts: Artifacts,
    exp: Annotated[list[str] | None, typer.Option(help="Only this experiment; may be repeated.")] = None,
    run: Annotated[
        list[str] | None, typer.Option(help="This run of ours instead of the newest; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, sorted by key.")] = False,
    validate: Annotated[
        bool, typer.Option("--validate", help="Compare with the published values; exit 1 on any miss.")
    ] = False,
) -> None:
    """Print Table 1, computed from the samples of artifacts."""
    from harness.experiments.table1 import markdown, validation
    from harness.experiments.table1.artifacts import read_artifacts
    from harness.experiments.table1.published_values import SIZES
    from harness.experiments.table1.table import as_json as to_json
    from harness.experiments.table1.table import table
    from harness.reports.parts import as_markdown, as_text

    tables = [table(one) for one in read_artifacts(artifacts, run or (), exp or ())]
    ours = {one.artifact.run_id for one in tables if one.artifact.run_id is not None}
    if ours and any(artifacts.glob("*.jsonl")):
        note_looks([artifacts], "table1", ours)
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
