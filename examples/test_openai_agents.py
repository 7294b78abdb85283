"""openai-agents: the agent's model gets the trial's client; the SDK's own traces stay off."""

import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner, function_tool

from examples.support import Desk, experiment


async def play(plan, client):
    desk = Desk(plan)
    agent = Agent(
        name="support",
        instructions=desk.instructions,
        model=OpenAIResponsesModel("", client.openai()),
        tools=[function_tool(desk.find_order), function_tool(desk.refund_order)],
    )
    settings = RunConfig(tracing_disabled=True)
    result = await Runner.run(agent, desk.question, max_turns=50, run_config=settings)
    return desk.result(result.final_output)


@pytest.mark.experiment(experiment("openai_agents", play))
def test_openai_agents(cell):
    cell.run()
