"""Fakes of OpenAI's and of Anthropic's batch API on loopback, beside the ordinary calls of both.

A batch is over once ``ready`` is set; then each of its calls has been answered as an ordinary one would be, except
those that ``unanswered`` names, by their place in the batch. ``ending`` is how a batch ends.
"""

from __future__ import annotations

import asyncio
import email
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from support.endpoint import Fault
from support.kills import CountingEndpoint

Answered = Mapping[str, Any] | Fault | str
"""The body of a reply, a fault, or the name of what became of the call instead."""


@dataclass
class Batch:
    """A batch at the fake: its calls by their names, and what it was created with."""

    id: str
    calls: Mapping[str, Mapping[str, Any]]
    created: Mapping[str, Any]
    at: int = field(default_factory=lambda: int(time.time()))


class BatchEndpoint(CountingEndpoint):
    """Serves chat completions, messages, and both batch APIs.

    ``refuse_batch`` says what the server has against creating a batch, by the number of batches that there are; a
    fault that is ``cut`` hides a batch that was created. While ``hidden``, the creation of a batch is not answered.
    ``looks`` counts looks at batches; `batched` has the bodies of all calls in batches.
    """

    def __init__(
        self,
        ready: bool = True,
        ending: str = "completed",
        unanswered: Callable[[int], bool] = lambda _number: False,
        refuse_batch: Callable[[int], Fault | None] = lambda _number: None,
        spoil: Callable[[int, Answered], Answered] = lambda _number, answer: answer,
    ) -> None:
        super().__init__(delay=0.0)
        self.begin(ready, ending, unanswered, refuse_batch, spoil)

    def begin(
        self,
        ready: bool = True,
        ending: str = "completed",
        unanswered: Callable[[int], bool] = lambda _number: False,
        refuse_batch: Callable[[int], Fault | None] = lambda _number: None,
        spoil: Callable[[int, Answered], Answered] = lambda _number, answer: answer,
        hidden: bool = False,
    ) -> Self:
        """Forget everything, and serve as a new one with these arguments would."""
        self.requests.clear()
        self.ready, self.ending, self.hidden = ready, ending, hidden
        self.batches: list[Batch] = []
        self.looks = 0
        self._files: dict[str, bytes] = {}
        self._unanswered, self._refuse_batch, self._spoil = unanswered, refuse_batch, spoil
        return self

    @property
    def batched(self) -> list[Mapping[str, Any]]:
        return [body for batch in self.batches for body in batch.calls.values()]

    def _application(self) -> Starlette:
        routes = super()._application().routes
        own = [
            Route("/v1/files", self._upload, methods=["POST"]),
            Route("/v1/files/{id}/content", self._content),
            Route("/v1/batches", self._create, methods=["POST"]),
            Route("/v1/batches", self._list),
            Route("/v1/batches/{id}", self._look),
            Route("/v1/messages", self._message_call, methods=["POST"]),
            Route("/v1/messages/batches", self._create_messages, methods=["POST"]),
            Route("/v1/messages/batches", self._list_messages),
            Route("/v1/messages/batches/{id}", self._look_at_messages),
            Route("/v1/messages/batches/{id}/results", self._message_results),
        ]
        return Starlette(routes=[*own, *routes])

    def _answers(self, batch: Batch, reply: Callable[[Mapping[str, Any]], Answered]) -> dict[str, Answered]:
        missing = "expired" if self.ending == "completed" else self.ending
        return {
            name: missing if self._unanswered(number) else self._spoil(number, reply(body))
            for number, (name, body) in enumerate(batch.calls.items())
        }

    def _found(self, request: Request) -> Batch | None:
        return next((one for one in self.batches if one.id == request.path_params["id"]), None)

    # OpenAI's

    async def _upload(self, request: Request) -> Response:
        head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in email.message_from_bytes(head + await request.body()).walk()
            if not part.is_multipart()
        }
        assert parts["purpose"].strip() == b"batch"  # type: ignore[union-attr]
        name = f"file-{len(self._files)}"
        self._files[name] = bytes(parts["file"])  # type: ignore[arg-type]
        return JSONResponse({"id": name, "object": "file", "purpose": "batch"})

    async def _create(self, request: Request) -> Response:
        wanted = await request.json()
        fault = self._refuse_batch(len(self.batches))
        if fault is not None and not fault.cut:
            return await fault.answer()
        lines = [
            json.loads(line) for line in self._files[wanted["input_file_id"]].splitlines() if line.strip()
        ]
        assert all(line["url"] == wanted["endpoint"] == "/v1/chat/completions" for line in lines)
        calls = {line["custom_id"]: line["body"] for line in lines}
        assert len(calls) == len(lines), "names are unique in a batch"
        batch = Batch(f"batch_{len(self.batches)}", calls, wanted)
        self.batches.append(batch)
        while self.hidden:
            await asyncio.sleep(0.01)
        return await fault.answer() if fault else JSONResponse(self._object(batch, "validating"))

    def _object(self, batch: Batch, status: str, **more: Any) -> dict[str, Any]:
        return {
            "id": batch.id, "object": "batch", "status": status, "created_at": batch.at,
            "metadata": batch.created.get("metadata"),
            "request_counts": {"total": len(batch.calls), "completed": 0, "failed": 0}, **more,
        }  # fmt: skip

    async def _list(self, request: Request) -> Response:
        newest = [self._object(one, "in_progress") for one in reversed(self.batches)]
        after = request.query_params.get("after")
        start = next((place + 1 for place, one in enumerate(newest) if one["id"] == after), 0)
        page = newest[start : start + 2]
        return JSONResponse({"object": "list", "data": page, "has_more": start + 2 < len(newest)})

    async def _look(self, request: Request) -> Response:
        self.looks += 1
        batch = self._found(request)
        if batch is None:
            return Fault(404, message="No batch found").response()
        if not self.ready:
            return JSONResponse(self._object(batch, "in_progress"))
        if self.ending == "failed":
            errors = {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "Too many."}]}
            return JSONResponse(self._object(batch, "failed", errors=errors))
        self._write_files(batch)
        files = {"output_file_id": f"out-{batch.id}", "error_file_id": f"err-{batch.id}"}
        return JSONResponse(self._object(batch, self.ending, **files))

    def _write_files(self, batch: Batch) -> None:
        good, bad = [], []
        for name, answer in self._answers(batch, self._completion).items():
            line: dict[str, Any] = {"id": f"r-{name}", "custom_id": name, "response": None, "error": None}
            if isinstance(answer, str):
                line["error"] = {"code": f"batch_{answer}", "message": "This request was not executed."}
            else:
                status, body = (answer.status, _error(answer)) if isinstance(answer, Fault) else (200, answer)
                line["response"] = {"status_code": status, "request_id": "q", "body": body}
            (good if isinstance(answer, Mapping) else bad).append(json.dumps(line))
        self._files[f"out-{batch.id}"] = "\n".join(reversed(good)).encode()  # in no order
        self._files[f"err-{batch.id}"] = "\n".join(bad).encode()

    async def _content(self, request: Request) -> Response:
        found = self._files.get(request.path_params["id"])
        return Fault(404, message="no such file").response() if found is None else PlainTextResponse(found)

    def _completion(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        choice = {
            "index": 0, "finish_reason": "stop", "message": {"role": "assistant", **self._answer(body, -1)},
        }  # fmt: skip
        return {
            "id": "b", "object": "chat.completion", "model": f"{body['model']}-2025", "choices": [choice],
            "usage": dict(self._usage),
        }  # fmt: skip

    # Anthropic's

    async def _message_call(self, request: Request) -> Response:
        body, _, _ = await self._note(request)
        return JSONResponse(self._message_reply(body))

    def _message_reply(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        schema = body.get("output_config", {}).get("format", {}).get("schema")
        form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}} if schema else None
        chat = {
            "model": body["model"],
            "messages": body["messages"],
            **({"response_format": form} if form else {}),
        }
        said = [{"type": "text", "text": self._answer(chat, -1)["content"]}]
        return {
            "id": "m", "type": "message", "role": "assistant", "model": body["model"], "content": said,
            "stop_reason": "end_turn", "usage": {"input_tokens": 7, "output_tokens": 3},
        }  # fmt: skip

    async def _create_messages(self, request: Request) -> Response:
        wanted = await request.json()
        fault = self._refuse_batch(len(self.batches))
        if fault is not None and not fault.cut:
            return await fault.answer()
        calls = {one["custom_id"]: one["params"] for one in wanted["requests"]}
        assert len(calls) == len(wanted["requests"]), "names are unique in a batch"
        batch = Batch(f"msgbatch_{len(self.batches)}", calls, {})
        self.batches.append(batch)
        while self.hidden:
            await asyncio.sleep(0.01)
        return await fault.answer() if fault else JSONResponse(self._message_object(batch, False))

    def _message_object(self, batch: Batch, over: bool) -> dict[str, Any]:
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        counts["succeeded" if over else "processing"] = len(batch.calls)
        return {
            "id": batch.id, "type": "message_batch", "processing_status": "ended" if over else "in_progress",
            "request_counts": counts, "created_at": datetime.fromtimestamp(batch.at, UTC).isoformat(),
        }  # fmt: skip

    async def _list_messages(self, _request: Request) -> Response:
        listed = [self._message_object(one, self.ready) for one in reversed(self.batches)]
        return JSONResponse({"data": listed, "has_more": False})

    async def _look_at_messages(self, request: Request) -> Response:
        self.looks += 1
        batch = self._found(request)
        if batch is None:
            return Fault(404, message="not found").response()
        return JSONResponse(self._message_object(batch, self.ready))

    async def _message_results(self, request: Request) -> Response:
        batch = self._found(request)
        assert batch is not None
        lines = []
        for name, answer in self._answers(batch, self._message_reply).items():
            if isinstance(answer, str):
                result: dict[str, Any] = {"type": answer}
            elif isinstance(answer, Fault):
                error = {"type": "invalid_request_error", "message": answer.message}
                result = {"type": "errored", "error": {"type": "error", "error": error}}
            else:
                result = {"type": "succeeded", "message": answer}
            lines.append(json.dumps({"custom_id": name, "result": result}))
        return PlainTextResponse("\n".join(lines))


def _error(fault: Fault) -> Mapping[str, Any]:
    return {"error": {"message": fault.message, "type": "fake_error", "param": None, "code": None}}
