"""Tool arguments by one rule: nothing in any spelling is no arguments, and what is not an object is unreadable."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gateway.calls import Reply
from harness.gateway.replies.tool_arguments import (
    UNREADABLE,
    UnreadableArgumentsError,
    normalised,
    read_arguments,
)

NONE = [None, "", " \n", "null", " null ", {}, "{}", " { } ", '""', '"null"', '"{}"']
READ = ['{"at": 9}', {"at": 9}, ' {"at": 9}\n', json.dumps('{"at": 9}')]
BROKEN = [
    *("[]", [], "[1]", [{"at": 9}], 7, "7", True, "false", '"x"', "x", "{'at': 9}", '{"at": 9,}', '{"at": 9'),
    *('{"at": NaN}', {"at": float("nan")}, "None", "undefined", '{"at": 9}{"at": 9}', "[" * 50_000),
    *('```json\n{"at": 9}\n```', '{"at":' * 50_000, "x" * 1_000_001, json.dumps(json.dumps('{"at": 9}'))),
]


@pytest.mark.parametrize("written", NONE, ids=repr)
def test_nothing_is_no_arguments(written: Any) -> None:
    assert read_arguments(written) == {}


@pytest.mark.parametrize("written", READ, ids=repr)
def test_an_object_is_read_however_it_is_written(written: Any) -> None:
    assert read_arguments(written) == {"at": 9}


@pytest.mark.parametrize("written", BROKEN, ids=lambda one: repr(one)[:30])
def test_anything_else_is_one_kind_of_failure(written: Any) -> None:
    with pytest.raises(UnreadableArgumentsError) as found:
        read_arguments(written)
    assert str(found.value).startswith(UNREADABLE)
    assert len(str(found.value)) < 300


def call(arguments: Any, **more: Any) -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}, **more}


@pytest.mark.parametrize("written", [*NONE, *READ], ids=repr)
def test_readable_arguments_are_handed_on_as_a_text_of_json(written: Any) -> None:
    (made,) = normalised([call(written)])
    assert json.loads(made["function"]["arguments"]) == read_arguments(written)


@pytest.mark.parametrize("written", BROKEN, ids=lambda one: repr(one)[:30])
def test_unreadable_arguments_are_handed_on_as_they_came(written: Any) -> None:
    (made,) = normalised([call(written)])
    text = made["function"]["arguments"]
    assert text == (written if isinstance(written, str) else json.dumps(written))
    (read,) = Reply("", tool_calls=[made]).calls
    assert read.arguments is None
    assert read.fault.startswith(UNREADABLE)


def test_calls_in_openais_shape_stay_as_they_are() -> None:
    calls = [call('{"at":9}', index=0)]
    assert normalised(calls) is calls


@pytest.mark.parametrize(
    "calls", [None, "f", 7, [None], ["f"], [{}], [{"function": None}], {"function": "f"}]
)
def test_what_is_odd_about_calls_is_no_crash(calls: Any) -> None:
    for one in Reply("", tool_calls=normalised(calls)).calls:
        assert (one.name, one.arguments) == ("", {})


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_any_value_is_read_or_unreadable(value: Any) -> None:
    for written in (value, json.dumps(value)):
        try:
            assert isinstance(read_arguments(written), dict)
        except UnreadableArgumentsError:
            assert (
                not isinstance(value, dict) or "NaN" in json.dumps(value) or "Infinity" in json.dumps(value)
            )
