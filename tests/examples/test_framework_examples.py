"""The examples run as their page says, in any framework: every call is counted, recorded, and paid for once."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.kills import CountingEndpoint, Sessions

from harness.errors import ExitCode
from tests.support.sessions import Lab

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PACKAGES = {
    "openai": ["openai"],
    "anthropic": ["anthropic"],
    "pydantic_ai": ["pydantic_ai.models.openai"],
    "langgraph": ["langgraph.prebuilt", "langchain_openai"],
    "openai_agents": ["agents"],
    "curl": [],
    "tinytroupe": ["chevron", "llama_index.core", "pandas", "textdistance", "tiktoken"],
}
FRAMEWORKS = [
    pytest.param(name, marks=[pytest.mark.tinytroupe] * (name == "tinytroupe")) for name in PACKAGES
]
CONCURRENCY = 4


def example(name: str) -> str:
    """The example's path. Skips the test where its framework is missing."""
    extra = "tinytroupe" if name == "tinytroupe" else "examples"
    for package in PACKAGES[name]:
        pytest.importorskip(package, reason=f"needs pip install -e '.[{extra}]' ({package})")
    if name == "tinytroupe" and "TINYTROUPE_REPO_DIR" not in os.environ:
        pytest.skip("TINYTROUPE_REPO_DIR is not set")
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    return str(EXAMPLES / f"test_{name}.py")


def test_the_page_about_agents_shows_lines_of_the_examples() -> None:
    page = (EXAMPLES.parent / "docs" / "agents.md").read_text()
    names = {"pydantic-ai": "pydantic_ai", "LangGraph": "langgraph", "openai-agents": "openai_agents"}
    shown = re.findall(r"```python\n# (\S+)\n(.*?)```", page, re.DOTALL)
    blocks = {name: text for name, text in shown if name in names}
    assert blocks.keys() == names.keys()
    for name, text in blocks.items():
        source = {line.strip() for line in (EXAMPLES / f"test_{names[name]}.py").read_text().splitlines()}
        assert {line.strip() for line in text.splitlines()} <= source, name


def test_the_list_of_examples_is_complete() -> None:
    listed = set(re.findall(r"\| \[(\w+\.py)\]", (EXAMPLES / "README.md").read_text()))
    assert listed == {path.name for path in EXAMPLES.glob("test_*.py")}
    assert {f"test_{name}.py" for name in PACKAGES} == listed


HEAD = """
from typing import Literal

import pytest
from examples.support import find_order, refund_order
from harness import Experiment, Group, Measure, Play, Script
from pydantic import BaseModel


class Verdict(BaseModel):
    decision: Literal["refund", "keep"]


async def play(plan, client):
    tone, question = plan.arm["tone"], plan.proposal["question"]
    text, verdict = await answers(client, tone, question, [find_order, refund_order])
    assert isinstance(verdict, Verdict)
    return {"length": len(text)}


experiment = Experiment(
    name="streaming",
    groups=(Group("plain", settings={"tone": "Be plain."}), Group("warm", settings={"tone": "Be warm."})),
    script=Script("", proposals=({"question": "Where is order 1001?"},)),
    metrics=(Measure("length"),),
    play=Play(play),
)


@pytest.mark.experiment(experiment)
def test_streaming(cell):
    cell.run()
"""
STREAMING = {
    "pydantic_ai": """
import httpx2
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider


async def answers(client, tone, question, tools):
    model = AnthropicModel("default", provider=AnthropicProvider(anthropic_client=client.anthropic()))
    async with Agent(model, instructions=tone, tools=tools).run_stream(question) as stream:
        text = await stream.get_output()
    async with httpx2.AsyncClient(transport=client.httpx_transport()) as http:
        model = OpenAIChatModel("default", provider=OpenAIProvider(api_key="sk-own", http_client=http))
        return text, (await Agent(model, instructions=tone, output_type=Verdict).run(question)).output
""",
    "langgraph": """
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent


async def answers(client, tone, question, tools):
    model = ChatOpenAI(model="default", base_url=client.base_url, api_key=client.token, max_retries=0)
    graph, text = create_react_agent(model, tools, prompt=tone), ""
    start = {"messages": [("user", question)]}
    async for message, _ in graph.astream(start, {"recursion_limit": 100}, stream_mode="messages"):
        text += str(message.content)
    asked = [("system", tone), ("user", question)]
    return text, await model.with_structured_output(Verdict, method="json_schema").ainvoke(asked)
""",
    "openai_agents": """
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner, function_tool


async def answers(client, tone, question, tools):
    settings = RunConfig(tracing_disabled=True)
    model = OpenAIResponsesModel("default", client.openai())
    agent = Agent(name="a", instructions=tone, model=model, tools=[function_tool(one) for one in tools])
    run = Runner.run_streamed(agent, question, max_turns=50, run_config=settings)
    parts = [event.data async for event in run.stream_events() if event.type == "raw_response_event"]
    text = "".join(part.delta for part in parts if part.type == "response.output_text.delta")
    assert text.endswith(run.final_output)
    model = OpenAIChatCompletionsModel("default", client.openai())
    judge = Agent(name="b", instructions=tone, model=model, output_type=Verdict)
    return text, (await Runner.run(judge, question, run_config=settings)).final_output
""",
}
"""Agents whose words stream, with tools, and that give an object of a type."""


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMING)
def test_a_framework_streams_uses_tools_and_gets_typed_replies(lab: Lab, name: str) -> None:
    example(name)
    lab.write(HEAD + STREAMING[name])
    lab.run().assert_outcomes(passed=2)
    assert len(lab.watched.calls) >= 4
    words = {str(request.messages) for request in lab.watched.requests}
    assert all("Be plain." in one or "Be warm." in one for one in words)


def tools_in(transcript: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in transcript if event["type"] in ("TOOL_CALL", "TOOL_RESULT")]


def using_tools(_: str, text: str) -> str:
    """A turn of TinyTroupe with the example's own actions, of which the rehearsal knows nothing."""
    reply = json.loads(text)
    if "actions" in reply:
        find = {"type": "FIND_ORDER", "content": '{"order": "1003"}', "target": ""}
        refund = {"type": "REFUND_ORDER", "content": '{"order": "1003", "reason": "late"}', "target": ""}
        reply["actions"][:0] = [[], [find], [refund], [find, refund]][len(text) % 4]
    return json.dumps(reply)


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_an_example_is_stopped_by_its_budget_and_resumes(lab: Lab, traces: list[str], name: str) -> None:
    options = [example(name), f"--results-dir={lab.results}", f"--concurrency={CONCURRENCY}"]
    if name == "tinytroupe":
        lab.watched.rewrite = using_tools
    assert lab.run(*options, "--max-calls=25").ret == ExitCode.BUDGET
    assert 25 - CONCURRENCY < len(lab.watched.calls) <= 25

    lab.run(*options).assert_outcomes(passed=2)
    trials = lab.lines(kind="trial_result")
    assert len(trials) == 40
    assert sum(sum(trial["paid"]["calls"].values()) for trial in trials) == len(lab.watched.calls)
    assert any(tools_in(trial["transcript"]) for trial in trials)
    for trial in trials:
        tools = tools_in(trial["transcript"])
        assert tools == ["TOOL_CALL", "TOOL_RESULT"] * (len(tools) // 2)
        assert {sample["metric"]: sample["value"] for sample in trial["samples"]}["tool_calls"] == len(
            tools
        ) / 2
    assert not traces, "its own traces stay off"

    rules = {trial: set() for trial in ("Quick", "Careful")}
    for call, request in zip(lab.watched.calls, lab.watched.requests, strict=True):
        if found := re.search("Answer at once|Look an order up", str(request.messages)):
            rules[call.split("/")[1]].add(found[0])
    assert rules == {"Quick": {"Answer at once"}, "Careful": {"Look an order up"}}
    levels = {check["name"]: check["level"] for check in lab.meta()["instrument"]["checks"]}
    assert levels["treatment"] == "PASS"
    assert "FAIL" not in levels.values()


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """What LangChain and openai-agents would trace by themselves, LangSmith's variable being set."""
    found: list[str] = []
    watch: dict[str, Callable[..., None]] = {"langgraph": _watch_langchain, "openai_agents": _watch_agents}
    if watching := watch.get(request.node.callspec.params["name"]):
        watching(monkeypatch, found)
    return found


def _watch_langchain(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    tracers = pytest.importorskip("langchain_core.tracers.langchain")
    utils = pytest.importorskip("langsmith.utils")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    utils.get_env_var.cache_clear()
    monkeypatch.setattr(tracers.LangChainTracer, "__init__", lambda *_, **__: found.append("LangChain"))


def _watch_agents(_: pytest.MonkeyPatch, found: list[str]) -> None:
    tracing = pytest.importorskip("agents.tracing")

    class Processor(tracing.TracingProcessor):  # type: ignore[misc, name-defined]
        def on_trace_start(self, trace: object) -> None:
            found.append("openai-agents")

        on_trace_end = on_span_start = on_span_end = on_trace_start

        def shutdown(self) -> None: ...

        force_flush = shutdown

    tracing.set_trace_processors([Processor()])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["pydantic_ai", "curl", pytest.param("tinytroupe", marks=pytest.mark.tinytroupe)]
)
def test_a_killed_example_pays_for_no_reply_twice(lab: Lab, name: str) -> None:
    options = (example(name), "-m", "experiment", f"--concurrency={CONCURRENCY}")
    with CountingEndpoint(delay=0.005) as endpoint:
        checkout = {name: value for name, value in os.environ.items() if name == "TINYTROUPE_REPO_DIR"}
        sessions = Sessions(endpoint, lab.path, options, **checkout)
        killed = sessions.kill_at(lab.results, 60)
        assert killed and not killed.orphans
        before = endpoint.count
        sessions.finish(lab.results)
        paid = endpoint.count

    trials = lab.lines(kind="trial_result")
    assert len(trials) == 40
    needed = sum(max(event["step"] for event in trial["transcript"]) + 1 for trial in trials)  # and its judge
    print(f"{name}: {needed} calls needed; {before} were sent before the kill, {paid} in all")
    assert before >= 60
    assert needed <= paid <= needed + CONCURRENCY, "what was in flight may be lost, and nothing else"
    assert sum(sum(trial["paid"]["calls"].values()) for trial in trials) == needed
