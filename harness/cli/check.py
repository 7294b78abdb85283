"""``harness check``: is the measuring instrument sound? Every check of runs that have been made."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.errors import ExitCode, HarnessError


@app.command()
def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders of results, or JSONL files. Default: results/.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 where a check FAILs.")] = False,
) -> None:
    """Print every check of the measuring instrument, run by run."""
    from harness.instrument import Examiner, check_lines, described, examine
    from harness.model import Level
    from harness.records import runs_in_files
    from harness.records.looks import note_look_at
    from harness.studies.examining import own_checks

    failed = False
    for run in runs_in_files(_files(paths or [Path("results")]), keep=Examiner().keep):
        checks = examine(run, own=own_checks())
        note_look_at(run, how="check", now=datetime.now(UTC))  # some of them tell a difference between arms
        failed |= any(one.level is Level.FAIL for one in checks)
        typer.echo(f"{run.experiment}, run {run.run_id}")
        typer.echo("\n".join(check_lines(described(run, checks), all_of_them=True)))
    raise typer.Exit(int(ExitCode.FAILED) if failed and strict else 0)


def _files(paths: list[Path]) -> list[Path]:
    found = [
        file
        for path in paths
        for file in ([path] if path.suffix == ".jsonl" else sorted(path.glob("*.jsonl")))
    ]
    if not found:
        raise HarnessError(
            f"No JSONL files in {', '.join(map(str, paths))}; expected a folder of results, or files of a run."
        )
    return found
