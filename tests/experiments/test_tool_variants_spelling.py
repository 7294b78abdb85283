"""A score does not hang on the server's spelling of a tool call, nor on thoughts in its text."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from harness.experiments.tool_variants.neutral_wording import READING, acts
from harness.experiments.tool_variants.outcomes import JudgedTurn, called, judge
from harness.experiments.tool_variants.rejudge import _again
from harness.experiments.tool_variants.scenarios import FIXED_TIMESTAMP, SCENARIOS, TurnOutcome
from harness.experiments.tool_variants.variants import BASELINE, VARIANTS
from harness.gateway.calls import CallSite, Reply
from harness.gateway.gateway import Gateway
from harness.gateway.providers.anthropic_messages import AnthropicMessages
from harness.gateway.providers.openai_compatible import OpenAICompatible
from tests.gateway.test_tool_arguments import BROKEN, NONE
from tests.support.anthropic_endpoint import AnthropicEndpoint
from tests.support.endpoint import FakeEndpoint
from tests.support.requests import ask

NOW = datetime.fromisoformat(FIXED_TIMESTAMP)
BY_ID = {scenario.id: scenario for scenario in SCENARIOS}
AGENDA, DENTIST = BY_ID["sanity:agenda"], BY_ID["sanity:dentist"]
SENT = [one for one in (*NONE, *BROKEN) if not (isinstance(one, dict) and one) and len(str(one)) < 1000]
"""What a server can send as JSON."""


def replies(provider: Any, count: int) -> list[Reply]:
    async def main() -> list[Reply]:
        gateway = Gateway(provider)
        client = gateway.open_trial("t")
        try:
            return [await client.complete(ask(str(number)), CallSite("answer")) for number in range(count)]
        finally:
            await gateway.aclose()

    return asyncio.run(main())


def openai(written: Sequence[Any]) -> list[Reply]:
    def message(_: Any, number: int) -> dict[str, Any]:
        function = {"name": "list_tasks", "arguments": written[number]}
        return {"content": None, "tool_calls": [{"id": "c", "type": "function", "function": function}]}

    with FakeEndpoint(message=message) as endpoint:
        return replies(OpenAICompatible("gpt-x", base_url=endpoint.url, api_key="any"), len(written))


def anthropic(written: Sequence[Any]) -> list[Reply]:
    def message(_: Any, number: int) -> dict[str, Any]:
        block = {"type": "tool_use", "id": "c", "name": "list_tasks", "input": written[number]}
        return {"content": [block], "stop_reason": "tool_use"}

    with AnthropicEndpoint(message=message) as endpoint:
        return replies(AnthropicMessages("claude-x", base_url=endpoint.url, api_key="any"), len(written))


def judged(reply: Reply) -> JudgedTurn:
    return judge(BASELINE, AGENDA, reply.text, called(reply.tool_calls), NOW)


@pytest.mark.parametrize("provider", [openai, anthropic])
def test_a_call_counts_the_same_however_its_arguments_are_spelt(provider: Any) -> None:
    found = dict(zip(map(repr, SENT), map(judged, provider(SENT)), strict=True))
    right = {spelling for spelling, one in found.items() if one.outcome is TurnOutcome.ACTED}
    assert right == set(map(repr, NONE))
    for one in (found[spelling] for spelling in found.keys() - right):
        assert one.outcome is TurnOutcome.WRONG_ARGUMENTS
        assert one.why.startswith("list_tasks: arguments unreadable: ")


@pytest.mark.parametrize("spelling", NONE, ids=repr)
def test_records_of_earlier_versions_are_judged_by_the_same_rule(spelling: Any) -> None:
    record = {
        "trial": "t", "variant": "baseline", "scenario_id": AGENDA.id, "rep": 1, "outcome": "wrong arguments",
        "appropriate": False, "response_text": "", "tool_calls": [{"name": "list_tasks", "args": spelling}],
    }  # fmt: skip
    again = _again(record, FIXED_TIMESTAMP, VARIANTS, BY_ID)
    assert (again.now, again.appropriate_now) == ("acted", True)
    assert [act.done for act in acts(record, {"fixed_timestamp": FIXED_TIMESTAMP})] == ["look up"]


def test_thoughts_in_records_of_earlier_versions_are_not_judged_nor_reviewed() -> None:
    text = "<think>Or should I ask?</think>\nIt is done."
    record = {
        "trial": "t", "variant": "baseline", "scenario_id": DENTIST.id, "rep": 1, "outcome": "clarified",
        "appropriate": False, "response_text": text, "tool_calls": [],
    }  # fmt: skip
    assert _again(record, FIXED_TIMESTAMP, VARIANTS, BY_ID).now == "declined"
    assert READING.spoken(record) == "It is done."
    assert READING.spoken({**record, "thoughts": None}) == text


def test_a_question_in_a_thought_is_not_a_question_that_was_asked() -> None:
    message = {"content": "<think>He wants a tool. Or should I ask?</think>\nIt is done."}
    with FakeEndpoint(message=lambda *_: message) as endpoint:
        (reply,) = replies(OpenAICompatible("gpt-x", base_url=endpoint.url, api_key="any"), 1)
    assert judge(BASELINE, DENTIST, reply.text, called(reply.tool_calls), NOW).outcome is TurnOutcome.DECLINED
