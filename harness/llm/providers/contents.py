"""The content of a message as text, in whatever form a server sends it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_THOUGHTS = frozenset({"thinking", "reasoning", "redacted_thinking"})
"""Parts that are no part of what was said."""


def flattened(content: Any) -> str:
    """``content`` as text: a text as it is, the parts of a list one after another, nothing dropped but thoughts.

    OpenAI's API answers with a text; compatible servers also with a list of parts, ``{"type": "text", "text": …}``.
    A part of another kind stands in the text as JSON.

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


def _part(part: Mapping[str, Any]) -> str:
    if part.get("type") in _THOUGHTS:
        return ""
    for name in ("text", "refusal"):
        if isinstance(part.get(name), str):
            return str(part[name])
    return json.dumps(dict(part), ensure_ascii=False, default=str)
