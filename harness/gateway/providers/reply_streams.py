"""Join the events of a streamed reply into the object that the server would have sent whole. Pure.

Shapes: OpenAI's chat completion chunks, and the events of Anthropic's Messages API, as server-sent events.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.gateway.replies.json_reading import mapping, parse, sequence, text

MOST_BLOCKS = 1_000
"""Blocks and tool calls of one reply that are read; a server that numbers them higher sends nonsense."""

_TOKEN = re.compile(
    rb'"(?:content|reasoning_content|reasoning|refusal|arguments|text|thinking|partial_json)"\s*:\s*"[^"]'
)
"""A part of a reply with something in it: of its words, its thoughts, or a tool call's arguments."""

_BLOCK_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


class CutStreamError(ValueError):
    """The stream ended before the reply did."""


def has_token(body: bytes) -> bool:
    """Whether the events in ``body`` have a first token.

    >>> has_token(b'data: {"choices": [{"delta": {"content": ""}}]}'), has_token(b'data: {"delta": {"text": "H"}}')
    (False, True)
    """
    return _TOKEN.search(body) is not None


def events(body: bytes) -> list[Mapping[str, Any]]:
    """The JSON objects of a stream of events; comments, names and ``[DONE]`` are left out. Raises `ValueError`."""
    lines = body.decode().replace("\r\n", "\n").split("\n")
    found = (line[5:].strip() for line in lines if line.startswith("data:"))
    return [mapping(parse(one.encode())) for one in found if one and one != "[DONE]"]


def joined_completion(chunks: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """OpenAI's chunks as one chat completion. Raises `CutStreamError`; an error among them is given as it is."""
    whole: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: dict[int, dict[str, Any]] = {}
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": None}
    has_choice = False
    for chunk in chunks:
        if chunk.get("error"):
            return chunk
        whole |= {name: value for name, value in chunk.items() if name != "choices" and value is not None}
        for part in map(mapping, sequence(chunk.get("choices"))):
            if part.get("index", 0) != 0:
                continue
            has_choice = True
            if part.get("error"):
                return {"error": part["error"]}
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
            _join_logprobs(choice, mapping(part.get("logprobs")))
            delta = mapping(part.get("delta"))
            _join_members(message, {name: value for name, value in delta.items() if name != "tool_calls"})
            for call in map(mapping, sequence(delta.get("tool_calls"))):
                _join_call(calls, call)
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    if has_choice and choice["finish_reason"] is None:
        raise CutStreamError("the stream ended before the reply did")
    return whole | {"choices": [choice] if has_choice else []}


def joined_message(parts: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Anthropic's events as one message. Raises `CutStreamError`; an error among them is given as it is."""
    whole: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    is_whole = False
    for part in parts:
        kind, index = part.get("type"), _index(part)
        if kind == "error":
            return part
        if kind == "message_start":
            whole = dict(mapping(part.get("message")))
        elif kind == "content_block_start":
            blocks[index] = dict(mapping(part.get("content_block")))
        elif kind == "content_block_delta":
            delta = mapping(part.get("delta"))
            name = _BLOCK_TEXTS.get(str(delta.get("type")))
            if name:
                block = blocks.setdefault(index, {"type": name})
                block[name] = text(block.get(name)) + text(delta.get(name))
            elif delta.get("type") == "input_json_delta":
                inputs[index] = inputs.get(index, "") + text(delta.get("partial_json"))
        elif kind == "message_delta":
            whole |= mapping(part.get("delta"))
            used = {name: value for name, value in mapping(part.get("usage")).items() if value is not None}
            whole["usage"] = {**mapping(whole.get("usage")), **used}
        is_whole = is_whole or kind == "message_stop"
    if not is_whole:
        raise CutStreamError("the stream ended before the reply did")
    for index, written in inputs.items():
        if written:
            blocks.setdefault(index, {"type": "tool_use"})["input"] = _object(written)
    return whole | {"content": [blocks[index] for index in sorted(blocks)]}


def _join_members(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add the members of a chunk: texts and lists grow, anything else replaces what was there."""
    for name, value in delta.items():
        known = message.get(name)
        if name != "role" and isinstance(value, str) and isinstance(known, str | None):
            message[name] = (known or "") + value
        elif isinstance(value, list):
            message[name] = [*sequence(known), *value]
        elif value is not None:
            message[name] = value


def _join_call(calls: dict[int, dict[str, Any]], part: Mapping[str, Any]) -> None:
    call = calls.setdefault(_index(part), {"type": "function", "function": {"name": "", "arguments": ""}})
    call |= {name: value for name, value in part.items() if name not in ("index", "function") and value}
    function = mapping(part.get("function"))
    for name in ("name", "arguments"):
        value = function.get(name)
        call["function"][name] += value if isinstance(value, str) else json.dumps(value) if value else ""


def _join_logprobs(choice: dict[str, Any], found: Mapping[str, Any]) -> None:
    if tokens := sequence(found.get("content")):
        known = sequence(mapping(choice.get("logprobs")).get("content"))
        choice["logprobs"] = {"content": [*known, *tokens]}


def _index(part: Mapping[str, Any]) -> int:
    found = part.get("index", 0)
    if not isinstance(found, int) or not 0 <= found < MOST_BLOCKS:
        raise ValueError(f"a part of the stream has the index {str(found)[:20]!r}")
    return found


def _object(written: str) -> Any:
    """A tool call's input; what is not JSON stays a text, to be judged with the arguments."""
    try:
        return json.loads(written)
    except ValueError:
        return written
