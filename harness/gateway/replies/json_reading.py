"""Read JSON that others wrote: whatever its types, a reader gives the type that it promises.

Servers put lists where names belong, numbers into texts, and nest deeper than Python recurses. Nothing here raises for
that, but `parse` for what is not JSON at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

LONGEST_LABEL = 200
"""Characters of a name, a fingerprint or a reason that are kept."""

DEEPEST = 64
"""Levels of nesting that are kept; Python's own JSON writer fails at some hundreds."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def parse(body: bytes | str) -> Any:
    """The JSON value that ``body`` is; NaN and infinities are read as null. Raises `ValueError`."""
    try:
        return json.loads(body, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def mapping(value: Any) -> Mapping[str, Any]:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else _NOTHING


def sequence(value: Any) -> Sequence[Any]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: Any) -> str:
    """``value`` if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def label(value: Any) -> str:
    """A name on one line, at most `LONGEST_LABEL` characters: a text without control signs, else the value as JSON.

    >>> label(None), label("gpt-x"), label(["gpt-x"]), label(7)
    ('', 'gpt-x', '["gpt-x"]', '7')
    """
    if value is None:
        return ""
    shown = value if isinstance(value, str) else written(value)
    return "".join(sign if sign.isprintable() else " " for sign in shown[:LONGEST_LABEL])


def written(value: Any) -> str:
    """``value`` as one line of JSON; what is nested deeper than `DEEPEST` levels is left out."""
    return json.dumps(shallow(value), ensure_ascii=False, sort_keys=True, default=repr)


def shallow(value: Any, levels: int = DEEPEST) -> Any:
    """``value`` with null in place of what is nested deeper than ``levels``."""
    if isinstance(value, Mapping):
        return {str(name): shallow(part, levels - 1) for name, part in value.items()} if levels else None
    if isinstance(value, list | tuple):
        return [shallow(part, levels - 1) for part in value] if levels else None
    return value
