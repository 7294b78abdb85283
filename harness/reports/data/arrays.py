"""Python values as Arrow columns. Arrow lacks half surrogate pairs and whole numbers beyond 64 bits."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from harness.records.reader import uncollected
from harness.reports.data.columns import Column, Kind

if TYPE_CHECKING:
    import pyarrow as pa


def array(kind: Kind, values: Sequence[Any]) -> pa.Array:
    """``values`` as a column of ``kind``; repeated names are stored once."""
    import pyarrow as pa

    if kind in ("text", "name"):
        texts = text_array(values)
        return texts.dictionary_encode() if kind == "name" else texts
    if kind == "number":
        values = [value if value is None else float(value) for value in values]
    return pa.array(values, {"whole": pa.int64(), "number": pa.float64(), "truth": pa.bool_()}[kind])


def text_array(values: Sequence[Any]) -> pa.Array:
    """``values`` as text, in the layout that pandas reads without a copy.

    Other values are converted to text; half a surrogate pair becomes its escape.
    """
    import pyarrow as pa

    if set(map(type, values)) <= {str, type(None)}:
        try:
            return pa.array(values, pa.large_string())
        except UnicodeEncodeError:
            pass
    return pa.array([None if value is None else clean(str(value)) for value in values], pa.large_string())


def clean(text: str) -> str:
    """``text`` with half surrogate pairs, which UTF-8 lacks, as escapes.

    >>> clean("a\\ud800")
    'a\\\\ud800'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def table(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> pa.Table:
    """``rows`` as a table of ``columns``; missing values are empty."""
    import pyarrow as pa

    names = [one.name for one in columns]
    with uncollected():
        try:
            values: list[Sequence[Any]] = list(zip(*map(itemgetter(*names), rows), strict=True))
        except KeyError:
            values = [[row.get(name) for row in rows] for name in names]
        values = values or [()] * len(names)
        made = [array(one.kind, found) for one, found in zip(columns, values, strict=True)]
    return pa.table(dict(zip(names, made, strict=True)))
