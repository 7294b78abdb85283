"""LangGraph: the graph's model gets the gateway's address and the trial's token."""

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langsmith import tracing_context

from examples.support import Desk, experiment


def graph_of(model, tools):
    async def answer(state):
        return {"messages": [await model.bind_tools(tools).ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "answer")
    graph.add_conditional_edges("answer", tools_condition)
    graph.add_edge("tools", "answer")
    return graph.compile()


async def play(plan, client):
    desk = Desk(plan)
    model = ChatOpenAI(model="", base_url=client.base_url, api_key=client.token, max_retries=0)
    tools = [StructuredTool.from_function(each) for each in (desk.find_order, desk.refund_order)]
    start = {"messages": [SystemMessage(desk.instructions), HumanMessage(desk.question)]}
    with tracing_context(enabled=False):
        end = await graph_of(model, tools).ainvoke(start, {"recursion_limit": 100})
    return desk.result(end["messages"][-1].text)


@pytest.mark.experiment(experiment("langgraph", play))
def test_langgraph(cell):
    cell.run()
