"""Query results as a table, CSV or JSON. Text from records stays data."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any, Literal

from harness.console import json_text, on_one_line
from harness.reports.data.query import QueryResult
from harness.reports.spreadsheets import safe_cell

Format = Literal["table", "csv", "json"]
NARROWEST = 6
"""The narrowest useful column: below it, each row is shown as lines."""


def shown(answer: QueryResult, format: Format, width: int) -> str:
    """The result as text with a final newline; ``width`` is the terminal's, in columns."""
    if format == "csv":
        return as_csv(answer.columns, answer.rows)
    if format == "json":
        rows = [dict(zip(answer.columns, map(_plain, row), strict=True)) for row in answer.rows]
        return json_text(rows) + "\n"
    return _table(answer, width)


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """CSV with a header and ``\\n`` line ends; missing values are empty cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(list(map(harmless, columns)))
    writer.writerows([harmless(value) for value in row] for row in rows)
    return out.getvalue()


def harmless(value: Any) -> Any:
    """``value`` as a CSV cell that no spreadsheet runs as a formula.

    >>> harmless("=1+1"), harmless("good"), harmless(-1.5)
    ("'=1+1", 'good', -1.5)
    """
    value = _plain(value)
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return safe_cell(value) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value)


def _table(answer: QueryResult, width: int) -> str:
    cells = [[_cell(value) for value in row] for row in answer.rows]
    heads = [_cell(name) for name in answer.columns]
    if (NARROWEST + 2) * len(heads) > width:
        return _stacked(heads, cells, width)
    return _ruled(heads, cells, answer, width)


def _ruled(heads: Sequence[str], cells: Sequence[Sequence[str]], answer: QueryResult, width: int) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, head in enumerate(heads):
        right = all(isinstance(row[place], int | float | None) for row in answer.rows)
        table.add_column(Text(head), justify="right" if right else "left", overflow="ellipsis", no_wrap=True)
    for row in cells:
        table.add_row(*map(Text, row))
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, highlight=False, emoji=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _stacked(heads: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    edge = min(max(map(cell_len, heads), default=0), width // 2)
    lines = []
    for row in cells:
        for head, cell in zip(heads, row, strict=True):
            line = f"{set_cell_size(head, edge)}  {cell}"
            lines.append(line if cell_len(line) <= width else set_cell_size(line, width - 1).rstrip() + "…")
        lines.append("")
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _cell(value: Any) -> str:
    """One line without control characters, which could steer the terminal."""
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return on_one_line(text[:2000])
