"""Read the content of a message as text, from any form that servers send, and its separate thoughts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_THOUGHTS = frozenset({"thinking", "reasoning", "redacted_thinking"})
"""Parts that are not speech."""


def flattened(content: Any) -> str:
    """``content`` as text: a string unchanged, the parts of a list joined, nothing dropped except thoughts.

    OpenAI's API answers with a text; compatible servers also with a list of parts, ``{"type": "text", "text": …}``.
    A part of another kind becomes JSON in the text.

    >>> flattened([{"type": "text", "text": "One "}, "and ", {"type": "output_text", "text": "two."}])
    'One and two.'
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        return "".join(map(flattened, content))
    if isinstance(content, Mapping):
        return _part(content)
    return str(content)


def thoughts_beside(message: Mapping[str, Any]) -> str:
    """What a server sends of a model's thoughts apart from the text: in fields beside the content, or in its parts.

    Servers send the same thoughts under several names at once; the first name that has any is read.

    >>> thoughts_beside({"reasoning_content": "Hm.", "reasoning": "Hm.", "content": "Yes."})
    'Hm.'
    """
    for name in ("reasoning_content", "reasoning", "thinking", "reasoning_details"):
        if thoughts := _thoughts(message.get(name)):
            return thoughts
    content = message.get("content")
    parts = content if isinstance(content, list | tuple) else [content]
    found = [part for part in parts if isinstance(part, Mapping) and part.get("type") in _THOUGHTS]
    return "\n\n".join(filter(None, map(_thoughts, found)))


def _thoughts(value: Any, levels: int = 8) -> str:
    """The texts in a value of any shape, without encrypted ones."""
    if isinstance(value, str):
        return value
    if not levels:
        return ""
    if isinstance(value, list | tuple):
        return "\n\n".join(filter(None, (_thoughts(one, levels - 1) for one in value)))
    if isinstance(value, Mapping):
        inner = (
            _thoughts(value.get(name), levels - 1) for name in ("thinking", "text", "summary", "content")
        )
        return next(filter(None, inner), "")
    return ""


def _part(part: Mapping[str, Any]) -> str:
    if part.get("type") in _THOUGHTS:
        return ""
    for name in ("text", "refusal"):
        if isinstance(part.get(name), str):
            return str(part[name])
    return json.dumps(dict(part), ensure_ascii=False, default=str)
