"""A fake OpenAI endpoint on loopback: it answers with what a test put in, and fails when a test says so.

It is no model and no gateway: it exists so that clients can be tested over real HTTP, faults included.

    with FakeEndpoint(fault=lambda number: Fault(500) if number == 0 else None) as endpoint:
        OpenAI(base_url=endpoint.url, api_key="any")

Requests to chat completions and embeddings are counted from 0 in order of arrival.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class Fault:
    """What is answered instead: a status with OpenAI's error object, or ``body`` as it stands (garbage).

    ``delay`` seconds pass before anything is answered; ``cut``: the connection ends in the middle of the answer.
    """

    status: int = 500
    message: str = "a fault that the test asked for"
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False

    async def answer(self) -> Response:
        await asyncio.sleep(self.delay)
        return _Torn() if self.cut else self.response()

    def response(self) -> Response:
        headers = dict(self.headers)
        if self.body is not None:
            return Response(self.body, self.status, headers, media_type="application/json")
        error = {"message": self.message, "type": "fake_error", "param": None, "code": None}
        return JSONResponse({"error": error}, self.status, headers)


class _Torn(Response):
    """Promises more than it sends; the server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"id": "torn', "more_body": True})


@dataclass(frozen=True)
class Seen:
    """One request: its path, its JSON body, the value of its Authorization header, and all its headers."""

    path: str
    body: Mapping[str, Any]
    authorization: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class FakeEndpoint:
    """Serves from a thread while the ``with`` block runs.

    ``fault`` says, per request number, what goes wrong (``None``: nothing). ``message`` makes the message of
    a completion out of the request's body and number; by default it is ``{"content": "pong <number>"}``. ``before`` is
    awaited ahead of each completion, with the request's number. ``refuse`` looks at the body of a request and says what
    the server has against it.
    ``usage`` is what every completion states of tokens.
    """

    def __init__(
        self,
        fault: Callable[[int], Fault | None] = lambda _number: None,
        message: Callable[[Mapping[str, Any], int], Mapping[str, Any]] = lambda _body, number: {
            "content": f"pong {number}"
        },
        finish_reason: str = "stop",
        before: Callable[[int], Awaitable[None]] | None = None,
        refuse: Callable[[Mapping[str, Any]], Fault | None] = lambda _body: None,
        usage: Any = MappingProxyType({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}),
    ) -> None:
        self.requests: list[Seen] = []
        self.url = ""  # the base URL, ending in /v1, once entered
        self._fault, self._message, self._finish_reason = fault, message, finish_reason
        self._usage = dict(usage) if isinstance(usage, Mapping) else usage
        self._before = before
        self._refuse = refuse

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._application(),
                lifespan="off",
                log_config=None,
                log_level="critical",  # it was asked to fail
                timeout_keep_alive=60,  # else an idle connection may be closed as a request is on its way
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def _application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/{where:path}v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/embeddings", self._embeddings, methods=["POST"]),
            ]
        )

    async def _note(self, request: Request) -> tuple[Mapping[str, Any], int, Fault | None]:
        body, number = await request.json(), len(self.requests)
        self.requests.append(
            Seen(request.url.path, body, request.headers.get("authorization", ""), request.headers)
        )
        return body, number, self._fault(number) or self._refuse(body)

    async def _chat(self, request: Request) -> Response:
        body, number, fault = await self._note(request)
        if self._before is not None:
            await self._before(number)
        if fault is not None:
            return await fault.answer()
        message = {"role": "assistant", **self._message(body, number)}
        logprobs = message.pop("logprobs", None)
        choice = {
            "index": 0, "message": message, "finish_reason": self._finish_reason, "logprobs": logprobs,
        }  # fmt: skip
        return JSONResponse(
            {
                "id": f"fake-{number}",
                "object": "chat.completion",
                "created": 0,
                "model": f"{body['model']}-2025",
                "choices": [choice],
                "usage": self._usage,
                "system_fingerprint": "fp_fake",
            }
        )

    async def _embeddings(self, request: Request) -> Response:
        body, _, fault = await self._note(request)
        if fault is not None:
            return await fault.answer()
        data = [
            {"object": "embedding", "index": index, "embedding": [float(len(text)), 0.0]}
            for index, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return JSONResponse({"object": "list", "model": body["model"], "data": data, "usage": usage})
