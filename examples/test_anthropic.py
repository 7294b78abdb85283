"""Anthropic's SDK: a loop of messages and tool uses. Any model can answer, not only Anthropic's."""

import pytest

from examples.support import TOOLS, Desk, experiment


async def play(plan, client):
    desk = Desk(plan)
    messages = [{"role": "user", "content": desk.question}]
    tools = [
        {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}
        for tool in TOOLS
    ]
    async with client.anthropic() as sdk:
        while True:
            answer = await sdk.messages.create(
                model="", max_tokens=1000, system=desk.instructions, messages=messages, tools=tools
            )
            uses = [block for block in answer.content if block.type == "tool_use"]
            if not uses:
                return desk.result("".join(block.text for block in answer.content))
            results = [
                {"type": "tool_result", "tool_use_id": use.id, "content": desk.call(use.name, use.input)}
                for use in uses
            ]
            messages += [
                {"role": "assistant", "content": [block.to_dict() for block in answer.content]},
                {"role": "user", "content": results},
            ]


@pytest.mark.experiment(experiment("anthropic_sdk", play))
def test_anthropic(cell):
    cell.run()
