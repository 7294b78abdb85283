"""Finished bodies as event streams: what a client that asked for ``stream`` reads.

A reply is journaled before its trial sees any of it, so a stream begins when the whole reply is there. It is cut into
pieces so that clients put it together as they would a provider's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Event = tuple[str, Mapping[str, Any]]
"""The event's name, empty for none, and its data."""

SHORTEST_PIECE = 24
"""Characters of a piece of text, at least."""
MOST_PIECES = 64
"""Pieces that one text is cut into, at most."""


def chat_events(completion: Mapping[str, Any], *, include_usage: bool) -> Iterator[bytes]:
    """A chat completion as OpenAI's chunks, ``[DONE]`` last; with a chunk of usage if requested."""
    shared = {name: completion[name] for name in ("id", "created", "model", "system_fingerprint")}
    shared["object"] = "chat.completion.chunk"
    if include_usage:
        shared["usage"] = None
    for choice in completion["choices"]:
        for delta in _chat_deltas(choice["message"]):
            yield _data({**shared, "choices": [_chunk_choice(choice, delta)]})
        last = {**_chunk_choice(choice, {}), "finish_reason": choice["finish_reason"]}
        yield _data({**shared, "choices": [last | {"logprobs": choice["logprobs"]}]})
    if include_usage:
        yield _data({**shared, "choices": [], "usage": completion["usage"]})
    yield b"data: [DONE]\n\n"


def _chunk_choice(choice: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    return {"index": choice["index"], "delta": delta, "finish_reason": None, "logprobs": None}


def _chat_deltas(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for name in ("reasoning_content", "content", "refusal"):
        yield from ({name: piece} for piece in _pieces(message.get(name) or ""))
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        opened = {**call, "index": index, "function": {**function, "arguments": ""}}
        yield {"tool_calls": [opened]}
        for piece in _pieces(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def response_events(response: Mapping[str, Any]) -> Iterator[bytes]:
    """A response as the events of OpenAI's Responses API, numbered from 0."""
    for number, (name, data) in enumerate(_response_events(response)):
        yield _data({"type": name, "sequence_number": number, **data}, name)


def _response_events(response: Mapping[str, Any]) -> Iterator[Event]:
    begun = {**response, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(response["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        empty: dict[str, Any] = {"arguments": ""} if item["type"] == "function_call" else {"content": []}
        opened = {**item, "status": "in_progress", **empty}
        yield "response.output_item.added", {"output_index": index, "item": opened}
        yield from _call_events(item, place) if "arguments" in item else _message_events(item, place)
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield f"response.{response['status']}", {"response": response}


def _call_events(item: Mapping[str, Any], place: Mapping[str, Any]) -> Iterator[Event]:
    for piece in _pieces(item["arguments"]):
        yield "response.function_call_arguments.delta", {**place, "delta": piece}
    done = {**place, "name": item["name"], "arguments": item["arguments"]}
    yield "response.function_call_arguments.done", done


def _message_events(item: Mapping[str, Any], place: Mapping[str, Any]) -> Iterator[Event]:
    for index, part in enumerate(item["content"]):
        here = {**place, "content_index": index}
        kind, field = ("refusal", "refusal") if part["type"] == "refusal" else ("output_text", "text")
        more: dict[str, Any] = {} if kind == "refusal" else {"logprobs": []}
        yield "response.content_part.added", {**here, "part": {**part, field: ""}}
        for piece in _pieces(part[field]):
            yield f"response.{kind}.delta", {**here, "delta": piece, **more}
        yield f"response.{kind}.done", {**here, field: part[field], **more}
        yield "response.content_part.done", {**here, "part": part}


def message_events(message: Mapping[str, Any]) -> Iterator[bytes]:
    """A message as the events of Anthropic's Messages API."""
    for name, data in _anthropic_events(message):
        yield _data({"type": name, **data}, name)


def _anthropic_events(message: Mapping[str, Any]) -> Iterator[Event]:
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 0}}
    yield "message_start", {"message": begun}
    for index, block in enumerate(message["content"]):
        is_call = block["type"] == "tool_use"
        opened = {**block, **({"input": {}} if is_call else {"text": ""})}
        yield "content_block_start", {"index": index, "content_block": opened}
        for piece in _pieces(json.dumps(block["input"]) if is_call else block["text"]):
            delta = (
                {"type": "input_json_delta", "partial_json": piece}
                if is_call
                else {"type": "text_delta", "text": piece}
            )
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield "message_delta", {"delta": ended, "usage": {"output_tokens": usage["output_tokens"]}}
    yield "message_stop", {}


def _pieces(text: str) -> Iterable[str]:
    size = max(SHORTEST_PIECE, -(-len(text) // MOST_PIECES))
    return (text[start : start + size] for start in range(0, len(text), size))


def _data(content: Mapping[str, Any], name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(content, allow_nan=False)}\n\n".encode()
