"""Streams, tools and Anthropic's API at the gateway's server, read by the SDKs that agents use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gateway.calls import Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.retry import RetryPolicy
from harness.gateway.server.chat_completions import MalformedError, chat_completion
from harness.gateway.server.event_streams import chat_events
from harness.gateway.server.messages import message_request
from harness.gateway.server.responses import response_request
from harness.gateway.trial_client import TrialClient
from tests.support.lazy_modules import LazyModule

anthropic = LazyModule("anthropic")
openai = LazyModule("openai")

HELLO: Any = [{"role": "user", "content": "hello"}]
LONG = " ".join(["Well, «yes»; and one more thing."] * 20)
LOOK: Any = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
CALLS = [
    {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"place": "under the bridge, left"}'}},
    {"id": "b", "type": "function", "function": {"name": "look", "arguments": "{}"}},
]  # fmt: skip


class Scripted(RehearsalProvider):
    """Answers with the replies it is given, in order, the last one again and again."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__(1)
        self._replies, self.seen = list(replies), list[Request]()

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.seen.append(request)
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


def served(
    work: Callable[[TrialClient], Awaitable[None]],
    provider: RehearsalProvider | None = None,
    journal: Journal | None = None,
) -> Gateway:
    async def main() -> Gateway:
        gateway = Gateway(
            provider or RehearsalProvider(1), retry=RetryPolicy(1, max_replies=1), journal=journal
        )
        await gateway.start_server()
        client = gateway.open_trial("t", "run")
        try:
            await work(client)
        finally:
            await gateway.aclose()
        return gateway

    return asyncio.run(main())


def by_openai(client: TrialClient) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=client.token, base_url=client.base_url, max_retries=0)


def by_anthropic(client: TrialClient) -> anthropic.AsyncAnthropic:
    url = client.base_url.removesuffix("/v1")
    return anthropic.AsyncAnthropic(api_key=client.token, base_url=url, max_retries=0)


def test_a_chat_streams_text_thoughts_and_usage() -> None:
    said = Reply(LONG, model="m-1", thoughts="Hm, let me think this over.", tokens_in=7, tokens_out=9)

    async def work(client: TrialClient) -> None:
        async with by_openai(client) as sdk:
            chunks = [
                chunk
                async for chunk in await sdk.chat.completions.create(
                    model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
                )
            ]
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        assert "".join(delta.content or "" for delta in deltas) == LONG
        assert sum(bool(delta.content) for delta in deltas) > 5, "it comes in pieces"
        assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == said.thoughts
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert chunks[-1].usage and chunks[-1].usage.total_tokens == 16
        assert {chunk.model for chunk in chunks} == {"m-1"}

    served(work, Scripted(said))


def test_tool_calls_arrive_in_deltas_and_their_results_are_passed_on() -> None:
    provider = Scripted(Reply("", tool_calls=CALLS, finish_reason="tool_calls"), Reply("Found it."))
    tool: Any = {"type": "function", "function": {"name": "look", "parameters": LOOK}}

    async def work(client: TrialClient) -> None:
        async with by_openai(client) as sdk:
            async with sdk.chat.completions.stream(model="m", messages=HELLO, tools=[tool]) as stream:
                first = await stream.get_final_completion()
            message = first.choices[0].message
            assert message.tool_calls
            assert [call.function.arguments for call in message.tool_calls] == [
                call["function"]["arguments"]  # type: ignore[index]
                for call in CALLS
            ]
            results = [
                {"role": "tool", "tool_call_id": call.id, "content": "nothing"} for call in message.tool_calls
            ]
            talk: Any = [*HELLO, message.model_dump(exclude_none=True), *results]
            async with sdk.chat.completions.stream(model="m", messages=talk, tools=[tool]) as stream:
                assert (await stream.get_final_completion()).choices[0].message.content == "Found it."

    served(work, provider)
    assert [one["role"] for one in provider.seen[1].messages] == ["user", "assistant", "tool", "tool"]
    assert provider.seen[0].extra["tools"] == [tool] and "stream" not in provider.seen[0].extra


def test_several_choices_are_several_samples() -> None:
    async def work(client: TrialClient) -> None:
        async with by_openai(client) as sdk:
            found = await sdk.chat.completions.create(model="m", messages=HELLO, n=3)
        texts = [choice.message.content for choice in found.choices]
        assert len({*texts}) == 3 and [choice.index for choice in found.choices] == [0, 1, 2]
        assert client.usage().total_calls == 3
        assert found.usage and found.usage.completion_tokens == client.usage().tokens_out

    served(work)


def test_a_streamed_call_is_replayed_like_any_other(tmp_path: Any) -> None:
    texts: list[str] = []

    async def work(client: TrialClient) -> None:
        async with by_openai(client) as sdk:
            async with sdk.chat.completions.stream(model="m", messages=HELLO) as stream:
                texts.append((await stream.get_final_completion()).choices[0].message.content or "")
            async with sdk.responses.stream(model="m", input="hello") as answer:
                texts.append((await answer.get_final_response()).output_text)

    paid = [served(work, journal=Journal(tmp_path)).calls for _ in range(2)]
    assert paid == [2, 0] and texts[:2] == texts[2:]


def test_a_response_streams_text_and_calls() -> None:
    provider = Scripted(
        Reply("I look.", tool_calls=CALLS, finish_reason="tool_calls", tokens_in=3, tokens_out=4),
        Reply(LONG, tokens_in=5, tokens_out=6),
        Reply("", refusal=True),
    )
    tool: Any = {"type": "function", "name": "look", "parameters": LOOK, "strict": False}

    async def work(client: TrialClient) -> None:
        async with by_openai(client) as sdk:
            async with sdk.responses.stream(model="m", input="hello", tools=[tool]) as stream:
                kinds = [event.type async for event in stream]
                first = await stream.get_final_response()
            assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
            assert "response.function_call_arguments.delta" in kinds
            assert [item.type for item in first.output] == ["message", "function_call", "function_call"]
            made = [item for item in first.output if item.type == "function_call"]
            assert [call.arguments for call in made] == [call["function"]["arguments"] for call in CALLS]  # type: ignore[index]
            talk: Any = [
                {"role": "user", "content": "hello"},
                *[item.model_dump() for item in first.output],
                *[{"type": "function_call_output", "call_id": call.call_id, "output": "no"} for call in made],
            ]
            second = await sdk.responses.create(model="m", input=talk, tools=[tool])
            assert second.output_text == LONG and second.usage and second.usage.total_tokens == 11
            async with sdk.responses.stream(model="m", input="and now?") as stream:
                last = await stream.get_final_response()
            assert last.output[0].content[0].type == "refusal"  # type: ignore[union-attr]

    served(work, provider)
    roles = [(one["role"], len(one.get("tool_calls", ()))) for one in provider.seen[1].messages]
    assert roles == [("user", 0), ("assistant", 2), ("tool", 0), ("tool", 0)]


@pytest.mark.parametrize("streamed", [False, True])
def test_anthropic_s_sdk_talks_calls_tools_and_hears_of_tokens(streamed: bool) -> None:
    provider = Scripted(
        Reply(
            "I look.",
            tool_calls=CALLS,
            finish_reason="tool_calls",
            tokens_in=90,
            tokens_cached=60,
            tokens_out=4,
        ),
        Reply(LONG, model="m-1", tokens_in=5, tokens_out=6),
    )
    tool: Any = {"name": "look", "description": "Look.", "input_schema": LOOK}

    async def ask(sdk: anthropic.AsyncAnthropic, messages: Any) -> anthropic.types.Message:
        asked: Any = {
            "model": "m", "max_tokens": 99, "system": "Be brief.", "messages": messages, "tools": [tool],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True}, "stop_sequences": ["END"],
        }  # fmt: skip
        if streamed:
            async with sdk.messages.stream(**asked) as stream:
                return await stream.get_final_message()
        return await sdk.messages.create(**asked)  # type: ignore[no-any-return]

    async def work(client: TrialClient) -> None:
        async with by_anthropic(client) as sdk:
            first = await ask(sdk, HELLO)
            assert first.stop_reason == "tool_use"
            assert [block.type for block in first.content] == ["text", "tool_use", "tool_use"]
            assert first.content[1].input == {"place": "under the bridge, left"}  # type: ignore[union-attr]
            assert (first.usage.input_tokens, first.usage.cache_read_input_tokens) == (30, 60)
            results = [
                {"type": "tool_result", "tool_use_id": block.id, "content": "nothing"}
                for block in first.content
                if block.type == "tool_use"
            ]
            said = [block.model_dump(exclude_none=True) for block in first.content]
            talk = [
                *HELLO,
                {"role": "assistant", "content": said},
                {"role": "user", "content": [*results, {"type": "text", "text": "So?"}]},
            ]
            second = await ask(sdk, talk)
            assert second.content[0].text == LONG and second.stop_reason == "end_turn"  # type: ignore[union-attr]
            assert second.usage.output_tokens == 6 and second.model == "m-1"

    served(work, provider)
    first, second = provider.seen
    assert first.extra["tool_choice"] == "required" and first.extra["parallel_tool_calls"] is False
    assert first.extra["stop"] == ["END"] and first.max_tokens == 99
    assert [one["role"] for one in second.messages] == [
        *("system", "user", "assistant", "tool", "tool", "user")
    ]


def test_images_are_passed_on_by_every_api() -> None:
    url = "data:image/png;base64,AAAA"
    part = {"type": "image_url", "image_url": {"url": url}}
    theirs = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    asked = [
        response_request(
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]}
        ),
        message_request({"max_tokens": 1, "messages": [{"role": "user", "content": [theirs]}]}),
    ]
    for request in asked:
        assert request.messages == [{"role": "user", "content": [part]}]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"messages": HELLO}, "max_tokens: expected"),
        ({"max_tokens": 0, "messages": HELLO}, "max_tokens: expected"),
        ({"max_tokens": 1}, "messages: expected a list"),
        ({"max_tokens": 1, "messages": [{"role": "system", "content": "x"}]}, "role='system'; expected user or"),
        ({"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "document"}]}]}, "'document' is not"),
        ({"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text"}]}]}, "not a block of type text"),
        ({"max_tokens": 1, "messages": HELLO, "thinking": {"type": "enabled"}}, "thinking is not supported"),
        ({"max_tokens": 1, "messages": HELLO, "tools": [{"type": "web_search", "name": "w"}]}, "'web_search' is"),
        ({"max_tokens": 1, "messages": HELLO, "tools": [{"name": "w"}]}, "expected name and input_schema"),
        ({"max_tokens": 1, "messages": HELLO, "tools": [{"name": "w", "input_schema": {}}],
          "tool_choice": {"type": "some"}}, "tool_choice.type='some'"),
        ({"max_tokens": 1, "messages": HELLO, "output_config": {"effort": "low"}}, "output_config: expected a format"),
    ],
)  # fmt: skip
def test_what_anthropic_s_api_has_and_the_gateway_has_not_is_refused_by_name(
    body: dict[str, Any], problem: str
) -> None:
    with pytest.raises(MalformedError) as error:
        message_request(body)
    assert problem in str(error.value)


def test_an_error_has_the_shape_that_anthropic_s_sdk_reads() -> None:
    async def work(client: TrialClient) -> None:
        async with by_anthropic(client) as sdk:
            with pytest.raises(anthropic.BadRequestError, match="cut at the length limit"):
                async with sdk.messages.stream(model="m", max_tokens=1, messages=HELLO):
                    pass
        stranger = anthropic.AsyncAnthropic(
            api_key="t1.x", base_url=client.base_url.removesuffix("/v1"), max_retries=0
        )
        async with stranger:
            with pytest.raises(anthropic.AuthenticationError):
                await stranger.messages.create(model="m", max_tokens=1, messages=HELLO)
        assert client.failed == 1

    served(work, Scripted(Reply("and then", finish_reason="length")))


@given(st.text(), st.lists(st.text(), max_size=3))
def test_a_stream_holds_what_the_whole_reply_holds(text: str, arguments: list[str]) -> None:
    calls = [
        {"id": str(number), "type": "function", "function": {"name": "f", "arguments": one}}
        for number, one in enumerate(arguments)
    ]
    whole = chat_completion([Reply(text, call="k:d:0", tool_calls=calls)])
    events = b"".join(chat_events(whole, include_usage=True)).decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == text
    made = dict.fromkeys(range(len(arguments)), "")
    for delta in deltas:
        for call in delta.get("tool_calls", ()):
            made[call["index"]] += call["function"]["arguments"]
    assert list(made.values()) == arguments
