"""OpenAI's SDK: a loop of chat completions and tool calls."""

import pytest

from examples.support import TOOLS, call, experiment, instructions


async def play(plan, client):
    messages = [
        {"role": "system", "content": instructions(plan)},
        {"role": "user", "content": plan.proposal["question"]},
    ]
    tools = [{"type": "function", "function": tool} for tool in TOOLS]
    async with client.openai() as sdk:
        while True:
            answer = await sdk.chat.completions.create(model="default", messages=messages, tools=tools)
            message = answer.choices[0].message
            if not message.tool_calls:
                break
            messages.append(message.model_dump(exclude_none=True))
            for one in message.tool_calls:
                result = call(one.function.name, one.function.arguments)
                messages.append({"role": "tool", "tool_call_id": one.id, "content": result})


@pytest.mark.experiment(experiment("openai_sdk", play))
def test_openai(cell):
    cell.run()
