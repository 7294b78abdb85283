"""Log probabilities: asked of the provider, journaled, served again and over HTTP; or refused by name."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from support.endpoint import FakeEndpoint
from support.requests import ask

from harness.errors import UnsupportedParameterError
from harness.gateway.calls import CallSite, Provider, Reply
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.providers.anthropic_messages import AnthropicMessages
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.replies.acceptance import UnacceptableError, accept

FIELDS = {"logprobs": True, "top_logprobs": 2}
TOKEN = {"token": "po", "logprob": -0.25, "bytes": [112, 111], "top_logprobs": []}
STATED = {"content": [TOKEN, {**TOKEN, "token": "ng \\ud83d"}], "refusal": None}


def complete(provider: Provider, journal: Path | None = None, **extra: Any) -> Reply:
    async def main() -> Reply:
        gateway = Gateway(provider, journal=Journal(journal) if journal else None)
        try:
            return await gateway.open_trial("t", "run").complete(ask("ping", extra=extra), CallSite("act"))
        finally:
            await gateway.aclose()

    return asyncio.run(main())


def test_they_come_with_the_reply_and_are_replayed_from_the_journal(tmp_path: Path) -> None:
    with FakeEndpoint(message=lambda _body, _number: {"content": "pong", "logprobs": STATED}) as endpoint:
        models = [OpenAICompatible("gpt-x", base_url=endpoint.url, api_key="any") for _ in range(3)]
        first, again = complete(models[0], tmp_path, **FIELDS), complete(models[1], tmp_path, **FIELDS)
        assert complete(models[2]).logprobs is None, "not asked for"
    assert [one.body.get("top_logprobs") for one in endpoint.requests] == [2, None]
    assert first.logprobs == again.logprobs == STATED


def test_a_server_that_leaves_them_out_is_named(tmp_path: Path) -> None:
    with FakeEndpoint() as endpoint:
        model = OpenAICompatible("gpt-x", base_url=endpoint.url, api_key="any")
        with pytest.raises(
            UnsupportedParameterError, match=r"openai:gpt-x gives no log probabilities"
        ) as refused:
            complete(model, **FIELDS)
    assert refused.value.fatal and len(endpoint.requests) == 1


def test_a_protocol_without_them_is_refused_before_the_call() -> None:
    model = AnthropicMessages("claude-x", base_url="http://127.0.0.1:1", api_key="any")
    with pytest.raises(UnsupportedParameterError, match=r"anthropic:claude-x gives no log probabilities"):
        complete(model, **FIELDS)


@pytest.mark.parametrize("stream", [False, True])
def test_an_sdk_gets_those_of_a_rehearsal(stream: bool) -> None:
    async def main() -> Any:
        gateway = Gateway(RehearsalProvider(1))
        client = gateway.open_trial("t")
        messages: Any = [{"role": "user", "content": "ping"}]
        try:
            async with client.openai() as sdk:
                if not stream:
                    answer = await sdk.chat.completions.create(
                        model="m", messages=messages, logprobs=True, top_logprobs=2
                    )
                    return answer.choices[0]
                options: Any = {"model": "m", "messages": messages, "logprobs": True, "top_logprobs": 2}
                async with sdk.chat.completions.stream(**options) as events:
                    return (await events.get_final_completion()).choices[0]
        finally:
            await gateway.aclose()

    choice = asyncio.run(main())
    assert isinstance(choice.logprobs, openai.types.chat.chat_completion.ChoiceLogprobs)
    tokens = choice.logprobs.content or []
    assert "".join(one.token for one in tokens) == choice.message.content
    assert all(one.logprob <= 0 and len(one.top_logprobs) == 2 for one in tokens)


@pytest.mark.parametrize("given", ["words", [1], {"content": [float("nan")]}, {"content": object()}])
def test_what_another_provider_gives_in_their_place_is_left_out(given: Any) -> None:
    class Odd(RehearsalProvider):
        def answer(self, request: Any, *, trial: str, occurrence: int) -> Reply:
            return Reply("pong", model="odd", logprobs=given)

    assert complete(Odd(1)).logprobs is None


@pytest.mark.parametrize(("limit", "extra"), [(1, FIELDS), (2, FIELDS), (1, {})])
def test_a_reply_of_one_token_is_whole_where_only_its_probabilities_are_wanted(
    limit: int, extra: dict[str, Any]
) -> None:
    reply = Reply("B", finish_reason="length", logprobs=STATED if extra else None)
    request = replace(ask("ping", extra=extra), max_tokens=limit)
    if limit == 1 and extra:
        assert accept(reply, request).text == "B"
        return
    with pytest.raises(UnacceptableError, match="cut at the length limit"):
        accept(reply, request)
