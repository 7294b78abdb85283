"""Which JSON schemas Anthropic's structured outputs can express: closed objects, no recursion, one type a place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_expressible(schema: Any, root: Any = None, inside: tuple[str, ...] = ()) -> bool:
    """Whether structured outputs can say all of ``schema``: objects are closed, nothing contains itself."""
    root = schema if root is None else root
    if not isinstance(schema, Mapping):
        return False
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        known = (root.get("$defs") or {}).get(name)
        return known is not None and name not in inside and is_expressible(known, root, (*inside, name))
    parts = [*(schema.get("properties") or {}).values(), *(schema.get("anyOf") or schema.get("oneOf") or ())]
    if schema.get("type") == "array":
        parts.append(schema.get("items"))
    has_kind = bool(schema.keys() & {"type", "anyOf", "oneOf", "enum", "const"})
    is_open = schema.get("type") == "object" and not (
        schema.get("properties") and schema.get("additionalProperties", False) in (True, False)
    )
    return has_kind and not is_open and all(is_expressible(part, root, inside) for part in parts)


def plain(schema: Any) -> Any:
    """``schema`` with ``type: [a, b]`` written as ``anyOf``, the one form that is understood there."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {name: plain(value) for name, value in schema.items()}
    kinds = made.get("type")
    if isinstance(kinds, list):
        del made["type"]
        return {"anyOf": [made | {"type": kind} for kind in kinds]}
    return made
