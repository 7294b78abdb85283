"""Replies as streams, under a time limit for their first token: joined, they are what the server would send whole."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.endpoint import FakeEndpoint, Fault

from harness.errors import ConfigurationError, ModelCallError, RefusedKeyError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.providers.anthropic_messages import AnthropicMessages
from harness.gateway.providers.http_provider import HTTPProvider
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.providers.reply_streams import CutStreamError, events, joined_completion, joined_message
from harness.gateway.server.chat_completions import chat_completion
from harness.gateway.server.event_streams import chat_events, message_events
from harness.gateway.server.messages import message
from harness.plugin import factories
from harness.plugin.hints import refused
from harness.runtime.settings import Settings
from tests.plugin.test_arm_models import obedient
from tests.support.sessions import Lab, Watched

HELLO = Request([{"role": "user", "content": "Hello."}])
CALLS = [
    {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"place": "under «it», left"}'}},
    {"id": "b", "type": "function", "function": {"name": "list", "arguments": "{}"}},
]  # fmt: skip
LONG = " ".join(["Well, «yes»; 好 and one more thing."] * 20)
REPLIES = {
    "text": Reply(LONG, model="m", tokens_in=7, tokens_out=3),
    "thoughts": Reply("Yes.", model="m", tokens_in=7, tokens_out=30, thoughts=LONG),
    "calls": Reply("", model="m", tokens_in=7, tokens_out=3, tool_calls=CALLS, finish_reason="tool_calls"),
    "text and calls": Reply("I look.", model="m", tokens_in=7, tokens_out=3, tool_calls=CALLS),
    "cut": Reply("Well", model="m", tokens_in=7, tokens_out=3, finish_reason="length"),
    "cached": Reply("Yes.", model="m", tokens_in=70, tokens_out=3, tokens_cached=50),
}


def whole_and_streamed(kind: type[HTTPProvider], reply: Reply) -> tuple[dict[str, Any], bytes]:
    reply = Reply(**{**{name: getattr(reply, name) for name in Reply.__slots__}, "call": "act:digest:0"})
    if kind is OpenAICompatible:
        body = chat_completion([reply])
        return body, b"".join(chat_events(body, include_usage=True))
    body = message(reply)
    return body, b"".join(message_events(body))


def asked(
    kind: type[HTTPProvider],
    write: Callable[[asyncio.StreamWriter], Awaitable[None]],
    *,
    first_token: float | None = 5.0,
    seen: list[Mapping[str, Any]] | None = None,
) -> Reply:
    """What a provider makes of a server that reads a request and then does as ``write`` does."""

    async def main() -> Reply:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            body = json.loads(await reader.readexactly(length))
            if seen is not None:
                seen.append(body)
            try:
                await write(writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        made: Any = kind
        provider = made("m", base_url=url, api_key="not-a-real-key")
        provider.configure(first_token_timeout=first_token, hints=refused())
        try:
            reply: Reply = await provider.complete(HELLO, trial="t", occurrence=0)
            return reply
        finally:
            await provider.aclose()
            server.close()

    return asyncio.run(main())


def answering(
    body: bytes, kind: str = "text/event-stream"
) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def write(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return write


@pytest.mark.parametrize("kind", [OpenAICompatible, AnthropicMessages])
@pytest.mark.parametrize("name", REPLIES)
def test_a_streamed_reply_is_the_one_that_comes_whole(kind: type[HTTPProvider], name: str) -> None:
    body, stream = whole_and_streamed(kind, REPLIES[name])
    bodies: list[Mapping[str, Any]] = []
    whole = asked(
        kind, answering(json.dumps(body).encode(), "application/json"), first_token=None, seen=bodies
    )
    streamed = asked(kind, answering(stream), seen=bodies)
    assert streamed == whole and streamed.usage == whole.usage
    assert streamed.text == REPLIES[name].text
    plain, with_stream = bodies
    assert "stream" not in plain
    added = {"stream": True, "stream_options": {"include_usage": True}}
    assert with_stream == {**plain, **(added if kind is OpenAICompatible else {"stream": True})}


@pytest.mark.parametrize("kind", [OpenAICompatible, AnthropicMessages])
def test_a_server_that_ignores_the_wish_for_a_stream_is_read_all_the_same(kind: type[HTTPProvider]) -> None:
    body, _ = whole_and_streamed(kind, REPLIES["text"])
    assert asked(kind, answering(json.dumps(body).encode(), "application/json")).text == LONG


def in_parts(*parts: bytes | float) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """A server that sends these parts of a stream, with pauses of so many seconds; the last one may have no end."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for part in parts:
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            else:
                await asyncio.sleep(part)

    return write


def chunk(**delta: Any) -> bytes:
    data = {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    return f"data: {json.dumps(data)}\n\n".encode()


END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def test_a_server_that_begins_no_reply_is_given_up_and_tried_again() -> None:
    silent = in_parts(b": still here\n\n", chunk(role="assistant", content=""), 30.0)
    with pytest.raises(ModelCallError, match=r"no first token within 0\.1 s") as late:
        asked(OpenAICompatible, silent, first_token=0.1)
    assert late.value.retry_after and late.value.lost and not late.value.fatal
    assert "--first-token-timeout allows longer" in str(late.value)


@pytest.mark.parametrize("name", ["content", "reasoning_content"])
def test_a_reply_that_has_begun_may_take_longer_than_its_first_token(name: str) -> None:
    slow = in_parts(chunk(role="assistant", content=""), chunk(**{name: "Ye"}), 0.4, chunk(content="s."), END)
    assert asked(OpenAICompatible, slow, first_token=0.2).text.endswith("s.")


@pytest.mark.parametrize(
    ("kind", "cut"),
    [
        (OpenAICompatible, chunk(content="Ye")),
        (AnthropicMessages, b'data: {"type": "message_start", "message": {"content": []}}\n\n'),
    ],
)
def test_a_stream_that_is_cut_is_no_reply(kind: type[HTTPProvider], cut: bytes) -> None:
    with pytest.raises(ModelCallError, match="the stream ended before the reply did") as lost:
        asked(kind, in_parts(cut))
    assert lost.value.lost and lost.value.retry_after


def test_an_error_within_a_stream_is_that_error() -> None:
    error = b'data: {"error": {"message": "Upstream is overloaded.", "code": 503}}\n\n'
    with pytest.raises(ModelCallError, match=r"HTTP 503: Upstream is overloaded\."):
        asked(OpenAICompatible, in_parts(chunk(content="Ye"), error))
    error = b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}}\n\n'
    with pytest.raises(ModelCallError, match=r"HTTP 529, overloaded: Busy\."):
        asked(AnthropicMessages, in_parts(error))


def test_a_refused_key_is_refused_as_ever() -> None:
    body = b'{"error": {"message": "Incorrect API key.", "code": "invalid_api_key"}}'

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 401 No\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    with pytest.raises(RefusedKeyError):
        asked(OpenAICompatible, write)


def test_a_server_that_states_no_tokens_in_streams_is_asked_without_and_the_cost_is_unknown() -> None:
    def refuse(body: Mapping[str, Any]) -> Fault:
        if "stream_options" in body:
            error = {"message": "Unsupported parameter: 'stream_options'", "param": "stream_options"}
            return Fault(400, body=json.dumps({"error": error}))
        return Fault(200, body=(chunk(content="Yes.") + END).decode())

    said: list[str] = []

    async def main(url: str) -> Reply:
        provider = OpenAICompatible("m", base_url=url, api_key="not-a-real-key")
        provider.configure(first_token_timeout=5.0)
        gateway = Gateway(provider)
        gateway.notify = provider.notify = said.append
        try:
            return await gateway.open_trial("t").complete(HELLO, CallSite("act"))
        finally:
            await gateway.aclose()

    with FakeEndpoint(refuse=refuse) as endpoint:
        reply = asyncio.run(main(endpoint.url))
    assert (reply.text, reply.tokens_in, len(endpoint.requests)) == ("Yes.", 0, 2)
    assert len(said) == 1 and "costs are unknown" in said[0]


def test_a_model_whose_replies_come_whole_refuses_the_limit() -> None:
    settings = Settings(first_token_timeout=3.0)
    with pytest.raises(ConfigurationError, match="its replies come whole"):
        factories._configure(Watched(name="other", model="other-1"), settings)


def test_the_limit_is_no_part_of_a_runs_identity(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")
    with FakeEndpoint(message=obedient) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        lab.run("-k", "Control", "--no-summary", "--first-token-timeout=9", model="openai:m")
        lab.run("--no-summary", model="openai:m").assert_outcomes(passed=2)
    assert [bool(seen.body.get("stream")) for seen in endpoint.requests] == [True] * 8 + [False] * 8
    assert len({line["run_id"] for line in lab.lines(kind="trial_result")}) == 1


@given(st.binary(max_size=400))
def test_no_stream_makes_another_error_than_one_of_its_own(body: bytes) -> None:
    for join in (joined_completion, joined_message):
        with contextlib.suppress(CutStreamError, ValueError):
            join(events(body))


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["choices", "delta", "content", "tool_calls", "index", "function", "arguments", "type", "usage",
                         "message", "content_block", "logprobs", "error", "finish_reason"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ),
        max_size=4,
    )
)  # fmt: skip
def test_nonsense_in_a_stream_is_a_value_error_at_most(values: list[Any]) -> None:
    body = b"".join(f"data: {json.dumps(value)}\n\n".encode() for value in values)
    for join in (joined_completion, joined_message):
        with contextlib.suppress(ValueError):
            json.dumps(join(events(body)))
