"""The replies in the journals of runs as a table, without their texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.records.artifact import number
from harness.reports.data.arrays import table
from harness.reports.data.columns import REPLIES
from harness.reports.data.record_rows import whole

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = ("trial", "kind", "person", "asked", "answered", "fingerprint", "finish_reason", "verdict", "reason")
_WHOLE = ("step", "site_attempt", "attempt", "characters", "tokens_in", "tokens_out")
_NUMBERS = ("sent", "seconds", "cost")
_COLUMNS = (*_TEXTS, *_WHOLE, *_NUMBERS, "refusal")
_SELECT = f"select {', '.join(_COLUMNS)} from replies order by rowid".replace(
    "characters", "length(text) as characters"
)


def replies(folder: Path, run_ids: Sequence[str]) -> pa.Table:
    """The replies of the runs whose journal is in ``folder``. Raises `HarnessError` for one that is damaged."""
    wanted = set(run_ids)
    paths = [path for path in sorted(folder.glob("*.sqlite")) if path.stem in wanted]
    return table(REPLIES, [row for path in paths for row in _rows(path)])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    import sqlite3

    try:
        alone = "" if Path(f"{path}-wal").exists() else "&immutable=1"  # no log is to be left beside it
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{alone}", uri=True, timeout=10)
        connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
        try:
            yield from _read(connection.execute(_SELECT), path.stem)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise HarnessError(
            f"The journal {path} cannot be read: {error}. Expected the SQLite file that a run left; "
            "queries without replies do not need it."
        ) from error


def _read(rows: Iterable[Sequence[Any]], run_id: str) -> Iterator[dict[str, Any]]:
    for values in rows:
        row = dict(zip(_COLUMNS, values, strict=True))
        yield {
            "run_id": run_id,
            **{name: _text(row[name]) for name in _TEXTS},
            **{name: whole(row[name]) for name in _WHOLE},
            **{name: number(row[name]) for name in _NUMBERS},
            "refusal": bool(row["refusal"]),
        }


def _text(value: Any) -> str | None:
    """``value`` as text; journals hold half surrogate pairs as bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogatepass").encode("utf-8", "backslashreplace").decode()
    return None if value in (None, "") else str(value)
