"""OpenAI's wire shapes, both ways: a body becomes a `Request`, a `Reply` becomes a completion."""

from __future__ import annotations

import array
import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.gateway.calls import Reply, Request
from harness.gateway.requests.schemas import checker

_OURS = frozenset(
    {
        "messages",
        "model",
        "response_format",
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "stream",
        "stream_options",
        "n",
    }
)

MOST_CHOICES = 128
"""Choices of one chat completion; OpenAI's own limit."""


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "model": str,
    "temperature": (int, float),
    "max_tokens": int,
    "max_completion_tokens": int,
    "stream": bool,
    "stream_options": dict,
    "n": int,
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
    for name, kind in _KINDS.items():
        if body.get(name) is not None and not isinstance(body[name], kind):
            yield f"{name}={str(body[name])[:20]!r}: wrong type."
    if isinstance(body.get("n"), int) and not 1 <= body["n"] <= MOST_CHOICES:
        yield f"n={str(body['n'])[:20]}; expected 1 to {MOST_CHOICES}."
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


def chat_completion(replies: Sequence[Reply]) -> dict[str, Any]:
    """The body that answers a chat completion with one choice per reply. Its usage is that of all replies."""
    first = replies[0]
    tokens_in, tokens_out = sum(one.tokens_in for one in replies), sum(one.tokens_out for one in replies)
    return {
        "id": f"chatcmpl-{first.call.split(':')[1][:24]}",
        "object": "chat.completion",
        "created": 0,  # the clock stays out of replies, so that equal runs are equal
        "model": first.model,
        "choices": [_choice(index, reply) for index, reply in enumerate(replies)],
        "usage": {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        },
        "system_fingerprint": first.fingerprint,
    }


def _choice(index: int, reply: Reply) -> dict[str, Any]:
    refusal = (reply.text or "declined") if reply.refusal else None
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": refusal}
    if reply.thoughts:
        message["reasoning_content"] = reply.thoughts
    if reply.tool_calls:
        message["tool_calls"] = list(reply.tool_calls)
    return {
        "index": index,
        "message": message,
        "finish_reason": reply.finish_reason,
        "logprobs": reply.logprobs,
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
    """The kind of call whose reply was rejected, and why; without a reason, only a question. Our own protocol.

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
