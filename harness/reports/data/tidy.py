"""Tables as CSV and Parquet files, sorted, without paths of the experimenter's machine."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from harness.reports.data.rendering import as_csv
from harness.reports.data.tables import Tables

if TYPE_CHECKING:
    import pyarrow as pa

_ORDER = ("experiment", "run_id", "group", "rep", "panel", "proposal", "attempt")
_PLACE = re.compile(r"(\w+://)[^\s/'\"]+([^\s'\"]*)|(?<![\w.:/~])~?(?:/[^\s/:'\"]+)+/([^\s/:'\"]+)")


def tidy(tables: Tables, name: str) -> pa.Table:
    """The table called ``name``, sorted by coordinates and then as recorded."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    found = tables.named(name)
    columns = found.column_names
    plain = {column: _texts(found.column(column), column) for column in columns}
    keys = [column for column in _ORDER if column in columns]
    place = pa.array(np.arange(found.num_rows))
    order = pc.sort_indices(
        pa.table({**{key: plain[key] for key in keys}, "place": place}),
        sort_keys=[(key, "ascending") for key in (*keys, "place")],
    )
    return pa.table(plain).take(order)


def _texts(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    import pyarrow as pa

    found = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    if name not in ("reason", "population"):
        return found
    return pa.chunked_array([pa.array([without_places(text) for text in found.to_pylist()], pa.string())])


def without_places(text: Any) -> Any:
    """``text`` without folders and hosts of the experimenter's machine.

    >>> without_places("no file /home/ada/x/y.json; http://10.0.0.7:80/v1 was silent")
    'no file …/y.json; http://…/v1 was silent'
    """
    if not isinstance(text, str):
        return text
    return _PLACE.sub(lambda found: f"{found[1]}…{found[2]}" if found[1] else f"…/{found[3]}", text)


def as_csv_bytes(content: pa.Table) -> bytes:
    """CSV in UTF-8 with ``\\n`` line ends; nothing in it runs as a formula."""
    rows = list(zip(*(column.to_pylist() for column in content.columns), strict=True))
    return as_csv(content.column_names, rows).encode()


def as_parquet(content: pa.Table) -> bytes:
    """Parquet with the text as recorded."""
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(content, out, compression="zstd")
    return out.getvalue()
