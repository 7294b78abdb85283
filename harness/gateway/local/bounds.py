"""Bounds for what a tiny model writes: without them it repeats itself until the limit, and ignores a number's range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.gateway.calls import Request

TINY = 1_000_000_000
"""Parameters below which a model is known to ramble."""

TEXT_CHARS = 200
LIST_ITEMS = 5
STEPS = 20
"""Equal steps between the bounds of a number with decimals, since a grammar does not keep it within them."""

_SHAPED = ("enum", "const", "maxLength", "pattern", "format")


def bounded(request: Request) -> Request:
    """``request`` whose JSON schema, if it has one, bounds each text and list further.

    What fits this schema fits the one that was asked for too.
    """
    form = request.response_format or {}
    described = form.get("json_schema") or {}
    if not isinstance(described.get("schema"), Mapping):
        return request
    narrower = {**described, "schema": _bounded(described["schema"])}
    return replace(request, response_format={**form, "json_schema": narrower})


def _bounded(schema: Any) -> Any:
    if isinstance(schema, list | tuple):
        return [_bounded(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {
        name: {key: _bounded(part) for key, part in value.items()}
        if name in ("properties", "$defs") and isinstance(value, Mapping)
        else _bounded(value)
        if name in ("items", "anyOf", "oneOf", "allOf")
        else value
        for name, value in schema.items()
    }
    if made.get("type") == "string" and not any(name in made for name in _SHAPED):
        made["maxLength"] = max(TEXT_CHARS, int(made.get("minLength") or 0))
    low, high = made.get("minimum"), made.get("maximum")
    if made.get("type") == "number" and low is not None and high is not None and "enum" not in made:
        made["enum"] = [round(low + (high - low) * step / STEPS, 6) for step in range(STEPS + 1)]
    if made.get("type") == "array":
        most = min(LIST_ITEMS, int(made.get("maxItems", LIST_ITEMS)))
        made["maxItems"] = max(most, int(made.get("minItems") or 0))
    return made
