"""OpenAI's SDK: a loop of chat completions and tool calls."""

import pytest

from examples.support import TOOLS, Desk, experiment


async def play(plan, client):
    desk = Desk(plan)
    messages = [
        {"role": "system", "content": desk.instructions},
        {"role": "user", "content": desk.question},
    ]
    tools = [{"type": "function", "function": tool} for tool in TOOLS]
    async with client.openai() as sdk:
        while True:
            answer = await sdk.chat.completions.create(model="", messages=messages, tools=tools)
            message = answer.choices[0].message
            if not message.tool_calls:
                return desk.result(message.content)
            messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls:
                result = desk.call(call.function.name, call.function.arguments)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


@pytest.mark.experiment(experiment("openai_sdk", play))
def test_openai(cell):
    cell.run()
