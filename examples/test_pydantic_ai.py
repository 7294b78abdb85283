"""pydantic-ai: its provider gets the trial's client."""

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from examples.support import experiment, find_order, instructions, refund_order


async def play(plan, client):
    model = OpenAIChatModel("default", provider=OpenAIProvider(openai_client=client.openai()))
    agent = Agent(model, instructions=instructions(plan), tools=[find_order, refund_order])
    await agent.run(plan.proposal["question"])


@pytest.mark.experiment(experiment("pydantic_ai", play))
def test_pydantic_ai(cell):
    cell.run()
