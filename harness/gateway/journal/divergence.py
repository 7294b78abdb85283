"""Requests of a resumed trial that are not those in its journal: found before anything is sent, and shown as a diff."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.gateway.journal.replay import JournaledReply, SampleSlot, TrialSamples

SETTLE_SECONDS = 0.1
"""How long a suspicious call waits for the trial's other calls: concurrent ones may come in any order."""
DIFF_LINES, DIFF_COLUMNS = 12, 100
"""How much of a difference is shown."""


def replaced_by(slot: SampleSlot, samples: TrialSamples) -> JournaledReply | None:
    """The journal's reply to another request, where ``slot`` asks now; ``None`` while the trial repeats itself.

    A trial that repeats itself asks at each call site what the journal has, in the same order, until the journal ends.
    That holds as long as all its replies came from the journal, and none was rejected. Calls that were in flight
    together have no order, so they are not compared.
    """
    if samples.is_own_way or slot.has_history:
        return None
    asked = samples.asked_at(slot.site)
    place = asked.index(slot)
    journaled = samples.journaled_at(slot.site)
    if place >= len(journaled) or _overlap(journaled) or not all(one.has_history for one in asked[:place]):
        return None
    return journaled[place] if samples.is_unclaimed(journaled[place]) else None


def _overlap(journaled: Iterable[JournaledReply]) -> bool:
    last = float("-inf")
    for one in journaled:
        if one.sent < last:
            return True
        last = max(last, one.sent + one.seconds)
    return False


def request_difference(then: str, now: str) -> str:
    """A short diff of two requests, given as canonical JSON."""
    lines = difflib.unified_diff([*_lines(then)], [*_lines(now)], n=0, lineterm="")
    found = [line[:DIFF_COLUMNS] for line in lines if not line.startswith(("@@", "---", "+++"))]
    if len(found) > DIFF_LINES:
        found = [*found[:DIFF_LINES], f"… and {len(found) - DIFF_LINES} more lines"]
    return "\n".join(f"    {line}" for line in found)


def _lines(body: str) -> Iterator[str]:
    """A request as lines: its messages by role, then its other fields."""
    messages, model, response_format, temperature, max_tokens, extra = json.loads(body)
    for message in messages:
        yield f"[{message.get('role')}]"
        for key, value in message.items():
            if key == "content" and isinstance(value, str):
                yield from value.splitlines()
            elif key != "role":
                yield f"{key}: {_compact(value)}"
    named = {
        "model": model,
        "response_format": response_format,
        "temperature": temperature,
        "max_tokens": max_tokens,
    }
    fields: Mapping[str, Any] = {**named, **extra}
    yield from (f"{key}: {_compact(value)}" for key, value in fields.items() if value not in (None, ""))


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
