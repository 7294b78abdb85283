"""The model calls in the journals of runs as a table: each request as it was sent, and its reply."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.gateway.journal.checks import read_only
from harness.gateway.journal.requests import request_text
from harness.gateway.requests.call_kinds import role_of_kind
from harness.records.artifact import number
from harness.reports.data.arrays import table
from harness.reports.data.columns import CALLS_IN_JOURNAL
from harness.reports.data.record_rows import whole

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = ("trial", "kind", "person", "asked", "answered", "fingerprint", "finish_reason", "verdict", "reason")
_WHOLE = ("step", "site_attempt", "attempt", "characters", "tokens_in", "tokens_out")
_NUMBERS = ("sent", "seconds", "cost")
_COLUMNS = (*_TEXTS, *_WHOLE, *_NUMBERS, "refusal")
_PLAIN = ", ".join(f"replies.{name}" for name in _COLUMNS).replace(
    "replies.characters", "length(text) as characters"
)

TRIAL_PARTS = 5
"""Of a trial's id: experiment, group, rep, panel, proposal. Comparisons of several groups have other ids."""


def calls(folder: Path, run_ids: Sequence[str]) -> pa.Table:
    """The calls of the runs whose journal is in ``folder``, in the order of their replies.

    Raises `HarnessError` for a journal that is damaged.
    """
    wanted = set(run_ids)
    paths = [path for path in sorted(folder.glob("*.sqlite")) if path.stem in wanted]
    return table(CALLS_IN_JOURNAL, [row for path in paths for row in _rows(path)])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with closing(read_only(path)) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
            columns = {str(row[1]) for row in connection.execute("pragma table_info(replies)")}
            for values in connection.execute(_select(columns)):
                yield _row(path.stem, values)
    except (sqlite3.Error, zlib.error, ValueError) as error:
        raise HarnessError(
            f"The journal {path} cannot be read: {error}. Expected the SQLite file that a run left; "
            "queries without calls do not need it."
        ) from error


def _select(columns: set[str]) -> str:
    """The query; journals of 0.1.0 have no column ``more``, which names requests that were sent in another form."""
    has_more = "more" in columns
    other = "json_extract(replies.more, '$.sent_digest')" if has_more else "null"
    limit = "json_extract(replies.more, '$.limit')" if has_more else "null"
    role = "json_extract(replies.more, '$.role')" if has_more else "null"
    return (
        f"select {_PLAIN}, replies.text, replies.tool_calls, requests.body, {limit}, {role} from replies "
        f"left join requests on requests.digest = coalesce({other}, replies.digest) order by replies.rowid"
    )


def _row(run_id: str, values: Sequence[Any]) -> dict[str, Any]:
    row = dict(zip(_COLUMNS, values, strict=False))
    reply, tool_calls, body, limit, role = values[len(_COLUMNS) :]
    parts = str(row["trial"]).split("/")
    return {
        "run_id": run_id,
        "group": parts[1] if len(parts) == TRIAL_PARTS else None,
        "role": role or role_of_kind(str(row["kind"])),
        **{name: _text(row[name]) for name in _TEXTS},
        **{name: whole(row[name]) for name in _WHOLE},
        **{name: number(row[name]) for name in _NUMBERS},
        "refusal": bool(row["refusal"]),
        "request": None if body is None else request_text(body, limit),
        "reply": _text(reply),
        "tool_calls": _text(tool_calls) if tool_calls != "[]" else None,
    }


def _text(value: Any) -> str | None:
    """``value`` as text; journals hold half surrogate pairs as bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogatepass").encode("utf-8", "backslashreplace").decode()
    return None if value in (None, "") else str(value)
