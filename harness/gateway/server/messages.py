"""Anthropic's Messages API at the gateway's server: a body becomes a `Request`, a `Reply` becomes a message.

What would change the answer and cannot be passed on is refused by name. Source of the shapes: platform.claude.com/docs,
"Messages" and "Streaming messages".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.gateway.calls import Message, Reply, Request
from harness.gateway.replies.tool_arguments import ToolCall
from harness.gateway.server.chat_completions import MalformedError, chat_request

_READ = frozenset(
    {
        *("messages", "system", "model", "max_tokens", "temperature", "stream", "stop_sequences"),
        *("tools", "tool_choice", "metadata", "output_config"),
    }
)
_PASSED = ("top_p", "top_k", "service_tier")
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_STOPPED = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def message_request(body: Mapping[str, Any]) -> Request:
    """The request that a body for ``/v1/messages`` makes. Raises `MalformedError`."""
    for name in body.keys() - _READ - {*_PASSED}:
        if body[name] is not None:
            raise MalformedError(f"{name[:40]} is not supported; leave it out.")
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        raise MalformedError("max_tokens: expected a whole number of at least 1.")
    chat = {
        "messages": [*_system(body.get("system")), *_conversation(body.get("messages"))],
        **{name: body.get(name) for name in ("model", "max_tokens", "temperature", "stream", *_PASSED)},
        "stop": body.get("stop_sequences") or None,
        "user": (body.get("metadata") or {}).get("user_id"),
        "response_format": _format(body.get("output_config")),
        **_tools(body),
    }
    return chat_request(chat)


def _system(system: Any) -> Iterator[Message]:
    if system:
        parts = _parts(system, "system")
        yield {"role": "system", "content": "\n\n".join(str(part.get("text", "")) for part in parts)}


def _conversation(messages: Any) -> Iterator[Message]:
    if not isinstance(messages, list) or not messages:
        raise MalformedError("messages: expected a list of at least one message.")
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("user", "assistant"):
            raise MalformedError(f"{place}.role={str(role)[:40]!r}; expected user or assistant.")
        yield from _message(role, _parts(message.get("content"), place))


def _message(role: str, parts: Sequence[Mapping[str, Any]]) -> Iterator[Message]:
    """The results of tools first, each a message, as a chat wants them; then what was said, with its calls."""
    yield from (part for part in parts if part.get("role") == "tool")
    calls = [part for part in parts if part.get("type") == "function"]
    said = [part for part in parts if part.get("type") in ("text", "image_url")]
    if not said and not calls:
        return
    text = said[0]["text"] if len(said) == 1 and said[0]["type"] == "text" else None
    message: dict[str, Any] = {"role": role, "content": (text or said) if said else None}
    yield message | ({"tool_calls": calls} if calls else {})


def _parts(content: Any, place: str) -> Sequence[Mapping[str, Any]]:
    """Text parts, images, calls and results as a chat has them."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise MalformedError(f"{place}: expected a text, or a list of blocks.")
    return [_part(block, f"{place}.content[{number}]") for number, block in enumerate(content)]


def _part(block: Any, place: str) -> Mapping[str, Any]:
    kind = block.get("type") if isinstance(block, dict) else type(block).__name__
    try:
        if kind == "text":
            return {"type": "text", "text": str(block["text"])}
        if kind == "image":
            return {"type": "image_url", "image_url": {"url": _url(block["source"])}}
        if kind == "tool_use":
            function = {"name": str(block["name"]), "arguments": json.dumps(block["input"])}
            return {"type": "function", "id": str(block["id"]), "function": function}
        if kind == "tool_result":
            return _result(block, place)
    except (KeyError, TypeError):
        raise MalformedError(f"{place}: not a block of type {kind}.") from None
    raise MalformedError(
        f"{place}: {str(kind)[:40]!r} is not supported; expected text, image, tool_use or tool_result."
    )


def _result(block: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    parts = _parts(block.get("content") or "", place)
    content = "\n\n".join(str(part.get("text", "")) for part in parts)
    if any(part.get("type") != "text" for part in parts):
        raise MalformedError(f"{place}: a result with an image is not supported; expected text.")
    return {"role": "tool", "tool_call_id": str(block["tool_use_id"]), "content": content}


def _url(source: Mapping[str, Any]) -> str:
    if source["type"] == "url":
        return str(source["url"])
    return f"data:{source['media_type']};base64,{source['data']}"


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    tools, choice = body.get("tools") or [], body.get("tool_choice") or {"type": "auto"}
    if not isinstance(tools, list) or not isinstance(choice, dict):
        raise MalformedError("tools: expected a list, and tool_choice an object.")
    if not tools:
        return {}
    named = {"type": "function", "function": {"name": choice.get("name")}}
    wish = named if choice.get("type") == "tool" else _CHOICES.get(str(choice.get("type")))
    if wish is None:
        raise MalformedError(
            f"tool_choice.type={str(choice.get('type'))[:40]!r}; expected auto, any, tool or none."
        )
    parallel = False if choice.get("disable_parallel_tool_use") else None
    return {
        "tools": [_tool(tool, number) for number, tool in enumerate(tools)],
        "tool_choice": wish,
        "parallel_tool_calls": parallel,
    }


def _tool(tool: Any, number: int) -> dict[str, Any]:
    kind = tool.get("type") or "custom" if isinstance(tool, dict) else type(tool).__name__
    if kind != "custom" or not isinstance(tool.get("input_schema"), dict):
        raise MalformedError(
            f"tools[{number}]: {str(kind)[:40]!r} is not supported; expected name and input_schema."
        )
    described = {"description": tool["description"]} if tool.get("description") else {}
    return {
        "type": "function",
        "function": {"name": tool.get("name"), **described, "parameters": tool["input_schema"]},
    }


def _format(config: Any) -> Any:
    if config is None:
        return None
    form = config.get("format") if isinstance(config, dict) else None
    if not isinstance(form, dict) or set(config) != {"format"} or form.get("type") != "json_schema":
        raise MalformedError("output_config: expected a format of type json_schema, and nothing else.")
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": form.get("schema")}}


def message(reply: Reply) -> dict[str, Any]:
    """The body that answers ``/v1/messages``. ``input_tokens`` leaves out what went through the cache, as there."""
    said = [{"type": "text", "text": reply.text}] if reply.text else []
    return {
        "id": f"msg_{reply.call.split(':')[1][:24] if ':' in reply.call else '0'}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [*said, *(_tool_use(*pair) for pair in zip(reply.calls, reply.tool_calls, strict=True))],
        "stop_reason": "refusal" if reply.refusal else _STOPPED.get(reply.finish_reason, "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.tokens_in - reply.tokens_cached - reply.tokens_written,
            "cache_read_input_tokens": reply.tokens_cached,
            "cache_creation_input_tokens": reply.tokens_written,
            "output_tokens": reply.tokens_out,
        },
    }


def _tool_use(call: ToolCall, written: Mapping[str, Any]) -> dict[str, Any]:
    """Unreadable arguments pass unchanged, so that the tool rejects them and the model sees why."""
    arguments = {"arguments": call.written} if call.arguments is None else dict(call.arguments)
    return {"type": "tool_use", "id": written["id"], "name": call.name, "input": arguments}


def error_body(kind: str, text: str) -> dict[str, Any]:
    """The body of an answer that tells an error."""
    return {"type": "error", "error": {"type": kind, "message": text}}
