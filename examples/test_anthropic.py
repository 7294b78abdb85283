"""Anthropic's SDK: a loop of messages and tool uses. Any model can answer, not only Anthropic's."""

import pytest

from examples.support import TOOLS, call, experiment, instructions


async def play(plan, client):
    messages = [{"role": "user", "content": plan.proposal["question"]}]
    tools = [
        {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}
        for tool in TOOLS
    ]
    async with client.anthropic() as sdk:
        while True:
            answer = await sdk.messages.create(
                model="default", max_tokens=1000, system=instructions(plan), messages=messages, tools=tools
            )
            uses = [block for block in answer.content if block.type == "tool_use"]
            if not uses:
                break
            results = [
                {"type": "tool_result", "tool_use_id": use.id, "content": call(use.name, use.input)}
                for use in uses
            ]
            messages.append({"role": "assistant", "content": [block.to_dict() for block in answer.content]})
            messages.append({"role": "user", "content": results})


@pytest.mark.experiment(experiment("anthropic_sdk", play))
def test_anthropic(cell):
    cell.run()
