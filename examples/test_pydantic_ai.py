"""pydantic-ai: its provider gets the trial's client."""

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from examples.support import Desk, experiment


async def play(plan, client):
    desk = Desk(plan)
    model = OpenAIChatModel("", provider=OpenAIProvider(openai_client=client.openai()))
    agent = Agent(model, instructions=desk.instructions, tools=[desk.find_order, desk.refund_order])
    result = await agent.run(desk.question)
    return desk.result(result.output)


@pytest.mark.experiment(experiment("pydantic_ai", play))
def test_pydantic_ai(cell):
    cell.run()
