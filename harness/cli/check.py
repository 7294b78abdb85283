"""``harness check``: run every validity check on recorded runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.common_options import with_results
from harness.console import echo, on_one_line
from harness.errors import ExitCode


@app.command()
@with_results()
def check(
    results: list[Path],
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if a check FAILs.")] = False,
) -> None:
    """Print every validity check of each run."""
    from harness.checks import CheckRunner, check_lines, described, examine
    from harness.model import Level
    from harness.records import record_files, runs_in_files
    from harness.records.looks import note_look_at
    from harness.runtime.play_checks import own_checks

    failed = False
    for run in runs_in_files(record_files(results), keep=CheckRunner().keep):
        checks = examine(run, own=own_checks())
        note_look_at(run, how="check", now=datetime.now(UTC))  # some of them tell a difference between arms
        failed |= any(one.level is Level.FAIL for one in checks)
        echo(on_one_line(f"{run.experiment}, run {run.run_id}"))
        echo("\n".join(check_lines(described(run, checks), all_of_them=True)))
    raise typer.Exit(int(ExitCode.FAILED) if failed and strict else 0)
