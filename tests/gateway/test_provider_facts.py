"""What providers differ in, as one table: a server that mimics each, and what a trial gets of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest
from support.endpoint import FakeEndpoint, Fault

from harness.errors import (
    ContextOverflowError,
    ModelCallError,
    RefusedError,
    RefusedKeyError,
    UnknownModelError,
    UnsupportedParameterError,
)
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.prices import Price, charged
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.replies.tool_arguments import ToolCall
from harness.gateway.requests.model_options import CallOptions
from harness.gateway.requests.response_formats import without_system
from harness.plugin.hints import explain

SCORE = {
    "type": "json_schema",
    "json_schema": {
        "name": "score",
        "schema": {"type": "object", "properties": {"value": {"type": "integer"}}, "required": ["value"]},
    },
}
WORDS = ({"role": "system", "content": "You are Ada."}, {"role": "user", "content": "How was it?"})
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
SEVEN = '{"value": 7}'
PRICES = {"m": Price(1.0, 10.0, cached=0.1)}


def message(content: Any = SEVEN, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def completion(said: Mapping[str, Any], *, usage: Any = USAGE, reason: str = "stop", **more: Any) -> Fault:
    choice = {"index": 0, "message": said, "finish_reason": reason}
    body = {"model": "m", "choices": [choice], **({} if usage is None else {"usage": usage}), **more}
    return Fault(200, body=json.dumps(body))


def error(status: int, text: str, code: str | None = None, **headers: str) -> Fault:
    return Fault(status, body=json.dumps({"error": {"message": text, "code": code}}), headers=headers)


@dataclass
class Outcome:
    """What a call came to: its reply or its error, what was sent, told, rejected and waited."""

    reply: Reply | None = None
    error: ModelCallError | None = None
    sent: list[Mapping[str, Any]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)


def outcome(
    answer: Callable[[Mapping[str, Any], int], Fault],
    request: Request | None = None,
    options: Mapping[str, Any] | None = None,
) -> Outcome:
    """What comes of one call to a server that gives ``answer`` by the request's body and number."""
    came = Outcome()

    async def nap(seconds: float) -> None:
        came.waited.append(seconds)

    async def main(url: str) -> None:
        gateway = Gateway(
            OpenAICompatible("m", base_url=url, api_key="not-a-real-key"),
            sleep=nap,
            wall=lambda: 0.0,
            price=lambda reply, asked: charged(reply, asked, PRICES),
        )
        gateway.notify = gateway.provider.notify = came.told.append  # type: ignore[attr-defined]
        client = gateway.open_trial("talk/Control/1/0/0", options=CallOptions(options or {}))
        try:
            came.reply = await client.complete(
                request or Request(WORDS, response_format=SCORE), CallSite("score_person", "Ada")
            )
        except ModelCallError as problem:
            came.error = problem
        came.rejected = [one["reason"] for one in client.rejections]
        await gateway.aclose()

    with FakeEndpoint(refuse=lambda body: answer(body, len(endpoint.requests) - 1)) as endpoint:
        asyncio.run(main(endpoint.url))
        came.sent = [seen.body for seen in endpoint.requests]
    return came


def first(*answers: Fault) -> Callable[[Mapping[str, Any], int], Fault]:
    """These answers in turn, then a good one."""
    return lambda _body, number: answers[number] if number < len(answers) else completion(message())


# Replies that are used


@pytest.mark.parametrize(
    ("said", "usage", "expected"),
    [
        (message(reasoning_content="Hm."), USAGE, {"thoughts": "Hm.", "data": {"value": 7}}),
        (message(reasoning="Hm."), USAGE, {"thoughts": "Hm."}),
        (message("<think>Hm. 3?</think>" + SEVEN), USAGE, {"thoughts": "Hm. 3?", "data": {"value": 7}}),
        (message([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": SEVEN}]), USAGE,
         {"thoughts": "Hm.", "data": {"value": 7}}),
        (message("```json\n" + SEVEN + "\n```"), USAGE, {"data": {"value": 7}, "unwrapped": "fence"}),
        (message(), {**USAGE, "prompt_tokens_details": {"cached_tokens": 50}},
         {"tokens_cached": 50, "cost": (50 + 50 * 0.1 + 20 * 10) / 1e6}),
        (message(), {**USAGE, "completion_tokens_details": {"reasoning_tokens": 15}},
         {"tokens_out": 20, "cost": (100 + 20 * 10) / 1e6}),
        (message(), {**USAGE, "total_tokens": 620, "completion_tokens_details": {"reasoning_tokens": 500}},
         {"tokens_out": 520, "usage_fault": "reasoning beside the completion"}),
        (message(), None, {"cost": None, "cost_reason": "the reply does not say how many tokens were read"}),
    ],
    ids=["reasoning_content", "reasoning", "think", "thinking parts", "fence", "cached tokens", "reasoning tokens",
         "reasoning tokens beside", "no usage"],
)  # fmt: skip
def test_replies_of_any_shape_are_read_and_priced(
    said: Mapping[str, Any], usage: Any, expected: Mapping[str, Any]
) -> None:
    came = outcome(first(completion(said, usage=usage)))
    assert came.error is None and came.rejected == []
    for name, value in expected.items():
        found = getattr(came.reply, name)
        assert found == (pytest.approx(value) if isinstance(value, float) else value), name


@pytest.mark.parametrize("written", [None, "", " ", "null", "{}", {}])
def test_a_tool_call_without_arguments_has_none(written: Any) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "list_shops", "arguments": written}}
    tools = {"tools": [{"type": "function", "function": {"name": "list_shops", "parameters": {}}}]}
    said = message(None, tool_calls=[call])
    came = outcome(first(completion(said, reason="tool_calls")), Request(WORDS, extra=tools))
    assert came.reply is not None
    (found,) = came.reply.calls
    assert isinstance(found, ToolCall)
    assert (found.name, found.arguments, found.fault) == ("list_shops", {}, "")


# Replies that are rejected, each with its reason, and sampled again


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Fault(200, body=json.dumps({"model": "m", "choices": [], "usage": USAGE})), "empty"),
        (completion(message("")), "empty"),
        (completion(message(None, reasoning_content="Hm.")), "empty (thoughts alone)"),
        (completion(message('{"value": 7'), reason="length"), "cut at the length limit of 768 tokens"),
        (completion(message("Seven."), reason="stop"), "not JSON"),
        (completion(message('{"value": "seven"}')), "against its schema"),
    ],
    ids=["choices: []", "empty text", "thoughts alone", "cut", "prose", "another schema"],
)
def test_unusable_replies_are_rejected_with_their_reason_and_sampled_again(
    answer: Fault, reason: str
) -> None:
    came = outcome(first(answer))
    assert came.reply is not None and came.reply.data == {"value": 7}
    assert len(came.rejected) == 1 and came.rejected[0].startswith(reason)
    assert came.waited == [], "an unusable reply is no reason to wait"


# Trouble that passes


@pytest.mark.parametrize(
    ("answer", "least"),
    [
        (error(429, "Slow down.", **{"retry-after": "7"}), 7.0),
        (lambda: error(429, "Slow down.", **{"retry-after": formatdate(time.time() + 60, usegmt=True)}), 30.0),
        (error(529, "Overloaded.", "overloaded_error"), 1.0),
        (error(503, "Model is loading."), 1.0),
        (Fault(502, body="<html><head><title>502 Bad Gateway</title></head></html>"), 1.0),
        (Fault(200, body=json.dumps({"error": {"message": "Upstream down", "code": 503}})), 1.0),
        (Fault(200, body=json.dumps({"error": {"message": "Slow", "code": "rate_limit_exceeded"}})), 1.0),
        (Fault(200, body=b'{"choices": [{"message": {"content": "caf\xe9"}}]}'), 1.0),  # type: ignore[arg-type]
        (Fault(200, body=""), 1.0),
        (Fault(cut=True), 1.0),
    ],
    ids=["Retry-After", "Retry-After as a date", "529", "503", "HTML error page", "error in a 200", "word in a 200",
         "not UTF-8", "empty body", "cut connection"],
)  # fmt: skip
def test_trouble_that_passes_is_waited_for(answer: Fault | Callable[[], Fault], least: float) -> None:
    came = outcome(first(answer() if callable(answer) else answer))
    assert came.reply is not None and came.reply.data == {"value": 7}
    assert came.rejected == [], "no reply came that could be rejected"
    assert len(came.waited) == 1 and came.waited[0] >= least


# What no later call can change


@pytest.mark.parametrize(
    ("answer", "kind", "said", "fatal"),
    [
        (error(401, "Incorrect API key", "invalid_api_key"), RefusedKeyError, "check OPENAI_API_KEY", True),
        (error(404, "The model `m` does not exist", "model_not_found"), UnknownModelError, "with --model", True),
        (error(402, "Insufficient Balance"), ModelCallError, "there is no credit left", True),
        (error(429, "You exceeded your quota", "insufficient_quota"), ModelCallError, "exceeded your quota", True),
        (Fault(200, body="<!DOCTYPE html><title>Sign in</title>"), ModelCallError, "a web page", True),
        (error(400, "Prompt too long", "context_length_exceeded"), ContextOverflowError, "some 5 tokens", False),
        (error(400, "prompt is too long: 9 tokens > 4 maximum"), ContextOverflowError, "2 messages", False),
        (error(400, "the request exceeds the available context size"), ContextOverflowError, "(Ada)", False),
        (error(400, "flagged", "content_filter"), RefusedError, "refused by the model", False),
        (completion(message(""), reason="content_filter"), RefusedError, "refused by the model", False),
        (completion(message(None, refusal="I cannot.")), RefusedError, "I cannot.", False),
    ],
    ids=["key", "model", "no credit", "quota", "login page", "context: OpenAI", "context: Anthropic",
         "context: llama.cpp", "filter of the prompt", "filter of the reply", "refusal"],
)  # fmt: skip
def test_what_waiting_cannot_change_ends_the_call_or_the_session(
    answer: Fault, kind: type[ModelCallError], said: str, fatal: bool
) -> None:
    came = outcome(lambda _body, _number: answer)
    assert type(came.error) is kind
    assert said in explain(came.error) and came.error.fatal is fatal
    assert came.waited == []


def test_a_temperature_that_a_reasoning_model_refuses_ends_the_session_with_the_way_out() -> None:
    words = "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) is supported."
    refuse = lambda body, _n: error(400, words) if "temperature" in body else completion(message())  # noqa: E731
    came = outcome(refuse, options={"temperature": 0.2})
    assert isinstance(came.error, UnsupportedParameterError) and came.error.fatal
    assert outcome(refuse).reply is not None, "an undeclared field is not sent"


# Requests that are spelled another way


def without_schemas(body: Mapping[str, Any], _number: int) -> Fault:
    kind = (body.get("response_format") or {}).get("type")
    return (
        error(400, "response_format json_schema is not supported")
        if kind == "json_schema"
        else completion(message())
    )


def without_formats(body: Mapping[str, Any], _number: int) -> Fault:
    return (
        error(422, "response_format is not permitted") if "response_format" in body else completion(message())
    )


def with_new_limit(body: Mapping[str, Any], _number: int) -> Fault:
    words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    return error(400, words) if "max_tokens" in body else completion(message())


@pytest.mark.parametrize(
    ("answer", "form", "told"),
    [
        (without_schemas, "json_object", 1),
        (without_formats, "prompt", 2),
        (with_new_limit, "", 1),
    ],
)
def test_a_server_that_refuses_a_spelling_gets_another_with_one_notice_each(
    answer: Callable[[Mapping[str, Any], int], Fault], form: str, told: int
) -> None:
    came = outcome(answer)
    assert came.reply is not None and came.reply.data == {"value": 7}
    assert (came.reply.form, len(came.told)) == (form, told)
    assert came.rejected == [] and came.waited == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "System role not supported"),
        (500, "Jinja Exception: System role not supported"),
        (400, "Unsupported value: 'messages[0].role' does not support 'system' with this model."),
        (400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
        (500, "Conversation roles must alternate user/assistant/user/assistant/..."),
    ],
)
def test_a_model_without_a_system_role_hears_it_from_the_user(status: int, words: str) -> None:
    def answer(body: Mapping[str, Any], _number: int) -> Fault:
        roles = [one["role"] for one in body["messages"]]
        return error(status, words) if "system" in roles else completion(message())

    came = outcome(answer)
    assert came.reply is not None and came.reply.form == "system as user"
    assert came.sent[-1]["messages"] == [{"role": "user", "content": "You are Ada.\n\nHow was it?"}]
    assert len(came.sent) == 2
    assert len(came.told) == 1 and "does not accept the role 'system'" in came.told[0]


SYSTEM, USER, BOT = ({"role": role, "content": role[0]} for role in ("system", "user", "assistant"))


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([USER, BOT], [USER, BOT]),
        ([SYSTEM], [{"role": "user", "content": "s"}]),
        ([SYSTEM, SYSTEM, USER, BOT], [{"role": "user", "content": "s\n\ns\n\nu"}, BOT]),
        ([SYSTEM, BOT, USER], [{"role": "user", "content": "s"}, BOT, USER]),
        ([USER, SYSTEM], [USER, {"role": "user", "content": "s"}]),
        (
            [SYSTEM, {"role": "user", "content": [{"type": "text", "text": "u"}]}],
            [{"role": "user", "content": [{"type": "text", "text": "s"}, {"type": "text", "text": "u"}]}],
        ),
    ],
)
def test_system_messages_become_part_of_the_users(messages: list[Any], expected: list[Any]) -> None:
    assert without_system(messages) == expected
