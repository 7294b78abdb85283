"""OpenAI's wire shapes, both ways: a body becomes a `Request`, a `Reply` becomes a completion."""

from __future__ import annotations

import array
import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.gateway.calls import Reply, Request
from harness.gateway.schemas import checker

_OURS = frozenset(
    {
        "messages",
        "model",
        "response_format",
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "stream",
        "n",
    }
)


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "model": str,
    "temperature": (int, float),
    "max_tokens": int,
    "max_completion_tokens": int,
}


MOST_TEXTS = 2048
"""Texts in one request for embeddings; OpenAI's own limit."""


LONGEST_REASON = 500
"""Characters of a rejection's reason that are kept."""


class MalformedError(ValueError):
    """A body that is not a request which can be served; the text says what was expected."""


def parse_body(text: bytes) -> dict[str, Any]:
    """The JSON object that ``text`` is. Raises `MalformedError`."""
    try:
        body = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise MalformedError("the body is not JSON.") from None
    if not isinstance(body, dict):
        raise MalformedError("the body is not a JSON object.")
    return body


def chat_request(body: Mapping[str, Any]) -> Request:
    """The request that a chat completion's body makes. Raises `MalformedError`."""
    for problem in _problems(body):
        raise MalformedError(problem)
    form = body.get("response_format")
    return Request(
        messages=body["messages"],
        model=body.get("model") or "",
        response_format=None if form is None or form["type"] == "text" else form,
        temperature=body.get("temperature"),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        extra={name: value for name, value in body.items() if name not in _OURS and value is not None},
    )


def _problems(body: Mapping[str, Any]) -> Iterator[str]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        yield "messages: expected a list of at least one message object."
    if body.get("stream"):
        yield "stream=true is not supported; ask for the whole reply (stream=false)."
    if body.get("n") not in (None, 1):
        yield f"n={str(body['n'])[:20]} is not supported; expected 1: ask once per sample."
    for name, kind in _KINDS.items():
        if body.get(name) is not None and not isinstance(body[name], kind):
            yield f"{name}={str(body[name])[:20]!r}: wrong type."
    if not _is_format(body.get("response_format")):
        yield "response_format: expected type text, json_object, or json_schema with a valid schema."


def _is_format(form: Any) -> bool:
    if form is None:
        return True
    if not isinstance(form, dict) or form.get("type") not in ("text", "json_object", "json_schema"):
        return False
    return form["type"] != "json_schema" or _is_schema(form.get("json_schema"))


def _is_schema(described: Any) -> bool:
    from jsonschema import SchemaError

    if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
        return False
    try:
        checker(described["schema"]).require_valid_schema()
    except (SchemaError, RecursionError):
        return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def chat_completion(reply: Reply) -> dict[str, Any]:
    """The body that answers a chat completion."""
    refusal = (reply.text or "declined") if reply.refusal else None
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": refusal}
    if reply.thoughts:
        message["reasoning_content"] = reply.thoughts
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


def embedding_texts(body: Mapping[str, Any]) -> Sequence[str]:
    """The texts to embed. Raises `MalformedError`."""
    texts = body.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise MalformedError("input: expected a text or a list of texts.")
    if len(texts) > MOST_TEXTS:
        raise MalformedError(f"input: {len(texts):,} texts; expected at most {MOST_TEXTS:,} in one request.")
    return texts


def rejection(body: Mapping[str, Any]) -> tuple[str, str | None]:
    """The kind of call whose reply was of no use, and why; without a reason it is but a question. Our own protocol.

    Raises `MalformedError`.
    """
    kind, reason = body.get("kind"), body.get("reason")
    if not isinstance(kind, str) or not isinstance(reason, str | None):
        raise MalformedError("expected 'kind', a text, and 'reason', a text or null.")
    return kind, None if reason is None else reason[:LONGEST_REASON]


def embeddings(
    texts: Sequence[str], vectors: Sequence[Sequence[float]], model: str, *, packed: bool
) -> dict[str, Any]:
    """The body that answers an embeddings request; ``packed`` means base64 of 32-bit floats."""
    encode = _base64 if packed else list
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


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(array.array("f", vector).tobytes()).decode()
