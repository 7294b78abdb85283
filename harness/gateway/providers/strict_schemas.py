"""Which JSON schemas Anthropic's structured outputs can express, and how: closed objects, one type a place.

Source: platform.claude.com/docs, "Structured outputs", "JSON Schema limitations".
"""

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


_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_KEPT = frozenset({"type", "title", "description", "enum", "const", "$ref", "required", "format"})
_INSIDE = frozenset({"items", "anyOf", "oneOf", "allOf", "properties", "$defs", "additionalProperties"})


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` in the words that structured outputs take; bounds and patterns go into the description."""
    if "$ref" in schema:
        made = {"$ref": schema["$ref"]}
        return made | {"$defs": _each(schema["$defs"])} if "$defs" in schema else made
    made = {name: value for name, value in schema.items() if name in _KEPT}
    for name in ("properties", "$defs"):
        if name in schema:
            made[name] = _each(schema[name])
    if "items" in schema:
        made["items"] = strict(schema["items"])
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            made["allOf" if name == "allOf" else "anyOf"] = [strict(part) for part in schema[name]]
    if schema.get("type") == "object":
        made["additionalProperties"] = False
    said = {name: value for name, value in schema.items() if name not in _KEPT | _INSIDE}
    if made.get("format", "date") not in _FORMATS:
        said["format"] = made.pop("format")
    if said.get("minItems") in (0, 1):
        made["minItems"] = said.pop("minItems")
    if said:
        rules = ", ".join(f"{name}: {value}" for name, value in said.items())
        made["description"] = "\n\n".join(filter(None, (made.get("description"), f"({rules})")))
    return made


def _each(schemas: Mapping[str, Any]) -> dict[str, Any]:
    return {name: strict(schema) for name, schema in schemas.items()}
