"""Dialogues of personas with an agent under test, as sessions."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ExitCode
from harness.gateway import providers
from harness.gateway.calls import Reply, Request
from tests.support.sessions import Lab

DIALOGUE = """
import pytest
from harness import Dialogue, Experiment, Group, Measure, Mode, Persona, Proposition, Script
from harness.gateway.calls import CallSite, Request

AGENT

refunds = Experiment(
    name="refunds",
    groups=(GROUPS),
    script=Script("", proposals=({"thing": "a lamp"}, {"thing": "a saddle"})),
    metrics=(
        Proposition("Patience", "The person stays patient."),
        Proposition("Help", "The agent does what it can.", about="agent"),
        Measure("turns"),
        Measure("words", lambda transcript: sum(len(event.content.split()) for event in transcript)),
    ),
    modes={"full": Mode(reps=1, steps=2)},
    play=Dialogue(
        "Get your money back for {thing}.",
        agent=agent,
        user=(Persona("Ada", {"occupation": "trader"}), Persona("Bo", {"occupation": "teacher"})),
    ),
)

@pytest.mark.experiment(refunds)
def test_refunds(cell):
    cell.run()
"""
MODEL = (
    'Group("Plain", instructions="You sell bikes."), Group("Warm", instructions="You sell bikes. Be warm.")'
)
SDK = 'Group("Plain", settings={"system": "You sell bikes."}), Group("Warm", settings={"system": "Be warm."})'
AGENT = """
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}

async def agent(messages, plan, client):
    async with client.openai() as sdk:
        asked = [{"role": "system", "content": plan.arm["system"]}, *messages]
        called = await sdk.chat.completions.create(model="", messages=asked, tools=[TOOL], tool_choice="required")
        message = called.choices[0].message
        results = [{"role": "tool", "tool_call_id": call.id, "content": "shipped"} for call in message.tool_calls]
        asked += [message.model_dump(exclude_none=True), *results]
        return (await sdk.chat.completions.create(model="", messages=asked)).choices[0].message.content
"""


def write(lab: Lab, groups: str = MODEL, agent: str = "agent = None") -> None:
    lab.write(DIALOGUE.replace("AGENT\n", agent + "\n", 1).replace("GROUPS", groups))


def results(lab: Lab) -> list[dict[str, Any]]:
    return lab.lines(kind="trial_result")


def test_each_persona_talks_about_each_proposal_in_each_arm(lab: Lab) -> None:
    write(lab)
    result = lab.run()
    result.assert_outcomes(passed=2)
    found = results(lab)
    assert len(found) == 8 and {tuple(one["people"]) for one in found} == {("Ada",), ("Bo",)}
    for one in found:
        assert [(sample["metric"], sample["person"]) for sample in one["samples"]] == [
            ("turns", None), ("Patience", one["people"][0]), ("Help", None), ("words", None),
        ]  # fmt: skip
        assert all(sample["value"] is not None for sample in one["samples"])
        assert {event["person"] for event in one["transcript"]} == {one["people"][0], "agent"}
    checks = {check["name"]: check for check in lab.meta()["instrument"]["checks"]}
    assert checks["treatment"]["level"] == checks["only the treatment"]["level"] == "PASS"


def test_a_stopped_session_resumes_and_pays_nothing_twice(lab: Lab) -> None:
    write(lab, SDK, AGENT)
    assert lab.run("--max-calls=9", "--concurrency=2").ret == ExitCode.BUDGET
    assert len(lab.watched.calls) == 9
    lab.run().assert_outcomes(passed=2)
    found = results(lab)
    assert sum(sum(one["paid"]["calls"].values()) for one in found) == len(lab.watched.calls)
    tools = [event for one in found for event in one["transcript"] if event["type"] == "TOOL_RESULT"]
    assert tools and {(one["person"], one["source"], one["content"]) for one in tools} == {
        ("agent", "look_up", "shipped")
    }


@pytest.mark.slow
def test_workers_run_dialogues_with_their_tool_calls(lab: Lab) -> None:
    write(lab, SDK, AGENT)
    output, _ = lab.start("-n2", "-p", "xdist", "--model=rehearsal").communicate()
    assert "2 passed" in output
    assert all(any(event["type"] == "TOOL_RESULT" for event in one["transcript"]) for one in results(lab))


def test_another_goal_is_another_run(lab: Lab) -> None:
    write(lab)
    lab.run("-k", "Plain").assert_outcomes(passed=1)
    paid = len(lab.watched.calls)
    lab.write((lab.path / "test_small.py").read_text().replace("Get your money", "Please get your money"))
    lab.run("-k", "Plain").assert_outcomes(passed=1)
    assert len(lab.watched.calls) >= 2 * paid - 8 and len({one["run_id"] for one in results(lab)}) == 2


def test_the_estimate_lies_within_the_bounds(lab: Lab) -> None:
    write(lab)
    result = lab.run("--estimate")
    result.stdout.fnmatch_lines(["*score_panel*4*4*8", "*calls*20–24*20–24*40–48"])


def test_the_same_judge_scores_a_recorded_dialogue_as_before(lab: Lab) -> None:
    write(lab)
    lab.run(model="rehearsal").assert_outcomes(passed=2)
    done = lab.command(
        "rescore", "--judge-model", "rehearsal", "--path", "test_small.py", "--share", "1", "--json"
    )
    assert done.returncode == 0, done.stderr
    agreement = json.loads(done.stdout)
    assert agreement["scored"] == 8
    assert all(abs(shift) == 0 for shifts in agreement["shifts"].values() for shift in shifts.values())
    assert agreement["shifts"].keys() == {"Patience", "Help"}


class _Other:
    """Another model, which notes what it is asked."""

    name, model = "other", "other-1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.asked.append(str(request.messages[0]["content"]))
        return Reply("I am the other one.", model=self.model)

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        raise NotImplementedError

    async def aclose(self) -> None: ...


def test_an_arm_s_model_is_its_agent_s_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    other = _Other()

    def factory(argument: str, **_: Any) -> _Other:
        return other

    monkeypatch.setitem(providers._factories, "other", factory)
    write(lab, 'Group("Plain"), Group("Other", model="other:x", instructions="You sell bikes.")')
    lab.run().assert_outcomes(passed=2)
    assert other.asked and set(other.asked) == {"You sell bikes."}, "neither the user nor the judge"
    for one in results(lab):
        agents = {event["content"] for event in one["transcript"] if event["person"] == "agent"}
        assert ("I am the other one." in agents) == (one["group"] == "Other")


@pytest.mark.slow
def test_a_framework_s_agent_takes_part_by_the_adapter_on_the_page(lab: Lab) -> None:
    pytest.importorskip("agents", reason="needs pip install -e '.[examples]' (agents)")
    page = (Path(__file__).parents[2] / "docs" / "dialogues.md").read_text()
    (adapter,) = re.findall(r"```python\n# openai-agents\n(.*?)```", page, re.DOTALL)
    write(lab, SDK, adapter)
    lab.run().assert_outcomes(passed=2)
    assert {one["usage"]["calls"]["other"] for one in results(lab)} <= {1, 2}
