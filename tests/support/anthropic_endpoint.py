"""A fake of Anthropic's Messages API on loopback: it answers with what a test put in, and fails when a test says so.

    with AnthropicEndpoint(fault=lambda number: Trouble(529) if number == 0 else None) as endpoint:
        AsyncAnthropic(base_url=endpoint.url, api_key="any")

Requests are counted from 0 in order of arrival. A request without ``max_tokens``, with a role that the API does not
know or with an empty text is answered with 400, as the API does.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


@dataclass(frozen=True)
class Trouble:
    """What is answered instead: a status with the API's error object, or ``body`` as it stands (garbage)."""

    status: int = 500
    message: str = "a fault that the test asked for"
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        headers = dict(self.headers)
        if self.body is not None:
            return Response(self.body, self.status, headers, media_type="application/json")
        error = {"type": _TYPES.get(self.status, "api_error"), "message": self.message}
        return JSONResponse({"type": "error", "error": error, "request_id": "req_fake"}, self.status, headers)


@dataclass(frozen=True)
class Heard:
    """One request: its JSON body and its headers."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]


class AnthropicEndpoint:
    """Serves from a thread while the ``with`` block runs.

    ``message`` gives, for a request's body and number, what differs from a plain message: content, stop_reason,
    usage, and so on. By default the content is the text ``pong <number>``.
    """

    def __init__(
        self,
        fault: Callable[[int], Trouble | None] = lambda _number: None,
        message: Callable[[Mapping[str, Any], int], Mapping[str, Any]] = lambda _body, _number: {},
    ) -> None:
        self.requests: list[Heard] = []
        self.url = ""
        self._fault, self._message = fault, message

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        app = Starlette(routes=[Route("/v1/messages", self._messages, methods=["POST"])])
        self._server = uvicorn.Server(
            uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    async def _messages(self, request: Request) -> Response:
        body, number = await request.json(), len(self.requests)
        self.requests.append(Heard(body, dict(request.headers)))
        trouble = self._fault(number) or _complaint(body)
        if trouble is not None:
            return trouble.response()
        made = {
            "id": f"msg_{number}",
            "type": "message",
            "role": "assistant",
            "model": f"{body['model']}-20251001",
            "content": [{"type": "text", "text": f"pong {number}"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 7, "output_tokens": 3},
        }
        return JSONResponse(made | dict(self._message(body, number)))


def _complaint(body: Mapping[str, Any]) -> Trouble | None:
    if "max_tokens" not in body:
        return Trouble(400, "max_tokens: Field required")
    for message in body["messages"]:
        if message["role"] not in ("user", "assistant"):
            return Trouble(400, "messages: Unexpected role")
        for block in message["content"]:
            if isinstance(block, dict) and block["type"] == "text" and not block["text"]:
                return Trouble(400, "messages: text content blocks must be non-empty")
    return None if body["messages"] else Trouble(400, "messages: at least one message is required")
