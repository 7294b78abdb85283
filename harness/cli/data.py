"""``harness query``, ``harness db build`` and ``harness bundle``: what records hold, for other tools and people."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.command_group import CommandApp
from harness.cli.common_options import Runs, with_results
from harness.console import echo

db = CommandApp(help="Build a database file from the records.")
app.add_typer(db, name="db")


class TableFormat(StrEnum):
    table, csv, json = "table", "csv", "json"


SHOWN = 100
"""Rows of a table without ``--limit``."""


@app.command()
@with_results(files=False, hidden=("--results",))
def query(
    results: Path,
    sql: Annotated[
        str,
        typer.Argument(metavar="SQL", help='Such as: select "group", avg(value) from scores group by all'),
    ],
    format: Annotated[TableFormat, typer.Option(help="How to print the answer.")] = TableFormat.table,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Print at most N rows. Default: 100 in a table, otherwise all."
        ),
    ] = None,
) -> None:
    """Query the records in SQL: views experiments, trials, scores, answers, people, events, calls, call_counts
    and comparisons."""
    from harness.reports.data import query as ask
    from harness.reports.data.rendering import shown

    most = SHOWN if limit is None and format is TableFormat.table else limit
    answer = ask(results, sql, limit=most)
    echo(shown(answer, format.value, shutil.get_terminal_size().columns), end="")
    if answer.more:
        echo(f"(the first {most} rows; more with --limit)", err=True)


@db.command("build")
@with_results(files=False, hidden=("--results",))
def build(
    results: Path,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write. Default: tables.duckdb in the results folder."),
    ] = None,
) -> None:
    """Write tt_experiments, tt_metric_samples and tt_metric_stats to one DuckDB file, replacing it."""
    from harness.reports.data import build_database

    folder = results if results.is_dir() else results.parent
    target = out or folder / "tables.duckdb"
    for name, rows in build_database(results, target).items():
        echo(f"{name}: {rows} rows")
    echo(str(target))


@app.command()
@with_results(files=False, hidden=("--results",))
def bundle(
    results: Path,
    out: Annotated[Path, typer.Option(help="A .zip file or a new folder to write.")],
    run: Runs = None,
) -> None:
    """Bundle data, codebook, prompts, plan, environment and checklist for a reviewer or an archive."""
    from harness.reports.data import write_bundle

    made = write_bundle(results, out, runs=run or ())
    for name, size in made.files.items():
        echo(f"{size:>10,}  {name}")
    echo(str(out))
    if made.rehearsal:
        echo("REHEARSAL: replies were generated offline. This is not evidence, and every file says so.")
