"""What goes wrong between a model and an agent: one recorded failure, or none, and nothing is paid for twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from harness.gateway import providers
from harness.gateway.calls import Reply, Request
from tests.support.sessions import Lab

HEAD = """
import json
import pytest
from harness import Experiment, Group, Measure, Play, Script
from harness.gateway.calls import Request

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
ASKED = [{"role": "user", "content": "Where is order 7?"}]
failed = []

def look_up(order: int) -> str:
    return "shipped"

AGENT

experiment = Experiment(
    name="agents",
    groups=(Group("only", settings={"tone": "plain"}),),
    script=Script("", proposals=({"id": "one"},)),
    metrics=(Measure("length"),),
    play=Play(lambda plan, client: agent(plan.arm["tone"], client)),
)

@pytest.mark.experiment(experiment)
def test_agents(cell):
    cell.run()
"""
BROKEN = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"order": 7'}}

STREAM = """
async def agent(tone, client):
    async with client.openai() as sdk:
        stream = await sdk.chat.completions.create(model="", messages=ASKED, stream=True)
        async for chunk in stream:
            AFTER
"""
RAISES_ONCE = """if not failed:
                failed.append(1)
                raise ConnectionError("the stream ended early")
        return {"length": 1}"""
LEFT = """break
        return {"length": 1}"""

CASES: Mapping[str, tuple[str, str, int]] = {
    "broken JSON, read by the agent": (
        """
async def agent(tone, client):
    async with client.openai() as sdk:
        answer = await sdk.chat.completions.create(model="", messages=ASKED, tools=[TOOL])
        return {"length": json.loads(answer.choices[0].message.tool_calls[0].function.arguments)["order"]}
""",
        "JSONDecodeError: Expecting ',' delimiter",
        1,
    ),
    "broken JSON, read by the helper": (
        """
async def agent(tone, client):
    return {"length": len((await client.run_tools(Request(ASKED), tools=[look_up])).text)}
""",
        "",
        2,
    ),
    "a stream that the agent leaves": (STREAM.replace("AFTER", LEFT), "", 1),
    "a stream that is cut": (
        STREAM.replace("AFTER", RAISES_ONCE),
        "ConnectionError: the stream ended early",
        1,
    ),
    "a tool that raises": (
        """
async def agent(tone, client):
    async with client.openai() as sdk:
        await sdk.chat.completions.create(model="", messages=ASKED)
        return {"length": look_up()}
""",
        "TypeError: look_up() missing 1 required positional argument: 'order'",
        1,
    ),
}


class Scripted:
    """Calls a tool with broken arguments where tools are given, and answers in words after an error."""

    name, model = "scripted", "scripted-1"

    def __init__(self) -> None:
        self.calls = 0

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.calls += 1
        warned = any("Error: arguments unreadable" in str(one.get("content")) for one in request.messages)
        if request.extra.get("tools") and not warned:
            return Reply("", tool_calls=[BROKEN], finish_reason="tool_calls")
        return Reply("It is on its way, and will arrive on Monday.")

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        raise NotImplementedError

    async def aclose(self) -> None: ...


@pytest.mark.parametrize(("agent", "reason", "calls"), CASES.values(), ids=CASES)
def test_it_costs_one_trial_at_most_and_no_call_twice(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, agent: str, reason: str, calls: int
) -> None:
    model = Scripted()

    def factory(argument: str, **_: Any) -> Scripted:
        return model

    monkeypatch.setitem(providers._factories, "scripted", factory)
    lab.write(HEAD.replace("AGENT\n", agent))
    lab.run(model="scripted")
    failures = lab.lines(kind="trial_failure")
    assert [one["reason"][: len(reason)] for one in failures] == ([reason] if reason else [])
    assert model.calls == calls
    assert all(one["transcript"][0]["content"] == "Where is order 7?" for one in failures)
    if reason:
        lab.run(model="scripted")
        assert model.calls == calls, "replies that were paid for are not asked for again"
        return
    (record,) = lab.lines(kind="trial_result")
    assert record["samples"][0]["value"] > 0
    assert record.get("tools", {"look_up": {"errors": 1}})["look_up"]["errors"] == 1
