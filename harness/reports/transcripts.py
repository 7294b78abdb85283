"""Transcripts as data for the page's reader: small blocks, opened when somebody reads them.

The page must hold any text: each block is JSON without ``<``, ``>`` and ``&``, so that nothing in it can end its
element or begin another, and the reader puts texts into the page as texts only.
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
"""A block is closed when its trials have this many characters: what must be unpacked to show one trial."""
PLAIN_CHARS = 2_000_000
"""Up to so many characters in all, blocks stand in the page as they are; beyond, they are compressed."""
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
"""Of compression: less than half the time of gzip's own 6, and a page 7 % larger."""


@dataclass(frozen=True)
class Transcripts:
    """``index`` lists runs and their trials, as JSON; ``blocks`` hold the trials, as JSON too."""

    index: str
    blocks: tuple[str, ...]


def transcripts(told: Sequence[RunReport], *, compress: bool | None = None) -> Transcripts:
    """The trials of all runs. ``compress`` ``None`` compresses when they are large."""
    blocks: list[str] = []
    runs = [{**_heading(one), "trials": list(_packed(one, blocks))} for one in told]
    if compress or (compress is None and sum(map(len, blocks)) > PLAIN_CHARS):
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # compressing waits for no lock of Python's
            blocks = list(threads.map(_compressed, blocks))
    return Transcripts(escaped({"event": EVENT, "runs": runs}), tuple(blocks))


def escaped(data: Any) -> str:
    """``data`` as JSON in ASCII that may stand inside any HTML element.

    >>> escaped("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for sign, escape in _ESCAPES.items():  # several times as fast as str.translate
        text = text.replace(sign, escape)
    return text


def _compressed(block: str) -> str:
    return escaped(base64.b64encode(gzip.compress(block.encode(), LEVEL, mtime=0)).decode())


def _heading(told: RunReport) -> dict[str, Any]:
    return {"experiment": told.experiment, "run": told.run_id, "rehearsal": told.rehearsal}


def _packed(told: RunReport, blocks: list[str]) -> Iterator[dict[str, Any]]:
    """Put the trials of one run into ``blocks``; the index's row of each."""
    pending: list[str] = []
    for row, text in _trials(told):
        yield {**row, "block": len(blocks), "at": len(pending)}
        pending.append(text)
        if sum(map(len, pending)) >= BLOCK_CHARS:
            blocks.append(_block(pending))
            pending = []
    if pending:
        blocks.append(_block(pending))


def _block(trials: Sequence[str]) -> str:
    return f"[{','.join(trials)}]"


def _trials(told: RunReport) -> Iterator[tuple[dict[str, Any], str]]:
    """Each trial that ended, once: the accepted record, else that of its last failure."""
    wanted = {}
    for trial, outcome in told.run.outcomes.items():
        record = outcome.accepted or outcome.failures[-1]
        wanted[trial] = _mark(record)
    for file in told.run.files:
        for section in read(file.path, bulky=True, revisions=told.run.revisions).sections:
            if section.named("run_id") != told.run_id:
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
    """What the reader shows of a trial; each event as a list, in the order of `EVENT`."""
    events = record.get("transcript")
    found = events if isinstance(events, list) else []
    content = {
        **{key: record.get(key) for key in _KEPT},
        **{key: record.get(key) for key in ("status", "reason", "kind", "attempt", "duration", "refusals")},
    }
    lines = [[one.get(name) for name in EVENT] for one in found if isinstance(one, dict)]
    told = [one if _FLAT.issuperset(map(type, one)) else plain(one)[0] for one in lines]
    return {**plain(content)[0], "transcript": told}  # which bounds the depth, and leaves no NaN
