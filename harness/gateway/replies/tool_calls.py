"""The tool calls of a reply, in OpenAI's shape whatever the server sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.gateway.replies.json_reading import label, mapping, sequence, shallow, written


def tool_calls(value: Any) -> Sequence[Mapping[str, Any]]:
    """Each call with its id, type, and the name and arguments of its function, all texts; others' members are kept.

    What is not an object is left out.
    """
    return [_call(call) for call in sequence(value) if isinstance(call, Mapping)]


def message_calls(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The calls in a message: its ``tool_calls``, or the one ``function_call`` of the API's first version."""
    function = message.get("function_call")
    older = [{"function": function}] if isinstance(function, Mapping) else []
    return tool_calls(message.get("tool_calls")) or tool_calls(older)


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = mapping(call.get("function"))
    made = {
        "name": _text(function.get("name")),
        "arguments": _text(function.get("arguments")),
    }
    known = {"id": _text(call.get("id")), "type": label(call.get("type")) or "function", "function": made}
    others = {name: shallow(part) for name, part in call.items() if name not in known and part is not None}
    return known | others


def _text(value: Any) -> str:
    """A string unchanged, anything else as JSON; empty for nothing."""
    return value if isinstance(value, str) else "" if value is None else written(value)
