"""Transcripts as data for the page's reader, in blocks that are unpacked on demand.

Each block is JSON without ``<``, ``>`` and ``&``, so that no text can end its element or begin another; the reader
inserts texts only as text nodes.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from harness.records import read
from harness.records.json_safe import plain
from harness.reports.run_report import RunReport

BLOCK_CHARS = 400_000
"""The size in characters at which a block is closed: what must be unpacked to show one trial."""
PLAIN_CHARS = 2_000_000
"""The total number of characters above which blocks are compressed."""
EVENT = ("step", "person", "kind", "type", "content", "source", "target")
_KEPT = (
    "trial",
    "people",
    "proposal_fields",
    "samples",
    "extraction",
    "corrections",
    "interventions",
    "rejections",
)
_ESCAPES = {sign: f"\\u{ord(sign):04x}" for sign in "<>&"}
_FLAT = frozenset({str, int, bool, type(None)})
LEVEL = 4
"""The compression level: less than half the time of gzip's 6, for a page 7 % larger."""


@dataclass(frozen=True)
class Transcripts:
    """``index`` lists runs and their trials, ``blocks`` hold the trials; all are JSON."""

    index: str
    blocks: tuple[str, ...]


def transcripts(reports: Sequence[RunReport], *, compress: bool | None = None) -> Transcripts:
    """The trials of all runs. Without ``compress`` they are compressed if they are large."""
    blocks: list[str] = []
    runs = [{**_heading(one), "trials": list(_packed(one, blocks))} for one in reports]
    if compress or (compress is None and sum(map(len, blocks)) > PLAIN_CHARS):
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # gzip releases the GIL
            blocks = list(threads.map(_compressed, blocks))
    return Transcripts(escaped({"event": EVENT, "runs": runs}), tuple(blocks))


def escaped(data: Any) -> str:
    """``data`` as ASCII JSON that is safe inside any HTML element.

    >>> escaped("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for sign, escape in _ESCAPES.items():  # several times as fast as str.translate
        text = text.replace(sign, escape)
    return text


def _compressed(block: str) -> str:
    return escaped(base64.b64encode(gzip.compress(block.encode(), LEVEL, mtime=0)).decode())


def _heading(report: RunReport) -> dict[str, Any]:
    return {"experiment": report.experiment, "run": report.run_id, "rehearsal": report.rehearsal}


def _packed(report: RunReport, blocks: list[str]) -> Iterator[dict[str, Any]]:
    """Add the trials of one run to ``blocks``, and yield their rows of the index."""
    pending: list[str] = []
    for row, text in _trials(report):
        yield {**row, "block": len(blocks), "at": len(pending)}
        pending.append(text)
        if sum(map(len, pending)) >= BLOCK_CHARS:
            blocks.append(_block(pending))
            pending = []
    if pending:
        blocks.append(_block(pending))


def _block(trials: Sequence[str]) -> str:
    return f"[{','.join(trials)}]"


def _trials(report: RunReport) -> Iterator[tuple[dict[str, Any], str]]:
    """Each trial that ended: its accepted record, or its last failure."""
    wanted = {}
    for trial, outcome in report.run.outcomes.items():
        record = outcome.accepted or outcome.failures[-1]
        wanted[trial] = _mark(record)
    for file in report.run.files:
        for section in read(file.path, bulky=True, revisions=report.run.revisions).sections:
            if section.named("run_id") != report.run_id:
                continue
            for record in section.records:
                if wanted.get(record["trial"]) == _mark(record):
                    del wanted[record["trial"]]
                    yield _row(record), escaped(_content(record))


def _mark(record: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(record.get(key) for key in ("status", "attempt", "started", "ended"))


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {key: record[key] for key in ("group", "rep", "panel", "proposal", "status")}
    return {
        **row,
        "corrected": _length(record.get("corrections")),
        "fired": _fired(record.get("interventions")),
    }


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def _fired(value: Any) -> int:
    found = value if isinstance(value, list) else []
    return sum(isinstance(one, dict) and one.get("fired") is not False for one in found)


def _content(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the reader shows of a trial; events are lists in the order of `EVENT`."""
    events = record.get("transcript")
    found = events if isinstance(events, list) else []
    content = {
        **{key: record.get(key) for key in _KEPT},
        **{key: record.get(key) for key in ("status", "reason", "kind", "attempt", "duration", "refusals")},
    }
    lines = [[one.get(name) for name in EVENT] for one in found if isinstance(one, dict)]
    kept = [one if _FLAT.issuperset(map(type, one)) else plain(one)[0] for one in lines]
    return {**plain(content)[0], "transcript": kept}  # bounds the depth, and removes NaN
