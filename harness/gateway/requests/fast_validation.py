"""Fast acceptance by plain schemas: jsonschema takes 50 µs for a score, this 2, and a run has thousands.

Only the keywords of strict structured output are compiled. Other schemas, and every value that is not clearly valid, go
to jsonschema, which alone rejects a value and says why. fastjsonschema is as fast, but runs source code that it
generates from the schema, which may come from another process over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]

_ANNOTATIONS = {"title", "description", "default", "examples", "$defs", "$comment"}
_TYPES: Mapping[str, Check] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


class _NotPlainError(Exception):
    """The schema uses more than is compiled here."""


def compile_quick(schema: Any) -> Check:
    """A check whose ``True`` means valid, and whose ``False`` means: ask jsonschema."""
    try:
        return _compiled(schema, schema, 0)
    except _NotPlainError:
        return lambda _value: False


def _compiled(schema: Any, root: Any, depth: int) -> Check:
    if not isinstance(schema, dict) or depth > 20:
        raise _NotPlainError
    used = schema.keys() - _ANNOTATIONS
    if used == {"$ref"}:
        return _compiled(_target(schema["$ref"], root), root, depth + 1)
    if used == {"anyOf"}:
        branches = [_compiled(branch, root, depth + 1) for branch in schema["anyOf"]]
        return lambda value: any(check(value) for check in branches)
    if used <= {"enum", "type"} and "enum" in used and schema.get("type", "string") == "string":
        return _one_of(schema["enum"])
    return _by_type(schema, used - {"type"}, root, depth)


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    name = reference.removeprefix("#/$defs/")
    if name not in root.get("$defs", {}):
        raise _NotPlainError
    return root["$defs"][name]


def _one_of(values: list[Any]) -> Check:
    if not all(isinstance(value, str) for value in values):
        raise _NotPlainError
    known = frozenset(values)
    return lambda value: isinstance(value, str) and value in known


def _by_type(schema: Mapping[str, Any], used: set[str], root: Any, depth: int) -> Check:
    kind = schema.get("type")
    if kind == "object" and used <= {"properties", "required", "additionalProperties"}:
        return _object(schema, root, depth)
    if kind == "array" and used <= {"items", "minItems", "maxItems"}:
        return _array(schema, root, depth)
    if kind in ("integer", "number") and used <= {"minimum", "maximum"}:
        return _number(_TYPES[kind], schema.get("minimum"), schema.get("maximum"))
    if isinstance(kind, str) and kind in _TYPES and not used:
        return _TYPES[kind]
    raise _NotPlainError


def _object(schema: Mapping[str, Any], root: Any, depth: int) -> Check:
    parts = {name: _compiled(part, root, depth + 1) for name, part in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    if schema.get("additionalProperties", True) not in (True, False):
        raise _NotPlainError
    is_open = schema.get("additionalProperties", True)

    def check(value: Any) -> bool:
        if not isinstance(value, dict) or not required <= value.keys():
            return False
        return all(parts[name](item) if name in parts else is_open for name, item in value.items())

    return check


def _array(schema: Mapping[str, Any], root: Any, depth: int) -> Check:
    item = _compiled(schema["items"], root, depth + 1) if "items" in schema else lambda _value: True
    least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(item, value))


def _number(is_number: Check, least: float | None, most: float | None) -> Check:
    low = float("-inf") if least is None else least
    high = float("inf") if most is None else most
    return lambda value: is_number(value) and low <= value <= high
