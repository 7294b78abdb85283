"""F10: a reply of tool calls without words is counted as empty. Here it is a reply, and lists of parts are text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from harness.errors import ModelCallError
from harness.experiments.tool_variants.outcomes import called, judge
from harness.experiments.tool_variants.scenarios import FIXED_TIMESTAMP, SCENARIOS, TurnOutcome
from harness.experiments.tool_variants.variants import BASELINE
from harness.gateway.calls import CallSite, Reply
from harness.gateway.gateway import Gateway
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.replies.contents import flattened
from tests.support.anthropic_endpoint import AnthropicEndpoint
from tests.support.endpoint import FakeEndpoint
from tests.support.requests import ask

ARGUMENTS = {"title": "Dentist", "when": "2026-03-12T15:00"}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "schedule_task", "arguments": json.dumps(ARGUMENTS)},
}
TOOLS = {"tools": BASELINE.schemas()}


def asked(provider: Any) -> Reply:
    """The reply to one question, through a gateway that accepts or rejects it."""

    async def nap(_: float) -> None: ...

    async def main() -> Reply:
        gateway = Gateway(provider, sleep=nap)
        try:
            return await gateway.open_trial("t").complete(
                ask("be brief", "ping", extra=TOOLS), CallSite("answer")
            )
        finally:
            await gateway.aclose()

    return asyncio.run(main())


def openai(**message: Any) -> Reply:
    with FakeEndpoint(message=lambda *_: message) as endpoint:
        return asked(OpenAICompatible("gpt-x", base_url=endpoint.url, api_key="any"))


def anthropic(*blocks: Mapping[str, Any], stop: str = "tool_use") -> tuple[Reply, Mapping[str, Any]]:
    from harness.gateway.providers.anthropic_messages import AnthropicMessages

    with AnthropicEndpoint(message=lambda *_: {"content": list(blocks), "stop_reason": stop}) as endpoint:
        reply = asked(AnthropicMessages("claude-x", base_url=endpoint.url, api_key="any"))
        return reply, endpoint.requests[0].body


def outcome(reply: Reply) -> TurnOutcome:
    now = datetime.fromisoformat(FIXED_TIMESTAMP)
    return judge(BASELINE, SCENARIOS[0], reply.text, called(reply.tool_calls), now).outcome


@pytest.mark.parametrize("content", [None, "", []])
def test_a_call_without_words_is_a_reply(content: Any) -> None:
    reply = openai(content=content, tool_calls=[CALL])
    assert (reply.text, reply.attempts) == ("", 1)
    assert outcome(reply) is TurnOutcome.ACTED


def test_so_it_is_in_anthropics_words() -> None:
    block = {"type": "tool_use", "id": "t1", "name": "schedule_task", "input": ARGUMENTS}
    reply, body = anthropic(block)
    assert (reply.text, reply.finish_reason, reply.attempts) == ("", "tool_calls", 1)
    assert outcome(reply) is TurnOutcome.ACTED
    assert [tool["name"] for tool in body["tools"]] == ["schedule_task", "list_tasks", "update_task"]


def test_words_beside_a_call_are_kept_in_both() -> None:
    block = {"type": "tool_use", "id": "t1", "name": "schedule_task", "input": ARGUMENTS}
    said, _ = anthropic({"type": "text", "text": "I will "}, {"type": "text", "text": "do it."}, block)
    also = openai(content="I will do it.", tool_calls=[CALL])
    assert said.text == also.text == "I will do it."
    assert (
        called(said.tool_calls) == called(also.tool_calls) == [{"name": "schedule_task", "args": ARGUMENTS}]
    )


def test_content_that_is_a_list_is_text() -> None:
    """What some compatible servers send; the SDK hands it over as it came."""
    parts = [{"type": "text", "text": "Which day "}, {"type": "text", "text": "do you mean?"}]
    reply = openai(content=parts)
    assert reply.text == "Which day do you mean?"
    assert outcome(reply) is TurnOutcome.CLARIFIED


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": "Yes."}], "Yes."),
        ([{"type": "refusal", "refusal": "No."}], "No."),
        ([{"type": "image_url", "image_url": {"url": "x"}}], '{"type": "image_url", "image_url": {"url": "x"}}'),
        (["a", ["b", None]], "ab"),
        ({"type": "text", "text": "c"}, "c"),
        (7, "7"),
    ],
)  # fmt: skip
def test_nothing_that_was_said_is_dropped(content: Any, text: str) -> None:
    assert flattened(content) == text


@pytest.mark.parametrize("content", [None, "", " \n", [], [{"type": "text", "text": ""}]])
def test_empty_of_both_is_a_failure(content: Any) -> None:
    with pytest.raises(ModelCallError, match="the last reply was empty"):
        openai(content=content)
