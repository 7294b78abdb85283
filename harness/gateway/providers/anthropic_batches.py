"""Anthropic's Message Batches API: calls go up in one request, replies come back within a day."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from harness.gateway.batch.api import Answer, BatchItem, BatchStatus
from harness.gateway.providers.batch_http import BatchHTTP, count
from harness.gateway.providers.provider_errors import fault_inside
from harness.gateway.replies.json_reading import label, mapping, sequence

PATH = "/v1/messages/batches"
SKEW_SECONDS = 600.0
"""How far the server's clock may be behind."""

_MOST_PAGES = 50


class AnthropicBatches(BatchHTTP):
    """Batches of messages. The API takes 100,000 calls and 256 MB; these bounds keep a batch in memory.

    A batch carries no key. One whose id is not known is found by its time and its number of calls, and recognised by
    the names of its calls once it has ended.
    """

    most_calls = 20_000
    most_bytes = 100_000_000
    lists_keys = False

    async def create(self, key: str, items: Sequence[BatchItem]) -> str:  # noqa: ARG002
        """The id of a new batch."""
        calls = [{"custom_id": one.name, "params": one.body} for one in items]
        content = json.dumps({"requests": calls}, default=dict).encode()
        return self._id(await self._object("POST", PATH, content))

    async def candidates(self, key: str, since: float, calls: int) -> Sequence[str]:  # noqa: ARG002
        """Batches of so many calls that were created after ``since``."""
        found, after = list[str](), ""
        for _ in range(_MOST_PAGES):
            page = await self._object("GET", f"{PATH}?limit=100{after}")
            listed = [mapping(one) for one in sequence(page.get("data"))]
            recent = [one for one in listed if _created(one) >= since - SKEW_SECONDS]
            found += [self._id(one) for one in recent if sum(_counts(one).values()) == calls]
            if not page.get("has_more") or len(recent) < len(listed) or not listed:
                break
            after = f"&after_id={quote(self._id(listed[-1]), safe='')}"
        return found

    async def status(self, batch_id: str) -> BatchStatus:
        """How far the batch is."""
        found = await self._object("GET", f"{PATH}/{quote(batch_id, safe='')}")
        counts = _counts(found)
        cut = [name for name in ("expired", "canceled") if counts.get(name)]
        is_over = found.get("processing_status") == "ended"
        answered = sum(counts.values()) - counts.get("processing", 0)
        return BatchStatus(batch_id, is_over, answered, cut[0] if is_over and cut else "", found)

    async def answers(self, status: BatchStatus) -> Mapping[str, Answer]:
        """Those in the file of results."""
        lines = await self._lines(f"{PATH}/{quote(status.id, safe='')}/results")
        return {label(line.get("custom_id")): _answer(mapping(line.get("result"))) for line in lines}


def _answer(result: Mapping[str, Any]) -> Answer:
    kind = label(result.get("type")) or "no reply"
    if kind == "succeeded":
        return mapping(result.get("message"))
    if kind == "errored" and (fault := fault_inside(result.get("error"), {})):
        return replace(fault, is_inside=False)
    return kind


def _counts(found: Mapping[str, Any]) -> dict[str, int]:
    return {name: count(number) for name, number in mapping(found.get("request_counts")).items()}


def _created(found: Mapping[str, Any]) -> float:
    """Seconds since 1970; a time that cannot be read counts as now."""
    try:
        return datetime.fromisoformat(label(found.get("created_at"))).timestamp()
    except ValueError:
        return float("inf")
