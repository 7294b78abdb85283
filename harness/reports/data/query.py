"""SQL over the records: DuckDB in memory, with the tables as views and without access to anything else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigurationError
from harness.reports.data.columns import ON_REQUEST, TABLES
from harness.reports.data.tables import Tables, read_tables

if TYPE_CHECKING:
    import duckdb

_READING = ("SELECT", "EXPLAIN", "MULTI")
"""Statements that only read. ``MULTI`` is DuckDB's type of a pivot."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query. ``more``: rows beyond the limit were left out; ``problems``: unreadable lines."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool = False
    problems: tuple[str, ...] = ()


def query(path: Path, sql: str, *, limit: int | None = None) -> QueryResult:
    """The result of one ``select`` over the views of ``path`` (`columns.TABLES`).

    ``path`` is a results folder or one record file; ``limit`` is the most rows to give. Raises `ConfigurationError`
    for a statement that DuckDB does not understand or that does more than read, `HarnessError` for unreadable files.
    """
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError("The query contains half a surrogate pair; expected UTF-8 text.") from error
    tables = read_tables(path)
    named = [name for name in TABLES if re.search(rf"\b{name}\b", sql, re.IGNORECASE)]
    with connect(tables, named or [name for name in TABLES if name not in ON_REQUEST]) as connection:
        return _answer(connection, sql, limit, tables.problems)


def connect(tables: Tables, names: Sequence[str] = tuple(TABLES)) -> duckdb.DuckDBPyConnection:
    """A database in memory with the tables ``names`` as views, locked: it reaches no file, network or setting."""
    import duckdb

    connection = duckdb.connect(
        ":memory:", config={"python_enable_replacements": False, "autoinstall_known_extensions": False}
    )
    for name in names:
        connection.register(name, tables.named(name))
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _answer(
    connection: duckdb.DuckDBPyConnection, sql: str, limit: int | None, problems: tuple[str, ...]
) -> QueryResult:
    import duckdb

    try:
        _check(connection, sql)
        result = connection.execute(sql)
        columns = tuple(str(one[0]) for one in result.description or ())
        rows = result.fetchall() if limit is None else result.fetchmany(limit + 1)
    except duckdb.Error as error:
        raise ConfigurationError(_explained(sql, error)) from error
    more = limit is not None and len(rows) > limit
    return QueryResult(columns, tuple(rows[:limit] if more else rows), more, problems)


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise ConfigurationError(f"The query has {len(statements)} statements; expected one select.")
    if statements[0].type.name not in _READING:
        raise ConfigurationError(f"The query is a {statements[0].type.name} statement; expected a select.")


def _explained(sql: str, error: Exception) -> str:
    lines = [line.rstrip() for line in str(error).splitlines() if line.strip()]
    hint = f"The views are {', '.join(TABLES)}; `describe trials` lists a view's columns."
    if "Parser Error" in lines[0] and re.search(r'(?<!")\bgroup\b(?!"|\s+by)', sql, re.IGNORECASE):
        hint = 'group is a keyword of SQL; write "group" in double quotes for the column.'
    return "\n".join([f"The query was not understood. {lines[0]}", *lines[1:6], hint])
