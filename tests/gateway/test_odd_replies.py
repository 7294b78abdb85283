"""Replies of any types whatever, from the provider through gateway and journal to a resumed session."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.requests import SCORE, ask

from harness.errors import ModelCallError
from harness.gateway.budget import Budget
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.prices import Price, charged
from harness.gateway.providers.anthropic_messages import AnthropicMessages
from harness.gateway.providers.http_client import Answer
from harness.gateway.providers.http_provider import HTTPProvider
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.providers.openrouter import OpenRouter
from harness.gateway.retry import RetryPolicy
from harness.gateway.server.chat_completions import chat_completion
from harness.records.lines import usage_line

KEY = "not-a-real-key-0123456789"
URL = "http://127.0.0.1:9/v1"
TEXTS = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(
    ["", "stop", "length", "null", "\ud800", "\x1b[2J", "tool_use", "text", "NaN", "1e999"]
)
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**30), 1e308, -0.0, 2**63])
    | st.floats()
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object whose fields are each right, odd or absent; or something else altogether."""
    right = st.fixed_dictionaries({}, optional={name: value | ODD for name, value in fields.items()})
    return right | ODD


COUNT = st.integers(0, 500)
FUNCTION = shaped(name=TEXTS, arguments=TEXTS)
CALL = shaped(id=TEXTS, type=st.just("function"), function=FUNCTION)
MESSAGE = shaped(
    role=st.just("assistant"), content=TEXTS, refusal=TEXTS, tool_calls=st.lists(CALL, max_size=2)
)
CHOICE = shaped(index=st.just(0), message=MESSAGE, finish_reason=TEXTS, error=ODD)
OPENAI_USAGE = shaped(
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    total_tokens=COUNT,
    cost=st.floats(0, 1),
    prompt_tokens_details=shaped(cached_tokens=COUNT, cache_write_tokens=COUNT),
    completion_tokens_details=shaped(reasoning_tokens=COUNT),
    cost_details=shaped(upstream_inference_cost=st.floats(0, 1)),
)
COMPLETION = shaped(
    id=TEXTS,
    model=TEXTS,
    system_fingerprint=TEXTS,
    choices=st.lists(CHOICE, max_size=2),
    usage=OPENAI_USAGE,
    error=ODD,
    provider=TEXTS,
)
BLOCK = shaped(
    type=st.sampled_from(["text", "tool_use", "thinking"]), text=TEXTS, id=TEXTS, name=TEXTS, input=ODD
)
ANTHROPIC_USAGE = shaped(
    input_tokens=COUNT,
    output_tokens=COUNT,
    cache_read_input_tokens=COUNT,
    cache_creation_input_tokens=COUNT,
    cache_creation=shaped(ephemeral_5m_input_tokens=COUNT),
)
MESSAGE_OF_ANTHROPIC = shaped(
    model=TEXTS,
    content=st.lists(BLOCK, max_size=3),
    stop_reason=TEXTS,
    stop_details=shaped(explanation=TEXTS),
    usage=ANTHROPIC_USAGE,
    error=ODD,
)
PRICE = Price(input=1.0, output=10.0, cached=0.1)


async def no_time(_: float) -> None: ...


class Canned:
    """In the place of a provider's HTTP client: the same body for every call."""

    def __init__(self, status: int, body: bytes) -> None:
        self._answer, self.calls = Answer(status, {}, body), 0

    async def post(self, path: str, body: Mapping[str, Any], **more: Any) -> Answer:
        json.dumps(body)
        self.calls += 1
        return self._answer

    async def aclose(self) -> None: ...


@cache
def made(kind: Any) -> Any:
    return kind("m", base_url=URL, api_key=KEY)


def answering(kind: type[HTTPProvider], body: bytes, status: int = 200) -> tuple[Any, Canned]:
    provider, canned = made(kind), Canned(status, body)
    provider._http = canned  # type: ignore[assignment]
    return provider, canned


async def session(provider: Any, folder: Path, request: Request) -> tuple[Reply | ModelCallError, Gateway]:
    """One call of a trial: its reply or its failure, with a budget and the journal in ``folder``."""
    gateway = Gateway(
        provider,
        journal=Journal(folder),
        budget=Budget(max_cost=1e6, price=lambda _request: PRICE),
        retry=RetryPolicy(2, max_replies=2),
        price=lambda reply, asked: charged(reply, asked, {"m": PRICE}),
        sleep=no_time,
    )
    client = gateway.open_trial("t", "run")
    try:
        came: Reply | ModelCallError = await client.complete(request, CallSite("score"))
        assert isinstance(came, Reply)
        json.dumps(chat_completion([came]))
    except ModelCallError as error:
        came = error
    finally:
        await gateway.aclose()
    json.dumps([usage_line(client.usage()), client.rejections], allow_nan=False)
    assert gateway._sender.budget is not None and gateway._sender.budget.spent.cost >= 0
    return came, gateway


def survives(kind: type[HTTPProvider], body: Any, request: Request) -> None:
    """No traceback, and a second session gets the reply from the journal, as it was."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def main(folder: Path) -> None:
        provider, canned = answering(kind, text)
        first, _ = await session(provider, folder, request)
        sent = canned.calls
        again, gateway = await session(provider, folder, request)
        if isinstance(first, Reply):
            assert again == first and canned.calls == sent and gateway.replayed == 1
        else:
            assert isinstance(again, ModelCallError)
            assert KEY not in str(first)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))


TOOL = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]
PLAIN: Mapping[str, Any] = {
    "model": "m",
    "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
}


@given(COMPLETION, st.sampled_from([None, SCORE]))
@settings(max_examples=40, deadline=None)
@example(dict(PLAIN), None)
@example(PLAIN | {"model": ["m", "n"], "system_fingerprint": 7, "usage": "12 tokens"}, None)
@example(PLAIN | {"choices": {"0": "hello"}}, None)
@example(PLAIN | {"choices": [None]}, None)
def test_no_completion_is_a_crash_or_a_lost_resume(body: Any, form: Mapping[str, Any] | None) -> None:
    survives(OpenAICompatible, body, ask("x", response_format=form))


@given(COMPLETION)
@settings(max_examples=25, deadline=None)
def test_no_completion_of_openrouter_is_a_crash(body: Any) -> None:
    survives(OpenRouter, body, ask("x"))


@given(MESSAGE_OF_ANTHROPIC)
@settings(max_examples=40, deadline=None)
@example({"content": [{"type": "tool_use", "id": 3, "name": ["x"], "input": [[]]}], "usage": []})
def test_no_message_of_anthropic_is_a_crash(body: Any) -> None:
    survives(AnthropicMessages, body, ask("x"))


@pytest.mark.parametrize("kind", [OpenAICompatible, AnthropicMessages])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"<html>",
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"a":' * 20_000,
        b'{"choices": [' + b"[" * 900 + b"]" * 900 + b"]}",
        b'{"usage": 1' + b"0" * 5000 + b"}",
        b'{"choices": [{"message": {"content": ' + b"[" * 700 + b'"deep"' + b"]" * 700 + b"}}]}",
        b'{"choices": [{"message": {"content": "a", "tool_calls": [{"x": ' + b"[" * 700 + b"]" * 700 + b"}]}}]}",
        b'{"content": [{"type": "tool_use", "input": ' + b"[" * 700 + b"]" * 700 + b"}]}",
        b'{"choices": [{"message": {"content": "\\ud800"}}], "model": "\\udfff", "usage": {"a": "\\ud800"}}',
        b'{"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": NaN, "completion_tokens": 1e999}}',
    ],
)  # fmt: skip
def test_no_body_is_a_crash(kind: type[HTTPProvider], body: bytes) -> None:
    survives(kind, body, ask("x"))


def complete(body: Any, kind: type[HTTPProvider] = OpenAICompatible) -> Reply:
    provider, _ = answering(kind, json.dumps(body).encode())
    return asyncio.run(provider.complete(ask("x"), trial="t", occurrence=0))


def test_names_of_other_types_are_kept_as_json_on_one_line() -> None:
    reply = complete(PLAIN | {"model": ["m", {"n": 1}], "system_fingerprint": 42})
    assert (reply.model, reply.fingerprint, reply.text) == ('["m", {"n": 1}]', "42", "hello")
    assert complete(PLAIN | {"model": "a\x1b[31m\nb" + "c" * 500}).model == "a [31m b" + "c" * 192
    assert complete(PLAIN | {"model": None, "system_fingerprint": None}).fingerprint is None


def test_a_model_that_is_not_named_by_a_text_has_no_known_price() -> None:
    reply = charged(complete(PLAIN | {"model": ["gpt-4o-mini"]}), "other")
    assert reply.cost is None and "no price is known" in str(reply.cost_reason)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (None, "stop"), (7, "7"), ({"type": "x"}, '{"type": "x"}'), ("MAX_TOKENS", "length"),
        ("model_length", "length"), ("SAFETY", "content_filter"), ("end_turn", "end_turn"),
    ],
)  # fmt: skip
def test_finish_reasons_of_other_servers(stated: Any, reason: str) -> None:
    choice = {"message": {"content": "a"}, "finish_reason": stated}
    assert complete(PLAIN | {"choices": [choice]}).finish_reason == reason


@pytest.mark.parametrize(
    ("content", "text"),
    [(7, "7"), ([1, "a", None], "1a"), ([{"type": "text", "text": "a"}], "a"), (None, "")],
)
def test_content_of_other_types_is_text(content: Any, text: str) -> None:
    assert complete(PLAIN | {"choices": [{"message": {"content": content}}]}).text == text


@pytest.mark.parametrize(
    ("calls", "read"),
    [
        (TOOL, TOOL),
        ({"0": TOOL[0]}, []),
        ("f()", []),
        ([None, 3, TOOL[0]], TOOL),
        (
            [{"function": {"name": 3, "arguments": {"a": [1]}}}],
            [{"id": "", "type": "function", "function": {"name": "3", "arguments": '{"a": [1]}'}}],
        ),
        (
            [{"id": 9, "type": None, "function": "f"}],
            [{"id": "9", "type": "function", "function": {"name": "", "arguments": ""}}],
        ),
        ([TOOL[0] | {"extra_content": {"signature": "x"}}], [TOOL[0] | {"extra_content": {"signature": "x"}}]),
    ],
)  # fmt: skip
def test_tool_calls_have_one_shape(calls: Any, read: Any) -> None:
    message = {"content": "a", "tool_calls": calls}
    assert list(complete(PLAIN | {"choices": [{"message": message}]}).tool_calls) == read


def test_the_stated_usage_and_what_was_wrong_with_it_stand_in_the_journal(tmp_path: Path) -> None:
    body = PLAIN | {"usage": PLAIN["usage"] | {"total_tokens": 600}}

    async def main() -> list[Reply]:
        provider, _ = answering(OpenAICompatible, json.dumps(body).encode())
        replies = []
        for _ in range(2):
            reply, _gateway = await session(provider, tmp_path, ask("x"))
            assert isinstance(reply, Reply)
            replies.append(reply)
        return replies

    for reply in asyncio.run(main()):
        assert json.loads(reply.usage) == body["usage"]
        assert (reply.tokens_out, reply.usage_fault) == (590, "the total is not the sum")
        assert reply.cost == pytest.approx((10 * 1 + 590 * 10) / 1e6)


@pytest.mark.parametrize(
    "usage", [None, "12 tokens", {}, {"prompt_tokens": "?"}, {"prompt_tokens": -1, "completion_tokens": -1}]
)
def test_what_cannot_be_read_counts_as_the_worst_case_in_the_budget(tmp_path: Path, usage: Any) -> None:
    async def main() -> float:
        provider, _ = answering(OpenAICompatible, json.dumps(PLAIN | {"usage": usage}).encode())
        _, gateway = await session(provider, tmp_path, ask("x", max_tokens=1000))
        assert gateway._sender.budget is not None
        return gateway._sender.budget.spent.cost

    assert asyncio.run(main()) > 1000 * 10 / 1e6


class Careless:
    """A provider that hands on what its server said, whatever the types."""

    name, model = "careless", "m"

    def __init__(self, reply: Any) -> None:
        self._reply, self.calls = reply, 0

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Any:
        self.calls += 1
        return self._reply

    async def embed(self, texts: Any, model: str) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None: ...


def twice(reply: Any, folder: Path) -> tuple[Reply | ModelCallError, Reply | ModelCallError, int]:
    """What two sessions in a row get of a provider that gives ``reply``, and how often it was asked."""

    async def main() -> tuple[Reply | ModelCallError, Reply | ModelCallError, int]:
        provider = Careless(reply)
        first, _ = await session(provider, folder, ask("x"))
        again, _ = await session(provider, folder, ask("x"))
        return first, again, provider.calls

    return asyncio.run(main())


COUNTS = ("tokens_in", "tokens_out", "tokens_cached", "tokens_written")
LOOSE = (
    "model",
    "finish_reason",
    "tool_calls",
    "fingerprint",
    "refusal",
    "cost",
    "cost_reason",
    "usage",
    "thoughts",
)


@given(
    st.fixed_dictionaries({"text": st.just("hello") | ODD}, optional=dict.fromkeys((*LOOSE, *COUNTS), ODD))
)
@settings(max_examples=30, deadline=None)
@example({"text": None, "model": ["m"], "tokens_in": 10**30, "tool_calls": None, "cost": "free"})
@example({"text": "a", "model": {1, 2}, "fingerprint": object()})
@example({"text": "a", "cost": 2**63})
@example({"text": "a", "cost": 10**400})
def test_no_reply_of_a_provider_of_others_is_a_crash(fields: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, again, calls = twice(Reply(**fields), Path(folder))
    if isinstance(first, Reply):
        assert isinstance(again, Reply) and calls == 1
        assert replace(again, tool_calls=list(again.tool_calls)) == replace(
            first, tool_calls=list(first.tool_calls)
        )


@pytest.mark.parametrize("reply", [None, "hello", {"text": "hello"}, 7])
def test_a_provider_that_gives_no_reply_ends_the_session_by_its_name(tmp_path: Path, reply: Any) -> None:
    first, _, calls = twice(reply, tmp_path)
    assert isinstance(first, ModelCallError) and first.fatal and calls == 2
    assert str(first).startswith(f"The provider careless gave {type(reply).__name__}; expected a Reply")
