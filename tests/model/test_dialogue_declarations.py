"""What a dialogue may declare, and how a fault is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness import (
    ConfigurationError,
    Correction,
    Dialogue,
    Experiment,
    Group,
    Measure,
    Persona,
    Play,
    Proposition,
    Script,
)

PEOPLE = (Persona("Ada", {"occupation": "trader"}), Persona("Bo", {"occupation": "teacher"}))


async def agent(messages: Any, plan: Any, client: Any) -> str:
    return ""


def at_once(messages: Any, plan: Any, client: Any) -> str:
    return ""


def experiment(play: Play, **more: Any) -> Experiment:
    fields: dict[str, Any] = {
        "groups": (Group("Control"),), "script": Script(""), "metrics": (Measure("turns"),), **more,
    }  # fmt: skip
    return Experiment(name="refunds", play=play, **fields)


def test_its_user_is_the_population_one_person_a_trial() -> None:
    one = experiment(Dialogue("Be heard.", user=list(PEOPLE)))  # type: ignore[arg-type]
    assert (one.population, one.panel_size) == (PEOPLE, 1)
    assert replace(one, name="again").population == PEOPLE
    other = experiment(Dialogue("Be heard."), population=PEOPLE)
    assert (other.population, other.panel_size) == (PEOPLE, 1)


FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no goal": ({"goal": ""}, {}, "play: goal=''; expected a name: text that is not empty"),
    "agent": ({"agent": 3}, {}, "play: agent=3; expected an asynchronous function of messages, plan and client, the"),
    "plain agent": ({"agent": at_once}, {}, "is not asynchronous; expected one declared with async def"),
    "until": ({"until": ""}, {}, "play: until=''; expected a claim that a judge decides, or a function of the"),
    "two prompts": ({"agent": agent, "instructions": "Hi"}, {}, "instructions= are for an agent that is a model"),
    "no user": ({"user": None}, {}, "has no population; expected user= of its Dialogue, or population="),
    "twice": ({}, {"population": PEOPLE[:1]}, "population= and user= of its Dialogue are both set"),
    "two users": ({}, {"panel_size": 2}, "panel_size=2; expected 1, since one user talks to the agent"),
    "metric": ({}, {"metrics": (Measure("luck"),)}, "'luck' has no function; expected one, or a name that this"),
    "goal": ({}, {"metrics": (Measure("goal_reached"),)}, "a name that this dialogue reports: turns."),
    "unread": (
        {"agent": agent}, {"groups": (Group("A", instructions="Hi"),)}, "expected settings={'instructions': …}",
    ),
    "task": ({}, {"script": Script("Talk.")}, "script: task= is not read in a dialogue; expected the user's goal="),
    "shared settings": ({}, {"settings": {"a": 1}}, "settings={'a': 1}; only an agent's function reads settings"),
    "settings": ({}, {"groups": (Group("A", settings={"a": 1}),)}, "Group 'A' of refunds: settings={'a': 1}; only an"),
    "correction": (
        {}, {"groups": (Group("A", correction=Correction(quality_threshold=5)),)}, "correction= is for personas of an",
    ),
    "later": ({"until": agent}, {}, "is asynchronous; expected a plain function"),
    "placeholder": ({"goal": "Sell {thing}."}, {}, "play.goal uses {thing}, which proposal 0 lacks; it has no fields."),
    "two models": (
        {"agent": "openai:a"}, {"groups": (Group("A", model="openai:b"),)}, "model='openai:b', and the dialogue's",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "more", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named(fields: dict[str, Any], more: dict[str, Any], fault: str) -> None:
    declared = {"goal": "Be heard.", "user": PEOPLE, **fields}
    with pytest.raises(ConfigurationError) as raised:
        experiment(Dialogue(**declared), **more)
    assert fault in str(raised.value)


def test_an_engine_of_personas_has_no_agent_to_judge() -> None:
    with pytest.raises(
        ConfigurationError, match="'Tact' is about an agent; expected 'person' or 'panel', or play="
    ):
        Experiment(
            name="talk",
            groups=(Group("Control"),),
            script=Script("Talk."),
            metrics=(Proposition("Tact", "The agent is tactful.", about="agent"),),
            population=PEOPLE,
        )
