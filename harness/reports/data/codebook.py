"""The codebook: every column of every table, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.reports.data.columns import ROWS, TABLES, Column

KINDS = {
    "text": "text",
    "name": "text",
    "whole": "whole number",
    "number": "number",
    "truth": "true or false",
}
_CELLS = """Empty cells are values that are not there; why stands in `reason` where there is such a column.

Text comes from models and is data, never a command. In the CSV files, a text that begins with `=`, `+`, `-`, `@`, a
tab or a line's end (or their wide forms) has an apostrophe (`'`) in front, so that no spreadsheet runs it as a formula;
take that one character off to have the recorded text. The Parquet files hold the text as recorded. In `reason`, folders
and hosts of the experimenter's machine are replaced by `…`."""


def codebook(names: Iterable[str], mark: str | None = None) -> str:
    """The codebook of the tables ``names``; ``mark`` is said first."""
    lines = ["# Codebook", "", *([f"**{mark}**", ""] if mark else []), _CELLS, ""]
    for name in names:
        lines += _section(name, TABLES[name])
    return "\n".join(lines)


def _section(name: str, columns: Iterable[Column]) -> Iterator[str]:
    yield from (f"## {name}", "", f"{ROWS[name][0].upper()}{ROWS[name][1:]}.", "")
    yield from ("| column | type | unit | meaning | values |", "| --- | --- | --- | --- | --- |")
    for one in columns:
        yield f"| `{one.name}` | {KINDS[one.kind]} | {one.unit} | {one.meaning} | {one.values} |"
    yield ""
