"""LangGraph: the graph's model gets the gateway's address and the trial's token; LangSmith's traces stay off."""

import pytest
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langsmith import tracing_context

from examples.support import experiment, find_order, instructions, refund_order

TOOLS = [find_order, refund_order]


def graph_of(model):
    async def answer(state):
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_node("tools", ToolNode(TOOLS))
    graph.add_edge(START, "answer")
    graph.add_conditional_edges("answer", tools_condition)
    graph.add_edge("tools", "answer")
    return graph.compile()


async def play(plan, client):
    model = ChatOpenAI(model="default", base_url=client.base_url, api_key=client.token, max_retries=0)
    messages = [("system", instructions(plan)), ("user", plan.proposal["question"])]
    with tracing_context(enabled=False):
        await graph_of(model.bind_tools(TOOLS)).ainvoke({"messages": messages}, {"recursion_limit": 100})


@pytest.mark.experiment(experiment("langgraph", play))
def test_langgraph(cell):
    cell.run()
