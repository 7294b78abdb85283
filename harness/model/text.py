"""Text that can be written as UTF-8, and where a value holds some that cannot.

Half a surrogate pair is a code point that Python's text may hold and UTF-8 cannot: it comes from JSON escapes that a
model or a program cut in the middle of a character.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

MAX_DEPTH = 200
"""Levels of nesting that are looked through; deeper data is refused by every JSON reader, or goes round in a circle."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_HALF = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def text_fault(text: str) -> str | None:
    """The position of the first half of a surrogate pair in ``text``; ``None`` without one.

    >>> text_fault("ab\\ud800")
    'character 3 is half a surrogate pair (U+D800)'
    """
    found = _HALF.search(text)
    return (
        None
        if found is None
        else f"character {found.start() + 1} is half a surrogate pair (U+{ord(found[0]):04X})"
    )


def text_faults(value: Any, place: str = "", depth: int = 0) -> Iterator[str]:
    """Every text in ``value`` that cannot be written: its place and its fault.

    Looks into mappings, sequences and dataclasses.
    """
    if depth > MAX_DEPTH:
        return
    if isinstance(value, str):
        if fault := text_fault(value):
            yield f"{place}: {fault}"
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from text_faults(key, f"{place}, a key", depth + 1)
            yield from text_faults(part, f"{place}[{key!a}]", depth + 1)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            name = f"{place}.{field.name}" if place else field.name
            yield from text_faults(getattr(value, field.name), name, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | range):
        for number, part in enumerate(value):
            yield from text_faults(part, f"{place}[{number}]", depth + 1)


def json_fault(value: Any, place: str, depth: int = 0) -> str | None:
    """The first thing in ``value`` that JSON in UTF-8 cannot hold, with its place; ``None`` without one."""
    if depth > MAX_DEPTH:
        return f"{place} is nested more than {MAX_DEPTH} levels deep, or contains itself"
    if value is None or isinstance(value, bool | int):
        return None
    if isinstance(value, str):
        fault = text_fault(value)
        return f"{place}: {fault}" if fault else None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{place} is {value}, which JSON lacks"
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                return f"{place} has the key {ascii(key)[:80]}, which is not text"
        parts = [(key, f"{place}, a key") for key in value] + [
            (part, f"{place}[{key!a}]") for key, part in value.items()
        ]
    elif isinstance(value, list | tuple):
        parts = [(part, f"{place}[{number}]") for number, part in enumerate(value)]
    else:
        return f"{place} is a {type(value).__name__}, which JSON lacks"
    return next((fault for part, where in parts if (fault := json_fault(part, where, depth + 1))), None)


def whole(text: str) -> str:
    """``text`` with the replacement character in place of each half of a surrogate pair."""
    return text if text.isascii() else _HALF.sub(REPLACEMENT, text)


def whole_json(text: str) -> str:
    """JSON ``text`` in which neither characters nor escapes are halves of surrogate pairs.

    >>> whole_json('["\\\\ud83d", "\\\\ud83d\\\\ude00"]')
    '["\\\\ufffd", "\\\\ud83d\\\\ude00"]'
    """
    text = whole(text)
    if "\\ud" not in text.lower():
        return text
    return _ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], text)


def whole_data(value: Any) -> Any:
    """JSON data with every text as `whole` gives it."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, Mapping):
        return {whole_data(key): whole_data(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [whole_data(part) for part in value]
    return value
