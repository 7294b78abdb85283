"""A simulated user and an agent under test: whose turn it is, what each reads, and what ends the dialogue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from harness.engines.dialogue import run_dialogue
from harness.engines.embedded.model_requests import NoUsableReply
from harness.errors import HarnessError
from harness.gateway.calls import CallSite, Reply, Request
from harness.model import (
    Cell,
    Dialogue,
    Event,
    Measure,
    Persona,
    Proposition,
    Script,
    Trial,
    TrialPlan,
    TrialResult,
)
from harness.user_code import UserCodeError
from tests.support.clients import FakeClient

ADA = Persona("Ada", {"occupation": "trader"})
MEASURES = (Measure("turns"), Measure("goal_reached"))


def writes(message: str, *, done: bool = False) -> dict[str, Any]:
    return {"message": message, "done": done}


class Model(FakeClient):
    """Writes the user's messages one after another, answers as the agent with numbered replies, and as the judge."""

    def __init__(self, *messages: Any, holds: Sequence[bool] = ()) -> None:
        super().__init__(self._reply)
        self._messages, self._holds, self._replies = list(messages), list(holds), 0

    def _reply(self, request: Request, site: CallSite) -> Any:
        if site.kind == "user":
            return self._messages.pop(0) if self._messages else writes("And?")
        if site.kind == "goal_check":
            return {
                "reasoning": "",
                "justification": "",
                "value": self._holds.pop(0) if self._holds else False,
            }
        self._replies += 1
        return f"Reply {self._replies}."


def plan(dialogue: Dialogue, *, steps: int = 3, **more: Any) -> TrialPlan:
    fields: dict[str, Any] = {
        "script": Script(""), "proposal": {"thing": "a lamp"}, "correction": None, "interventions": (),
        "metrics": MEASURES if dialogue.until else MEASURES[:1], "seed": 0, **more,
    }  # fmt: skip
    trial = Trial(Cell("refunds", "Control", 1), 0, 0)
    return TrialPlan(trial=trial, personas=(ADA,), steps=steps, play=dialogue, **fields)


def run(dialogue: Dialogue, client: FakeClient, **more: Any) -> TrialResult:
    return asyncio.run(run_dialogue(plan(dialogue, **more), client))


def said(result: TrialResult) -> list[str]:
    return [f"{one.step} {one.person}: {one.content}" for one in result.transcript]


def has_three(transcript: Sequence[Event]) -> bool:
    return any("3" in event.content for event in transcript)


ENDS: Mapping[str, tuple[Dialogue, Model, int, str, float]] = {
    "the mode's steps": (Dialogue("Be heard."), Model(), 3, "turns", 3),
    "the user": (Dialogue("Be heard."), Model(writes("Hi"), writes("Bye", done=True)), 3, "user", 2),
    "the judge": (Dialogue("Be heard.", until="It works."), Model(holds=[False, True]), 9, "goal", 2),
    "a function": (Dialogue("Be heard.", until=has_three), Model(), 9, "goal", 3),
}


@pytest.mark.parametrize(("dialogue", "model", "steps", "ended", "turns"), ENDS.values(), ids=ENDS)
def test_it_ends_by(dialogue: Dialogue, model: Model, steps: int, ended: str, turns: float) -> None:
    result = run(dialogue, model, steps=steps)
    assert result.details == {"dialogue": {"ended": ended, "turns": turns}}
    values = {sample.metric: sample.value for sample in result.samples}
    assert values == {"turns": turns} | ({"goal_reached": float(ended == "goal")} if dialogue.until else {})
    assert model.counts["agent"] == turns - (ended == "user"), "the user's last message is not answered"


def test_each_reads_the_other_and_the_transcript_has_both() -> None:
    model = Model(writes("My lamp broke."), writes("Well?"), writes("Thanks.", done=True))
    dialogue = Dialogue("Get your money back for {thing}.", instructions="You sell {thing}.")
    result = run(dialogue, model, instructions="Be brief.")
    assert said(result) == [
        "0 Ada: Get your money back for a lamp.",
        "1 Ada: My lamp broke.",
        "1 agent: Reply 1.",
        "2 Ada: Well?",
        "2 agent: Reply 2.",
        "3 Ada: Thanks.",
    ]
    forms = [asked.response_format for asked, _ in model.of("user")]
    ends = [dict(form or {})["json_schema"]["schema"]["properties"]["done"] for form in forms]
    assert ends == [{"type": "boolean", "enum": [False]}, {"type": "boolean"}, {"type": "boolean"}]
    ((asked, _),) = model.of("agent")[1:]
    assert [(one["role"], one["content"]) for one in asked.messages] == [
        ("system", "You sell a lamp.\n\nBe brief."),
        ("user", "My lamp broke."),
        ("assistant", "Reply 1."),
        ("user", "Well?"),
    ]
    asked, site = model.of("user")[1]
    prompt, first, mine, reply = asked.messages
    assert "You are Ada" in prompt["content"] and "- Occupation: trader" in prompt["content"]
    assert "Get your money back for a lamp." in prompt["content"]
    assert "You sell" not in prompt["content"], "the user does not know the agent's instructions"
    assert (site.person, site.step, first["role"], reply) == (
        "Ada",
        2,
        "user",
        {"role": "user", "content": "Reply 1."},
    )
    assert json.loads(mine["content"]) == writes("My lamp broke.")


BAD_MESSAGES = {
    "empty": writes(""),
    "blank": writes(" \n\x00"),
    "no text": {"message": 3, "done": False},
    "no end": {"message": "Hi", "done": "no"},
    "the end at once": writes("Bye", done=True),
    "a list": [],
}


@pytest.mark.parametrize("bad", BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_a_message_that_cannot_be_used_is_asked_for_again(bad: Any) -> None:
    model = Model(bad, writes("Hi"))
    result = run(Dialogue("Be heard."), model, steps=1)
    assert said(result)[1] == "1 Ada: Hi" and len(model.rejected) == 1
    with pytest.raises(NoUsableReply, match="user of Ada at step 1"):
        run(Dialogue("Be heard."), Model(bad, bad, bad), steps=1)


async def echo(messages: Sequence[Mapping[str, Any]], plan: TrialPlan, client: Any) -> str:
    return f"You said: {messages[-1]['content']}"


async def a_reply(messages: Sequence[Mapping[str, Any]], plan: TrialPlan, client: Any) -> Reply:
    reply: Reply = await client.complete(Request(messages=messages), CallSite("mine"))
    return reply


def gives(value: Any) -> Callable[..., Any]:
    async def agent(messages: Sequence[Mapping[str, Any]], plan: TrialPlan, client: Any) -> Any:
        return value

    return agent


def test_the_agent_may_be_a_function_that_returns_text_or_a_reply() -> None:
    assert (
        said(run(Dialogue("Be heard.", agent=echo), Model(writes("Hi")), steps=1))[-1]
        == "1 agent: You said: Hi"
    )
    assert said(run(Dialogue("Be heard.", agent=a_reply), Model(), steps=1))[-1] == "1 agent: Reply 1."


def test_a_model_s_spec_is_asked_for() -> None:
    model = Model()
    run(Dialogue("Be heard.", agent="openai:gpt-4o-mini"), model, steps=1)
    assert model.of("agent")[0][0].model == "openai:gpt-4o-mini"


@pytest.mark.parametrize(
    ("value", "fault"), [("", "is empty"), (" ", "is empty"), (None, "is a NoneType"), ({}, "is a dict")]
)
def test_an_agent_without_words_fails_the_trial(value: Any, fault: str) -> None:
    with pytest.raises(HarnessError, match=f"the agent's reply in turn 1 {fault}; expected text"):
        run(Dialogue("Be heard.", agent=gives(value)), Model(), steps=1)


def test_an_end_condition_that_is_neither_true_nor_false_fails_the_trial() -> None:
    with pytest.raises(
        UserCodeError, match="The dialogue's until raised TypeError: the function returned None"
    ):
        run(Dialogue("Be heard.", until=lambda transcript: None), Model(), steps=1)  # type: ignore[arg-type,return-value]


def test_what_the_agent_calls_is_in_the_transcript_of_its_turn() -> None:
    class Logged(Model):
        async def transcript(self) -> tuple[Event, ...]:
            number = self.counts["agent"]
            return tuple(
                event
                for turn in range(number)
                for event in (
                    Event(2 * turn + 1, "agent", "action", "TOOL_CALL", "{}", target="look_up"),
                    Event(
                        2 * turn + 1, "agent", "stimulus", "TOOL_RESULT", f"found {turn}", source="look_up"
                    ),
                    Event(2 * turn + 2, "agent", "action", "TALK", "not again"),
                )
            )

    result = run(Dialogue("Be heard."), Logged(), steps=2)
    types = [(one.step, one.type, one.content) for one in result.transcript if one.person == "agent"]
    assert types == [
        (1, "TOOL_CALL", "{}"),
        (1, "TOOL_RESULT", "found 0"),
        (1, "TALK", "Reply 1."),
        (2, "TOOL_CALL", "{}"),
        (2, "TOOL_RESULT", "found 1"),
        (2, "TALK", "Reply 2."),
    ]


def test_expected_calls_are_between_one_turn_and_all_of_them() -> None:
    claims = (
        Proposition("a", "x"),
        Proposition("b", "x", about="agent"),
        Proposition("c", "x", about="panel"),
    )
    dialogue = Dialogue("Be heard.", until="It works.")
    bounds = dialogue.bounds
    assert bounds is not None
    least, most = bounds(plan(dialogue, metrics=claims))
    scores = {"score_person": 1, "score_panel": 2}
    assert least == {"user": 1, "agent": 1, "goal_check": 1, **scores}
    assert most == {"user": 3, "agent": 3, "goal_check": 3, **scores}
    bounds = Dialogue("Be heard.", agent=echo, calls=lambda plan: ({"mine": 1}, {"mine": 5})).bounds
    assert bounds is not None and bounds(plan(dialogue, metrics=())) == (
        {"user": 2, "mine": 1},
        {"user": 3, "mine": 5},
    )
