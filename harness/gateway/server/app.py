"""The gateway's HTTP server: an OpenAI- and Anthropic-compatible endpoint for what is not in this process.

What the gateway gives up is answered with status 400, because foreign clients give up at once on 400, and
sleep (TinyTroupe's for up to 52 minutes) on 429 and 5xx: the gateway has waited and asked again already.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from harness.errors import ModelCallError, RefusedError
from harness.gateway.calls import CallSite, Provider, Request
from harness.gateway.models import ModelRoute
from harness.gateway.requests.call_kinds import classify
from harness.gateway.sdk_clients import KIND_HEADER, ROLE_HEADER
from harness.gateway.server.chat_completions import (
    MalformedError,
    chat_completion,
    chat_request,
    embedding_texts,
    embeddings,
    parse_body,
    rejection,
)
from harness.gateway.server.connections import ConnectionGuard
from harness.gateway.server.event_streams import chat_events, message_events, response_events
from harness.gateway.server.messages import error_body, message, message_request
from harness.gateway.server.responses import declined, response, response_request
from harness.gateway.trial_client import TrialClient

MAX_BODY = 8 * 1024 * 1024
"""Bytes of the largest request body that is kept."""

BODY_SECONDS = 60.0
"""From a request's headers to the end of its body."""

_ENDURED = 8 * MAX_BODY
_QUEUE = 1024  # connections that the system keeps until they are accepted
_ACCEPTED_AT_ONCE = (
    64  # before the guard sees them; asyncio accepts so many in one go, file descriptors or not
)
_KNOWN = ", ".join(
    [
        *("POST /v1/chat/completions", "POST /v1/responses", "POST /v1/embeddings"),
        *("POST /v1/messages", "POST /v1/harness/rejections", "GET /v1/models"),
    ]
)
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_TYPES = {401: "authentication_error", 404: "not_found_error"}
_Headers = Mapping[str, str]
_Work = Callable[[TrialClient, Any, _Headers], Awaitable[Any]]


class ServedGateway(Protocol):
    """What the server needs of the gateway."""

    provider: Provider

    def trial_of(self, token: str) -> TrialClient | None: ...

    def route(self, request: Request, site: CallSite, client: TrialClient) -> ModelRoute: ...

    async def recall(self, client: TrialClient) -> None: ...


class GatewayServer:
    """Serves one gateway on the event loop that runs it: no thread, no signal handlers.

    ``guard`` limits what those without a token can hold; a body has ``body_seconds``.
    """

    def __init__(
        self, gateway: ServedGateway, guard: ConnectionGuard | None = None, body_seconds: float = BODY_SECONDS
    ) -> None:
        self._gateway = gateway
        self._guard, self._body_seconds = guard or ConnectionGuard(), body_seconds
        self._serving: Future[None] | None = None
        config = uvicorn.Config(
            self.application(),
            http=self._guard.protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=120,
            backlog=_ACCEPTED_AT_ONCE,
            timeout_graceful_shutdown=1,
            server_header=False,
            date_header=False,
        )
        self._server = _Server(config)

    def listen(self, host: str, loop: asyncio.AbstractEventLoop) -> str:
        """Listen on a free port of ``host`` and serve on ``loop``; the base URL, ending in ``/v1``. From any thread.

        Connections before the loop serves wait in the socket's queue.
        """
        listener = _listener(host)
        self._serving = asyncio.run_coroutine_threadsafe(self._serve(listener), loop)
        return f"http://{host}:{listener.getsockname()[1]}/v1"

    async def _serve(self, listener: socket.socket) -> None:
        serving = asyncio.ensure_future(self._server.serve(sockets=[listener]))
        while not self._server.started and not serving.done():  # noqa: ASYNC110 (there is but a flag)
            await asyncio.sleep(0)
        if not serving.done() and not self._server.stopping.is_set():
            listener.listen(_QUEUE)  # asyncio has set it to the other number
        await serving

    async def stop(self) -> None:
        """Close connections and the port."""
        if self._serving is not None:
            self._server.stopping.set()
            await asyncio.wrap_future(self._serving)

    def application(self) -> Starlette:
        """The ASGI application. A path that is nearly right is refused, not redirected to where Host says."""
        application = Starlette(
            routes=[
                Route("/v1/chat/completions", self._answer(self._chat), methods=["POST"]),
                Route("/v1/responses", self._answer(self._responses), methods=["POST"]),
                Route("/v1/messages", self._answer(self._messages), methods=["POST"]),
                Route("/v1/embeddings", self._answer(self._embeddings), methods=["POST"]),
                Route("/v1/harness/rejections", self._answer(self._rejections), methods=["POST"]),
                Route("/v1/models", self._answer(self._models), methods=["GET"]),
            ],
            exception_handlers={HTTPException: _on_http_exception},
        )
        application.router.redirect_slashes = False
        return application

    def _answer(self, work: _Work) -> Callable[[HTTPRequest], Awaitable[Response]]:
        """An endpoint: who asks, what, then ``work``. A request that fails is noted in its trial's client."""

        async def endpoint(request: HTTPRequest) -> Response:
            client = self._client_of(request)
            try:
                content = await work(client, await self._body(request), request.headers)
                return _json(content) if isinstance(content, dict) else _stream(content)
            except Exception as error:
                client.note_failure(_as_failure(error))
                return _answer_to(error, request)

        return endpoint

    def _client_of(self, request: HTTPRequest) -> TrialClient:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
        client = self._gateway.trial_of(token.strip())
        if client is None:
            raise HTTPException(401, "no valid token; expected 'Authorization: Bearer <the trial's token>'.")
        if "connection" in request.scope.get("state", {}):
            request.state.connection.welcome()
        return client

    async def _body(self, request: HTTPRequest) -> Any:
        """What was sent. Raises `HTTPException` when it is too large or takes too long."""
        try:
            async with asyncio.timeout(self._body_seconds):
                return await _body(request)
        except TimeoutError:
            raise HTTPException(408, f"the body took more than {self._body_seconds:g} s.") from None

    async def _chat(self, client: TrialClient, body: Any, headers: _Headers) -> Any:
        request = chat_request(body)
        site = _site(request, headers)
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(client.complete(request, site)) for _ in range(body.get("n") or 1)]
        completion = chat_completion([one.result() for one in asked])
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return chat_events(completion, include_usage=usage) if body.get("stream") else completion

    async def _responses(self, client: TrialClient, body: Any, headers: _Headers) -> Any:
        """A refusal to write JSON is not a failed call: the API has a field for it."""
        request = response_request(body)
        site = _site(request, headers)
        try:
            answer = response(await client.complete(request, site), body)
        except RefusedError as error:
            answer = declined(self._gateway.route(request, site, client).model, str(error), body)
        return response_events(answer) if body.get("stream") else answer

    async def _messages(self, client: TrialClient, body: Any, headers: _Headers) -> Any:
        request = message_request(body)
        answer = message(await client.complete(request, _site(request, headers)))
        return message_events(answer) if body.get("stream") else answer

    async def _embeddings(self, client: TrialClient, body: Any, headers: _Headers) -> Any:  # noqa: ARG002
        texts, model = embedding_texts(body), str(body.get("model", ""))
        vectors = await client.embed(texts, model)
        return embeddings(texts, vectors, model, packed=body.get("encoding_format") == "base64")

    async def _rejections(self, client: TrialClient, body: Any, headers: _Headers) -> Any:  # noqa: ARG002
        """With a reason: reject the trial's latest reply of a kind, so that an equal request is a new call.

        Tells how many were rejected in this try of the trial, sessions that were cut off included, and why the last.
        """
        kind, reason = rejection(body)
        await self._gateway.recall(client)
        rejected = reason is not None and client.reject_latest(kind, reason)
        reasons = client.reasons(kind)
        return {"rejected": rejected, "rejections": len(reasons), "reason": reasons[-1] if reasons else None}

    async def _models(self, client: TrialClient, body: Any, headers: _Headers) -> Any:  # noqa: ARG002
        model = {
            "id": (client.provider or self._gateway.provider).model,
            "object": "model",
            "created": 0,
            "owned_by": "harness",
        }
        return {"object": "list", "data": [model]}


def _site(request: Request, headers: _Headers) -> CallSite:
    """What a foreign call is for: as its headers say, else as its request shows. Raises `MalformedError`."""
    kind, role = headers.get(KIND_HEADER, ""), headers.get(ROLE_HEADER, "")
    if kind and not _KIND.fullmatch(kind):
        raise MalformedError(f"{KIND_HEADER}: expected a name of letters, digits, '_' or '-', at most 64.")
    # The program at the other end waits for the answer, with a time limit of its own.
    return CallSite(kind or classify(request), role=role, can_wait=False)


def _listener(host: str) -> socket.socket:
    """Named as TCP, or asyncio leaves Nagle's delay on: 40 ms for each reply."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, 0))
    listener.listen(_QUEUE)
    return listener


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait to be stopped; uvicorn's own loop looks ten times a second, mostly for a date that is not sent."""
        await self.stopping.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ctrl-C belongs to the session, not to this server."""
        yield


async def _body(request: HTTPRequest) -> Any:
    """The JSON object that was sent. What is too large is read on, not kept, so that the answer is heard."""
    if request.method != "POST":
        return {}
    chunks, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _ENDURED:
            break
        if size <= MAX_BODY:
            chunks += chunk
    if size > MAX_BODY:
        raise HTTPException(413, f"the body is larger than {MAX_BODY:,} bytes.")
    return parse_body(bytes(chunks))


def _as_failure(error: Exception) -> ModelCallError:
    if isinstance(
        error, ExceptionGroup
    ):  # of several choices the first that failed; the others are cancelled
        return _as_failure(error.exceptions[0])
    if isinstance(error, ModelCallError):
        return error
    return ModelCallError(f"HTTP server: {type(error).__name__}: {str(error)[:500]}")


def _answer_to(error: Exception, request: HTTPRequest) -> Response:
    """400 for every fault, except for statuses that the server itself chose."""
    if request.url.path.endswith("/messages"):
        status = error.status_code if isinstance(error, HTTPException) else 400
        text = error.detail if isinstance(error, HTTPException) else str(_as_failure(error))
        return _json(error_body(_TYPES.get(status, "invalid_request_error"), text), status)
    if isinstance(error, HTTPException):
        return _error(error.status_code, error.detail)
    return _error(400, str(_as_failure(error)), code="model_call_failed")


def _stream(events: Iterator[bytes]) -> Response:
    async def sent() -> AsyncIterator[bytes]:
        for event in events:
            yield event

    return StreamingResponse(sent(), media_type="text/event-stream", headers={"cache-control": "no-cache"})


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(content, allow_nan=False), status, headers, media_type="application/json")


def _error(
    status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    kind = _TYPES.get(status, "invalid_request_error")
    return _json({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, headers)


async def _on_http_exception(request: HTTPRequest, error: Exception) -> Response:
    """No token, no such path, no such method."""
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        asked = f"{request.method} {request.url.path[:200]}"
        message = f"{asked}: {error.detail}; known: {_KNOWN}."
        return _error(error.status_code, message, headers=error.headers)
    return _error(error.status_code, error.detail, headers=error.headers)
