"""OpenAI's Responses API, both ways: a body becomes a `Request` as a chat makes one, a `Reply` becomes a response.

What would change the answer and cannot be passed on is refused by name, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.gateway.calls import Message, Reply, Request
from harness.gateway.openai_wire import MalformedError, chat_request

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_TEXTS = ("input_text", "output_text", "text")
_PASSED = ("top_p", "user", "service_tier", "safety_identifier", "prompt_cache_key")
"""What a chat completion knows under the same name."""
_WITHOUT_EFFECT = ("store", "metadata", "parallel_tool_calls")
"""What does not change the answer. Nothing is stored for later retrieval."""
_READ = ("input", "instructions", "model", "max_output_tokens", "temperature", "text", "reasoning", "stream")
_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "tools": ([],),
    "tool_choice": ("auto", "none"),
    "truncation": ("disabled",),
    "include": ([],),
    "background": (False,),
}
"""What is known in these values alone, which are those of a request that does not name it."""


def response_request(body: Mapping[str, Any]) -> Request:
    """The request that a body for ``/v1/responses`` makes. Raises `MalformedError`."""
    for problem in _problems(body):
        raise MalformedError(problem)
    text, reasoning = body.get("text") or {}, body.get("reasoning") or {}
    chat = {
        "messages": list(_messages(body)),
        "model": body.get("model"),
        "stream": body.get("stream"),
        "temperature": body.get("temperature"),
        "max_tokens": body.get("max_output_tokens"),
        "response_format": _format(text.get("format")),
        "verbosity": text.get("verbosity"),
        "reasoning_effort": reasoning.get("effort"),
    }
    return chat_request({**chat, **{name: body.get(name) for name in _PASSED}})


def _problems(body: Mapping[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        if value is None or name in (*_READ, *_PASSED, *_WITHOUT_EFFECT):
            continue
        if name not in _DEFAULTS:
            yield f"{name[:40]} is not supported; leave it out."
        elif value not in _DEFAULTS[name]:
            expected = " or ".join(repr(one) for one in _DEFAULTS[name])
            yield f"{name}={str(value)[:40]} is not supported; expected {expected}, or nothing."
    for name, known in (("text", ("format", "verbosity")), ("reasoning", ("effort", "summary"))):
        part = body.get(name)
        if part is not None and not isinstance(part, dict):
            yield f"{name}: expected an object."
        for key in part.keys() - set(known) if isinstance(part, dict) else ():
            yield f"{name}.{key[:40]} is not supported; leave it out."
    if not isinstance(body.get("instructions"), str | None):
        yield "instructions: expected a text."
    if not isinstance(body.get("max_output_tokens"), int | None):
        yield f"max_output_tokens={str(body['max_output_tokens'])[:20]!r}: wrong type."


def _messages(body: Mapping[str, Any]) -> Iterator[Message]:
    if body.get("instructions"):
        yield {"role": "system", "content": body["instructions"]}
    given = body.get("input")
    if isinstance(given, str):
        yield {"role": "user", "content": given}
    elif isinstance(given, list) and given:
        yield from (_message(item, number) for number, item in enumerate(given))
    else:
        raise MalformedError("input: expected a text, or a list of at least one message.")


def _message(item: Any, number: int) -> Message:
    if not isinstance(item, dict) or item.get("type", "message") != "message":
        kind = item.get("type") if isinstance(item, dict) else type(item).__name__
        raise MalformedError(f"input[{number}]: {str(kind)[:40]!r} is not supported; expected a message.")
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise MalformedError(f"input[{number}].role={str(role)[:40]!r}; expected one of {', '.join(_ROLES)}.")
    return {"role": _ROLES[role], "content": _content(item.get("content"), number)}


def _content(content: Any, number: int) -> str | list[dict[str, str]]:
    """A text as it is, one part as its text, several as a chat's parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise MalformedError(f"input[{number}].content: expected a text, or a list of parts.")
    texts = [_text(part, number) for part in content]
    return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]


def _text(part: Any, number: int) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in _TEXTS or not isinstance(part.get("text"), str):
        raise MalformedError(
            f"input[{number}].content: a part of type {str(kind)[:40]!r} is not supported; expected input_text."
        )
    text: str = part["text"]
    return text


def _format(form: Any) -> Any:
    """A chat's response format: there the schema stands one level deeper."""
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return form
    return {"type": "json_schema", "json_schema": {name: form[name] for name in form if name != "type"}}


def response(reply: Reply, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body that answers ``/v1/responses``."""
    refused = reply.refusal or reply.finish_reason == "content_filter"
    said = (
        {"type": "refusal", "refusal": reply.text or "declined"}
        if refused
        else {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
    )
    number = reply.call.split(":")[1][:24] if ":" in reply.call else "0"
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reply.finish_reason)
    usage = {
        "input_tokens": reply.tokens_in,
        "input_tokens_details": {
            "cached_tokens": reply.tokens_cached,
            "cache_write_tokens": reply.tokens_written,
        },
        "output_tokens": reply.tokens_out,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.tokens_in + reply.tokens_out,
    }
    return _answer(f"resp_{number}", reply.model, said, body, cut, usage)


def declined(model: str, why: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body that answers where the model declined to write the JSON that was asked for."""
    return _answer("resp_0", model, {"type": "refusal", "refusal": why}, body, None, None)


def _answer(
    name: str,
    model: str,
    said: Mapping[str, Any],
    body: Mapping[str, Any],
    cut: str | None,
    usage: Mapping[str, Any] | None,
) -> dict[str, Any]:
    status = "incomplete" if cut else "completed"
    message = {
        "type": "message",
        "id": name.replace("resp_", "msg_"),
        "role": "assistant",
        "status": status,
        "content": [said],
    }
    asked = ("instructions", "max_output_tokens", "temperature", "top_p", "text", "reasoning")
    return {
        "id": name,
        "object": "response",
        "created_at": 0,  # the clock stays out of replies, so that equal runs are equal
        "status": status,
        "error": None,
        "incomplete_details": {"reason": cut} if cut else None,
        "model": model,
        "output": [message],
        "usage": usage,
        "metadata": body.get("metadata") or {},
        "parallel_tool_calls": False,
        "previous_response_id": None,
        "store": False,
        "tool_choice": "none",
        "tools": [],
        "truncation": "disabled",
        **{one: body.get(one) for one in asked},
    }
