"""Requests to a batch API: JSON objects, uploads, and files of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from harness.gateway.providers.http_client import MAX_BYTES, Answer, HTTPClient, NoAnswerError
from harness.gateway.providers.provider_errors import Failures, fault_of
from harness.gateway.replies.json_reading import mapping, parse

FILE_BYTES = 1024 * 1024 * 1024
"""Bytes of a file of results that are read."""

FILE_SECONDS = 1800.0
"""How long a file may take on its way, either way."""


class BatchHTTP:
    """Sends requests to one server's batch API, and reads what it answers. Raises `ModelCallError`."""

    def __init__(self, http: HTTPClient, failures: Failures) -> None:
        self._http, self._failures = http, failures

    async def _object(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Mapping[str, Any]:
        answer = await self._sent(method, path, content, headers)
        try:
            return mapping(parse(answer.body))
        except ValueError as error:
            raise self._failures.of_text(answer, str(error)) from None

    async def _lines(self, path: str) -> Iterator[Mapping[str, Any]]:
        """The objects in a file of JSON lines; other lines are left out, so that their calls have no result."""
        answer = await self._sent("GET", path, max_bytes=FILE_BYTES)
        return filter(None, map(_read_line, answer.body.splitlines()))

    async def _sent(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
        max_bytes: int = MAX_BYTES,
    ) -> Answer:
        timeout = FILE_SECONDS if len(content) > MAX_BYTES or max_bytes > MAX_BYTES else None
        try:
            answer = await self._http.send(
                method, path, content, headers=headers, max_bytes=max_bytes, timeout=timeout
            )
        except NoAnswerError as error:
            failure = self._failures.of_silence(error)
        else:
            if answer.status >= 400:
                raise self._failures.of_fault(fault_of(answer))
            if answer.status >= 300:
                raise self._failures.of_redirect(answer)
            return answer
        # Not raised in the handler: the client's error would hang on to the request, and the request has the key.
        raise failure

    def _id(self, found: Mapping[str, Any]) -> str:
        """The id of a new object. Raises `ModelCallError` where there is none that a path can hold."""
        name = found.get("id")
        if isinstance(name, str) and name.isascii() and name.isprintable() and 0 < len(name) <= 200:
            return name
        raise self._failures.of_garbage(f"no id: {json.dumps(dict(found), default=repr)[:200]}")


def _read_line(line: bytes) -> Mapping[str, Any]:
    try:
        return mapping(parse(line)) if line.strip() else {}
    except ValueError:
        return {}


def count(value: Any) -> int:
    """``value`` if it is a whole number, else 0."""
    return value if isinstance(value, int) else 0
