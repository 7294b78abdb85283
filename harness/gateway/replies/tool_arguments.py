"""Tool calls as a study reads them: one rule for their arguments, however a server spells them.

No arguments are an empty object: null, an empty text, blanks and ``"null"`` are the ways in which servers write them. A
text is the JSON object that it holds. Everything else (a list, a number, a trailing comma) is *unreadable*: it is kept
as it came and counted, and never becomes a default.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.gateway.replies.reply_json import parse

UNREADABLE = "arguments unreadable"
"""How every reason of this kind begins."""
LONGEST = 1_000_000
"""Characters of arguments that are parsed."""
_SHOWN = 80


class UnreadableArgumentsError(ValueError):
    """Arguments that are not an object; the text begins with `UNREADABLE`."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call. ``arguments`` is ``None`` exactly where ``fault`` says why; ``written`` is then what came."""

    name: str
    arguments: Mapping[str, Any] | None
    written: Any = None
    fault: str = ""


def read_arguments(written: Any) -> dict[str, Any]:
    """The arguments of a tool call. Raises `UnreadableArgumentsError`.

    >>> read_arguments('{"at": "09:00"}'), read_arguments(None), read_arguments("null")
    ({'at': '09:00'}, {}, {})
    """
    value = written
    for _ in range(2):  # JSON, or JSON that was written as a JSON string
        if not isinstance(value, str):
            break
        value = _parsed(value)
    if value is None:
        return {}
    if isinstance(value, Mapping):
        try:
            json.dumps(dict(value), allow_nan=False)
        except (ValueError, TypeError, RecursionError):
            raise UnreadableArgumentsError(f"{UNREADABLE}: not what JSON can express") from None
        return dict(value)
    raise UnreadableArgumentsError(f"{UNREADABLE}: expected a JSON object, not {_shown(written)}")


def _parsed(text: str) -> Any:
    if len(text) > LONGEST:
        raise UnreadableArgumentsError(f"{UNREADABLE}: longer than {LONGEST:,} characters")
    if not text.strip():
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise UnreadableArgumentsError(f"{UNREADABLE}: {_shown(text)} ({str(error)[:_SHOWN]})") from None


def _shown(value: Any) -> str:
    text = repr(value[:_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def read_calls(calls: Iterable[Any]) -> tuple[ToolCall, ...]:
    """Calls in OpenAI's shape, read."""
    return tuple(_read(_function(call)) for call in calls)


def _read(function: Mapping[str, Any]) -> ToolCall:
    name, written = function.get("name"), function.get("arguments")
    name = name if isinstance(name, str) else ""
    try:
        return ToolCall(name, read_arguments(written), written)
    except UnreadableArgumentsError as error:
        return ToolCall(name, None, written, str(error))


def normalised(calls: Any) -> Sequence[Mapping[str, Any]]:
    """A provider's calls in OpenAI's shape, whatever is odd about them, with arguments as a text of JSON.

    Unreadable arguments stay the text that came, so that a reader sees what the model wrote.
    """
    if isinstance(calls, Mapping):
        calls = [calls]
    if not isinstance(calls, list | tuple):
        return ()
    made = [_normalised(call, number) for number, call in enumerate(calls)]
    return calls if made == list(calls) else made


def _normalised(call: Any, number: int) -> dict[str, Any]:
    function = _function(call)
    read = _read(function)
    if read.arguments is None:
        text = read.written if isinstance(read.written, str) else json.dumps(read.written, default=str)
    elif isinstance(read.written, str) and read.written.lstrip().startswith("{"):
        text = read.written
    else:
        text = json.dumps(read.arguments)
    others = dict(call) if isinstance(call, Mapping) else {}
    name = call.get("id") if isinstance(call, Mapping) else None
    return {
        **others,
        "id": name if isinstance(name, str) and name else f"call_{number}",
        "type": others.get("type") or "function",
        "function": {**function, "name": read.name, "arguments": text},
    }


def _function(call: Any) -> Mapping[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    return function if isinstance(function, Mapping) else {}
