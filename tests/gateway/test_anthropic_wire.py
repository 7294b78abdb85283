"""Requests of OpenAI's shape as Anthropic's API wants them: tables, no network."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.requests import CHECK, COGNITIVE, SCALAR, SCORE, TURN, ask, form

from harness.gateway.calls import Request
from harness.gateway.providers.anthropic_wire import (
    NoCounterpartError,
    conversation,
    needs_words,
    parameters,
    reply,
)
from harness.gateway.providers.provider_errors import GARBAGE
from harness.gateway.providers.strict_schemas import is_expressible, plain
from harness.gateway.requests.response_formats import PROMPT, in_form, rule


def sent(request: Request, strict: Any = lambda schema: schema) -> dict[str, Any]:
    return parameters(request, model="claude-x", strict=strict)


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def say(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def test_what_comes_before_the_first_turn_is_the_system_text_and_later_instructions_keep_their_place() -> (
    None
):
    system, turns = conversation(
        [
            say("system", "Be Ann."),
            say("developer", "Be brief."),
            say("user", "Hello"),
            say("assistant", "Hi"),
            say("system", "It rains now."),
            say("user", "Well?"),
        ]
    )
    assert system == "Be Ann.\n\nBe brief."
    assert turns == [
        say("user", [text("Hello")]),
        say("assistant", [text("Hi")]),
        say("user", [text("It rains now."), text("Well?")]),
    ]


def test_an_instruction_alone_is_said_by_the_user() -> None:
    assert conversation([say("system", "Name a colour.")]) == ("", [say("user", [text("Name a colour.")])])


def test_tool_calls_and_results_become_blocks_and_parallel_results_one_turn() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    torn = {"id": "b", "type": "function", "function": {"name": "look", "arguments": '{"at":'}}
    _, turns = conversation(
        [
            say("user", "look"),
            say("assistant", None, tool_calls=[call, torn]),
            say("tool", "a lamp", tool_call_id="a"),
            say("tool", [text("no"), text("thing")], tool_call_id="b"),
        ]
    )
    assert turns[1]["content"] == [
        {"type": "tool_use", "id": "a", "name": "look", "input": {"at": 1}},
        {"type": "tool_use", "id": "b", "name": "look", "input": {"arguments": '{"at":'}},
    ]
    assert turns[2] == say(
        "user",
        [
            {"type": "tool_result", "tool_use_id": "a", "content": [text("a lamp")]},
            {"type": "tool_result", "tool_use_id": "b", "content": [text("no"), text("thing")]},
        ],
    )


def test_images() -> None:
    def part(url: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": url}}

    _, turns = conversation(
        [say("user", [part("data:image/png;base64,QUJD"), part("https://x.example/a.png")])]
    )
    assert [block["source"] for block in turns[0]["content"]] == [
        {"type": "base64", "media_type": "image/png", "data": "QUJD"},
        {"type": "url", "url": "https://x.example/a.png"},
    ]


def test_empty_texts_are_left_out() -> None:
    _, turns = conversation([say("user", ""), say("user", "a"), say("assistant", ""), say("user", "b")])
    assert turns == [say("user", [text("a"), text("b")])]


def test_content_without_a_counterpart_is_named() -> None:
    with pytest.raises(NoCounterpartError, match="'input_audio'"):
        conversation([say("user", [{"type": "input_audio"}])])


TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}},
}


@pytest.mark.parametrize(
    ("extra", "choice"),
    [
        ({}, {"type": "auto"}),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
            {"type": "tool", "name": "look"},
        ),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_tools_and_their_choice(extra: dict[str, Any], choice: dict[str, Any]) -> None:
    made = sent(ask("", "x", extra={"tools": [TOOL], **extra}))
    assert made["tools"] == [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}]
    assert made["tool_choice"] == choice


def test_limits_temperature_stops_and_users() -> None:
    plain_one = sent(ask("s", "x"))
    assert plain_one == {
        "model": "claude-x",
        "max_tokens": 4096,
        "system": "s",
        "messages": [say("user", [text("x")])],
    }
    extra = {
        "stop": ".",
        "user": "u1",
        "top_p": 0.5,
        "reasoning_effort": "low",
        "thinking": {"type": "adaptive"},
    }
    made = sent(ask("s", "x", model="claude-y", max_tokens=9, temperature=0.0, extra=extra))
    assert (made["model"], made["max_tokens"], made["stop_sequences"]) == ("claude-y", 9, ["."])
    assert made["metadata"] == {"user_id": "u1"} and made["output_config"] == {"effort": "low"}
    assert (made["temperature"], made["top_p"], made["thinking"]) == (0.0, 0.5, {"type": "adaptive"})


def test_what_has_no_counterpart_is_logged_and_a_seed_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        made = sent(ask("s", "x", extra={"frequency_penalty": 0.1, "presence_penalty": 0, "logprobs": None}))
    assert made.keys() == {"model", "max_tokens", "system", "messages"}
    assert caplog.messages == ["Anthropic's API has no frequency_penalty: not sent."]
    with pytest.raises(NoCounterpartError, match="provider seed"):
        sent(ask("s", "x", extra={"seed": 0}))


@pytest.mark.parametrize("wanted", [SCORE, TURN, CHECK, SCALAR, COGNITIVE])
def test_schemas_of_our_engines_are_structured_outputs(wanted: dict[str, Any]) -> None:
    made = sent(ask("s", "x", response_format=wanted), strict=lambda schema: {"strict": schema})
    schema = wanted["json_schema"]["schema"]
    assert made["output_config"] == {"format": {"type": "json_schema", "schema": {"strict": schema}}}
    assert made["system"] == "s"


OPEN = {"type": "object"}
LOOP = {"$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}, "$ref": "#/$defs/A"}


@pytest.mark.parametrize(
    ("schema", "expressible"),
    [
        ({"type": "string"}, True),
        ({"enum": [1, None]}, True),
        ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}, True),
        ({"type": "object", "properties": {"a": {"type": ["object", "null"]}}}, False),
        (OPEN, False),
        ({"type": "object", "properties": {"a": OPEN}}, False),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": {"type": "string"},
            },
            False,
        ),
        ({"type": "array", "items": OPEN}, False),
        ({"type": "array"}, False),
        ({"anyOf": [{"type": "string"}, OPEN]}, False),
        ({}, False),
        (LOOP, False),
        ({"$ref": "#/$defs/none"}, False),
    ],
)
def test_which_schemas_structured_outputs_can_express(schema: dict[str, Any], expressible: bool) -> None:
    assert is_expressible(plain(schema)) is expressible


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (form("open", OPEN), rule(OPEN)),
        ({"type": "json_object"}, rule(None)),
    ],
)
def test_a_format_that_cannot_be_expressed_is_put_in_words(wanted: dict[str, Any], words: str) -> None:
    asked = ask("s", "x", response_format=wanted)
    assert needs_words(asked)
    made = sent(in_form(asked, PROMPT))
    assert made["system"] == f"s\n\n{words}"
    assert "output_config" not in made


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["type", "properties", "items", "anyOf", "$ref", "$defs", "a", "enum"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_no_schema_however_odd_is_a_crash(schema: Any) -> None:
    with contextlib.suppress(*GARBAGE):  # these become a ModelCallError in the provider
        sent(ask("s", "x", response_format=form("odd", schema if isinstance(schema, dict) else {})))


def message(*content: Any, **more: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 7,
        "output_tokens": 3,
        "cache_read_input_tokens": None,
        "cache_creation_input_tokens": None,
    }
    known = {
        "content": list(content),
        "stop_reason": "end_turn",
        "model": "claude-x-1",
        "usage": usage,
        "stop_details": None,
    }
    return known | more


@pytest.mark.parametrize(
    ("reason", "finish", "refusal"),
    [
        ("end_turn", "stop", False),
        ("stop_sequence", "stop", False),
        ("max_tokens", "length", False),
        ("model_context_window_exceeded", "length", False),
        ("tool_use", "tool_calls", False),
        ("pause_turn", "stop", False),
        (None, "stop", False),
        ("refusal", "content_filter", True),
    ],
)
def test_stop_reasons(reason: str | None, finish: str, refusal: bool) -> None:
    answer = reply(message({"type": "text", "text": "a"}, stop_reason=reason), request=ask("x"))
    assert (answer.finish_reason, answer.refusal, answer.text) == (finish, refusal, "a")


def test_a_refusal_without_words_says_why() -> None:
    details = {"explanation": "It may be harmful."}
    assert (
        reply(message(stop_reason="refusal", stop_details=details), request=ask("x")).text
        == "It may be harmful."
    )


def test_thinking_is_no_answer_and_tools_are_openai_s() -> None:
    tool = {"type": "tool_use", "id": "a", "name": "look", "input": {"at": "é"}}
    answer = reply(
        message({"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "I look."}, tool),
        request=ask("x"),
    )
    assert answer.text == "I look."
    function = {"name": "look", "arguments": '{"at": "é"}'}
    assert answer.tool_calls == [{"id": "a", "type": "function", "function": function}]


def test_usage_counts_what_came_from_the_cache_and_went_there() -> None:
    usage = {
        "input_tokens": 7,
        "output_tokens": 3,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
    }
    answer = reply(message({"type": "text", "text": "a"}, usage=usage), request=ask("x"))
    assert (answer.tokens_in, answer.tokens_out, answer.tokens_cached, answer.tokens_written) == (
        127,
        3,
        100,
        20,
    )


def test_text_is_handed_on_as_it_came_and_thoughts_beside_it() -> None:
    """What surrounds JSON is the gateway's to read, by one rule for every provider."""
    said = '```json\n{"a": 1}\n```'
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
        {"type": "redacted_thinking", "data": "y"},
    ]
    answer = reply(
        message(*blocks, {"type": "text", "text": said}),
        request=ask("x", response_format={"type": "json_object"}),
    )
    assert (answer.text, answer.thoughts) == (said, "Hm.")


def test_an_effort_that_the_api_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(NoCounterpartError, match=r"reasoning_effort='minimal' \(expected one of low"):
        sent(ask("s", "x", extra={"reasoning_effort": "minimal"}))
