"""``harness query``, ``harness db build`` and ``harness bundle``: what records hold, for other tools and people."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.console import echo

Results = Annotated[Path, typer.Option(help="Folder of record files, or one such file.")]
db = typer.Typer(no_args_is_help=True, help="A database file made of the records.", rich_markup_mode=None)
app.add_typer(db, name="db")


class TableFormat(StrEnum):
    table, csv, json = "table", "csv", "json"


SHOWN = 100
"""Rows of a table when nothing else is said."""


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help='Such as: select "group", avg(value) from scores group by all')],
    results: Results = Path("results"),
    format: Annotated[TableFormat, typer.Option(help="How the answer is printed.")] = TableFormat.table,
    limit: Annotated[
        int | None, typer.Option(min=0, help="Rows at most.", show_default="100 in a table, else all")
    ] = None,
) -> None:
    """Ask the records in SQL: views experiments, trials, scores, calls, replies."""
    from harness.reports.data import query as ask
    from harness.reports.data.rendering import shown

    most = SHOWN if limit is None and format is TableFormat.table else limit
    answer = ask(results, sql, limit=most)
    echo(shown(answer, format.value, shutil.get_terminal_size().columns), end="")
    if answer.more:
        echo(f"(the first {most} rows; more with --limit)", err=True)


@db.command("build")
def build(
    results: Results = Path("results"),
    out: Annotated[
        Path | None, typer.Option(help="The file.", show_default="tables.duckdb in the results folder")
    ] = None,
) -> None:
    """Write tt_experiments, tt_metric_samples and tt_metric_stats into one DuckDB file, anew each time."""
    from harness.reports.data import build_database

    folder = results if results.is_dir() else results.parent
    target = out or folder / "tables.duckdb"
    for name, rows in build_database(results, target).items():
        echo(f"{name}: {rows} rows")
    echo(str(target))


@app.command()
def bundle(
    out: Annotated[Path, typer.Option(help="A .zip file, or a folder that is not there yet.")],
    results: Results = Path("results"),
    run: Annotated[list[str] | None, typer.Option(help="Only this run; may be repeated.")] = None,
) -> None:
    """Pack what a reviewer or an archive wants: data, codebook, prompts, plan, environment, checklist."""
    from harness.reports.data import write_bundle

    made = write_bundle(results, out, runs=run or ())
    for name, size in made.files.items():
        echo(f"{size:>10,}  {name}")
    echo(str(out))
    if made.rehearsal:
        echo("REHEARSAL: the offline model answered; this is no evidence, and every file says so.")
