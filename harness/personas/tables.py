"""Tables of people as rows, read in one pass with bounded memory: CSV, JSON lines, Parquet, Arrow, data frames."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from harness.errors import ConfigurationError
from harness.text_files import encoding_of, read_content

CSV_SUFFIXES = (".csv", ".tsv", ".txt")
JSON_SUFFIXES = (".jsonl", ".ndjson")
ARROW_SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".feather": "ipc", ".arrow": "ipc", ".ipc": "ipc"}
SUFFIXES = (*CSV_SUFFIXES, *JSON_SUFFIXES, *ARROW_SUFFIXES)
"""Endings of files that are tables of people."""

_BUFFER = 1 << 20
_HEAD = 1 << 16
_DELIMITERS = ",;\t|"
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)?\.\d+([eE][+-]?\d+)?|-?(0|[1-9]\d*)([eE][+-]?\d+)")


class Row(NamedTuple):
    """One row: where it is, a line or a row by its number, and its cells, converted when they are asked for."""

    number: int
    cells: Cells
    unit: str = "row"

    @property
    def place(self) -> str:
        return f"{self.unit} {self.number:,}"


class Cells(Protocol):
    """The cells of a row by column."""

    def get(self, column: str) -> Any: ...

    def all(self) -> Mapping[str, Any]: ...


class TextCells:
    """Cells of a text file: texts, with empty ones as ``None``."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[str, int], values: Sequence[str]) -> None:
        self._places, self._values = places, values

    def get(self, column: str) -> Any:
        place = self._places.get(column)
        return None if place is None else self._values[place] or None

    def all(self) -> Mapping[str, Any]:
        return {name: self._values[place] or None for name, place in self._places.items()}


class PlainCells:
    """Cells that are Python values already."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def get(self, column: str) -> Any:
        return plain_value(self._values.get(column))

    def all(self) -> Mapping[str, Any]:
        return {name: plain_value(value) for name, value in self._values.items()}


class ArrowCells:
    """Cells in a batch of an Arrow table."""

    __slots__ = ("_batch", "_number")

    def __init__(self, batch: Any, number: int) -> None:
        self._batch, self._number = batch, number

    def get(self, column: str) -> Any:
        place = self._batch.schema.get_field_index(column)
        return None if place < 0 else plain_value(self._batch.column(place)[self._number].as_py())

    def all(self) -> Mapping[str, Any]:
        names = self._batch.schema.names
        return {
            name: plain_value(column[self._number].as_py())
            for name, column in zip(names, self._batch.columns, strict=True)
        }


class PeopleTable:
    """A table of people: ``rows`` can be read once. ``label`` is its name in messages and records.

    ``sha256`` is the hash of the file, known once all rows are read; ``None`` where there is no file. ``texts``: its
    values are texts, so that numbers are recognised by column.
    """

    def __init__(
        self, label: str, rows: Iterable[Row], *, texts: bool = False, file: Path | None = None
    ) -> None:
        self.label, self.rows, self.texts = label, rows, texts
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str | None:
        return None if self._file is None else self._hash.hexdigest()


class FileTable(PeopleTable):
    """A table in a file, whose hash is taken while it is read."""

    def __init__(self, path: Path, encoding: str | None, delimiter: str | None) -> None:
        super().__init__(str(path), (), texts=path.suffix.lower() in CSV_SUFFIXES, file=path)
        self._path, self._encoding, self._delimiter = path, encoding, delimiter
        self.rows = self._csv_rows() if self.texts else self._json_rows()

    def _csv_rows(self) -> Iterator[Row]:
        with self._lines() as lines:
            delimiter = self._delimiter or _delimiter(_head(self._path, self._encoding))
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            columns = self._next(reader, 1)
            if columns is None:
                raise ConfigurationError(f"{self.label}: is empty; expected a header and a row per person.")
            check_columns(columns, self.label)
            places = {name.strip(): place for place, name in enumerate(columns)}
            width = len(columns)
            while True:
                line = reader.line_num + 1
                values = self._next(reader, line)
                if values is None:
                    return
                if len(values) == width:
                    yield Row(line, TextCells(places, values), "line")
                elif values:
                    raise ConfigurationError(
                        f"{self.label}, line {line:,}: {_cells(len(values))}; expected {width}, as in the header. "
                        "Repair that line; a text with the delimiter in it needs quotes."
                    )

    def _next(self, reader: Any, line: int) -> list[str] | None:
        try:
            found: list[str] | None = next(reader, None)
        except csv.Error as error:
            raise ConfigurationError(
                f"{self.label}, line {line:,}: is not CSV ({error}); expected cells whose quotes are closed. Repair "
                "that line."
            ) from None
        return found

    def _json_rows(self) -> Iterator[Row]:
        import orjson

        with self._lines() as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    value = orjson.loads(line)
                except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
                    raise ConfigurationError(
                        f"{self.label}, line {number:,}: is not JSON ({error}); expected an object per line. Repair "
                        "that line."
                    ) from None
                if not isinstance(value, dict):
                    raise ConfigurationError(
                        f"{self.label}, line {number:,}: holds {value!r:.60}; expected an object, such as "
                        '{"name": "Ada", "age": 34}. Repair that line.'
                    )
                yield Row(number, PlainCells(value), "line")

    @contextmanager
    def _lines(self) -> Iterator[Iterator[str]]:
        with _opened(self._path, self.label) as file:
            encoding = self._encoding or encoding_of(file.peek(4)[:4])
            raw = io.BufferedReader(_Hashing(file, self._hash), _BUFFER)
            try:
                yield iter(io.TextIOWrapper(raw, encoding, newline=""))
            except UnicodeDecodeError:
                raise ConfigurationError(_undecodable(self._path, encoding, self.label)) from None
            except LookupError:
                raise ConfigurationError(
                    f"{self.label}: encoding={encoding!r} is unknown; expected a name such as 'utf-8' or 'cp1252'."
                ) from None


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


class _Hashing(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, file: Any, digest: Any) -> None:
        self._file, self._digest = file, digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size: int = self._file.readinto(buffer)
        self._digest.update(memoryview(buffer)[:size])
        return size


@contextmanager
def _opened(path: Path, label: str) -> Iterator[io.BufferedReader]:
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{label}: is not a regular file; expected a table of people.")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise ConfigurationError(
            f"{label}: cannot be read ({error.strerror or error}); expected a readable file. Check path and "
            "permissions."
        ) from None


def _head(path: Path, encoding: str | None) -> str:
    with _opened(path, str(path)) as file:
        content = file.read(_HEAD)
    return content.decode(encoding or encoding_of(content[:4]), "replace")


def _delimiter(head: str) -> str:
    """The delimiter that divides the first records into most columns, equally many in each; a comma for none."""
    lines = head.splitlines(keepends=True)
    sample = lines[:-1][:50] if len(head) >= _HEAD - 4 and len(lines) > 1 else lines[:50]
    best, most = ",", 1
    for one in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=one) if row]
        except csv.Error:
            continue
        if widths and widths[0] > most and sum(width == widths[0] for width in widths) > len(widths) / 2:
            best, most = one, widths[0]
    return best


def check_columns(names: Sequence[str], label: str) -> None:
    """Raise `ConfigurationError` for columns without a name, or with the name of another, whatever its case."""
    seen: dict[str, int] = {}
    problems = []
    for place, name in enumerate(names, 1):
        known = seen.setdefault(name.strip().casefold(), place)
        if not name.strip():
            problems.append(f"{label}: column {place} has no name; expected one. Name it, or take it out.")
        elif known != place:
            problems.append(
                f"{label}: columns {known} and {place} are both called {name.strip()!r:.60}; expected each name once. "
                "Rename one."
            )
    if problems:
        raise ConfigurationError(*problems[:5])


def _undecodable(path: Path, encoding: str, label: str) -> str:
    """Which byte of which line is not text in ``encoding``, and how to read the file."""
    if not encoding.startswith("utf-8"):
        return (
            f"{label}: is not text in {encoding}; expected that encoding. Name the right one with encoding=."
        )
    wide = 0
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                if not wide and not line.isascii() and line.decode():
                    wide = number
                line.decode()
            except UnicodeDecodeError as error:
                place = f"line {number:,}, byte {offset + error.start + 1:,}"
                found = f"{label}, {place}: 0x{line[error.start]:02x} is not UTF-8"
                if wide and number > 1:
                    return (
                        f"{found}, while line {wide:,} has letters in UTF-8: the file mixes encodings. Save it again "
                        "in UTF-8."
                    )
                shown = line.decode("cp1252", "replace").strip()
                return (
                    f"{found}; expected text in UTF-8. Save it again in UTF-8, or name its encoding: with "
                    f"encoding='cp1252' the line reads {shown!r:.80}."
                )
            offset += len(line)
    return f"{label}: is not text in UTF-8; expected that encoding."  # a multi-byte character cut at the end


def json_table(path: Path, data: Sequence[Mapping[str, Any]], content: bytes) -> PeopleTable:
    """The rows of a JSON file."""
    rows = (Row(number, PlainCells(row)) for number, row in enumerate(data, 1))
    found = PeopleTable(str(path), rows, file=path)
    found._hash.update(content)
    return found


def rows_in_json(path: Path) -> PeopleTable | None:
    """The rows of a JSON file of people, flat objects in a list or under ``agents``; ``None`` for another file."""
    content = read_content(path, str(path))
    try:
        data = json.loads(content)
    except ValueError:
        return None  # for the reader of persona files, which says what is wrong
    rows = data.get("agents") if isinstance(data, dict) and "meta" in data else data
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return None
    kept = {"persona", "_persona", "_configuration", "type"}
    return None if any(kept & row.keys() for row in rows) else json_table(path, rows, content)


def plain_rows(rows: Sequence[Mapping[str, Any]], label: str) -> PeopleTable:
    """The rows of a sequence of mappings."""
    return PeopleTable(label, (Row(number, PlainCells(row)) for number, row in enumerate(rows, 1)))


def plain_value(value: Any) -> Any:
    """``value`` as JSON has it: NaN as ``None``, times as ISO texts, numbers of other libraries as Python's."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal):
        return None if not math.isfinite(value) else float(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(one) for one in value]
    item = getattr(value, "item", None)  # a scalar of NumPy
    return plain_value(item()) if callable(item) else str(value)


def typed(texts: Iterable[str | None]) -> list[Any]:
    """A column of texts as whole numbers or decimals where all of it is; codes such as ``01`` stay texts.

    >>> typed(["34", None]), typed(["0.5", "2"]), typed(["01", "2"])
    ([34, None], [0.5, 2.0], ['01', '2'])
    """
    column = list(texts)
    held = [one for one in column if one is not None]
    if not held or not all(_WHOLE.fullmatch(one) or _DECIMAL.fullmatch(one) for one in held):
        return column
    kind = int if all(_WHOLE.fullmatch(one) for one in held) else float
    values = [None if one is None else kind(one) for one in column]
    return values if all(one is None or math.isfinite(one) for one in values) else column
