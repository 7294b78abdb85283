"""Any value as plain JSON data: what JSON cannot hold becomes ``None``, with a note of where and why."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from pathlib import PurePath
from typing import Any

MAX_DEPTH = 60
"""Deeper nesting is cut: Python's own JSON writer gives up at about a thousand levels."""

NOT_SET = "(not set)"
_FLAT = frozenset({str, int, float, bool, type(None)})
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> tuple[Any, dict[str, str]]:
    """``value`` as JSON data, and notes: the path of each thing lost, with the reason.

    >>> plain({"score": float("nan"), "names": ("a", "b")})
    ({'score': None, 'names': ['a', 'b']}, {'score': 'nan is not a valid JSON number'})
    """
    notes: dict[str, str] = {}
    return _plain(value, "", 0, notes), notes


def to_line(record: Mapping[str, Any]) -> bytes:
    """``record`` as one line of UTF-8 JSON, newline included; keys in their own order.

    Parts that JSON cannot represent (NaN, an object) are left out; the key
    ``not_written`` then maps each part's path to the reason.
    """
    try:
        text = _dumps(dict(record))
    except (ValueError, TypeError, RecursionError):
        data, notes = plain(record)
        text = _dumps({**data, "not_written": notes} if notes else data)
    return encoded(text) + b"\n"


def encoded(text: str) -> bytes:
    """JSON text as UTF-8. Half a surrogate pair, which UTF-8 lacks, becomes its JSON escape."""
    return text.encode("utf-8", "backslashreplace")


def indented(value: Any, depth: int = 0) -> str:
    """JSON as ``json.dumps(value, indent=4)`` writes it, but what is flat by the fast encoder, which knows no indent.

    Raises `ValueError` or `TypeError` for what is not plain JSON data.
    """
    if not value or not isinstance(value, dict | list | tuple):
        return _COMPACT.encode(value)
    if isinstance(value, dict) and any(type(key) is not str for key in value):
        raise TypeError("a key is not text")
    if _FLAT.issuperset(map(type, value.values() if isinstance(value, dict) else value)):
        body = _indenting(depth).encode(value)[1:-1]
    elif isinstance(value, dict):
        parts = (f"{_COMPACT.encode(key)}: {indented(part, depth + 1)}" for key, part in value.items())
        body = f",{_line(depth + 1)}".join(parts)
    else:
        body = f",{_line(depth + 1)}".join(indented(part, depth + 1) for part in value)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}{_line(depth + 1)}{body}{_line(depth)}{closing}"


def _line(depth: int) -> str:
    return "\n" + " " * 4 * depth


@cache
def _indenting(depth: int) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(f",{_line(depth + 1)}", ": "))


def canonical(value: Any) -> bytes:
    """The same bytes for equal data, in any order of keys. `ValueError` for data that is not JSON."""
    data, notes = plain(value)
    if notes:
        raise ValueError("; ".join(f"{path}: {reason}" for path, reason in notes.items()))
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Nested mappings as one level with dotted keys. Lists stay values."""
    if not isinstance(value, Mapping) or not value:
        return {path: value}
    found: dict[str, Any] = {}
    for key, part in value.items():
        found.update(flat(part, f"{path}.{key}" if path else str(key)))
    return found


def differences(then: Any, now: Any) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ, with both values; `NOT_SET` marks a missing key."""
    if repr(then) == repr(now):  # nearly always, and a session of many cells asks for each
        return {}
    old, new = flat(plain(then)[0]), flat(plain(now)[0])
    pairs = {key: (old.get(key, NOT_SET), new.get(key, NOT_SET)) for key in sorted({*old, *new})}
    return {
        key: pair
        for key, pair in pairs.items()
        if (key in old) != (key in new) or canonical(pair[0]) != canonical(pair[1])
    }


def shown(value: Any) -> str:
    """A setting's value as an error shows it."""
    return NOT_SET if value == NOT_SET else f"{value!r:.80}"


def _dumps(data: Any) -> str:
    return _COMPACT.encode(data)


def _plain(value: Any, path: str, depth: int, notes: dict[str, str]) -> Any:
    if value is None or (isinstance(value, str | bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _lost(path, f"{value} is not a valid JSON number", notes)
    if depth > MAX_DEPTH:
        return _lost(path, f"nested more than {MAX_DEPTH} levels deep", notes)
    if is_dataclass(value) and not isinstance(value, type):
        return _mapping(((f.name, getattr(value, f.name)) for f in fields(value)), path, depth, notes)
    if isinstance(value, Mapping):
        return _mapping(value.items(), path, depth, notes)
    if isinstance(value, list | tuple):
        return [_plain(part, f"{path}[{i}]", depth + 1, notes) for i, part in enumerate(value)]
    if isinstance(value, set | frozenset):
        return [_plain(part, f"{path}[]", depth + 1, notes) for part in sorted(value, key=repr)]
    return _scalar(value, path, depth, notes)


def _scalar(value: Any, path: str, depth: int, notes: dict[str, str]) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value, path, depth + 1, notes)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    return _lost(path, f"a {type(value).__name__} is not JSON data", notes)


def _mapping(
    items: Iterable[tuple[Any, Any]], path: str, depth: int, notes: dict[str, str]
) -> dict[str, Any]:
    return {
        str(key): _plain(part, f"{path}.{key}" if path else str(key), depth + 1, notes) for key, part in items
    }


def _lost(path: str, reason: str, notes: dict[str, str]) -> None:
    notes[path or "(whole)"] = reason
