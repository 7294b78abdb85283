"""OpenAI's Responses API, both ways: a body becomes a `Request` as a chat makes one, a `Reply` becomes a response.

What would change the answer and cannot be passed on is refused by name, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.gateway.calls import Message, Reply, Request
from harness.gateway.server.chat_completions import MalformedError, chat_request

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_TEXTS = ("input_text", "output_text", "text")
_PASSED = ("top_p", "user", "service_tier", "safety_identifier", "prompt_cache_key")
"""What a chat completion knows under the same name."""
_WITHOUT_EFFECT = ("store", "metadata", "stream_options")
"""What does not change the answer. Nothing is stored for later retrieval."""
_READ = (
    *("input", "instructions", "model", "max_output_tokens", "temperature", "text", "reasoning"),
    *("stream", "tools", "tool_choice", "parallel_tool_calls"),
)
_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
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
        **_tools(body),
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


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """Tools and their choice as a chat has them: the function stands one level deeper."""
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise MalformedError("tools: expected a list.")
    for number, tool in enumerate(tools):
        kind = tool.get("type") if isinstance(tool, dict) else type(tool).__name__
        if kind != "function" or not isinstance(tool.get("name"), str):
            raise MalformedError(
                f"tools[{number}]: {str(kind)[:40]!r} is not supported; expected a function."
            )
    if not tools:
        return {}
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        if choice.get("type") != "function" or not isinstance(choice.get("name"), str):
            raise MalformedError("tool_choice: expected auto, none, required, or a function by its name.")
        choice = {"type": "function", "function": {"name": choice["name"]}}
    return {
        "tools": [_chat_tool(tool) for tool in tools],
        "tool_choice": choice,
        "parallel_tool_calls": body.get("parallel_tool_calls"),
    }


def _chat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {name: tool[name] for name in kept if tool.get(name) is not None}}


def _messages(body: Mapping[str, Any]) -> Iterator[Message]:
    if body.get("instructions"):
        yield {"role": "system", "content": body["instructions"]}
    given = body.get("input")
    if isinstance(given, str):
        yield {"role": "user", "content": given}
    elif isinstance(given, list) and given:
        yield from _conversation(given)
    else:
        raise MalformedError("input: expected a text, or a list of at least one message.")


def _conversation(items: Sequence[Any]) -> Iterator[Message]:
    """A chat's messages; the calls that follow one another, or a message of the assistant, belong to one message."""
    said: dict[str, Any] | None = None
    for number, item in enumerate(items):
        kind = item.get("type", "message") if isinstance(item, dict) else type(item).__name__
        if kind == "function_call":
            said = said or {"role": "assistant", "content": None}
            said.setdefault("tool_calls", []).append(_call(item, number))
            continue
        message = _result(item, number) if kind == "function_call_output" else _message(item, number)
        if said is not None:
            yield said
        said = message if message["role"] == "assistant" else None
        if said is None:
            yield message
    if said is not None:
        yield said


def _call(item: Mapping[str, Any], number: int) -> dict[str, Any]:
    parts = [item.get(name) for name in ("call_id", "name", "arguments")]
    if not all(isinstance(part, str) for part in parts):
        raise MalformedError(f"input[{number}]: expected call_id, name and arguments as texts.")
    name, function, arguments = parts
    return {"id": name, "type": "function", "function": {"name": function, "arguments": arguments}}


def _result(item: Mapping[str, Any], number: int) -> dict[str, Any]:
    if not isinstance(item.get("call_id"), str):
        raise MalformedError(f"input[{number}].call_id: expected a text.")
    content = _content(item.get("output"), number)
    return {"role": "tool", "tool_call_id": item["call_id"], "content": content}


def _message(item: Any, number: int) -> dict[str, Any]:
    if not isinstance(item, dict) or item.get("type", "message") != "message":
        kind = item.get("type") if isinstance(item, dict) else type(item).__name__
        raise MalformedError(f"input[{number}]: {str(kind)[:40]!r} is not supported; expected a message.")
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise MalformedError(f"input[{number}].role={str(role)[:40]!r}; expected one of {', '.join(_ROLES)}.")
    return {"role": _ROLES[role], "content": _content(item.get("content"), number)}


def _content(content: Any, number: int) -> str | list[dict[str, Any]]:
    """A string unchanged, a single text part as its text, other parts as parts of a chat."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise MalformedError(f"input[{number}].content: expected a text, or a list of parts.")
    parts = [_part(part, number) for part in content]
    text = parts[0].get("text") if len(parts) == 1 else None
    return parts if text is None else str(text)


def _part(part: Any, number: int) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in _TEXTS and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return {"type": "text", "text": part["refusal"]}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        detail = {"detail": part["detail"]} if part.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}
    raise MalformedError(
        f"input[{number}].content: a part of type {str(kind)[:40]!r} is not supported; expected input_text, or "
        "input_image with an image_url."
    )


def _format(form: Any) -> Any:
    """A chat's response format: there the schema stands one level deeper."""
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return form
    return {"type": "json_schema", "json_schema": {name: form[name] for name in form if name != "type"}}


def response(reply: Reply, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body that answers ``/v1/responses``."""
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
    status = "incomplete" if cut else "completed"
    return _answer(f"resp_{number}", reply.model, list(_output(reply, number, status)), body, cut, usage)


def _output(reply: Reply, number: str, status: str) -> Iterator[dict[str, Any]]:
    """What was said as a message, then the calls; a reply without either is a message without text."""
    if reply.refusal or reply.finish_reason == "content_filter":
        yield _said(number, {"type": "refusal", "refusal": reply.text or "declined"}, status)
    elif reply.text or not reply.tool_calls:
        part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        yield _said(number, part, status)
    for index, call in enumerate(reply.tool_calls):
        function = call["function"]
        yield {
            "type": "function_call",
            "id": f"fc_{number}_{index}",
            "call_id": call["id"],
            "name": function["name"],
            "arguments": function["arguments"],
            "status": status,
        }


def _said(number: str, part: Mapping[str, Any], status: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": f"msg_{number}",
        "role": "assistant",
        "status": status,
        "content": [part],
    }


def declined(model: str, why: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body that answers where the model declined to write the JSON that was asked for."""
    said = _said("0", {"type": "refusal", "refusal": why}, "completed")
    return _answer("resp_0", model, [said], body, None, None)


def _answer(
    name: str,
    model: str,
    output: Sequence[Mapping[str, Any]],
    body: Mapping[str, Any],
    cut: str | None,
    usage: Mapping[str, Any] | None,
) -> dict[str, Any]:
    asked = ("instructions", "max_output_tokens", "temperature", "top_p", "text", "reasoning")
    return {
        "id": name,
        "object": "response",
        "created_at": 0,  # the clock stays out of replies, so that equal runs are equal
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": cut} if cut else None,
        "model": model,
        "output": output,
        "usage": usage,
        "metadata": body.get("metadata") or {},
        "parallel_tool_calls": body.get("parallel_tool_calls", True) is not False,
        "previous_response_id": None,
        "store": False,
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "truncation": "disabled",
        **{one: body.get(one) for one in asked},
    }
