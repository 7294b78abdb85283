"""openai-agents: the agent's model gets the trial's client; its own traces, which go to OpenAI, stay off."""

import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner, function_tool

from examples.support import experiment, find_order, instructions, refund_order


async def play(plan, client):
    model = OpenAIResponsesModel("default", client.openai())
    tools = [function_tool(find_order), function_tool(refund_order)]
    agent = Agent(name="support", instructions=instructions(plan), model=model, tools=tools)
    settings = RunConfig(tracing_disabled=True)
    await Runner.run(agent, plan.proposal["question"], max_turns=50, run_config=settings)


@pytest.mark.experiment(experiment("openai_agents", play))
def test_openai_agents(cell):
    cell.run()
