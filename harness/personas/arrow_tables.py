"""Parquet and Arrow files, data frames, and Hugging Face datasets as rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, expected_one_of
from harness.extras import require
from harness.personas.tables import ARROW_SUFFIXES, ArrowCells, PeopleTable, Row, check_columns

BATCH = 8192
"""Rows that are in memory at once."""
_DATASET = ("dataset_dict.json", "state.json")
"""Files that only a folder saved by the datasets library has."""


def arrow_file(path: Path) -> PeopleTable:
    """The rows of a Parquet, Feather or Arrow file, or of a folder of Parquet files. Raises `ConfigurationError`."""
    require("data", f"Reading {path}")
    import pyarrow as pa
    import pyarrow.dataset as ds

    kind = "parquet" if path.is_dir() else ARROW_SUFFIXES[path.suffix.lower()]
    try:
        found = ds.dataset(path, format=kind)
        batches = found.to_batches(batch_size=BATCH, batch_readahead=1, fragment_readahead=1)
        names = found.schema.names
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(str(path), error) from None
    return _HashedTable(path, _rows(batches, names, str(path)))


def is_dataset_folder(path: Path) -> bool:
    """Whether the datasets library saved ``path``."""
    return any((path / name).is_file() for name in _DATASET)


def is_parquet_folder(path: Path) -> bool:
    """Whether ``path`` is a folder of Parquet files."""
    return path.is_dir() and any(path.glob("*.parquet")) and not any(path.glob("*.json"))


def saved_dataset(path: Path, split: str | None) -> PeopleTable:
    """The rows of a folder saved by the datasets library. Raises `ConfigurationError`."""
    require("datasets", f"Reading {path}")
    import datasets

    try:
        found = datasets.load_from_disk(str(path))
    except Exception as error:  # the library raises errors of many kinds for a damaged folder
        raise _unreadable(str(path), error) from None
    return _HashedTable(path, _dataset_rows(_split_of(found, split, str(path)), str(path)))


def frame_table(source: Any, split: str | None) -> PeopleTable | None:
    """The rows of a data frame or dataset in memory; ``None`` for anything else. Raises `ConfigurationError`."""
    library = type(source).__module__.partition(".")[0]
    label = f"{library} {type(source).__name__}"
    if library == "datasets":
        return PeopleTable(label, _dataset_rows(_split_of(source, split, label), label))
    if hasattr(source, "collect") and library == "polars":
        source = source.collect()
    is_pandas = library == "pandas" and hasattr(source, "columns")
    if is_pandas or (library != "pandas" and hasattr(source, "__arrow_c_stream__")):
        require("data", f"Reading a {label}")
        if is_pandas:
            check_columns([str(name) for name in source.columns], label)
        return PeopleTable(label, _frame_rows(source, library, label))
    return None


def _frame_rows(source: Any, library: str, label: str) -> Iterator[Row]:
    import pyarrow as pa

    try:
        is_pandas = library == "pandas"
        table = pa.Table.from_pandas(source, preserve_index=False) if is_pandas else pa.table(source)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _unreadable(label, error) from None
    yield from _rows(table.to_batches(max_chunksize=BATCH), table.schema.names, label)


def _dataset_rows(source: Any, label: str) -> Iterator[Row]:
    number = 0
    for table in source.with_format("arrow").iter(batch_size=BATCH):
        yield from _rows(table.to_batches(), table.schema.names, label, number)
        number += table.num_rows


def _split_of(source: Any, split: str | None, label: str) -> Any:
    if not isinstance(source, dict):  # a DatasetDict is a dict of splits
        return source
    if split is None and len(source) == 1:
        return next(iter(source.values()))
    if split not in source:
        asked = "has several splits" if split is None else f"split={split!r} is unknown"
        raise ConfigurationError(
            f"{label}: {asked}; {expected_one_of(split or '', list(source))} Name one with split=."
        )
    return source[split]


def _rows(batches: Iterable[Any], names: list[str], label: str, number: int = 0) -> Iterator[Row]:
    import pyarrow as pa

    check_columns(names, label)
    try:
        for batch in batches:
            for place in range(batch.num_rows):
                number += 1
                yield Row(number, ArrowCells(batch, place))
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(
            f"{label}, after row {number:,}: cannot be read ({_first_line(error)}); expected a whole file. Restore it."
        ) from None


def _unreadable(label: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"{label}: cannot be read ({_first_line(error)}); expected a table with a row per person and one "
        "type per column."
    )


def _first_line(error: Exception) -> str:
    text = "; ".join(map(str, error.args)) or type(error).__name__
    return text.splitlines()[0][:200]


class _HashedTable(PeopleTable):
    """A table in a file, or in a folder of files, hashed when its hash is asked for."""

    def __init__(self, path: Path, rows: Iterable[Row]) -> None:
        super().__init__(str(path), rows, file=path)

    @property
    def sha256(self) -> str | None:
        path = Path(self.label)
        if path.is_file():
            return _file_hash(path)
        digest = hashlib.sha256()
        for file in sorted(one for one in path.rglob("*") if one.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0{_file_hash(file)}\n".encode())
        return digest.hexdigest()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
