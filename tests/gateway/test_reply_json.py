"""The one JSON value in a reply: found in other words, never mended, never chosen among several."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gateway.replies.reply_json import UnreadableReplyError, find

GOOD = '{"value": 7}'


def scored(data: Any) -> str | None:
    """A schema in short: an object with a whole number as its value."""
    is_good = isinstance(data, dict) and data.keys() == {"value"} and isinstance(data["value"], int)
    return None if is_good else "against its schema: no value"


@pytest.mark.parametrize(
    ("text", "wrapping"),
    [
        (GOOD, ""),
        (f"\n {GOOD}\n", ""),
        (json.dumps(GOOD), "string"),
        (f"```json\n{GOOD}\n```", "fence"),
        (f"```\n{GOOD}```", "fence"),
        (f"```JSON {GOOD} ```", "fence"),
        (f"~~~\n{GOOD}\n~~~", "fence"),
        (f"Sure:\n```json\n{GOOD}\n```\nAnything else?", "fence"),
        (f"```json\n{GOOD}", "fence"),
        (f"Sure, here it is:\n{GOOD}\nAnything else?", "prose"),
        (f"It is `{GOOD}`.", "prose"),
        (f"First {GOOD}, so {GOOD}.", "prose"),
        (f"In the form {{name: value}}, as [asked] in [1] and {{}}: {GOOD}", "prose"),
        (f'Not {{"value": "seven"}} but {GOOD}', "prose"),
        (f"<answer>{GOOD}</answer>", "prose"),
    ],
)  # fmt: skip
def test_the_one_valid_value_is_found(text: str, wrapping: str) -> None:
    found = find(text, scored)
    assert (found.data, found.wrapping) == ({"value": 7}, wrapping)
    assert json.loads(found.text) == found.data


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("Seven.", "not JSON"),
        ("{'value': 7}", "not JSON"),
        ('{"value": 7,}', "not JSON"),
        ('{"value": 7', "not JSON"),
        ('{value: 7}', "not JSON"),
        ('{"value": NaN}', "not JSON"),
        ('{"value": 7} // sure', None),
        ('Sure: {"value": 7,}', "not JSON (Expecting property name"),
        ('Sure: {"value": True}', "not JSON"),
        ('{"other": {"value": 7},}', "not JSON"),
        ('{"other": {"value": 7}', "not JSON"),
        ('{"other": {"value": 7}}', "against its schema"),
        ('[{"value": 7}]', "against its schema"),
        ('[{"value": 7},]', "not JSON"),
        ('As a list: [{"value": 7}]', "against its schema"),
        ('{"value": 7} {"value": 8}', "ambiguous (2 different JSON values in it)"),
        ('{"value": 7} {"value": true}', "ambiguous (2"),
        ('```json\n{"value": 7}\n```\nor\n```json\n{"value": 8}\n```', "ambiguous (2"),
        ('```json\n{"value": "seven"}\n```', "against its schema"),
        ('Sure: {"value": "seven"}', "against its schema"),
        (json.dumps(json.dumps(GOOD)), "against its schema"),
        (json.dumps("7"), "against its schema"),
        ('{"value": 7}' + ' {"a": 1}' * 100, "not JSON (too many brackets"),
    ],
)  # fmt: skip
def test_anything_else_is_said_and_not_mended(text: str, reason: str | None) -> None:
    if reason is None:
        assert find(text, scored).wrapping == "prose"
        return
    with pytest.raises(UnreadableReplyError) as found:
        find(text, scored)
    assert str(found.value).startswith(reason)


def test_a_value_that_the_schema_takes_is_not_looked_into() -> None:
    assert find(json.dumps(GOOD), lambda _: None).data == GOOD


def test_a_scalar_is_found_in_a_fence_and_not_in_prose() -> None:
    def whole(data: Any) -> str | None:
        return None if isinstance(data, int) else "against its schema"

    assert find("```json\n7\n```", whole).data == 7
    with pytest.raises(UnreadableReplyError, match="not JSON"):
        find("It is 7.", whole)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(), values, min_size=1, max_size=3),
    st.text("ab .,\n`'\"", max_size=20),
    st.booleans(),
)
def test_any_object_is_found_among_words(data: dict[str, Any], words: str, ascii_only: bool) -> None:
    text = json.dumps(data, ensure_ascii=ascii_only)
    found = find(f"{words} {text} {words}", lambda _: None)
    assert found.data == data


@given(st.text('{}[]":,\\ 1a\n`', max_size=30))
def test_what_is_found_stands_in_the_text(text: str) -> None:
    """Whatever the text: a value out of it, or a reason."""
    try:
        found = find(text, lambda data: None if isinstance(data, dict) else "no object")
    except UnreadableReplyError:
        return
    assert found.text in text or found.wrapping == "string"
    assert json.loads(found.text) == found.data


@pytest.mark.parametrize(
    "unit", ["{", "[", '{"a":', '{"', '\\"', "{}", "{x}", "[x", "[1,", '{"a":[', "```json\n{", '"{', "{\\"]
)
def test_a_megabyte_of_brackets_takes_linear_time(unit: str) -> None:
    text = "Sure: " + unit * (1_000_000 // len(unit))
    began = time.process_time()
    try:
        find(text, scored)
    except UnreadableReplyError as error:
        assert len(str(error)) < 500
    assert time.process_time() - began < 5  # quadratic would be hours
