"""What is learned from a server's refusals: the name of the limit, and how JSON is asked for. Nothing is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.gateway.calls import Request
from harness.gateway.providers.dialect import Dialect, refused_parameter
from harness.gateway.providers.http_client import Answer
from harness.gateway.providers.provider_errors import fault_inside, fault_of
from harness.gateway.requests.response_formats import LOOSE, OBJECT, PROMPT, SCHEMA, in_form, rule

SCORE = {
    "type": "json_schema",
    "json_schema": {
        "name": "score",
        "strict": True,
        "schema": {"type": "object", "properties": {"why": {"type": "string"}, "value": {"type": "integer"}}},
    },
}
WORDS = [{"role": "system", "content": "You are Ada."}, {"role": "user", "content": "How was it?"}]
ASKED = Request(WORDS, "m", SCORE, 0.2, 800)


def body(request: Request = ASKED, limit: str = "max_tokens", **more: Any) -> dict[str, Any]:
    known = {"temperature": request.temperature, "response_format": request.response_format}
    made = {"model": "m", "messages": list(request.messages), limit: request.max_tokens, **known, **more}
    return {name: value for name, value in made.items() if value is not None}


def refusal(said: Any, status: int = 400) -> Any:
    text = said if isinstance(said, str) else json.dumps(said)
    return fault_of(Answer(status, {}, text.encode()))


def openai(message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def pydantic(kind: str, place: list[str], message: str) -> dict[str, Any]:
    return {"detail": [{"type": kind, "loc": place, "msg": message, "input": 800}]}


@pytest.mark.parametrize(
    ("sent", "said", "status"),
    [
        (
            "max_tokens",
            openai(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
                "instead.",
                "max_tokens",
                "unsupported_parameter",
            ),
            400,
        ),
        ("max_tokens", "This model requires max_completion_tokens instead of max_tokens.", 400),
        ("max_tokens", openai("max_tokens is deprecated; please use max_completion_tokens."), 400),
        ("max_tokens", {"message": "Please use `max_completion_tokens` instead."}, 400),
        (
            "max_tokens",
            pydantic("extra_forbidden", ["body", "max_tokens"], "Extra inputs are not permitted"),
            422,
        ),
        (
            "max_completion_tokens",
            pydantic("extra_forbidden", ["body", "max_completion_tokens"], "Extra inputs are not permitted"),
            422,
        ),
        (
            "max_completion_tokens",
            {
                "object": "error",
                "message": pydantic(
                    "extra_forbidden", ["body", "max_completion_tokens"], "Extra inputs are not permitted"
                ),
            },
            422,
        ),
        (
            "max_completion_tokens",
            openai("Unrecognized request argument supplied: max_completion_tokens"),
            400,
        ),
        ("max_completion_tokens", {"error": "unknown field max_completion_tokens"}, 400),
        ("max_completion_tokens", 'json: unknown field "max_completion_tokens"', 400),
        (
            "max_completion_tokens",
            "unknown field `max_completion_tokens`, expected one of `model`, `messages`, `max_tokens`",
            422,
        ),
        ("max_completion_tokens", openai("property 'max_completion_tokens' is unsupported"), 400),
        (
            "max_completion_tokens",
            openai("Additional properties are not allowed ('max_completion_tokens' was unexpected)"),
            400,
        ),
    ],
)
def test_the_other_name_of_the_limit_is_learned_from_a_refusal(sent: str, said: Any, status: int) -> None:
    dialect = Dialect(sent)
    learned = dialect.learn(refusal(said, status), ASKED, dialect.sent(ASKED), body(limit=sent))
    assert learned
    assert dialect.limit != sent
    assert dialect.sent(ASKED).limit == dialect.limit


@pytest.mark.parametrize(
    "said",
    [
        openai("max_tokens is too large: 500000. This model supports at most 16384 completion tokens."),
        openai(
            "'max_tokens' or 'max_completion_tokens' is too large: 800. This model's maximum context length is 512."
        ),
        openai("Invalid 'max_tokens': integer below minimum value. Expected a value >= 16.", "max_tokens"),
        openai("Unknown parameter 'top_k'. Supported parameters: model, messages, max_tokens, temperature."),
        openai("Unsupported value: 'temperature' does not support 0.2 with this model.", "temperature"),
        openai("The prompt is longer than max_tokens allows: it exceeds the context length."),
        "Internal error",
    ],
)
def test_a_refusal_of_the_amount_or_of_another_field_changes_no_name(said: Any) -> None:
    dialect = Dialect()
    sent = body(Request(WORDS, "m", max_tokens=800, temperature=0.2), top_k=4)
    plain = Request(WORDS, "m", max_tokens=800, temperature=0.2, extra={"top_k": 4})
    assert dialect.learn(refusal(said), plain, dialect.sent(plain), sent) is None
    assert dialect.limit == "max_tokens"


def test_a_server_that_knows_neither_name_is_not_asked_in_circles() -> None:
    dialect = Dialect()
    plain = Request(WORDS, "m", max_tokens=800)
    for name, expected in (("max_tokens", True), ("max_completion_tokens", False)):
        fault = refusal(f"Unknown field: {name}", 422)
        learned = dialect.learn(fault, plain, dialect.sent(plain), body(plain, name))
        assert bool(learned) is expected


def test_calls_in_flight_learn_a_thing_once_and_are_sent_once_more() -> None:
    dialect = Dialect()
    sent = dialect.sent(ASKED)
    fault = refusal("max_tokens is not supported. Use max_completion_tokens instead.")
    learned = [dialect.learn(fault, ASKED, sent, body()) for _ in range(5)]
    assert learned[0]
    assert learned[1:] == [""] * 4


REFUSALS = [
    (openai("response_format.type json_schema is unsupported, use json_object"), 400),
    (
        openai(
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            "response_format",
        ),
        400,
    ),
    (openai("This response_format type is unavailable now"), 400),
    (openai("This model does not support response format `json_schema`."), 400),
    (
        openai(
            "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later"
        ),
        400,
    ),
    (
        "Failed to deserialize: response_format.type: unknown variant `json_schema`, expected `text` or `json_object`",
        422,
    ),
    (
        pydantic(
            "literal_error", ["body", "response_format", "type"], "Input should be 'text' or 'json_object'"
        ),
        422,
    ),
    (pydantic("extra_forbidden", ["body", "response_format"], "Extra inputs are not permitted"), 422),
    (openai("Structured outputs are not supported by this model."), 400),
    ({"error": "guided decoding is not available with this backend"}, 501),
    ({"error": {"code": 501, "message": "json_schema: not implemented", "type": "not_supported_error"}}, 501),
    (openai("litellm.UnsupportedParamsError: bedrock does not support parameters: ['response_format']"), 400),
    (openai("Unrecognized request argument supplied: response_format"), 400),
    (openai("'response_format.type' must be 'json_object' or 'text'"), 400),
    ({"error": "grammar is not supported in this build"}, 500),
]


@pytest.mark.parametrize(("said", "status"), REFUSALS)
def test_a_server_without_json_schema_is_asked_for_an_object_then_in_the_prompt(
    said: Any, status: int
) -> None:
    dialect = Dialect()
    for form in (OBJECT, PROMPT):
        sent = dialect.sent(ASKED)
        spelled = in_form(ASKED, sent.form)
        assert dialect.learn(refusal(said, status), ASKED, sent, body(spelled))
        assert dialect.sent(ASKED).form == form
    sent = dialect.sent(ASKED)
    assert dialect.learn(refusal(said, status), ASKED, sent, body(in_form(ASKED, PROMPT))) is None


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (openai("Rate limit reached for response_format requests: not available"), 429),
        (
            openai(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
            ),
            400,
        ),
        (
            openai("Unsupported value: 'temperature' does not support 0.2 with this model.", "temperature"),
            400,
        ),
        (openai("The model `m` does not exist"), 404),
        ("upstream timed out", 502),
        ("Internal server error", 500),
        ("Failed to parse the JSON object of a tool call", 500),
        ("The body is not valid: expected a JSON object", 400),
    ],
)
def test_another_failure_changes_no_form(said: Any, status: int) -> None:
    dialect = Dialect()
    assert dialect.learn(refusal(said, status), ASKED, dialect.sent(ASKED), body()) is None
    assert dialect.sent(ASKED).form == ""


def test_an_error_inside_a_200_is_learned_from_too() -> None:
    dialect = Dialect()
    fault = fault_inside({"error": {"message": "json_schema is not supported"}}, {})
    assert fault is not None
    assert dialect.learn(fault, ASKED, dialect.sent(ASKED), body())
    assert dialect.sent(ASKED).form == OBJECT


def test_a_schema_that_strict_mode_cannot_express_loses_strict_mode_alone_and_only_itself() -> None:
    dialect = Dialect()
    other = Request(WORDS, "m", {**SCORE, "json_schema": {**SCORE["json_schema"], "name": "turn"}})  # type: ignore[dict-item]
    fault = refusal(
        openai(
            "Invalid schema for response_format 'score': In context=(), 'additionalProperties' is required to be "
            "supplied and to be false.",
            "response_format",
        )
    )
    assert "'score'" in (dialect.learn(fault, ASKED, dialect.sent(ASKED), body()) or "")
    assert (dialect.sent(ASKED).form, dialect.sent(other).form) == (LOOSE, "")
    spelled = in_form(ASKED, LOOSE)
    assert spelled.response_format is not None
    assert "strict" not in spelled.response_format["json_schema"]
    assert spelled.messages == ASKED.messages
    grammar = refusal(openai("JSON schema conversion failed: Unrecognized schema"))
    assert dialect.learn(grammar, ASKED, dialect.sent(ASKED), body(spelled))
    assert (dialect.sent(ASKED).form, dialect.sent(other).form) == (OBJECT, "")


def test_a_chosen_form_is_kept_whatever_the_server_says() -> None:
    for chosen, form in ((SCHEMA, ""), (OBJECT, OBJECT), (PROMPT, PROMPT)):
        dialect = Dialect(least=chosen)
        assert dialect.sent(ASKED).form == form
        spelled = body(in_form(ASKED, form))
        assert dialect.learn(refusal(REFUSALS[0][0]), ASKED, dialect.sent(ASKED), spelled) is None


def test_a_protocol_without_json_object_goes_to_the_prompt() -> None:
    dialect = Dialect(forms=(SCHEMA, PROMPT))
    said = "output_config.format: structured outputs are not supported by this model"
    sent = {"model": "m", "messages": [], "output_config": {}}
    assert dialect.learn(refusal(said), ASKED, dialect.sent(ASKED), sent)
    assert dialect.sent(ASKED).form == PROMPT
    dialect.choose(OBJECT)
    assert dialect.sent(ASKED).form == PROMPT


def test_a_list_is_asked_for_in_the_prompt_because_it_is_no_object() -> None:
    listed = Request(
        WORDS, "m", {"type": "json_schema", "json_schema": {"name": "l", "schema": {"type": "array"}}}
    )
    assert Dialect(least=OBJECT).sent(listed).form == PROMPT


def test_the_schema_stands_at_the_end_of_the_instructions_with_its_properties_in_order() -> None:
    asked = in_form(ASKED, OBJECT)
    system, user = asked.messages
    assert asked.response_format == {"type": "json_object"}
    assert user == WORDS[1]
    assert system["content"].startswith(
        "You are Ada.\n\nAnswer with one JSON object that matches this JSON schema"
    )
    assert system["content"].index('"why"') < system["content"].index('"value"')
    assert (asked.temperature, asked.max_tokens) == (0.2, 800)
    assert in_form(ASKED, PROMPT).response_format is None
    assert ASKED.messages[0]["content"] == "You are Ada."


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "user", "content": "a"}], [{"role": "user", "content": "a\n\nR"}]),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "R"}]}],
        ),
        (
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            [{"role": "user", "content": "a\n\nR"}, {"role": "assistant", "content": "b"}],
        ),
        (
            [{"role": "assistant", "content": "b"}],
            [{"role": "assistant", "content": "b"}, {"role": "user", "content": "R"}],
        ),
        ([{"role": "system", "content": None}], [{"role": "system", "content": "R"}]),
    ],
)
def test_the_rule_finds_a_place_in_any_conversation(messages: list[Any], expected: list[Any]) -> None:
    request = Request(messages, response_format={"type": "json_object"})
    words = rule(None)
    assert (
        json.loads(json.dumps(in_form(request, PROMPT).messages).replace(json.dumps(words)[1:-1], "R"))
        == expected
    )


@pytest.mark.parametrize(
    ("said", "status", "field"),
    [
        (
            openai(
                "'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
                "temperature",
                "unsupported_value",
            ),
            400,
            "temperature",
        ),
        (openai("Unrecognized request argument supplied: reasoning_effort"), 400, "reasoning_effort"),
        (pydantic("extra_forbidden", ["body", "seed"], "Extra inputs are not permitted"), 422, "seed"),
        (openai("top_p is deprecated for this model."), 400, "top_p"),
        (openai("temperature: is deprecated for this model"), 400, "temperature"),
        (openai("does not support tools"), 400, None),
        (openai("This model is not available"), 400, None),
        (openai("Unrecognized request argument supplied: top_p"), 500, None),
    ],
)
def test_a_refused_field_is_named(said: Any, status: int, field: str | None) -> None:
    sent = body(top_p=0.5, reasoning_effort="low", seed=3)
    assert refused_parameter(refusal(said, status), sent) == field
