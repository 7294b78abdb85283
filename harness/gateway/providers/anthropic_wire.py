"""OpenAI-shaped requests as Anthropic's Messages API wants them, and its replies as `Reply`. Pure.

Source of the shapes: platform.claude.com/docs, "Messages", "Tool use", "Structured outputs", "Handling stop reasons".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from harness.console import logger
from harness.gateway.calls import Message, Reply, Request
from harness.gateway.providers.strict_schemas import is_expressible, plain
from harness.gateway.replies.contents import thoughts_beside
from harness.gateway.replies.json_reading import label, mapping, sequence, text
from harness.gateway.replies.token_counts import anthropic_usage, counted
from harness.gateway.replies.tool_arguments import UnreadableArgumentsError, read_arguments
from harness.gateway.replies.tool_calls import tool_calls

Schema = Mapping[str, Any]
Block = dict[str, Any]

MAX_TOKENS = 4096
"""The limit where the request has none: Anthropic's API demands one."""

_OURS = frozenset({"tools", "tool_choice", "parallel_tool_calls", "stop", "user", "reasoning_effort"})
UNKNOWN_THERE = frozenset(
    {"frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "store", "prediction"}
)
"""Fields without a counterpart: left out of foreign code's requests, and refused where they are declared."""
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_log = logger(__name__)


class NoCounterpartError(Exception):
    """What the request asks cannot be asked of Anthropic; the text says what. Repeating is in vain."""


def parameters(request: Request, *, model: str, strict: Callable[[Any], Any]) -> dict[str, Any]:
    """The body of a request for a message. ``strict`` makes a schema one that structured outputs take, or raises.

    Raises `NoCounterpartError`. Parameters without a counterpart (frequency_penalty, …) are not sent; the log says so.
    """
    system, messages = conversation(request.messages)
    config = _format(request, strict)
    extra = _passed_on(request.extra)
    known = {
        "model": request.model or model,
        "max_tokens": request.max_tokens or MAX_TOKENS,
        "system": system,
        "messages": messages,
        "metadata": {"user_id": request.extra["user"]} if request.extra.get("user") else None,
        "stop_sequences": _as_list(request.extra.get("stop")),
        **_tools(request.extra),
        "output_config": config,
    }
    sampling = {} if request.temperature is None else {"temperature": request.temperature}
    return {name: value for name, value in known.items() if value} | sampling | extra


def reply(message: Mapping[str, Any], *, request: Request) -> Reply:
    """The API's message, answering ``request``. ``tokens_in`` is all that was read, caches included."""
    blocks = [block for block in sequence(message.get("content")) if isinstance(block, Mapping)]
    said = "".join(text(block.get("text")) for block in blocks if block.get("type") == "text")
    calls = tool_calls([_call(block) for block in blocks if block.get("type") == "tool_use"])
    stopped, thoughts = label(message.get("stop_reason")), thoughts_beside(message)
    refused = stopped == "refusal"
    usage = message.get("usage")
    explanation = text(mapping(message.get("stop_details")).get("explanation"))
    return Reply(
        (said or explanation) if refused else said,
        model=label(message.get("model")),
        finish_reason=_REASONS.get(stopped, "stop"),
        tool_calls=calls,
        refusal=refused,
        thoughts=thoughts,
        **counted(usage, anthropic_usage(usage), request, says_something=bool(said or calls or thoughts)),
    )


# Messages


def conversation(messages: Sequence[Message]) -> tuple[str, list[dict[str, Any]]]:
    """The system text (all that comes before the first turn), and turns of user and assistant, alternating.

    A later system message becomes a user message in the same position, which may matter.
    """
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer") and not turns:
            system += [block["text"] for block in _blocks(message.get("content")) if block["type"] == "text"]
            continue
        _append(turns, "assistant" if role == "assistant" else "user", list(_said(message)))
    if not turns:  # an instruction alone is an instruction all the same
        return "", [{"role": "user", "content": [{"type": "text", "text": "\n\n".join(system)}]}]
    return "\n\n".join(system), turns


def _append(turns: list[dict[str, Any]], role: str, blocks: list[Block]) -> None:
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    elif blocks:
        turns.append({"role": role, "content": blocks})


def _said(message: Message) -> Iterator[Block]:
    if message.get("role") == "tool":
        content = list(_blocks(message.get("content")))
        yield {"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": content}
        return
    yield from _blocks(message.get("content"))
    for call in message.get("tool_calls") or ():
        made = call["function"]
        yield {
            "type": "tool_use",
            "id": call["id"],
            "name": made["name"],
            "input": _object(made.get("arguments")),
        }


def _blocks(content: Any) -> Iterator[Block]:
    """Anthropic's blocks of OpenAI's content; empty texts, which it refuses, are left out."""
    parts: Sequence[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content or ()
    for part in parts:
        if part.get("type") == "text":
            if part["text"]:
                yield {"type": "text", "text": part["text"]}
        elif part.get("type") == "image_url":
            yield {"type": "image", "source": _image(part["image_url"]["url"])}
        else:
            raise NoCounterpartError(f"content of type {str(part.get('type'))[:40]!r}")


def _image(url: str) -> Block:
    found = re.fullmatch(r"data:(image/[a-z]+);base64,(.*)", url, re.DOTALL)
    return (
        {"type": "base64", "media_type": found[1], "data": found[2]} if found else {"type": "url", "url": url}
    )


def _object(arguments: Any) -> Any:
    """A tool call's arguments; a model may have written them wrongly, and must see what it wrote."""
    try:
        return read_arguments(arguments)
    except UnreadableArgumentsError:
        return {"arguments": arguments}


# Tools and formats


def _tools(extra: Mapping[str, Any]) -> dict[str, Any]:
    tools = [_tool(each["function"]) for each in extra.get("tools") or () if "function" in each]
    if not tools:
        return {}
    wish = extra.get("tool_choice") or "auto"
    choice: Block
    if isinstance(wish, Mapping):
        choice = {"type": "tool", "name": wish["function"]["name"]}
    else:
        choice = {"type": _CHOICES.get(wish, "auto")}
    if extra.get("parallel_tool_calls") is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tools": tools, "tool_choice": choice}


def _tool(function: Mapping[str, Any]) -> Block:
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    named = {"name": function["name"], "input_schema": dict(schema)}
    return named | ({"description": function["description"]} if function.get("description") else {})


def needs_words(request: Request) -> bool:
    """Whether structured outputs cannot express the format of ``request``.

    A forced tool would be no way either: newer models refuse forced tools.
    """
    schema = _wanted(request)
    return request.response_format is not None if schema is None else not is_expressible(plain(schema))


def _format(request: Request, strict: Callable[[Any], Any]) -> Block:
    """``output_config``."""
    effort = request.extra.get("reasoning_effort")
    if effort is not None and effort not in _EFFORTS:
        raise NoCounterpartError(f"reasoning_effort={effort!r:.40} (expected one of {', '.join(_EFFORTS)})")
    config: Block = {} if effort is None else {"effort": effort}
    schema = _wanted(request)
    if schema is None:
        return config
    return config | {"format": {"type": "json_schema", "schema": strict(plain(schema))}}


def _wanted(request: Request) -> Schema | None:
    form = request.response_format or {}
    schema = form.get("json_schema", {}).get("schema") if form.get("type") == "json_schema" else None
    return schema if isinstance(schema, Mapping) else None


def _passed_on(extra: Mapping[str, Any]) -> dict[str, Any]:
    """What is left for the API to judge, under its own names (top_p, top_k, thinking, service_tier, …)."""
    if extra.get("seed") is not None:
        raise NoCounterpartError("a seed (run without a provider seed)")
    idle = sorted(name for name in UNKNOWN_THERE & extra.keys() if extra[name])
    if idle:
        _log.warning("Anthropic's API has no %s: not sent.", ", ".join(idle))
    return {
        name: value
        for name, value in extra.items()
        if name not in _OURS | UNKNOWN_THERE and value is not None
    }


def _as_list(value: Any) -> list[str] | None:
    return [value] if isinstance(value, str) else value


# Replies


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": block.get("name"), "arguments": block.get("input")}
    return {"id": block.get("id"), "type": "function", "function": function}
