"""OpenAI-shaped requests in the terms of pydantic-ai, and its responses as `Reply`."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic_ai import ModelMessage, ModelRequest, ModelResponse
from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelRequestPart,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from harness.gateway.calls import Message, Reply, Request
from harness.gateway.replies.contents import flattened
from harness.gateway.replies.json_reading import mapping
from harness.gateway.replies.token_counts import counted, openai_usage

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_SAME_NAME = ("top_p", "top_k", "seed", "presence_penalty", "frequency_penalty")

# Requests


def conversation(messages: Sequence[Message]) -> list[ModelMessage]:
    """OpenAI's messages as the library's. A later system message becomes one of the user, in the same position."""
    names: dict[str, str] = {}  # of tools, by the id of their call
    turns: list[tuple[bool, list[Any]]] = []  # whether the model spoke, and the parts
    for message in messages:
        is_model = message.get("role") == "assistant"
        parts = list(
            _said(message, names) if is_model else _heard(message, names, is_first=not _has_turn(turns))
        )
        if turns and turns[-1][0] == is_model:
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((is_model, parts))
    if turns and not _has_turn(turns):  # an instruction alone is an instruction all the same
        turns = [(False, [UserPromptPart("\n\n".join(part.content for part in turns[0][1]))])]
    return [
        ModelResponse(parts=parts) if is_model else ModelRequest(parts=parts) for is_model, parts in turns
    ]


def _has_turn(turns: Iterable[tuple[bool, Sequence[Any]]]) -> bool:
    return any(not isinstance(part, SystemPromptPart) for _, parts in turns for part in parts)


def _said(message: Message, names: dict[str, str]) -> Iterator[ModelResponsePart]:
    if said := flattened(message.get("content")):
        yield TextPart(said)
    for call in message.get("tool_calls") or ():
        function, number = call["function"], str(call["id"])
        names[number] = function["name"]
        yield ToolCallPart(function["name"], function.get("arguments") or "{}", tool_call_id=number)


def _heard(message: Message, names: Mapping[str, str], *, is_first: bool) -> Iterator[ModelRequestPart]:
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        number = str(message.get("tool_call_id"))
        yield ToolReturnPart(names.get(number, number), flattened(content), tool_call_id=number)
    elif role in ("system", "developer") and is_first:
        yield SystemPromptPart(flattened(content))
    elif isinstance(content, str):
        yield UserPromptPart(content)
    else:
        yield UserPromptPart([_part(mapping(part)) for part in content or ()])


def _part(part: Mapping[str, Any]) -> UserContent:
    if part.get("type") == "text":
        return str(part["text"])
    if part.get("type") != "image_url":
        raise ValueError(f"content of type {str(part.get('type'))[:40]!r}")
    url = part["image_url"]["url"]
    found = re.fullmatch(r"data:(image/[a-z]+);base64,(.*)", url, re.DOTALL)
    return BinaryContent(base64.b64decode(found[2]), media_type=found[1]) if found else ImageUrl(url)


def parameters_of(request: Request) -> ModelRequestParameters:
    form = request.response_format or {}
    tools = [_tool(each["function"]) for each in request.extra.get("tools") or ()]
    if form.get("type") != "json_schema":
        return ModelRequestParameters(function_tools=tools)
    asked = form["json_schema"]
    wanted = OutputObjectDefinition(
        json_schema=dict(asked["schema"]), name=asked.get("name"), strict=asked.get("strict")
    )
    return ModelRequestParameters(function_tools=tools, output_mode="native", output_object=wanted)


def _tool(function: Mapping[str, Any]) -> ToolDefinition:
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return ToolDefinition(
        name=function["name"],
        parameters_json_schema=dict(schema),
        description=function.get("description"),
        strict=function.get("strict"),
    )


def settings_of(request: Request) -> ModelSettings:
    extra = request.extra
    stop, effort, choice = extra.get("stop"), extra.get("reasoning_effort"), extra.get("tool_choice")
    if effort is not None and effort not in _EFFORTS:
        raise ValueError(f"reasoning_effort={effort!r:.40}; expected one of {', '.join(_EFFORTS)}")
    known = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "stop_sequences": [stop] if isinstance(stop, str) else stop,
        "thinking": False if effort == "none" else effort,
        "tool_choice": [choice["function"]["name"]] if isinstance(choice, Mapping) else choice,
        **{name: extra.get(name) for name in _SAME_NAME},
    }
    return cast(ModelSettings, {name: value for name, value in known.items() if value is not None})


# Replies


def reply(response: ModelResponse, request: Request) -> Reply:
    said = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    thoughts = "".join(part.content for part in response.parts if isinstance(part, ThinkingPart))
    calls = [
        {
            "id": part.tool_call_id,
            "type": "function",
            "function": {"name": part.tool_name, "arguments": part.args_as_json_str()},
        }
        for part in response.parts
        if isinstance(part, ToolCallPart)
    ]
    reason: str = response.finish_reason or "stop"
    if calls and reason in ("stop", "tool_call"):  # Google's models stop with their calls
        reason = "tool_calls"
    usage = _usage(response)
    return Reply(
        said,
        model=response.model_name or "",
        finish_reason=reason,
        tool_calls=calls,
        refusal=reason == "content_filter",
        thoughts=thoughts,
        **counted(usage, openai_usage(usage), request, says_something=bool(said or calls or thoughts)),
    )


def _usage(response: ModelResponse) -> dict[str, Any] | None:
    """The tokens in OpenAI's names; ``None`` where the vendor states none."""
    used = response.usage
    if not used.input_tokens and not used.output_tokens:
        return None
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": used.cache_read_tokens,
            "cache_write_tokens": used.cache_write_tokens,
        },
    }
