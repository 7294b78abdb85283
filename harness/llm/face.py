"""The gateway's HTTP face: an OpenAI-compatible endpoint for everything that is not in this process.

What the gateway gives up is answered with status 400, because foreign clients give up at once on 400, and sleep
(TinyTroupe's for up to 52 minutes) on 429 and 5xx: the gateway has done the waiting and asking again already.
"""

from __future__ import annotations

import array
import asyncio
import base64
import contextlib
import json
import math
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.routing import Route

from harness.errors import ModelCallError
from harness.llm.calls import Reply, Request, Site
from harness.llm.kinds import classify
from harness.llm.trial import TrialClient

if TYPE_CHECKING:
    from harness.llm.gateway import Gateway

MAX_BODY = 8 * 1024 * 1024
"""Bytes of the largest request body that is read."""

_OURS = {
    "messages",
    "model",
    "response_format",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "n",
}


class Face:
    """Serves one gateway on the event loop that runs it: no thread, no signal handlers."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, host: str) -> str:
        """Listen on a free port of ``host``; the base URL, ending in ``/v1``."""
        listener = socket.create_server((host, 0), backlog=1024)
        config = uvicorn.Config(
            self.application(),
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=120,
            timeout_graceful_shutdown=1,
            server_header=False,
            date_header=False,
        )
        self._server = _Server(config)
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[listener]))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0)
        return f"http://{host}:{listener.getsockname()[1]}/v1"

    async def stop(self) -> None:
        """Close connections and the port."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._answer(self._chat), methods=["POST"]),
                Route("/v1/embeddings", self._answer(self._embeddings), methods=["POST"]),
                Route("/v1/models", self._answer(self._models), methods=["GET"]),
            ],
            exception_handlers={HTTPException: _on_http_exception, Exception: _on_any_exception},
        )

    def _answer(
        self, work: Callable[[TrialClient, Any], Awaitable[Any]]
    ) -> Callable[..., Awaitable[Response]]:
        """An endpoint: who asks, then what, then ``work``; every fault in OpenAI's shape."""

        async def endpoint(request: HTTPRequest) -> Response:
            client = self._client_of(request)
            body = await _body(request)
            try:
                return _json(await work(client, body))
            except _RefusedError:
                raise
            except Exception as error:
                # No status but 400 may leave here, whatever went wrong: see above.
                failure = (
                    error
                    if isinstance(error, ModelCallError)
                    else ModelCallError(f"{type(error).__name__}: {error}")
                )
                client.failure = client.failure or failure
                return _error(400, str(failure), code="model_call_failed")

        return endpoint

    def _client_of(self, request: HTTPRequest) -> TrialClient:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        client = self._gateway.trial_of(token.strip()) if scheme.lower() == "bearer" else None
        if client is None:
            raise _RefusedError(
                401, "no valid trial token; expected 'Authorization: Bearer <the trial's token>'."
            )
        return client

    async def _chat(self, client: TrialClient, body: Any) -> Any:
        request = _chat_request(body)
        return _chat_completion(await client.ask(request, Site(classify(request))))

    async def _embeddings(self, client: TrialClient, body: Any) -> Any:
        texts, model = _embedding_texts(body), str(body.get("model", ""))
        vectors = await client.embed(texts, model)
        encode = _base64 if body.get("encoding_format") == "base64" else list
        tokens = sum(math.ceil(len(text) / 4) for text in texts)
        return {
            "object": "list",
            "model": model,
            "data": [
                {"object": "embedding", "index": index, "embedding": encode(vector)}
                for index, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    async def _models(self, client: TrialClient, body: Any) -> Any:  # noqa: ARG002
        model = {"id": self._gateway.provider.model, "object": "model", "created": 0, "owned_by": "harness"}
        return {"object": "list", "data": [model]}


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ctrl-C belongs to the session, not to this server."""
        yield


class _RefusedError(HTTPException):
    """A request that is answered without any call to a model."""


async def _body(request: HTTPRequest) -> Any:
    if request.method == "GET":
        return None
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > MAX_BODY:
            raise _RefusedError(
                413, f"the body is larger than {MAX_BODY} bytes.", headers={"connection": "close"}
            )
    try:
        body = json.loads(chunks)
    except (ValueError, RecursionError):
        raise _RefusedError(400, "the body is not JSON.") from None
    if not isinstance(body, dict):
        raise _RefusedError(400, "the body is not a JSON object.")
    return body


def _chat_request(body: Mapping[str, Any]) -> Request:
    _check_chat(body)
    return Request(
        messages=body["messages"],
        model=body.get("model") or "",
        response_format=_response_format(body.get("response_format")),
        temperature=body.get("temperature"),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        extra={name: value for name, value in body.items() if name not in _OURS and value is not None},
    )


def _check_chat(body: Mapping[str, Any]) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise _RefusedError(400, "messages: expected a list of at least one message object.")
    if body.get("stream"):
        raise _RefusedError(400, "stream=true is not supported; ask for the whole reply (stream=false).")
    if body.get("n") not in (None, 1):
        raise _RefusedError(
            400, f"n={str(body['n'])[:20]} is not supported; expected 1: ask once per sample."
        )


def _response_format(form: Any) -> Mapping[str, Any] | None:
    if form is None or (isinstance(form, dict) and form.get("type") in (None, "text")):
        return None
    if isinstance(form, dict) and form["type"] == "json_object":
        return form
    if isinstance(form, dict) and form["type"] == "json_schema" and _names_schema(form.get("json_schema")):
        return form
    raise _RefusedError(
        400, "response_format: expected type text, json_object, or json_schema with a valid schema."
    )


def _names_schema(described: Any) -> bool:
    from jsonschema import SchemaError

    from harness.llm.schemas import validator

    if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
        return False
    try:
        validator(described["schema"])
    except (SchemaError, RecursionError, ValueError):
        return False
    return True


def _chat_completion(reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.tool_calls:
        message["tool_calls"] = list(reply.tool_calls)
    return {
        "id": f"chatcmpl-{reply.call.split(':')[1][:24]}",
        "object": "chat.completion",
        "created": 0,  # the clock stays out of replies, so that equal runs are equal
        "model": reply.model,
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}],
        "usage": {
            "prompt_tokens": reply.tokens_in,
            "completion_tokens": reply.tokens_out,
            "total_tokens": reply.tokens_in + reply.tokens_out,
        },
        "system_fingerprint": reply.fingerprint,
    }


def _embedding_texts(body: Mapping[str, Any]) -> Sequence[str]:
    texts = body.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise _RefusedError(400, "input: expected a text or a list of texts.")
    return texts


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(array.array("f", vector).tobytes()).decode()


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(content, allow_nan=False), status, headers, media_type="application/json")


_TYPES = {401: "authentication_error", 404: "not_found_error", 500: "server_error"}


def _error(
    status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    kind = _TYPES.get(status, "invalid_request_error")
    return _json({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, headers)


async def _on_http_exception(request: HTTPRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if not isinstance(error, _RefusedError):
        detail = f"{request.method} {request.url.path[:200]}: {detail}; known: POST /v1/chat/completions, /v1/embeddings, GET /v1/models."
    return _error(error.status_code, detail, headers=error.headers)


async def _on_any_exception(request: HTTPRequest, error: Exception) -> Response:  # noqa: ARG001
    return _error(400, f"{type(error).__name__} in the gateway's HTTP face.")
