"""The Anthropic provider against a fake of the API on loopback."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Mapping
from typing import Any

import pytest
from support.anthropic_endpoint import AnthropicEndpoint, Trouble
from support.requests import SCALAR, SCORE, ask, form

from harness.errors import ModelCallError, UnsupportedParameterError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.providers.anthropic_messages import AnthropicMessages
from harness.gateway.requests.model_options import CallOptions

KEY = "not-a-real-key-0123456789"


def complete(endpoint: AnthropicEndpoint, *requests: Request, **more: Any) -> list[Reply]:
    async def main() -> list[Reply]:
        provider = AnthropicMessages("claude-x", base_url=endpoint.url, api_key=KEY, **more)
        try:
            return [await provider.complete(request, trial="t", occurrence=0) for request in requests]
        finally:
            await provider.aclose()

    return asyncio.run(main())


def test_a_plain_call() -> None:
    with AnthropicEndpoint() as endpoint:
        (reply,) = complete(endpoint, ask("be brief", "ping", temperature=0.5, extra={"top_p": 0.9}))
    assert reply == Reply("pong 0", model="claude-x-20251001", tokens_in=7, tokens_out=3, tool_calls=[])
    seen = endpoint.requests[0]
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert dict(seen.body) == {
        "model": "claude-x",
        "max_tokens": 4096,
        "system": "be brief",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "ping"}]}],
        "temperature": 0.5,
        "top_p": 0.9,
    }


def test_a_schema_is_sent_as_a_structured_output_in_the_form_that_the_api_takes() -> None:
    answer = {"reasoning": "r", "justification": "j", "value": 4}

    def message(body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        return {"content": [{"type": "text", "text": json.dumps(answer)}]}

    with AnthropicEndpoint(message=message) as endpoint:
        replies = complete(
            endpoint,
            ask("s", "x", response_format=SCORE),
            ask("s", "x", response_format=SCALAR),
            ask(
                "s",
                "x",
                response_format=form(
                    "maybe", {"type": ["object", "null"], "properties": {"a": {"type": ["string", "null"]}}}
                ),
            ),
        )
    assert [json.loads(reply.text) for reply in replies] == [answer] * 3
    first, second, third = (seen.body["output_config"]["format"]["schema"] for seen in endpoint.requests)
    assert first["additionalProperties"] is False and "minimum" not in first["properties"]["value"]
    assert len(second["properties"]["value"]["anyOf"]) == 4
    assert third["anyOf"][0]["properties"]["a"]["anyOf"] == [{"type": "string"}, {"type": "null"}]


def test_tools_there_and_back() -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}

    def message(body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        if number:
            return {}
        block = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "sky"}}
        return {"content": [{"type": "text", "text": "I look."}, block], "stop_reason": "tool_use"}

    with AnthropicEndpoint(message=message) as endpoint:
        first = ask("s", "x", extra={"tools": [tool], "tool_choice": "required"})
        (asked,) = complete(endpoint, first)
        said = {"role": "assistant", "content": asked.text, "tool_calls": list(asked.tool_calls)}
        result = {"role": "tool", "tool_call_id": "toolu_1", "content": "blue"}
        (told,) = complete(endpoint, Request([*first.messages, said, result], extra=first.extra))
    assert asked.finish_reason == "tool_calls" and told.text == "pong 1"
    assert endpoint.requests[0].body["tool_choice"] == {"type": "any"}
    turns = endpoint.requests[1].body["messages"]
    assert turns[1]["content"][1] == {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "look",
        "input": {"at": "sky"},
    }
    assert turns[2]["content"][0]["tool_use_id"] == "toolu_1"


def test_a_refusal_is_a_reply() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "Not this."}
    with AnthropicEndpoint(
        message=lambda *_: {"content": [], "stop_reason": "refusal", "stop_details": details}
    ) as endpoint:
        (reply,) = complete(endpoint, ask("s", "x"))
    assert (reply.refusal, reply.text, reply.finish_reason) == (True, "Not this.", "content_filter")
    assert (reply.model, reply.tokens_in) == ("claude-x-20251001", 7), "a refusal is billed"


@pytest.mark.parametrize(
    ("trouble", "fatal", "wait", "said"),
    [
        (Trouble(400, "messages: odd"), False, None, "HTTP 400: messages: odd"),
        (Trouble(401, "invalid x-api-key"), True, None, "the key was refused (check ANTHROPIC_API_KEY)"),
        (Trouble(402, "no funds"), True, None, "there is no credit left"),
        (Trouble(400, "Your credit balance is too low to go on."), True, None, "credit balance"),
        (Trouble(400, "`temperature` is deprecated for this model."), True, None, "`temperature`"),
        (Trouble(403, "no"), True, None, "this key may not do that"),
        (Trouble(404, "model: claude-x"), True, None, "no such model, or no such address"),
        (Trouble(413, "too large"), False, None, "HTTP 413"),
        (Trouble(408), False, 1.0, "HTTP 408"),
        (Trouble(429, headers={"retry-after": "7"}), False, 7.0, "too many requests"),
        (Trouble(429, headers={"retry-after": "0"}), False, 0.01, "too many requests"),
        (Trouble(500), False, 1.0, "HTTP 500"),
        (
            Trouble(529, "Overloaded", headers={"retry-after": "9999"}),
            False,
            9999.0,
            "overloaded: Overloaded",
        ),
    ],
)
def test_which_errors_end_the_run_and_which_are_tried_again(
    trouble: Trouble, fatal: bool, wait: float | None, said: str
) -> None:
    with AnthropicEndpoint(lambda _: trouble) as endpoint, pytest.raises(ModelCallError) as caught:
        complete(endpoint, ask("s", "x"))
    assert (caught.value.fatal, caught.value.retry_after) == (fatal, wait)
    assert said in str(caught.value) and f"Model anthropic:claude-x at {endpoint.url}" in str(caught.value)
    assert len(endpoint.requests) == 1, "the gateway retries, not the SDK"


@pytest.mark.parametrize(
    "body", ["<html>", "{}", "[]", "null", '{"content": null}', '{"content": [7]}', '"x"']
)
def test_a_body_that_is_not_a_message_is_asked_for_again(body: str) -> None:
    with (
        AnthropicEndpoint(lambda _: Trouble(200, body=body)) as endpoint,
        pytest.raises(ModelCallError) as caught,
    ):
        complete(endpoint, ask("s", "x"))
    assert caught.value.retry_after == 1.0 and not caught.value.fatal


def test_nobody_there_is_trouble_that_may_pass() -> None:
    with AnthropicEndpoint() as endpoint:
        pass
    with pytest.raises(ModelCallError, match="onnection") as caught:
        complete(endpoint, ask("s", "x"))
    assert caught.value.retry_after == 1.0 and not caught.value.fatal


def test_what_cannot_be_asked_there_is_said_and_not_sent() -> None:
    with AnthropicEndpoint() as endpoint:
        with pytest.raises(ModelCallError, match="no way to ask for a seed") as caught:
            complete(endpoint, ask("s", "x", extra={"seed": 4}))
        assert caught.value.fatal
        with pytest.raises(ModelCallError, match="not one that OpenAI's API would take") as caught:
            complete(endpoint, Request([{"role": "user", "content": [{"type": "text"}]}]))
        assert not caught.value.fatal
    assert not endpoint.requests


def test_a_long_answer_may_be_asked_for() -> None:
    with AnthropicEndpoint() as endpoint:
        complete(endpoint, ask("s", "x", max_tokens=100_000))
    assert endpoint.requests[0].body["max_tokens"] == 100_000


def test_there_are_no_embeddings() -> None:
    provider = AnthropicMessages("claude-x", api_key=KEY)
    with pytest.raises(ModelCallError, match="embeddings") as caught:
        asyncio.run(provider.embed(["a"], "m"))
    assert caught.value.fatal


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_no_error_shows_the_key(status: int) -> None:
    trouble = Trouble(status, f"invalid key: {KEY}; also sk-ant-api03-{'x' * 30}")
    with AnthropicEndpoint(lambda _: trouble) as endpoint, pytest.raises(ModelCallError) as caught:
        complete(endpoint, ask("s", "x"))
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert KEY not in shown and "xxxxx" not in shown and "[key]" in shown
    assert caught.value.__context__ is None, "the SDK's error has the request, and the request has the key"


def test_headers_are_shown_to_who_wants_them() -> None:
    heard: list[str | None] = []

    async def main(url: str) -> None:
        provider = AnthropicMessages("claude-x", base_url=url, api_key=KEY)
        provider.on_headers = lambda headers: heard.append(
            headers.get("anthropic-ratelimit-requests-remaining")
        )
        with pytest.raises(ModelCallError, match="429"):
            await provider.complete(ask("s", "x"), trial="t", occurrence=0)
        await provider.complete(ask("s", "x"), trial="t", occurrence=1)
        await provider.aclose()

    limits = {"anthropic-ratelimit-requests-remaining": "0"}
    with AnthropicEndpoint(lambda number: None if number else Trouble(429, headers=limits)) as endpoint:
        asyncio.run(main(endpoint.url))
    assert heard == ["0", None]


def test_a_declared_field_without_a_counterpart_is_refused_before_anything_is_sent() -> None:
    async def main() -> None:
        gateway = Gateway(
            AnthropicMessages("claude-x", base_url="http://127.0.0.1:9", api_key="not-a-real-key")
        )
        client = gateway.open_trial("t", options=CallOptions({"frequency_penalty": 0.5}))
        try:
            await client.complete(ask("s", "x"), CallSite("act"))
        finally:
            await gateway.aclose()

    with pytest.raises(UnsupportedParameterError, match="its API has no frequency_penalty") as caught:
        asyncio.run(main())
    assert caught.value.fatal
