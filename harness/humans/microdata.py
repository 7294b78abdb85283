"""Read microdata, a row per respondent: CSV, Parquet, SPSS and Stata, with labels and codes of missing answers."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, expected_one_of
from harness.extras import explained_import, require
from harness.text_files import decoded, read_content

READERS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".sav": "sav",
    ".zsav": "sav",
    ".dta": "dta",
}
"""Kinds of file by extension."""
EMPTY = ("", "NA")
"""Cells of a CSV file that hold no answer."""
NO_ANSWER = "no answer"
"""The reason for an empty cell."""


@dataclass(frozen=True, slots=True)
class MicrodataColumn:
    """One variable: its values, ``None`` where the cell is empty.

    ``label`` is the question, ``labels`` the words of codes by `code_text`, ``missing`` the ranges of codes that the
    file declares to be missing, and ``codes`` single codes of that kind.
    """

    name: str
    values: Sequence[Any]
    label: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[tuple[float, float], ...] = ()
    codes: frozenset[str] = frozenset()

    def words(self, value: Any) -> str:
        """The label of a value; its text where it has none."""
        return self.labels.get(code_text(value), code_text(value))

    def why_missing(self, value: Any) -> str | None:
        """Why ``value`` is not an answer, in the file's own words; ``None`` if it is one."""
        if value is None:
            return NO_ANSWER
        number = as_number(value)
        declared = code_text(value) in self.codes or (
            number is not None and any(low <= number <= high for low, high in self.missing)
        )
        return (self.labels.get(code_text(value)) or f"code {code_text(value)}") if declared else None


@dataclass(frozen=True, slots=True)
class Microdata:
    """A file of respondents: its columns, its name, size in bytes and SHA-256."""

    path: Path
    columns: Mapping[str, MicrodataColumn]
    respondents: int
    bytes: int
    sha256: str

    def column(self, name: str, use: str) -> MicrodataColumn:
        """The column called ``name``; ``use`` says what for. Raises `ConfigurationError`, naming the nearest."""
        if name not in self.columns:
            raise ConfigurationError(
                f"{use}: {self.path.name} has no column {name!r}; {expected_one_of(name, list(self.columns))}"
            )
        return self.columns[name]


def read_microdata(path: Path) -> Microdata:
    """Read the file at ``path``. Raises `ConfigurationError` for one that is torn or of another kind."""
    kind = READERS.get(path.suffix.lower())
    if kind is None:
        raise ConfigurationError(
            f"{path}: not a file of microdata by its name; expected one that ends with {', '.join(READERS)}."
        )
    content = read_content(path, str(path))
    columns = _csv(content, path) if kind == "csv" else _binary(kind, content, path)
    found = {one.name: one for one in columns}
    respondents = max((len(one.values) for one in found.values()), default=0)
    if not respondents:
        raise ConfigurationError(f"{path}: has no respondents; expected a row for each.")
    return Microdata(path, found, respondents, len(content), hashlib.sha256(content).hexdigest())


def as_number(value: Any) -> float | None:
    """The finite number that ``value`` is or spells.

    >>> as_number("3"), as_number(2.5), as_number("many")
    (3.0, 2.5, None)
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def code_text(value: Any) -> str:
    """The text by which a value is looked up: ``1``, ``1.0`` and ``"1"`` are one code.

    >>> code_text(1.0), code_text(" yes "), code_text(2.5)
    ('1', 'yes', '2.5')
    """
    if isinstance(value, bool):
        return str(value).lower()
    number = as_number(value)
    if number is not None and number.is_integer() and abs(number) < 2**53:
        return str(int(number))
    return str(value).strip()


def _csv(content: bytes, path: Path) -> Iterable[MicrodataColumn]:
    text = decoded(content, str(path))
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if row]
    except csv.Error as error:
        raise ConfigurationError(f"{path}: is not CSV as read here ({error}). Save it again.") from None
    if not rows:
        raise ConfigurationError(
            f"{path}: is empty; expected a line of column names, then a row per respondent."
        )
    head = [name.strip() for name in rows[0]]
    for name in head:
        if head.count(name) > 1:
            raise ConfigurationError(
                f"{path}: has {head.count(name)} columns {name!r}; expected each name once."
            )
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            raise ConfigurationError(
                f"{path}: row {number} has {len(row)} cells; expected {len(head)}, as many as columns. "
                "The file may be cut off; restore it."
            )
    for place, name in enumerate(head):
        cells = (row[place].strip() for row in rows[1:])
        yield MicrodataColumn(name, [None if cell in EMPTY else cell for cell in cells])


def _binary(kind: str, content: bytes, path: Path) -> Iterable[MicrodataColumn]:
    if kind != "parquet":
        require("humans", f"Reading {path.name}")
    try:
        return _parquet(content) if kind == "parquet" else _labelled(kind, path)
    except ModuleNotFoundError as error:
        raise explained_import(error, f"Reading {path.name}") or error from None
    except Exception as error:  # each library has its own errors, and none means more than a bad file
        raise ConfigurationError(
            f"{path}: cannot be read as {path.suffix[1:]} ({str(error).strip() or type(error).__name__}); expected "
            "a whole file of that kind. Restore it from a copy."
        ) from None


def _parquet(content: bytes) -> list[MicrodataColumn]:
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(pa.BufferReader(content))
    return [
        MicrodataColumn(name, [_cell(one) for one in table.column(name).to_pylist()])
        for name in table.column_names
    ]


def _labelled(kind: str, path: Path) -> list[MicrodataColumn]:
    import pyreadstat

    reader = pyreadstat.read_sav if kind == "sav" else pyreadstat.read_dta
    values, meta = reader(str(path), user_missing=True, output_format="dict")
    return [
        MicrodataColumn(
            name,
            [_cell(one) for one in column],
            meta.column_names_to_labels.get(name) or "",
            {code_text(code): str(label) for code, label in meta.variable_value_labels.get(name, {}).items()},
            tuple(_ranges(meta.missing_ranges.get(name, ()))),
            frozenset(map(code_text, meta.missing_user_values.get(name, ()))),
        )
        for name, column in values.items()
    ]


def _ranges(declared: Iterable[Any]) -> Iterable[tuple[float, float]]:
    for one in declared:
        ends = (one["lo"], one["hi"]) if isinstance(one, Mapping) else (one, one)
        low, high = map(as_number, ends)
        if low is not None and high is not None:
            yield low, high


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value.strip() or None
    return value
