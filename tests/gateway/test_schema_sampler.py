from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness.gateway.rehearsal.schema_sampler import TooLargeError, sample
from harness.gateway.requests.fast_validation import compile_quick

NAMES = st.sampled_from(["a", "b", "value", "actions", "x y", "$ref"])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
REFERENCES = st.sampled_from([{"$ref": "#/$defs/plain"}, {"$ref": "#/$defs/tree"}, {"$ref": "#/$defs/a~1b"}])
DEFINITIONS: dict[str, Any] = {
    "plain": {"type": "string", "maxLength": 5},
    "a/b": {"enum": [1, "two", None]},
    "tree": {
        "type": "object",
        "properties": {
            "leaf": {"type": "integer"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
        },
        "required": ["leaf", "children"],
        "additionalProperties": False,
    },
}


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.integers(-20, 20))
    bounds = {
        draw(st.sampled_from(["minimum", "exclusiveMinimum"])): low,
        draw(st.sampled_from(["maximum", "exclusiveMaximum"])): low + draw(st.integers(2, 30)),
    }
    kept = draw(st.sets(st.sampled_from(sorted(bounds))))
    return {
        "type": draw(st.sampled_from(["integer", "number"])),
        **{name: bounds[name] for name in sorted(kept)},
    }


@st.composite
def strings(draw: st.DrawFn) -> dict[str, Any]:
    least = draw(st.integers(0, 300))
    return draw(
        st.sampled_from(
            [
                {"type": "string"},
                {"type": "string", "minLength": least},
                {"type": "string", "maxLength": least},
            ]
        )
    )


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, inner, max_size=4))
    required = draw(st.lists(NAMES, unique=True, max_size=3))
    rest = draw(st.sampled_from([True, False, {"type": "integer"}]))
    if rest is False:
        required = [name for name in required if name in properties]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": rest}


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    least = draw(st.integers(0, 4))
    schema: dict[str, Any] = {"type": "array", "items": draw(inner), "minItems": least}
    if draw(st.booleans()):
        schema["maxItems"] = least + draw(st.integers(0, 3))
    return schema


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    choices = st.lists(inner, min_size=1, max_size=3)
    return (
        objects(inner)
        | arrays(inner)
        | choices.map(lambda branches: {"anyOf": branches})
        | inner.map(lambda part: {"anyOf": [part, {"type": "null"}]})
        | inner.map(lambda part: {"allOf": [part], "title": "One"})
    )


LEAVES = (
    numbers()
    | strings()
    | REFERENCES
    | st.sampled_from([{}, True, {"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}])
    | st.lists(SCALARS, min_size=1, max_size=4).map(lambda values: {"enum": values})
    | SCALARS.map(lambda value: {"const": value})
)
SCHEMAS = st.recursive(LEAVES, combined, max_leaves=12)


def rooted(schema: Any) -> Any:
    return {**schema, "$defs": DEFINITIONS} if isinstance(schema, dict) else schema


@settings(max_examples=300, deadline=None)
@given(SCHEMAS.map(rooted), st.integers(0, 2**32))
def test_any_schema_is_answered_with_a_valid_value(schema: Any, seed: int) -> None:
    check = Draft202012Validator(schema)
    value = sample(schema, Random(seed), check.is_valid)
    json.dumps(value, allow_nan=False)
    check.validate(value)


@settings(max_examples=300, deadline=None)
@given(SCHEMAS.map(rooted), st.integers(0, 2**32), SCALARS)
def test_the_quick_check_never_says_yes_where_jsonschema_says_no(schema: Any, seed: int, other: Any) -> None:
    check, quick = Draft202012Validator(schema), compile_quick(schema)
    value = sample(schema, Random(seed), lambda _: True)
    spoiled = [other, [value], {"a": value}, *_spoiled(value, other)]
    for each in (value, *spoiled):
        assert not quick(each) or check.is_valid(each)


def _spoiled(value: Any, other: Any) -> list[Any]:
    if isinstance(value, dict):
        return [{**value, name: other} for name in (*value, "more")] + [
            {k: v for k, v in value.items() if k != n} for n in value
        ]
    return [[*value, other], value[:-1], [other, *value[1:]]] if isinstance(value, list) else []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "multipleOf": 0.5, "minimum": 0.2, "maximum": 0.7},
        {"type": "integer", "exclusiveMinimum": 2.5, "maximum": 3},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e-9},
        {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "maxItems": 3, "uniqueItems": True},
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"const": "x"}],
            "items": False,
            "minItems": 2,
        },
        {"type": "object", "minProperties": 3, "additionalProperties": {"type": "boolean"}},
        {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 1},
        {"properties": {"a": {"minimum": 3}}, "required": ["a"]},
        {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 4}, {"type": "number"}]},
        {
            "allOf": [
                {"properties": {"a": {"type": "integer"}}},
                {"properties": {"a": {"minimum": 5}}, "required": ["a"]},
            ],
            "type": "object",
        },
        {"oneOf": [{"type": "integer", "maximum": 5}, {"type": "integer", "minimum": 3}]},
        {"type": "integer", "minimum": 0, "maximum": 3, "not": {"enum": [0, 1]}},
        {"type": "string", "format": "date"},
        {"type": ["integer", "null"], "enum": [1, None]},
    ],
)
def test_other_keywords(schema: Any) -> None:
    check = Draft202012Validator(schema)
    for seed in range(50):
        check.validate(sample(schema, Random(seed), check.is_valid))


def test_the_quick_check_knows_the_requests_that_matter() -> None:
    from support.requests import COGNITIVE, SCALAR, SCORE, TURN

    values: list[tuple[Any, Any]] = [
        (TURN, {"actions": [{"type": "TALK", "content": "", "target": ""}]}),
        (SCORE, {"reasoning": "", "justification": "", "value": 9}),
        (SCALAR, {"reasoning": "", "justification": "", "value": True, "confidence": 1}),
        (
            COGNITIVE,
            {
                "actions": [],
                "cognitive_state": {"goals": "", "context": [""], "attention": "", "emotions": ""},
            },
        ),
    ]
    for form, value in values:
        assert compile_quick(form["json_schema"]["schema"])(value)


def test_the_same_seed_draws_the_same_value() -> None:
    schema = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}, "minItems": 5}
    assert sample(schema, Random(5), lambda _: True) == sample(schema, Random(5), lambda _: True)


NESTED = {
    "type": "array",
    "minItems": 1000,
    "items": {"type": "array", "minItems": 1000, "items": {"const": 1}},
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "minItems": 10**12},
        {"type": "object", "minProperties": 10**9},
        {"type": "string", "minLength": 10**12},
        {"type": "array", "minItems": float(10**300)},
        NESTED,
    ],
)
def test_a_schema_that_asks_for_the_world_is_refused_and_not_answered(schema: Any) -> None:
    with pytest.raises(
        TooLargeError, match="more than 1,000 items or properties, 100,000 characters, or 10,000"
    ):
        sample(schema, Random(1), lambda _: True)
