"""OpenAI's batch API: a file of calls goes up, a file of replies comes back within a day."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any
from urllib.parse import quote

from harness.gateway.batch.api import Answer, BatchItem, BatchStatus
from harness.gateway.providers.batch_http import BatchHTTP, count
from harness.gateway.providers.error_text import words
from harness.gateway.providers.http_client import Answer as HTTPAnswer
from harness.gateway.providers.provider_errors import fault_inside, fault_of
from harness.gateway.replies.json_reading import label, mapping, sequence

ENDPOINT = "/v1/chat/completions"
KEY = "harness_batch"
"""The field of a batch's metadata that has our key."""

OVER = ("completed", "failed", "expired", "cancelled")
SKEW_SECONDS = 600.0
"""How far the server's clock may be behind."""

_BOUNDARY = "harness-batch-file"
_MOST_PAGES = 50


class OpenAIBatches(BatchHTTP):
    """Batches of chat completions. The API takes 50,000 calls and 200 MB; these bounds keep a batch in memory."""

    most_calls = 20_000
    most_bytes = 100_000_000
    lists_keys = True

    async def create(self, key: str, items: Sequence[BatchItem]) -> str:
        """The id of a new batch. Until the second request nothing is run, or paid for."""
        calls = (
            {"custom_id": one.name, "method": "POST", "url": ENDPOINT, "body": one.body} for one in items
        )
        file = "\n".join(json.dumps(call, default=dict) for call in calls).encode()
        kind = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
        uploaded = await self._object("POST", "/files", _form(f"{key}.jsonl", file), kind)
        wanted = {
            "input_file_id": self._id(uploaded),
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {KEY: key},
        }
        return self._id(await self._object("POST", "/batches", json.dumps(wanted).encode()))

    async def candidates(self, key: str, since: float, calls: int) -> Sequence[str]:  # noqa: ARG002
        """The batch whose metadata has ``key``, if there is one."""
        after = ""
        for _ in range(_MOST_PAGES):
            page = await self._object("GET", f"/batches?limit=100{after}")
            listed = [mapping(one) for one in sequence(page.get("data"))]
            for one in listed:
                if mapping(one.get("metadata")).get(KEY) == key:
                    return [self._id(one)]
            oldest = min((count(one.get("created_at")) for one in listed), default=0)
            if not page.get("has_more") or oldest < since - SKEW_SECONDS:
                break
            after = f"&after={quote(self._id(listed[-1]), safe='')}"
        return []

    async def status(self, batch_id: str) -> BatchStatus:
        """How far the batch is."""
        found = await self._object("GET", f"/batches/{quote(batch_id, safe='')}")
        state, counts = label(found.get("status")), mapping(found.get("request_counts"))
        answered = count(counts.get("completed")) + count(counts.get("failed"))
        return BatchStatus(batch_id, state in OVER, answered, self._ending(state, found), found)

    def _ending(self, state: str, found: Mapping[str, Any]) -> str:
        if state not in OVER or state == "completed":
            return ""
        first = next(iter(sequence(mapping(found.get("errors")).get("data"))), None)
        said = self._failures.presentable(words(first)) if first else ""
        return f"{state}: {said}" if said else state

    async def answers(self, status: BatchStatus) -> Mapping[str, Answer]:
        """Those in the file of replies and in that of errors."""
        files = [status.found.get(name) for name in ("error_file_id", "output_file_id")]
        paths = [f"/files/{quote(label(one), safe='')}/content" for one in files if one]
        found = chain.from_iterable([await self._lines(path) for path in paths])
        return {label(line.get("custom_id")): _answer(line) for line in found}


def _answer(line: Mapping[str, Any]) -> Answer:
    response = mapping(line.get("response"))
    status, body = response.get("status_code"), response.get("body")
    if isinstance(status, int) and status >= 400:
        return fault_of(HTTPAnswer(status, {}, json.dumps(body, default=dict).encode()))
    if status is not None and isinstance(body, Mapping):
        return fault_inside(body, {}) or body
    return label(mapping(line.get("error")).get("code")) or "no reply"


def _form(name: str, file: bytes) -> bytes:
    """The multipart form that uploads a file of a batch."""

    def parts() -> Iterator[bytes]:
        yield f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'.encode()
        yield f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n'.encode()
        yield b"content-type: application/jsonl\r\n\r\n" + file + b"\r\n"
        yield f"--{_BOUNDARY}--\r\n".encode()

    return b"".join(parts())
