"""The transcripts of accepted trials as a table: what personas and agents read, said and did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.records.reader import stream
from harness.reports.data.arrays import table
from harness.reports.data.columns import EVENTS, PLACE
from harness.reports.data.record_rows import Row, RunRows, record_mark, whole

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = ("person", "kind", "type", "source", "target", "content")


def events(runs: Sequence[RunRows]) -> pa.Table:
    """One row per event, in the order of the files and of each transcript; the files are read again for it."""
    return table(EVENTS, [row for run in runs for row in _events(run)])


def _events(run: RunRows) -> Iterator[Row]:
    wanted = {record_mark(row): row for row in run.rows if row["accepted"]}
    for path in sorted(run.files):
        for record in stream(path, problems=[]):
            trial = wanted.get(record_mark(record)) if record.get("run_id") == run.run_id else None
            found = record.get("transcript") if trial is not None else None
            if trial is None or not isinstance(found, list):
                continue
            del wanted[record_mark(record)]
            place = {one.name: trial[one.name] for one in PLACE}
            for number, event in enumerate(found):
                if isinstance(event, Mapping):
                    texts = {name: event.get(name) or None for name in _TEXTS}
                    yield {**place, "place": number, "step": whole(event.get("step")), **texts}
