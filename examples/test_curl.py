"""Another language: a shell script that asks by curl. It gets the gateway's address and the trial's token."""

import asyncio
import json
from pathlib import Path

import pytest

from examples.support import TOOLS, call, experiment, instructions

SCRIPT = Path(__file__).with_name("chat.sh")


async def chat(body, client):
    """The message that the script prints for a request."""
    variables = {"GATEWAY_URL": client.base_url, "GATEWAY_TOKEN": client.token, "PATH": "/usr/bin:/bin"}
    pipe = asyncio.subprocess.PIPE
    script = await asyncio.create_subprocess_exec("sh", str(SCRIPT), stdin=pipe, stdout=pipe, env=variables)
    output, _ = await script.communicate(json.dumps(body).encode())
    return json.loads(output)["choices"][0]["message"]


async def play(plan, client):
    messages = [
        {"role": "system", "content": instructions(plan)},
        {"role": "user", "content": plan.proposal["question"]},
    ]
    tools = [{"type": "function", "function": tool} for tool in TOOLS]
    while True:
        message = await chat({"messages": messages, "tools": tools}, client)
        if not message.get("tool_calls"):
            break
        messages.append(message)
        for one in message["tool_calls"]:
            result = call(one["function"]["name"], one["function"]["arguments"])
            messages.append({"role": "tool", "tool_call_id": one["id"], "content": result})


@pytest.mark.experiment(experiment("curl", play))
def test_curl(cell):
    cell.run()
