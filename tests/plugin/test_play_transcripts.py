"""Transcripts of own plays make themselves, and metrics that the play leaves open are scored from them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import ModelCallError
from tests.support.sessions import Lab

HEAD = """
import asyncio, json
import pytest
from harness import Event, Experiment, Group, Measure, Play, Proposition, Sample, Script, TrialResult
from harness.gateway.calls import CallSite, Request

def words(*texts):
    roles = ("system", "user", "assistant", "user")
    return [{"role": role, "content": text} for role, text in zip(roles, texts)]

def turns(transcript):
    return sum(event.type == "TALK" for event in transcript)

experiment = Experiment(
    name="plays",
    groups=(Group("plain", settings={"tone": "Be plain."}), Group("rude", settings={"tone": "Be rude."})),
    script=Script("", proposals=({"id": "one"}, {"id": "two"})),
    metrics=(METRICS),
    play=Play(lambda plan, client: play(plan, client)),
)

@pytest.mark.experiment(experiment)
def test_plays(cell):
    cell.run()
"""
COUNTED = '(Measure("turns", lambda transcript: turns(transcript)),)'

PLAYS = {
    "complete": """
async def play(plan, client):
    first = await client.complete(Request(messages=words(plan.arm["tone"], "Hello.")), CallSite("other"))
    await client.complete(Request(messages=words(plan.arm["tone"], "Hello.", first.text, "More.")), CallSite("other"))
""",
    "sdk": """
async def play(plan, client):
    async with client.openai() as sdk:
        ask = sdk.chat.completions.create
        first = await ask(model="", messages=words(plan.arm["tone"], "Hello."))
        said = first.choices[0].message.content
        await ask(model="", messages=words(plan.arm["tone"], "Hello.", said, "More."))
""",
    "responses": """
async def play(plan, client):
    async with client.openai() as sdk:
        ask = sdk.responses.create
        first = await ask(model="", instructions=plan.arm["tone"], input="Hello.")
        history = [{"role": "user", "content": "Hello."}, *first.output, {"role": "user", "content": "More."}]
        await ask(model="", instructions=plan.arm["tone"], input=history)
""",
}


def write(lab: Lab, play: str, metrics: str = COUNTED) -> None:
    lab.write(HEAD.replace("(METRICS)", metrics) + play)


def events(record: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(one["person"], one["type"], one["content"]) for one in record["transcript"]]


@pytest.mark.parametrize("play", PLAYS.values(), ids=PLAYS)
def test_calls_become_the_transcript_and_a_measure_reads_it(lab: Lab, play: str) -> None:
    write(lab, play)
    lab.watched.text = "Well."
    lab.run().assert_outcomes(passed=2)
    records = lab.lines(kind="trial_result")
    assert len(records) == 4
    for record in records:
        tone = {"plain": "Be plain.", "rude": "Be rude."}[record["group"]]
        assert events(record) == [
            ("agent", "SYSTEM", tone),
            ("agent", "CONVERSATION", "Hello."),
            ("agent", "TALK", "Well."),
            ("agent", "CONVERSATION", "More."),
            ("agent", "TALK", "Well."),
        ]
        assert [sample["value"] for sample in record["samples"]] == [2.0]


def test_a_play_keeps_its_own_transcript_and_samples(lab: Lab) -> None:
    write(
        lab,
        """
async def play(plan, client):
    await client.complete(Request(messages=words("", "Hello.")), CallSite("other"))
    return TrialResult(plan.trial, (Sample("turns", 7.0),), (Event(1, "I", "action", "TALK", "mine"),))
""",
    )
    lab.run().assert_outcomes(passed=2)
    for record in lab.lines(kind="trial_result"):
        assert events(record) == [("I", "TALK", "mine")]
        assert [sample["value"] for sample in record["samples"]] == [7.0]


def test_a_claim_about_the_agent_is_scored_from_the_transcript_without_its_system_prompt(lab: Lab) -> None:
    write(lab, PLAYS["complete"], '(Proposition("Courtesy", "The agent stays courteous.", about="agent"),)')
    lab.run().assert_outcomes(passed=2)
    records = lab.lines(kind="trial_result")
    assert all(0 <= record["samples"][0]["value"] <= 9 for record in records)
    assert {record["usage"]["calls"]["score_panel"] for record in records} == {1}
    judged = [one.messages[-1]["content"] for one in lab.watched.requests if one.response_format]
    assert len(judged) == 4
    for prompt in judged:
        assert "# Claim about the agent\n\nThe agent stays courteous." in prompt
        assert "user to agent: Hello." in prompt and "Be plain." not in prompt and "Be rude." not in prompt


def test_a_failed_trial_keeps_what_was_said(lab: Lab) -> None:
    write(lab, PLAYS["complete"])
    lab.watched.text = "Well."

    async def before(trial: str, number: int) -> None:
        if number % 2 == 0:
            raise ModelCallError("not today")

    lab.watched.before = before
    lab.run("-k", "plain", "--concurrency=1").assert_outcomes(failed=1)
    failure = lab.lines(kind="trial_failure")[0]
    assert ("agent", "TALK", "Well.") in events(failure)


REPORTS = {
    "a number": ('{"turns": 2}', 2.0, "", True),
    "none for this trial": ('{"turns": None}', None, "The play has no value for this trial.", True),
    "a text": ('{"turns": "2"}', None, "The play reported '2'; expected a finite number or None.", False),
    "not a number": (
        '{"turns": float("nan")}',
        None,
        "The play reported nan; expected a finite number",
        False,
    ),
    "nothing": ("None", None, "The play reported no value; expected a number or None.", False),
}


@pytest.mark.parametrize(("returned", "value", "reason", "passes"), REPORTS.values(), ids=REPORTS)
def test_a_play_may_return_its_measures(
    lab: Lab, returned: str, value: float | None, reason: str, passes: bool
) -> None:
    write(lab, f"\nasync def play(plan, client):\n    return {returned}\n", '(Measure("turns"),)')
    lab.run().assert_outcomes(**({"passed": 2} if passes else {"failed": 2}))
    for record in lab.lines(kind="trial_result"):
        (sample,) = record["samples"]
        assert sample["value"] == value
        assert (sample["reason"] or "").startswith(reason)


def test_a_play_that_returns_something_else_costs_its_trial(lab: Lab) -> None:
    write(lab, "\nasync def play(plan, client):\n    return 'done'\n")
    result = lab.run()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*its play gave a str; expected a TrialResult, a mapping of metrics to numbers, or None.*"]
    )


TOOLS = """
def look_up(order: int) -> str:
    "Look an order up."
    if order < 5:
        raise KeyError(order)
    return "shipped"

async def play(plan, client):
    await client.run_tools(Request(messages=words(plan.arm["tone"], "Hello.")), tools=(look_up,), max_rounds=2)
"""


def test_tools_that_the_helper_runs_are_in_the_transcript_and_counted(lab: Lab) -> None:
    write(lab, TOOLS)
    lab.run("--count=3").assert_outcomes(passed=6)
    records = lab.lines(kind="trial_result")
    called = errors = 0
    for record in records:
        calls = [one for one in record["transcript"] if one["type"] == "TOOL_CALL"]
        results = [one for one in record["transcript"] if one["type"] == "TOOL_RESULT"]
        assert len(calls) == len(results) and all(one["target"] == "look_up" for one in calls)
        wrong = sum(one["content"].startswith("Error: KeyError") for one in results)
        counts = {"look_up": {"calls": len(calls), "errors": wrong}} if calls else None
        assert record.get("tools") == counts
        called, errors = called + len(calls), errors + wrong
    assert called > 3 and errors > 0
    assert sum(record["usage"]["calls"]["agent"] for record in records) == len(lab.watched.calls)


def test_workers_run_tools_and_keep_transcripts_too(lab: Lab) -> None:
    write(lab, TOOLS)
    output, _ = lab.start("-n2", "-p", "xdist", "--model=rehearsal", "--count=3").communicate()
    assert "6 passed" in output
    records = lab.lines(kind="trial_result")
    assert any(record.get("tools") for record in records)
    assert all(record["transcript"] for record in records)


def test_a_mended_measure_is_computed_from_the_kept_transcripts(lab: Lab) -> None:
    write(lab, PLAYS["complete"] + "\ndef turns(transcript):\n    raise ValueError\n")
    lab.run().assert_outcomes(failed=2)
    paid = len(lab.watched.calls)
    assert paid == 8
    write(lab, PLAYS["complete"])
    lab.run().assert_outcomes(passed=2)
    assert len(lab.watched.calls) == paid
    assert lab.artifact()["experiments"]["plain"]["results"]["turns"] == [2.0, 2.0]
