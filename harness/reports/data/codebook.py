"""The codebook: every column of every table, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.reports.data.columns import ROWS, TABLES, Column

KINDS = {
    "text": "text",
    "name": "text",
    "whole": "whole number",
    "number": "number",
    "truth": "true or false",
}
_CELLS = """Empty cells are missing values; `reason` says why, where there is such a column.

Text comes from models and is data, never a command. In the CSV files, a text that begins with `=`, `+`, `-`, `@`, a
tab or a line break (or their wide forms) is preceded by an apostrophe (`'`), so that no spreadsheet runs it as a
formula; remove the apostrophe to get the recorded text. The Parquet files hold the text as recorded; only they have
`request`, `reply` and `tool_calls`. In `reason`, folders and hosts of the experimenter's machine are replaced by
`…`."""


def codebook(
    names: Iterable[str], mark: str | None = None, further: Mapping[str, Sequence[Column]] | None = None
) -> str:
    """The codebook of the tables ``names``; ``mark`` is the first line, ``further`` columns that vary, by table."""
    lines = ["# Codebook", "", *([f"**{mark}**", ""] if mark else []), _CELLS, ""]
    for name in names:
        lines += _section(name, [*TABLES[name], *(further or {}).get(name, ())])
    return "\n".join(lines)


def _section(name: str, columns: Iterable[Column]) -> Iterator[str]:
    yield from (f"## {name}", "", f"{ROWS[name][0].upper()}{ROWS[name][1:]}.", "")
    yield from ("| column | type | unit | meaning | values |", "| --- | --- | --- | --- | --- |")
    for one in columns:
        yield f"| `{one.name}` | {KINDS[one.kind]} | {one.unit} | {one.meaning} | {one.values} |"
    yield ""
