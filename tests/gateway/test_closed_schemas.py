"""JSON schemas in the words that Anthropic's structured outputs take."""

from __future__ import annotations

from typing import Any

import pytest
from support.requests import CHECK, COGNITIVE, SCALAR, SCORE, TURN

from harness.gateway.providers.strict_schemas import plain, strict

TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        (TEXT, TEXT),
        (TEXT | {"format": "date", "title": "T"}, TEXT | {"format": "date", "title": "T"}),
        (TEXT | {"format": "phone"}, TEXT | {"description": "(format: phone)"}),
        (
            {"type": "integer", "minimum": 0, "maximum": 9, "description": "A score"},
            {"type": "integer", "description": "A score\n\n(minimum: 0, maximum: 9)"},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": TEXT | {"minLength": 1}}}},
            {
                "type": "object",
                "properties": {"a": {"type": "array", "items": TEXT | {"description": "(minLength: 1)"}}},
                "additionalProperties": False,
            },
        ),
        ({"type": "array", "items": TEXT, "minItems": 1}, {"type": "array", "items": TEXT, "minItems": 1}),
        (
            {"type": "array", "items": {"enum": [1, None]}, "minItems": 3},
            {"type": "array", "items": {"enum": [1, None]}, "description": "(minItems: 3)"},
        ),
        ({"oneOf": [{"type": "null"}, {"const": "a"}]}, {"anyOf": [{"type": "null"}, {"const": "a"}]}),
        (
            {"$defs": {"A": {"type": "integer", "minimum": 1}}, "$ref": "#/$defs/A"},
            {"$defs": {"A": {"type": "integer", "description": "(minimum: 1)"}}, "$ref": "#/$defs/A"},
        ),
    ],
)
def test_bounds_of_a_schema_are_said_in_its_descriptions(
    schema: dict[str, Any], made: dict[str, Any]
) -> None:
    assert strict(schema) == made


@pytest.mark.parametrize("wanted", [SCORE, TURN, CHECK, SCALAR, COGNITIVE])
def test_schemas_of_our_engines_are_closed_and_use_known_words(wanted: dict[str, Any]) -> None:
    known = {
        "type",
        "title",
        "description",
        "enum",
        "const",
        "$ref",
        "$defs",
        "required",
        "format",
        "properties",
    }
    known |= {"items", "anyOf", "allOf", "additionalProperties", "minItems"}

    def check(schema: dict[str, Any]) -> None:
        assert schema.keys() <= known
        assert schema.get("type") != "object" or schema["additionalProperties"] is False
        inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
        for part in (*inner, *schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
            check(part)

    check(strict(plain(wanted["json_schema"]["schema"])))
